//! A large difference, staged beside what there is: records, blobs and masks that nobody sees yet.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidelog_log::{
    BlobReference, Epoch, Error, Hash, RecordHeader, RecordWriter, Result, Sequence, split_parts,
};

use super::apply::Change;
use super::restore::{Phase, Restoring};
use super::{Budget, copy};
use crate::folded::{DOCUMENT_BYTES_FOLDED, Manifest, Place, raw_bytes, release, write_blobs};
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};
use crate::table::log::Head;
use crate::table::masks::{self, Mask};
use crate::table::restore::{self, Staged, number};
use crate::{Document, Engine};

/// How far staging is: the head that the switch will make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Staging {
    /// The collection and the key of the last change staged.
    collection: u32,
    key: String,
    /// The same of the last blob adopted, its id as a key.
    #[serde(default)]
    pub(super) adopted: (u32, String),
    /// The epoch that the restore opens.
    pub(super) epoch: Epoch,
    /// The last event staged, its record's hash and time.
    pub(super) sequence: Sequence,
    hash: String,
    pub(super) timestamp: i64,
    /// Bytes of the records.
    pub(super) bytes: u64,
    /// Ids of the collections that change.
    pub(super) touched: BTreeSet<u32>,
}

impl Staging {
    pub(super) fn new(head: &Head, now: i64) -> Self {
        Self {
            collection: 0,
            key: String::new(),
            adopted: (0, String::new()),
            epoch: head.epoch.opened_at(now),
            sequence: head.sequence,
            hash: head.hash.to_string(),
            timestamp: head.timestamp,
            bytes: 0,
            touched: BTreeSet::new(),
        }
    }

    /// Stages a record's parts.
    pub(super) fn record<'p>(
        &self,
        sql: &dyn Sql,
        header: &RecordHeader,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> Result<()> {
        let first_row = header.first_sequence.0 * PARTS;
        for (row, part) in (first_row..).zip(parts) {
            restore::put(sql, Staged::Record, 0, &number(row), Some(part))?;
        }
        Ok(())
    }

    /// The record of this header and hash is the last one.
    pub(super) fn ended(&mut self, header: &RecordHeader, hash: Hash, bytes: usize) {
        self.hash = hash.to_string();
        self.timestamp = header.timestamp;
        self.bytes += bytes as u64;
    }

    pub(super) fn head(&self) -> Result<Head> {
        Ok(Head {
            epoch: self.epoch,
            sequence: self.sequence,
            hash: self.hash.parse()?,
            timestamp: self.timestamp,
        })
    }
}

impl Engine {
    /// Stages some changes; true once all are, and the switch is made.
    pub(super) fn stage_step(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        restoring: &mut Restoring,
        budget: &mut Budget,
    ) -> Result<bool> {
        let Phase::Stage(staging) = &restoring.phase else {
            return Err(Error::internal("not a phase of staging"));
        };
        let mut staging = staging.clone();
        if self.stage_adopted(sql, now, restoring, &mut staging, budget)? {
            restoring.phase = Phase::Stage(staging);
            return Ok(false);
        }
        let after = (staging.collection, staging.key.as_str());
        let policy = self.policy.snapshots;
        let step = (policy.direct_rows, policy.direct_bytes);
        let rows = restore::after(sql, Staged::Change, after, step)?;
        let Some(last) = rows.last() else {
            self.switch(sql, &staging)?;
            restoring.restore.offset = Some(self.offset().to_string());
            return Ok(true);
        };
        let last = (last.collection, last.key.clone());
        let view = self.view.clone();
        let bytes = rows.iter().map(|row| row.body.as_ref().map_or(0, Vec::len));
        budget.spend(4 * rows.len(), bytes.sum());
        let changes = self.changes_of(sql, &view, rows)?;
        self.stage_places(sql, &changes)?;
        stage_documents(sql, &changes, staging.sequence)?;
        self.stage_record(sql, now, restoring, &mut staging, &changes)?;
        staging
            .touched
            .extend(changes.iter().map(|c| c.prepared.collection.id));
        (staging.collection, staging.key) = last;
        restoring.phase = Phase::Stage(staging);
        Ok(false)
    }

    /// Notes what has to go: rows of the row table, and rows of blobs.
    fn stage_places(&mut self, sql: &dyn Sql, changes: &[Change<'_>]) -> Result<()> {
        let mut staged: BTreeMap<BlobId, Mask> = BTreeMap::new();
        for change in changes {
            let collection = change.prepared.collection.id;
            match change.before.as_ref().map(|before| before.place) {
                None => {}
                Some(Place::Row) => {
                    restore::put(sql, Staged::Drop, collection, &change.key, None)?;
                }
                Some(Place::Blob(blob, row)) => {
                    let mask = match staged.entry(blob) {
                        Entry::Occupied(mask) => mask.into_mut(),
                        Entry::Vacant(place) => place.insert(staged_mask(sql, blob)?),
                    };
                    mask.set(row);
                }
            }
        }
        for (blob, mask) in staged {
            let body = Some(mask.bits());
            restore::put(sql, Staged::Mask, 0, &number(blob), body)?;
        }
        Ok(())
    }

    fn stage_record(
        &self,
        sql: &dyn Sql,
        now: i64,
        restoring: &Restoring,
        staging: &mut Staging,
        changes: &[Change<'_>],
    ) -> Result<()> {
        let header = self.staged_header(now, restoring, staging)?;
        let mut writer = RecordWriter::new(&header);
        for change in changes {
            change.log(&mut writer)?;
        }
        let count = u64::from(writer.count());
        let (record, hash): (Vec<u8>, Hash) = writer.finish()?;
        staging.record(sql, &header, split_parts(&record))?;
        staging.sequence = Sequence(staging.sequence.0 + count);
        staging.ended(&header, hash, record.len());
        Ok(())
    }

    /// What stands before the events of the next record to be staged.
    pub(super) fn staged_header(
        &self,
        now: i64,
        restoring: &Restoring,
        staging: &Staging,
    ) -> Result<RecordHeader> {
        let is_first = staging.sequence == self.head.sequence;
        let caller = restoring.caller();
        Ok(RecordHeader {
            epoch: staging.epoch,
            parent_epoch: if is_first { self.head.epoch } else { Epoch(0) },
            first_sequence: staging.sequence.next(),
            timestamp: now.max(staging.timestamp),
            schema_version: self.view.version,
            previous: staging.hash.parse()?,
            source: caller.source,
            correlation_id: caller.correlation_id,
            trace_parent: caller.trace_parent,
            idempotency_key: String::new(),
            cause: restoring.cause.clone(),
        })
    }

    /// Lets go of the blobs that were staged.
    pub(super) fn unstage(&mut self, sql: &dyn Sql) -> Result<()> {
        for row in restore::after(sql, Staged::Blob, (0, ""), (usize::MAX, usize::MAX))? {
            for entry in Manifest::decode(&row.body.unwrap_or_default())?.blobs {
                blobs::release(sql, entry.id)?;
                entry.adopted.map_or(Ok(()), |a| a.release(sql))?;
            }
        }
        // Records of adopted blobs hold them.
        let mut after = String::new();
        loop {
            let rows = restore::after(sql, Staged::Record, (0, &after), (1_000, 8_000_000))?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after.clone_from(&last.key);
            for row in rows {
                // Of a record in parts only the first says what it is.
                let first = row.key.parse::<u64>().is_ok_and(|id| id % PARTS == 0);
                let part = row.body.unwrap_or_default();
                if first && BlobReference::is(&part) {
                    release(sql, &part)?;
                }
            }
        }
    }
}

/// Writes the documents as they are to be, with the versions their events will have.
fn stage_documents(sql: &dyn Sql, changes: &[Change<'_>], before: Sequence) -> Result<()> {
    let numbered = (before.0 + 1..).zip(changes);
    let with_document = numbered.filter_map(|(version, change)| {
        let row = change.after.clone()?;
        let (key, version) = (change.key.clone(), Sequence(version));
        Some((change.prepared, Document { key, version, row }))
    });
    let with_document: Vec<_> = with_document.collect();
    for of_one in with_document.chunk_by(|a, b| a.0.collection.id == b.0.collection.id) {
        let Some((prepared, _)) = of_one.first() else {
            continue;
        };
        let collection = prepared.collection.id;
        let documents = of_one.iter().map(|(_, document)| document.clone());
        let (folded, large): (Vec<_>, Vec<_>) =
            documents.partition(|document| raw_bytes(document) <= DOCUMENT_BYTES_FOLDED);
        for document in &large {
            let body = copy::encode(document);
            restore::put(sql, Staged::Large, collection, &document.key, Some(&body))?;
        }
        for entry in write_blobs(sql, &prepared.collection, &folded, 1)? {
            let key = number(entry.id);
            let mut manifest = Manifest::default();
            manifest.add(entry);
            let body = manifest.encode();
            restore::put(sql, Staged::Blob, collection, &key, Some(&body))?;
        }
    }
    Ok(())
}

/// A live blob's mask with what was staged of it.
fn staged_mask(sql: &dyn Sql, blob: BlobId) -> Result<Mask> {
    match restore::get(sql, Staged::Mask, 0, &number(blob))? {
        Some(Some(bits)) => Ok(Mask::of_bits(bits)),
        _ => masks::get(sql, blob),
    }
}

/// Rows of `_log` per sequence.
const PARTS: u64 = tidelog_log::limits::RECORD_PARTS_MAX as u64;
