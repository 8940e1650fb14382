//! Folding, step by step: each is one turn's savepoint, so a crash leaves the old or the new.

use tidelog_log::{Error, Kind, Result};

use super::main::each_of;
use super::manifest::Manifest;
use super::plan::{STEP_BYTES_MAX, Step, next_removal, next_step, threshold};
use super::state::MainState;
use super::write::{DOCUMENT_BYTES_FOLDED, ROWS_MAX, raw_bytes, write_blobs};
use crate::document::Prepared;
use crate::sql::{Sql, SqlValue, all, atomically, int, quoted};
use crate::table::blobs::BlobId;
use crate::table::meta::Status;
use crate::table::{masks, wakes};
use crate::{Document, Engine};

/// Timer: the next step of folding.
pub(crate) const FOLD: &str = "fold";

impl Engine {
    /// Sets the timer if a step is due in one of these collections.
    pub(crate) fn plan_fold(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        collections: impl IntoIterator<Item = u32>,
    ) -> Result<()> {
        let view = self.view.clone();
        for id in collections {
            let prepared = view.collections.iter().find(|p| p.collection.id == id);
            if let Some(prepared) = prepared
                && self.next_fold(sql, prepared)?.is_some()
            {
                return wakes::arm(sql, FOLD, now);
            }
        }
        Ok(())
    }

    /// Takes one step, and sets the timer again where more is due.
    pub(crate) fn fold(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        let view = self.view.clone();
        let (mut damaged, mut done) = (None, false);
        for prepared in view.collections.iter() {
            match atomically(sql, || self.fold_step(sql, prepared)) {
                Ok(false) => {}
                Ok(true) => {
                    done = true;
                    break;
                }
                // What is damaged in one collection keeps no other from folding.
                Err(error) if error.kind() == Kind::Corrupt => {
                    self.main = MainState::default();
                    damaged = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match damaged {
            None if done => {
                let all = view.collections.iter().map(|p| p.collection.id);
                self.plan_fold(sql, now, all)
            }
            Some(_) if done => wakes::arm(sql, FOLD, now),
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Takes a step in a collection; false where none is due.
    fn fold_step(&mut self, sql: &dyn Sql, prepared: &Prepared) -> Result<bool> {
        match self.next_fold(sql, prepared)? {
            None => return Ok(false),
            Some(Step::Delta) => self.fold_delta(sql, prepared)?,
            Some(Step::Merge(ids)) => self.merge(sql, prepared, &ids)?,
        }
        Ok(true)
    }

    fn next_fold(&mut self, sql: &dyn Sql, prepared: &Prepared) -> Result<Option<Step>> {
        if self.status == Status::Deleting {
            let manifest = self.main.manifest(sql, prepared.collection.id)?;
            return Ok(next_removal(&manifest, self.main.masked(sql)?));
        }
        let delta_is_due = match threshold(&prepared.collection) {
            Some(threshold) => self.main.delta(sql, prepared, threshold)? >= threshold,
            None => false,
        };
        let manifest = self.main.manifest(sql, prepared.collection.id)?;
        if manifest.blobs.is_empty() {
            return Ok(delta_is_due.then_some(Step::Delta));
        }
        Ok(next_step(&manifest, self.main.masked(sql)?, delta_is_due))
    }

    /// Moves rows of the row table, from the first key on, into blobs.
    fn fold_delta(&mut self, sql: &dyn Sql, prepared: &Prepared) -> Result<()> {
        let (documents, left) = read_delta(sql, prepared)?;
        let (Some(first), Some(last)) = (documents.first(), documents.last()) else {
            // All are too large to be folded: not counted again until the engine is opened anew.
            self.main.nothing_to_fold(prepared.collection.id);
            return Ok(());
        };
        let entries = write_blobs(sql, &prepared.collection, &documents, 1)?;
        let mut manifest = self
            .main
            .manifest(sql, prepared.collection.id)?
            .as_ref()
            .clone();
        entries.into_iter().for_each(|entry| manifest.add(entry));
        let left = serde_json::to_string(&left).map_err(|e| Error::internal(e.to_string()))?;
        let text = format!(
            "DELETE FROM {} WHERE _key >= ?1 AND _key <= ?2 \
             AND _key NOT IN (SELECT value FROM json_each(?3))",
            quoted(&prepared.collection.name)
        );
        let args = [&first.key, &last.key, &left].map(|text| SqlValue::Text(text));
        sql.run(&text, &args, &mut |_| Ok(()))?;
        self.main.forget_delta(prepared.collection.id);
        self.main
            .set_manifest(sql, prepared.collection.id, manifest)
    }

    /// Writes the unmasked rows of some blobs into new ones.
    fn merge(&mut self, sql: &dyn Sql, prepared: &Prepared, ids: &[BlobId]) -> Result<()> {
        let collection = &prepared.collection;
        let folded = self.main.folded(sql, collection.id)?;
        let mut documents = Vec::new();
        for entry in folded
            .entries()
            .iter()
            .filter(|entry| ids.contains(&entry.id))
        {
            let mask = masks::get(sql, entry.id)?;
            if mask.masked() >= entry.rows {
                continue;
            }
            each_of(&folded.blob(entry)?, &mask, &mut |_, document| {
                documents.push(document);
                Ok(())
            })?;
        }
        documents.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        if documents.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(Error::corrupt("a document is in two blobs"));
        }
        let mut manifest: Manifest = self.main.manifest(sql, collection.id)?.as_ref().clone();
        for entry in write_blobs(sql, collection, &documents, 1)? {
            manifest.add(entry);
        }
        for id in ids {
            self.main.retire(sql, &mut manifest, *id)?;
        }
        self.main.set_manifest(sql, collection.id, manifest)
    }
}

/// Documents of the row table by key, as many as one step takes, and the keys between them that are
/// too large to be folded.
fn read_delta(sql: &dyn Sql, prepared: &Prepared) -> Result<(Vec<Document>, Vec<String>)> {
    let table = &prepared.table;
    let text = format!("{} WHERE _key > ?1 ORDER BY _key LIMIT ?2", table.select);
    let (mut documents, mut left) = (Vec::<Document>::new(), Vec::new());
    let (mut after, mut bytes) = (String::new(), 0);
    // Keys are never empty, so all come after the empty one.
    while bytes < STEP_BYTES_MAX && documents.len() < ROWS_MAX {
        let args = [SqlValue::Text(&after), int(READ_ROWS as u64)];
        let page = all(sql, &text, &args, |row| table.read(row))?;
        let is_last = page.len() < READ_ROWS;
        for document in page {
            after.clone_from(&document.key);
            let size = raw_bytes(&document);
            bytes += size as u64;
            if size > DOCUMENT_BYTES_FOLDED {
                left.push(document.key);
            } else if documents.len() < ROWS_MAX {
                documents.push(document);
            }
        }
        if is_last {
            break;
        }
    }
    if let Some(last) = documents.last() {
        left.retain(|key| *key <= last.key);
    }
    Ok((documents, left))
}

/// Rows of the row table read at once: a document may be 1.5 MB.
const READ_ROWS: usize = 128;
