//! What an engine remembers of its folded collections, and the masks of the turn that is open.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_log::Result;

use super::main::{Folded, Place, Stored};
use super::manifest::Manifest;
use crate::document::Prepared;
use crate::sql::{Sql, SqlValue, int, one, quoted};
use crate::table::blobs::BlobId;
use crate::table::masks::{self, Mask};

/// Empty is always right: what is missing is read from the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct MainState {
    manifests: BTreeMap<u32, Arc<Manifest>>,
    /// Rows of the row tables, no more than the threshold said when they were counted.
    deltas: BTreeMap<u32, u64>,
    /// Masks of this turn, not stored yet.
    masks: BTreeMap<BlobId, Mask>,
}

impl MainState {
    /// A collection's live blobs.
    pub(crate) fn folded<'s>(&mut self, sql: &'s dyn Sql, collection: u32) -> Result<Folded<'s>> {
        let manifest = match self.manifests.get(&collection) {
            Some(manifest) => Arc::clone(manifest),
            None => {
                let manifest = Arc::new(Manifest::of(sql, collection)?);
                self.manifests.insert(collection, Arc::clone(&manifest));
                manifest
            }
        };
        Ok(Folded::with(sql, manifest))
    }

    /// Stores another manifest of a collection.
    pub(crate) fn set_manifest(
        &mut self,
        sql: &dyn Sql,
        collection: u32,
        manifest: Manifest,
    ) -> Result<()> {
        manifest.store(sql, collection)?;
        self.manifests.insert(collection, Arc::new(manifest));
        Ok(())
    }

    /// The document of a key, wherever it lies.
    pub(crate) fn stored(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        key: &str,
    ) -> Result<Option<Stored>> {
        let table = &prepared.table;
        let found = one(sql, &table.select_one, &[SqlValue::Text(key)], |row| {
            table.read(row)
        })?;
        match found {
            Some(document) => Ok(Some(Stored {
                document,
                place: Place::Row,
            })),
            None => self.in_blobs(sql, prepared, key),
        }
    }

    /// The document of a key that the row table lacks.
    pub(crate) fn in_blobs(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        key: &str,
    ) -> Result<Option<Stored>> {
        let folded = self.folded(sql, prepared.collection.id)?;
        folded.find(key, |blob| self.mask(sql, blob))
    }

    /// A blob's mask with what this turn has masked.
    pub(crate) fn mask(&self, sql: &dyn Sql, blob: BlobId) -> Result<Cow<'_, Mask>> {
        match self.masks.get(&blob) {
            Some(mask) => Ok(Cow::Borrowed(mask)),
            None => masks::get(sql, blob).map(Cow::Owned),
        }
    }

    /// Masks a row of a blob.
    pub(crate) fn hide(&mut self, sql: &dyn Sql, blob: BlobId, row: u32) -> Result<()> {
        if !self.masks.contains_key(&blob) {
            self.masks.insert(blob, masks::get(sql, blob)?);
        }
        if let Some(mask) = self.masks.get_mut(&blob) {
            mask.set(row);
        }
        Ok(())
    }

    /// Stores the turn's masks; true when one of them covers so much that its blob should be
    /// written anew.
    pub(crate) fn store_masks(&mut self, sql: &dyn Sql) -> Result<()> {
        for (blob, mask) in std::mem::take(&mut self.masks) {
            masks::set(sql, blob, &mask)?;
        }
        Ok(())
    }

    /// Notes rows that came to the row table, or left it.
    pub(crate) fn delta_changed(&mut self, collection: u32, came: u64, left: u64) {
        if let Some(rows) = self.deltas.get_mut(&collection) {
            *rows = (*rows + came).saturating_sub(left);
        }
    }

    /// Counts the row table again when it is asked for.
    pub(crate) fn forget_delta(&mut self, collection: u32) {
        self.deltas.remove(&collection);
    }

    /// Rows of the row table, exact below `threshold` and at least that many above.
    pub(crate) fn delta(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        threshold: u64,
    ) -> Result<u64> {
        let id = prepared.collection.id;
        if let Some(rows) = self.deltas.get(&id) {
            return Ok(*rows);
        }
        let table = quoted(&prepared.collection.name);
        let text = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT ?1)");
        let rows = one(sql, &text, &[int(threshold)], |row| row[0].unsigned())?;
        let rows = rows.unwrap_or(0);
        self.deltas.insert(id, rows);
        Ok(rows)
    }
}
