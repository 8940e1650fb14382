//! The data files of an Iceberg snapshot, and what its manifests say of them.

use std::collections::BTreeMap;

use iceberg::spec::{DataFile, Datum, ManifestFile, PrimitiveLiteral};
use tidelog_log::{Error, FieldId, FieldType, Result, Sequence};

use crate::columns::{KEY, OBJECT, SEQUENCE};
use crate::settings::key_of;
use crate::{BlobStore, ChangesScan, foreign, manifests, metadata};

/// A data file of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileRef {
    /// Its blob key.
    pub key: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Bounds of the object ids in it, cut to 16 characters; `None` when not known.
    pub objects: Option<(String, String)>,
    /// Bounds of the documents' keys in it, likewise.
    pub keys: Option<(String, String)>,
    /// No change in it has a greater sequence; `None` when not known.
    pub sequence_max: Option<Sequence>,
    /// Bounds of whole numbers, dates and times in it, by column.
    wholes: BTreeMap<u32, (i64, i64)>,
}

/// The current snapshot of a changes table, its manifests not yet read.
pub(crate) struct SnapshotFiles {
    manifests: Vec<ManifestFile>,
    types: BTreeMap<FieldId, FieldType>,
}

impl SnapshotFiles {
    /// Reads the manifest list of the table with this metadata.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when the metadata or the list is.
    pub(crate) async fn read<B: BlobStore>(blobs: &B, metadata_json: &str) -> Result<Self> {
        let json = serde_json::from_str(metadata_json).map_err(foreign::json)?;
        let table = metadata::parsed(json)?;
        let types = table.properties().get("tidelog.fields");
        let types = types.ok_or_else(|| Error::corrupt("not a changes table of tidelog"))?;
        Ok(Self {
            types: serde_json::from_str(types).map_err(foreign::json)?,
            manifests: manifests::current(blobs, &table).await?,
        })
    }

    /// How many manifests there are.
    pub(crate) fn manifests(&self) -> usize {
        self.manifests.len()
    }

    /// How many data files they name.
    pub(crate) fn files(&self) -> u64 {
        self.manifests.iter().map(manifests::files_in).sum()
    }

    /// Reads the manifests, one after the other, and keeps the files that are wanted.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when a manifest is.
    pub(crate) async fn scan<B: BlobStore>(
        self,
        blobs: &B,
        wanted: impl Fn(&DataFileRef) -> bool,
    ) -> Result<ChangesScan> {
        let mut files = Vec::new();
        for manifest in &self.manifests {
            for held in manifests::files(blobs, manifest).await? {
                let file = file_ref(&held.file)?;
                if wanted(&file) {
                    files.push(file);
                }
            }
        }
        files.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(ChangesScan {
            files,
            types: self.types,
        })
    }
}

impl DataFileRef {
    pub(crate) fn may_hold(&self, object: &str) -> bool {
        within(self.objects.as_ref(), object)
    }

    /// False when no row has this whole number, date or time in a column.
    pub(crate) fn may_hold_whole(&self, id: u32, whole: i64) -> bool {
        let bounds = self.wholes.get(&id);
        bounds.is_none_or(|(least, most)| (*least..=*most).contains(&whole))
    }

    /// False when no row has a whole number within these bounds in a column.
    pub(crate) fn may_hold_range(&self, id: u32, least: i64, most: i64) -> bool {
        let bounds = self.wholes.get(&id);
        bounds.is_none_or(|(low, high)| *low <= most && least <= *high)
    }

    pub(crate) fn may_hold_key(&self, key: &str) -> bool {
        within(self.keys.as_ref(), key)
    }
}

fn within(bounds: Option<&(String, String)>, text: &str) -> bool {
    bounds.is_none_or(|(least, most)| least.as_str() <= text && text <= most.as_str())
}

fn file_ref(file: &DataFile) -> Result<DataFileRef> {
    let text = |datum: Option<&Datum>| match datum?.literal() {
        PrimitiveLiteral::String(text) => Some(text.clone()),
        _ => None,
    };
    let texts = |id: u32| {
        let id = id.cast_signed();
        let least = text(file.lower_bounds().get(&id));
        least.zip(text(file.upper_bounds().get(&id)))
    };
    let whole = |datum: &Datum| match datum.literal() {
        PrimitiveLiteral::Long(whole) => Some(*whole),
        PrimitiveLiteral::Int(whole) => Some(i64::from(*whole)),
        _ => None,
    };
    let wholes = file.lower_bounds().iter().filter_map(|(id, least)| {
        let most = file.upper_bounds().get(id)?;
        Some((id.cast_unsigned(), (whole(least)?, whole(most)?)))
    });
    let wholes: BTreeMap<u32, (i64, i64)> = wholes.collect();
    let last = wholes.get(&SEQUENCE).map(|(_, most)| most.cast_unsigned());
    Ok(DataFileRef {
        key: key_of(file.file_path())?.to_owned(),
        rows: file.record_count(),
        bytes: file.file_size_in_bytes(),
        objects: texts(OBJECT),
        keys: texts(KEY),
        sequence_max: last.map(Sequence),
        wholes,
    })
}
