//! A snapshot's file becomes snapshots of this object, frame by frame.

use std::sync::Arc;

use arrow_array::Array as _;
use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Kind, Reader, Record, Result, Sequence};

use super::admit::Admitted;
use super::file::{self, Frame, FrameKind, Head};
use super::take::{check_count, next_id};
use super::{Import, Snapshot, SnapshotKind, SnapshotStatus, copy, remove, sources};
use crate::folded::{KeyBounds, Origin, remember};
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::blobs;
use crate::table::meta;
use crate::table::snapshots::{self, PartKind};
use crate::{Engine, TypeSchema, segment};

/// The fact of `_meta` that keeps it.
const IMPORT: &str = "import";

/// A file that is being taken, and how far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Importing {
    /// The snapshot comes back from object storage, to where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recalls: Option<String>,
    /// What its head says.
    source: String,
    links: u64,
    /// Frames and bytes taken.
    frames: u64,
    offset: u64,
    has_schema: bool,
    /// Its snapshots: as they are called there, and here.
    ids: Vec<(String, String)>,
    /// The last record's end and hash, as far as records were taken one after the other.
    last: Option<(Sequence, String)>,
}

impl Importing {
    /// The file of a snapshot that is to be where it was.
    pub(crate) fn recalling(id: &str) -> Self {
        Self {
            recalls: Some(id.to_owned()),
            ..Self::default()
        }
    }

    /// Frames and bytes taken.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.frames, self.offset)
    }

    /// The snapshot that comes back, where it is of this object's own history: what it was taken with is
    /// what there is, or a later version of it.
    fn is_own(&self, sql: &dyn Sql) -> Result<bool> {
        let Some(id) = &self.recalls else {
            return Ok(false);
        };
        Ok(!sources::find(sql, id)?.imported)
    }
}

impl Engine {
    /// Takes frames of a snapshot that comes back; true at the last one.
    pub(crate) fn take_recalled(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        at: &mut Importing,
        frames: Vec<Frame>,
    ) -> Result<bool> {
        let mut ended = false;
        for frame in frames {
            if frame.index == 0 {
                at.offset = file::MAGIC.len() as u64;
            }
            if ended || frame.index != at.frames {
                return Err(Error::corrupt("frames are not in their order"));
            }
            ended = self.take_frame(sql, ids, at, frame)?;
        }
        Ok(ended)
    }

    /// Takes frames of a file. A file that is not the one before, from its first frame on, takes the
    /// place of one that was not finished.
    pub(super) fn import(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        schema: &TypeSchema,
        frames: Vec<Frame>,
    ) -> Result<Import> {
        self.check_idle()?;
        self.make_snapshot_tables(sql)?;
        self.upgrade(sql, schema)?;
        self.view.check_size(sql)?;
        let mut importing: Option<Importing> = meta::fact(sql, IMPORT)?;
        let mut done = None;
        for frame in frames {
            if frame.index == 0 {
                if let Some(before) = importing.take() {
                    drop_import(sql, &before)?;
                }
                importing = Some(Importing {
                    offset: file::MAGIC.len() as u64,
                    ..Importing::default()
                });
            }
            let Some(at) = importing.as_mut().filter(|at| at.frames == frame.index) else {
                let wanted = importing.as_ref().map_or(0, |at| at.frames);
                let message = format!("frame {} came where {wanted} is due", frame.index);
                return Err(Error::conflict("import_out_of_order", message)
                    .with("frames", wanted)
                    .with("offset", importing.map_or(0, |at| at.offset)));
            };
            if self.take_frame(sql, ids, at, frame)? {
                self.arm_retain(sql, ids.now)?;
                done = at.ids.last().map(|(_, id)| id.clone());
            }
        }
        let at = importing.unwrap_or_default();
        let kept = done.is_none().then_some(&at);
        meta::set_fact(sql, IMPORT, kept)?;
        Ok(Import {
            source: at.source,
            frames: at.frames,
            offset: at.offset,
            snapshot: done,
        })
    }

    /// Takes one frame; true when it was the last.
    fn take_frame(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        at: &mut Importing,
        frame: Frame,
    ) -> Result<bool> {
        at.frames += 1;
        at.offset += (frame.body.len() + file::FRAME_BYTES) as u64;
        let first = frame.index == 0;
        if first != (frame.kind == FrameKind::Head) {
            return Err(Error::corrupt(
                "a snapshot's file begins with its head, and has one",
            ));
        }
        let body = frame.body;
        match frame.kind {
            FrameKind::Head => self.take_head(at, &body)?,
            FrameKind::Schema => self.take_schema(sql, at, &body)?,
            FrameKind::Link => {
                take_link(sql, ids, at, &body)?;
                if let [(_, full)] = at.ids.as_slice() {
                    self.keys.begin(full);
                }
            }
            FrameKind::End => {
                let frames = Reader::new(&body).varint()?;
                if frames != at.frames || at.links != at.ids.len() as u64 || at.ids.is_empty() {
                    return Err(Error::corrupt("the file ends before all of it was there"));
                }
                complete(sql, at)?;
                if let Some((_, full)) = at.ids.first() {
                    self.keys_are_all(sql, full)?;
                }
                return Ok(true);
            }
            _ if !at.has_schema || at.ids.is_empty() => {
                return Err(Error::corrupt("a part of no snapshot"));
            }
            FrameKind::Blob => {
                let looked = frame.admitted.filter(|blob| blob.is_of(&body));
                let blob = looked.map_or_else(|| Admitted::of(&body).map(Arc::new), Ok)?;
                self.take_blob(sql, at, &blob)?;
            }
            FrameKind::Documents => {
                let mut reader = Reader::new(&body);
                let collection = self.collection(reader.varint()?)?;
                let number = reader.varint()?;
                let part = reader.rest();
                put(sql, at, PartKind::Documents, (collection, number), part)?;
            }
            FrameKind::Segment => {
                let mut reader = Reader::new(&body);
                let number = reader.varint()?;
                let part = reader.rest();
                check_segment(at, part)?;
                put(sql, at, PartKind::Segment, (0, number), part)?;
            }
            FrameKind::Records => {
                let mut reader = Reader::new(&body);
                let number = reader.varint()?;
                put(sql, at, PartKind::Records, (0, number), reader.rest())?;
                at.last = None;
            }
        }
        Ok(false)
    }

    fn take_head(&self, at: &mut Importing, body: &[u8]) -> Result<()> {
        let head: Head = file::json(body)?;
        let own = &self.view.address.type_name;
        if head.type_name != *own {
            let message = format!(
                "the file is of an object of type {}, not {own}",
                head.type_name
            );
            return Err(Error::conflict("snapshot_of_another_type", message));
        }
        (at.source, at.links) = (head.snapshot, head.links);
        Ok(())
    }

    /// Every collection and field of the file must be one here: documents name fields by their ids.
    fn take_schema(&self, sql: &dyn Sql, at: &mut Importing, body: &[u8]) -> Result<()> {
        let schema: TypeSchema = file::json(body)?;
        if at.is_own(sql)? {
            at.has_schema = true;
            return Ok(());
        }
        if schema.version > self.view.version {
            let message = format!(
                "the file's schema is version {}, the newest registered is {}; register that first",
                schema.version, self.view.version
            );
            return Err(Error::conflict("snapshot_schema_newer", message));
        }
        for theirs in &schema.collections {
            let own = self.view.collections.iter().map(|p| &p.collection);
            let mut own = own.filter(|c| c.id == theirs.id && c.name == theirs.name);
            let differs = |what: &str| {
                let message = format!("collection {} {what} the file's", theirs.name);
                Error::conflict("snapshot_schema_differs", message)
            };
            let own = own.next().ok_or_else(|| differs("is not"))?;
            if own.key != theirs.key {
                return Err(differs("has another key than"));
            }
            for field in &theirs.fields {
                let same = own.field_by_id(field.id);
                if same.is_none_or(|same| same.field_type != field.field_type) {
                    let what = format!("has no field {} of the type as in", field.name);
                    return Err(differs(&what));
                }
            }
            let mut new = own.indexes.iter().filter(|index| index.unique);
            if let Some(index) = new.find(|index| !theirs.indexes.contains(index)) {
                let fields = index.fields.iter().filter_map(|id| own.field_name(*id));
                let fields = fields.collect::<Vec<_>>().join(", ");
                return Err(differs(&format!("has a unique index over {fields} unlike")));
            }
        }
        at.has_schema = true;
        Ok(())
    }

    fn collection(&self, id: u64) -> Result<u32> {
        let found = self.view.collections.iter().map(|p| p.collection.id);
        let mut found = found.filter(|own| u64::from(*own) == id);
        found
            .next()
            .ok_or_else(|| Error::corrupt("a part of no collection"))
    }

    fn take_blob(&mut self, sql: &dyn Sql, at: &Importing, blob: &Admitted) -> Result<()> {
        let id = self.collection(blob.collection)?;
        let prepared = self.view.collections.iter().find(|p| p.collection.id == id);
        let collection = &prepared
            .ok_or_else(|| Error::corrupt("a part of no collection"))?
            .collection;
        let decoder = &blob.opened.decoder;
        let origin = Origin::decode(decoder.metadata())?;
        let typed = |(field, of): &(u32, _)| {
            collection
                .field_by_id(*field)
                .is_some_and(|own| own.field_type == *of)
        };
        if origin.collection.0 != id || !origin.fields.iter().all(typed) {
            return Err(Error::corrupt("a blob is of another collection"));
        }
        let mut entry = blob.entry.clone();
        entry.bounds = KeyBounds::of_blob(collection, &blob.opened);
        entry.id = blobs::put(sql, decoder.bytes(), 1)?;
        remember(sql, entry.tag, &blob.opened);
        let most = self.policy.snapshots.keys_at_once;
        self.keys.add(id, &blob.hashes, most);
        let snapshot = present(at)?;
        let mut manifest = copy::manifest(sql, snapshot, id)?;
        if blob.mask.masked() > 0 {
            let place = (id, entry.id);
            snapshots::put_part(sql, snapshot, PartKind::Mask, place, blob.mask.bits())?;
        }
        manifest.add(entry);
        copy::put_manifest(sql, snapshot, id, &manifest)
    }
}

/// Records of a segment must go on where the ones before ended.
fn check_segment(at: &mut Importing, body: &[u8]) -> Result<()> {
    let records = segment::decode(body.to_vec())?;
    for place in 0..records.len() {
        let record = Record::decode(records.value(place))?;
        if let Some((end, hash)) = &at.last
            && (end.next() != record.header.first_sequence
                || *hash != record.header.previous.to_string())
        {
            return Err(Error::corrupt(format!("the records break after {end}")));
        }
        // Records of adopted rows are in no chain: theirs has a hash of the blobs that held them.
        let restored = record.header.cause.starts_with("restore:");
        at.last = (!restored).then(|| (record.last_sequence(), record.hash.to_string()));
    }
    Ok(())
}

fn take_link(sql: &dyn Sql, ids: &mut IdMaker, at: &mut Importing, body: &[u8]) -> Result<()> {
    let theirs: Snapshot = file::json(body)?;
    if let Some(id) = at.recalls.clone() {
        let written = |snapshot: &Snapshot| Snapshot {
            imported: false,
            ..snapshot.as_written()
        };
        if !at.has_schema || written(&theirs) != written(&sources::find(sql, &id)?) {
            return Err(Error::corrupt("the file is of another snapshot"));
        }
        at.last = None;
        at.ids.push((id.clone(), id));
        return Ok(());
    }
    let is_first = at.ids.is_empty();
    let parent = at.ids.last().cloned();
    let follows = theirs.parent.as_deref() == parent.as_ref().map(|(id, _)| id.as_str());
    let full = theirs.kind == SnapshotKind::Full;
    if !at.has_schema || !follows || full != is_first || theirs.status != SnapshotStatus::Complete {
        return Err(Error::corrupt(
            "the snapshots of the file do not build on each other",
        ));
    }
    check_count(sql)?;
    let (id, created) = next_id(sql, ids)?;
    at.last = None;
    at.ids.push((theirs.id.clone(), id.clone()));
    snapshots::put(
        sql,
        &Snapshot {
            id,
            parent: parent.map(|(_, id)| id),
            status: SnapshotStatus::Importing,
            imported: true,
            keep: false,
            created,
            own_bytes: theirs.bytes,
            ..theirs
        },
    )
}

fn put(
    sql: &dyn Sql,
    at: &Importing,
    kind: PartKind,
    place: (u32, u64),
    body: &[u8],
) -> Result<()> {
    snapshots::put_part(sql, present(at)?, kind, place, body)
}

/// The snapshot whose parts come now.
fn present(at: &Importing) -> Result<&str> {
    let last = at.ids.last().map(|(_, id)| id.as_str());
    last.ok_or_else(|| Error::corrupt("a part of no snapshot"))
}

fn complete(sql: &dyn Sql, at: &Importing) -> Result<()> {
    for (_, id) in &at.ids {
        let mut snapshot = sources::find(sql, id)?;
        snapshot.status = SnapshotStatus::Complete;
        snapshots::put(sql, &snapshot)?;
    }
    Ok(())
}

/// Lets go of a file that was not taken whole.
fn drop_import(sql: &dyn Sql, at: &Importing) -> Result<()> {
    for (_, id) in at.ids.iter().rev() {
        match sources::find(sql, id) {
            Ok(snapshot) => remove::forget(sql, &snapshot)?,
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives the import up that is under way.
pub(super) fn abandon(sql: &dyn Sql) -> Result<()> {
    let at: Option<Importing> = meta::fact(sql, IMPORT)?;
    meta::set_fact::<Importing>(sql, IMPORT, None)?;
    drop_import(sql, &at.unwrap_or_default())
}

/// How far the import of a file is.
pub(super) fn under_way(sql: &dyn Sql) -> Result<Option<Import>> {
    let at: Option<Importing> = meta::fact(sql, IMPORT)?;
    Ok(at.map(|at| Import {
        source: at.source,
        frames: at.frames,
        offset: at.offset,
        snapshot: None,
    }))
}
