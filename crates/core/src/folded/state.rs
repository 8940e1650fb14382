//! What an engine remembers of its folded collections, and the masks of the turn that is open.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tidelog_log::{FieldId, Result};

use super::bounds::Wanted;
use super::main::{Folded, Place, Stored};
use super::manifest::Manifest;
use super::unique::Unique;
use crate::document::Prepared;
use crate::sql::{Sql, SqlValue, int, one, quoted};
use crate::table::blobs::{self, BlobId};
use crate::table::masks::{self, Mask};

/// Empty is always right: what is missing is read from the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct MainState {
    manifests: BTreeMap<u32, Arc<Manifest>>,
    /// Rows of the row tables, no more than the threshold said when they were counted.
    deltas: BTreeMap<u32, u64>,
    /// How many rows of each blob are masked, as it is stored.
    masked: Option<BTreeMap<BlobId, u32>>,
    /// Masks of this turn, not stored yet.
    masks: BTreeMap<BlobId, Mask>,
}

impl MainState {
    /// A collection's live blobs.
    pub(crate) fn folded<'s>(&mut self, sql: &'s dyn Sql, collection: u32) -> Result<Folded<'s>> {
        let manifest = match self.manifests.get(&collection) {
            Some(manifest) => Arc::clone(manifest),
            None => {
                let manifest = Manifest::of(sql, collection)?;
                self.manifests.insert(collection, Arc::clone(&manifest));
                manifest
            }
        };
        Ok(Folded::with(sql, manifest))
    }

    /// A collection's manifest.
    pub(crate) fn manifest(&mut self, sql: &dyn Sql, collection: u32) -> Result<Arc<Manifest>> {
        Ok(self.folded(sql, collection)?.manifest())
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
        let wanted = Wanted::of(&prepared.collection, key);
        folded.find(&wanted, |blob| self.mask(sql, blob))
    }

    /// A blob's mask with what this turn has masked.
    pub(crate) fn mask(&self, sql: &dyn Sql, blob: BlobId) -> Result<Cow<'_, Mask>> {
        match self.masks.get(&blob) {
            Some(mask) => Ok(Cow::Borrowed(mask)),
            None => masks::get(sql, blob).map(Cow::Owned),
        }
    }

    /// How many rows of a blob are masked, with those that this turn has masked.
    pub(crate) fn masked_of(&mut self, sql: &dyn Sql, blob: BlobId) -> Result<u32> {
        match self.masks.get(&blob) {
            Some(mask) => Ok(mask.masked()),
            None => Ok(self.masked(sql)?.get(&blob).copied().unwrap_or(0)),
        }
    }

    /// Masks a row of a blob.
    pub(crate) fn hide(&mut self, sql: &dyn Sql, blob: BlobId, row: u32) -> Result<()> {
        let mask = match self.masks.entry(blob) {
            Entry::Occupied(mask) => mask.into_mut(),
            Entry::Vacant(place) => place.insert(masks::get(sql, blob)?),
        };
        mask.set(row);
        Ok(())
    }

    /// The key of the folded document that has these values of a unique index.
    pub(crate) fn holder(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        unique: &Unique<'_>,
        value: &[u8],
    ) -> Result<Option<String>> {
        let folded = self.folded(sql, prepared.collection.id)?;
        for entry in folded.entries() {
            let blob = folded.blob(entry)?;
            for row in unique.rows_like(&blob, value)? {
                if self.mask(sql, entry.id)?.has(row) {
                    continue;
                }
                let document = blob.document(row)?;
                if unique.value(&document.row).as_deref() == Some(value) {
                    return Ok(Some(document.key));
                }
            }
        }
        Ok(None)
    }

    /// Stores the turn's masks.
    pub(crate) fn store_masks(&mut self, sql: &dyn Sql) -> Result<()> {
        for (blob, mask) in std::mem::take(&mut self.masks) {
            masks::set(sql, blob, &mask)?;
            if let Some(masked) = &mut self.masked {
                masked.insert(blob, mask.masked());
            }
        }
        Ok(())
    }

    /// How many rows of each blob are masked; blobs without any may lack.
    pub(crate) fn masked(&mut self, sql: &dyn Sql) -> Result<&BTreeMap<BlobId, u32>> {
        if self.masked.is_none() {
            self.masked = Some(masks::counts(sql)?);
        }
        Ok(self.masked.get_or_insert_default())
    }

    /// Takes a blob that is live no more from a manifest.
    pub(crate) fn retire(
        &mut self,
        sql: &dyn Sql,
        manifest: &mut Manifest,
        blob: BlobId,
    ) -> Result<()> {
        let mut entries = manifest.blobs.iter();
        if let Some(adopted) = entries.find(|e| e.id == blob).and_then(|e| e.adopted) {
            adopted.release(sql)?;
        }
        manifest.remove(blob);
        if self.masked(sql)?.contains_key(&blob) {
            masks::clear(sql, blob)?;
        }
        self.masked.get_or_insert_default().remove(&blob);
        blobs::release(sql, blob)
    }

    /// The key of a folded document whose field has this text.
    pub(crate) fn referrer(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        field: FieldId,
        text: &str,
    ) -> Result<Option<String>> {
        let folded = self.folded(sql, prepared.collection.id)?;
        let mut first: Option<String> = None;
        for entry in folded.entries() {
            let (blob, mask) = (folded.blob(entry)?, self.mask(sql, entry.id)?);
            let key = blob.key_with(field, text, |row| !mask.has(row))?;
            first = first.into_iter().chain(key).min();
        }
        Ok(first)
    }

    /// Notes rows that came to the row table, or left it.
    pub(crate) fn delta_changed(&mut self, collection: u32, came: u64, left: u64) {
        if let Some(rows) = self.deltas.get_mut(&collection) {
            *rows = (*rows + came).saturating_sub(left);
        }
    }

    /// Nothing in the row table can be folded: it counts as empty.
    pub(crate) fn nothing_to_fold(&mut self, collection: u32) {
        self.deltas.insert(collection, 0);
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
