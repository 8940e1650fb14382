//! How the state that is wanted differs from the one there is, document by document, where they do not
//! lie in the same row of the same blob.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use tidelog_log::{Error, Reader, Result, Row};

use super::restore::{Phase, Restoring};
use super::{Budget, copy};
use crate::document::Prepared;
use crate::folded::{Blob, Entry, Folded, Manifest, Wanted, raw_bytes, wrong_column};
use crate::sql::{Sql, SqlValue, all, int, quoted};
use crate::table::blobs::BlobId;
use crate::table::masks::Mask;
use crate::table::restore::{self, Staged};
use crate::table::snapshots::{self, PartKind};
use crate::{Document, Engine};

/// Keys of the row table looked at at once.
const READ_KEYS: usize = 1_000;

/// One collection of the full snapshot, and whether the overlay has anything of it.
pub(super) struct Base<'s> {
    sql: &'s dyn Sql,
    snapshot: Option<String>,
    is_imported: bool,
    collection: u32,
    pub(super) folded: Folded<'s>,
    has_overlay: bool,
    masks: RefCell<BTreeMap<BlobId, Rc<Mask>>>,
}

impl<'s> Base<'s> {
    pub(super) fn open(sql: &'s dyn Sql, restoring: &Restoring, collection: u32) -> Result<Self> {
        let snapshot = restoring.sources.full.clone();
        let manifest = match &snapshot {
            Some(id) => copy::manifest(sql, id, collection)?,
            None => Manifest::default(),
        };
        let found = match &snapshot {
            Some(id) => snapshots::find(sql, id)?,
            None => None,
        };
        Ok(Self {
            sql,
            is_imported: found.is_some_and(|found| found.imported),
            snapshot,
            collection,
            folded: Folded::with(sql, Arc::new(manifest)),
            has_overlay: restore::any(sql, Staged::Overlay, collection)?,
            masks: RefCell::default(),
        })
    }

    pub(super) fn mask(&self, blob: BlobId) -> Result<Rc<Mask>> {
        if let Some(mask) = self.masks.borrow().get(&blob) {
            return Ok(Rc::clone(mask));
        }
        let id = self.snapshot.as_deref().unwrap_or_default();
        let place = (self.collection, blob);
        let bits = snapshots::part(self.sql, id, PartKind::Mask, place)?;
        let mask = Rc::new(bits.map_or_else(Mask::default, Mask::of_bits));
        self.masks.borrow_mut().insert(blob, Rc::clone(&mask));
        Ok(mask)
    }

    /// True of a snapshot that came as a file.
    pub(super) fn is_imported(&self) -> bool {
        self.is_imported
    }

    /// True when the overlay says what becomes of a key.
    fn is_overlaid(&self, key: &str) -> Result<bool> {
        let found = || restore::get(self.sql, Staged::Overlay, self.collection, key);
        Ok(self.has_overlay && found()?.is_some())
    }

    /// True when one of its blobs has a document of this key.
    fn has(&self, prepared: &Prepared, key: &str) -> Result<bool> {
        let wanted = Wanted::of(&prepared.collection, key);
        let entries = self.folded.entries().iter();
        for entry in entries.filter(|entry| wanted.may_be_in(entry)) {
            if let Some(row) = self.folded.blob(entry)?.find(&wanted)?
                && !self.mask(entry.id)?.has(row)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The mask here of a live blob, if it is one of the snapshot's.
    pub(super) fn mask_of(&self, entry: &Entry) -> Result<Option<Rc<Mask>>> {
        let mut entries = self.folded.entries().iter();
        let is_shared = entries.any(|own| own.id == entry.id && own.tag == entry.tag);
        is_shared.then(|| self.mask(entry.id)).transpose()
    }
}

/// The first blob from this id on, by id.
fn next_entry(entries: &[Entry], from: BlobId) -> Option<&Entry> {
    let later = entries.iter().filter(|entry| entry.id >= from);
    later.min_by_key(|entry| entry.id)
}

impl Engine {
    /// Looks at some documents; true once all were looked at.
    pub(super) fn compare_step(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        budget: &mut Budget,
    ) -> Result<bool> {
        let collections = restoring.collections(&self.view);
        let count = collections.len();
        match restoring.phase.clone() {
            Phase::Base { collection, .. } if collection >= count => {
                let key = String::new();
                restoring.phase = Phase::Overlay { collection: 0, key };
            }
            Phase::Base {
                collection,
                blob,
                page,
            } => {
                let prepared = &collections[collection];
                let next = self.compare_base(sql, restoring, prepared, (blob, page), budget)?;
                let (collection, (blob, page)) =
                    next.map_or((collection + 1, (0, 0)), |at| (collection, at));
                restoring.phase = Phase::Base {
                    collection,
                    blob,
                    page,
                };
            }
            Phase::Overlay { collection, key } => {
                let next =
                    self.compare_overlay(sql, restoring, &collections, (collection, &key), budget)?;
                restoring.phase = match next {
                    Some((collection, key)) => Phase::Overlay { collection, key },
                    None => Phase::Rows {
                        collection: 0,
                        key: String::new(),
                    },
                };
            }
            Phase::Rows { collection, .. } if collection >= count => {
                restoring.phase = Phase::Blobs {
                    collection: 0,
                    blob: 0,
                    page: 0,
                };
            }
            Phase::Rows { collection, key } => {
                let prepared = &collections[collection];
                let next = self.extra_rows(sql, restoring, prepared, &key, budget)?;
                let (collection, key) =
                    next.map_or((collection + 1, String::new()), |key| (collection, key));
                restoring.phase = Phase::Rows { collection, key };
            }
            Phase::Blobs { collection, .. } if collection >= count => return Ok(true),
            Phase::Blobs {
                collection,
                blob,
                page,
            } => {
                let prepared = &collections[collection];
                let next = self.extra_in_blobs(sql, restoring, prepared, (blob, page), budget)?;
                let (collection, (blob, page)) =
                    next.map_or((collection + 1, (0, 0)), |at| (collection, at));
                restoring.phase = Phase::Blobs {
                    collection,
                    blob,
                    page,
                };
            }
            _ => return Err(Error::internal("not a phase of comparing")),
        }
        Ok(false)
    }

    /// Compares a page of a blob of the full snapshot. Returns where the next one is.
    fn compare_base(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        prepared: &Arc<Prepared>,
        (from, page): (BlobId, usize),
        budget: &mut Budget,
    ) -> Result<Option<(BlobId, usize)>> {
        let base = Base::open(sql, restoring, prepared.collection.id)?;
        let Some(entry) = next_entry(base.folded.entries(), from) else {
            return Ok(None);
        };
        let next_blob = Some((entry.id + 1, 0));
        let live = self.main.manifest(sql, prepared.collection.id)?;
        let live = live
            .blobs
            .iter()
            .find(|l| l.id == entry.id && l.tag == entry.tag);
        let live_mask = match live {
            Some(live) => Some(self.main.mask(sql, live.id)?.into_owned()),
            None => None,
        };
        let mask = base.mask(entry.id)?;
        if live_mask.as_ref() == Some(&*mask) && !base.has_overlay {
            return Ok(next_blob);
        }
        let page = if entry.id == from { page } else { 0 };
        let place = (&base, entry, live_mask.as_ref());
        if page == 0 && self.adopt(sql, restoring, prepared, place, budget)? {
            return Ok(next_blob);
        }
        let blob = base.folded.blob(entry)?;
        if page >= blob.decoder.page_count() {
            return Ok(next_blob);
        }
        let mut decoded = None;
        for (at, row) in blob.rows_of(page).enumerate() {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let is_same = live_mask.as_ref().is_some_and(|live| !live.has(row));
            if mask.has(row) || is_same {
                continue;
            }
            let decoded = match &decoded {
                Some(decoded) => decoded,
                None => decoded.insert(blob.decode(page, |_| true)?),
            };
            let wanted = decoded.document(at)?;
            budget.spend(1, raw_bytes(&wanted));
            if !base.is_overlaid(&wanted.key)? {
                self.compare(sql, restoring, prepared, &wanted.key, Some(&wanted.row))?;
            }
        }
        budget.spend(blob.rows_of(page).len() / 64, 0);
        Ok(Some((entry.id, page + 1)))
    }

    /// Compares some documents of the overlay. Returns where the next ones are.
    fn compare_overlay(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        collections: &[Arc<Prepared>],
        after: (u32, &str),
        budget: &mut Budget,
    ) -> Result<Option<(u32, String)>> {
        let bounds = (budget.rows, budget.bytes);
        let rows = restore::after(sql, Staged::Overlay, after, bounds)?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let next = Some((last.collection, last.key.clone()));
        for row in &rows {
            budget.spend(1, row.body.as_ref().map_or(0, Vec::len));
            let prepared = collections
                .iter()
                .find(|p| p.collection.id == row.collection);
            let prepared =
                prepared.ok_or_else(|| Error::internal("an overlay of no collection"))?;
            let wanted = row
                .body
                .as_deref()
                .map(|body| Row::decode(&mut Reader::new(body)));
            let wanted = wanted.transpose()?;
            self.compare(sql, restoring, prepared, &row.key, wanted.as_ref())?;
        }
        Ok(next)
    }

    /// Looks for documents of the row table that are not wanted. Returns the last key it looked at.
    fn extra_rows(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        prepared: &Arc<Prepared>,
        after: &str,
        budget: &mut Budget,
    ) -> Result<Option<String>> {
        let base = Base::open(sql, restoring, prepared.collection.id)?;
        let table = quoted(&prepared.collection.name);
        let text = format!("SELECT _key FROM {table} WHERE _key > ?1 ORDER BY _key LIMIT ?2");
        let args = [SqlValue::Text(after), int(READ_KEYS as u64)];
        let keys = all(sql, &text, &args, |row| Ok(row[0].text()?.to_owned()))?;
        budget.spend(keys.len(), 0);
        for key in &keys {
            if !base.is_overlaid(key)? && !base.has(prepared, key)? {
                self.compare(sql, restoring, prepared, key, None)?;
            }
        }
        Ok(keys.into_iter().next_back())
    }

    /// Looks for documents in a page of a live blob that are not wanted. Returns where the next one is.
    fn extra_in_blobs(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        prepared: &Arc<Prepared>,
        (from, page): (BlobId, usize),
        budget: &mut Budget,
    ) -> Result<Option<(BlobId, usize)>> {
        let base = Base::open(sql, restoring, prepared.collection.id)?;
        let live = self.main.folded(sql, prepared.collection.id)?;
        let Some(entry) = next_entry(live.entries(), from) else {
            return Ok(None);
        };
        let page = if entry.id == from { page } else { 0 };
        let blob: Blob<'_> = live.blob(entry)?;
        if page >= blob.decoder.page_count() {
            return Ok(Some((entry.id + 1, 0)));
        }
        let mask = self.main.mask(sql, entry.id)?.into_owned();
        let base_mask = base.mask_of(entry)?;
        let mut keys = None;
        for (at, row) in blob.rows_of(page).enumerate() {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            let is_shared = base_mask.as_ref().is_some_and(|mask| !mask.has(row));
            if mask.has(row) || is_shared {
                continue;
            }
            let keys = match &keys {
                Some(keys) => keys,
                None => keys.insert(blob.keys(page)?),
            };
            let keys = keys.as_string_opt::<i32>();
            let key = keys
                .filter(|keys| at < keys.len())
                .map(|keys| keys.value(at));
            let key = key.ok_or_else(|| wrong_column("text"))?;
            budget.spend(1, 0);
            if !base.is_overlaid(key)? && !base.has(prepared, key)? {
                self.compare(sql, restoring, prepared, key, None)?;
            }
        }
        budget.spend(blob.rows_of(page).len() / 64, 0);
        Ok(Some((entry.id, page + 1)))
    }

    /// Notes how a document has to change, if it has to.
    fn compare(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        prepared: &Prepared,
        key: &str,
        wanted: Option<&Row>,
    ) -> Result<()> {
        let before = self.main.stored(sql, prepared, key)?;
        let before: Option<Document> = before.map(|stored| stored.document);
        let name = &prepared.collection.name;
        if before.as_ref().map(|before| &before.row) == wanted {
            return Ok(());
        }
        let counts = restoring.restore.differences.entry(name.clone());
        let counts = counts.or_default();
        match (&before, wanted) {
            (None, _) => counts.added += 1,
            (_, None) => counts.removed += 1,
            _ => counts.changed += 1,
        }
        let body = wanted.map(|row| {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            bytes
        });
        restoring.bytes += before.as_ref().map_or(0, raw_bytes) as u64;
        restoring.bytes += body.as_ref().map_or(0, Vec::len) as u64;
        if restoring.restore.dry_run {
            return Ok(());
        }
        let id = prepared.collection.id;
        restore::put(sql, Staged::Change, id, key, body.as_deref())
    }
}
