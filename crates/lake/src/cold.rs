//! Reading one document as the table's newest snapshot has it.

use std::sync::Arc;

use tidelog_core::{Address, Collection, LakeChange, LakeChanges, LakeImage, Sql};
use tidelog_log::{Operation, Result, Sequence};

use crate::limits::{COLD_READ_MANIFESTS_MAX, REMEMBERED_FILES_MAX};
use crate::newest::{Document, too_large};
use crate::snapshot_files::SnapshotFiles;
use crate::{BlobStore, ChangesScan, DataFileRef, Mark, TableActor};

/// A read of a document from the lake: which snapshot, and how far the object is in it. It runs
/// outside any turn, beside flushes: what a snapshot names stays while newer ones come.
#[derive(Clone, Debug)]
pub struct ColdRead {
    object: String,
    mark: Mark,
    snapshot: Snapshot,
}

#[derive(Clone, Debug)]
enum Snapshot {
    /// Nothing is committed yet.
    Nothing,
    Remembered(SnapshotScan),
    /// Location and JSON of the metadata.
    Unread(String, String),
}

/// The data files of a snapshot, to be kept by the host for the next read of the same table.
#[derive(Clone, Debug)]
pub struct SnapshotScan {
    /// Of the metadata; it names the snapshot.
    location: String,
    scan: Arc<ChangesScan>,
}

impl TableActor {
    /// Chooses the newest snapshot for a read of a document of `object`; `remembered` is what an earlier
    /// read gave.
    pub fn begin_cold_read(
        &self,
        sql: &dyn Sql,
        object: &Address,
        remembered: Option<&SnapshotScan>,
    ) -> Result<ColdRead> {
        let mark = self.mark(sql, &object.to_string())?.unwrap_or_default();
        let location = self.row(sql)?.location;
        let known = remembered.filter(|known| location.as_ref() == Some(&known.location));
        let snapshot = match known {
            Some(known) => Snapshot::Remembered(known.clone()),
            None => match self.metadata(sql)? {
                Some((location, json)) => Snapshot::Unread(location, json),
                None => Snapshot::Nothing,
            },
        };
        Ok(ColdRead {
            object: object.id.clone(),
            mark,
            snapshot,
        })
    }
}

impl ColdRead {
    /// Reads the document's newest change, and gives the snapshot's files where they are few enough to be
    /// remembered. Fields have the names they have in `collection`.
    ///
    /// # Errors
    /// Those of [`ChangesScan::newest`]; `cold_read_too_large` also for more than
    /// [`COLD_READ_MANIFESTS_MAX`] manifests.
    pub async fn run<B: BlobStore>(
        self,
        blobs: &B,
        collection: &Collection,
        key: &str,
    ) -> Result<(LakeImage, Option<SnapshotScan>)> {
        let document = Document::new(collection, &self.object, key);
        let mut image = self.image();
        let (scan, remember) = match self.snapshot {
            Snapshot::Nothing => return Ok((image, None)),
            Snapshot::Remembered(known) => (Arc::clone(&known.scan), Some(known)),
            Snapshot::Unread(location, json) => {
                open(blobs, &|file| document.may_be_in(file), location, &json).await?
            }
        };
        let found = scan.newest_to(blobs, &document).await?;
        image.change = found.map(|change| LakeChange {
            sequence: change.sequence,
            document: (change.operation != Operation::Delete).then(|| {
                change
                    .row
                    .to_json(|id| collection.field_name(id))
                    .to_string()
            }),
        });
        Ok((image, remember))
    }
}

impl ColdRead {
    /// How far the object is in the table.
    fn image(&self) -> LakeImage {
        LakeImage {
            epoch: self.mark.epoch,
            accepted: self.mark.accepted,
            committed: self.mark.committed,
            change: None,
        }
    }

    /// Reads a page of the object's changes after `after`, up to `to` at most, and gives the snapshot's
    /// files as [`run`](Self::run) does.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when a file is, or has a column that the table has not;
    /// `cold_read_too_large` as in [`run`](Self::run).
    pub async fn changes<B: BlobStore>(
        self,
        blobs: &B,
        (after, to): (Sequence, Sequence),
    ) -> Result<(LakeChanges, Option<SnapshotScan>)> {
        let image = self.image();
        let object = self.object;
        let (scan, remember) = match self.snapshot {
            Snapshot::Nothing => {
                let nothing = LakeChanges {
                    image,
                    upto: after,
                    events: Vec::new(),
                };
                return Ok((nothing, None));
            }
            Snapshot::Remembered(known) => (Arc::clone(&known.scan), Some(known)),
            Snapshot::Unread(location, json) => {
                open(blobs, &|file| file.may_hold(&object), location, &json).await?
            }
        };
        let changes = scan.changes(blobs, &object, (after, to)).await?;
        Ok((LakeChanges { image, ..changes }, remember))
    }
}

/// The files of a snapshot: all of them where they can be remembered, else those that may hold the
/// document.
async fn open<B: BlobStore>(
    blobs: &B,
    wanted: &(dyn Fn(&DataFileRef) -> bool + Sync),
    location: String,
    metadata_json: &str,
) -> Result<(Arc<ChangesScan>, Option<SnapshotScan>)> {
    let files = SnapshotFiles::read(blobs, metadata_json).await?;
    if files.files() <= REMEMBERED_FILES_MAX {
        let scan = Arc::new(files.scan(blobs, |_| true).await?);
        let remembered = SnapshotScan {
            location,
            scan: Arc::clone(&scan),
        };
        return Ok((scan, Some(remembered)));
    }
    if files.manifests() > COLD_READ_MANIFESTS_MAX {
        return Err(too_large("manifests", COLD_READ_MANIFESTS_MAX));
    }
    let scan = files.scan(blobs, wanted).await?;
    Ok((Arc::new(scan), None))
}
