//! What a blob of a file must be before it is believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array as _, StringArray};
use tidelog_log::{Error, Reader, Result};

use super::copy;
use super::keys::{Hashes, hash};
use crate::Engine;
use crate::document::check_keys;
use crate::folded::{Entry, Manifest, OpenedBlob, ROWS_MAX, tag_of};
use crate::sql::Sql;
use crate::table::masks::Mask;
use crate::table::snapshots::{self, PartKind};

/// A blob of a file of which every row was looked at: documents read, and keys are ascending and within
/// what the frame says. Whose it is was not looked at.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) collection: u64,
    pub(super) entry: Entry,
    pub(super) mask: Mask,
    pub(super) opened: Arc<OpenedBlob>,
    /// Of the keys of rows that are not masked.
    pub(super) hashes: Arc<Hashes>,
    /// The bytes of the frame before the blob.
    prefix: Vec<u8>,
}

impl Admitted {
    /// Looks at the body of a frame.
    ///
    /// # Errors
    /// `corrupt`, `unsupported_format`.
    pub(super) fn of(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let collection = reader.varint()?;
        let entries = Manifest::decode(reader.bytes()?)?.blobs;
        let mask = Mask::of_bits(reader.bytes()?.to_vec());
        let blob = reader.rest();
        let [entry] = <[_; 1]>::try_from(entries)
            .map_err(|_| Error::corrupt("a blob's frame names another number of blobs"))?;
        let is_adopted = entry.adopted.is_some();
        if is_adopted || tag_of(blob) != entry.tag || blob.len() as u64 != entry.bytes {
            return Err(Error::corrupt("a blob is not what its frame says"));
        }
        let opened = OpenedBlob::of_bytes(blob.to_vec())?;
        let hashes = look(&entry, &opened, &mask)?;
        Ok(Self {
            collection,
            entry,
            mask,
            opened: Arc::new(opened),
            hashes: Arc::new(Hashes::new(&hashes)),
            prefix: body[..body.len() - blob.len()].to_vec(),
        })
    }

    /// True for the body that was looked at.
    pub(super) fn is_of(&self, body: &[u8]) -> bool {
        let rest = body.strip_prefix(self.prefix.as_slice());
        rest.is_some_and(|blob| blob == self.opened.decoder.bytes())
    }
}

/// Looks at every row; the hashes of the keys. Columns are read as they are, not document by document.
fn look(entry: &Entry, blob: &OpenedBlob, mask: &Mask) -> Result<Vec<u64>> {
    if blob.decoder.rows() != entry.rows as usize {
        return Err(wrong("rows are not as many as its frame says"));
    }
    let rows = blob.decoder.rows().saturating_sub(mask.masked() as usize);
    let mut hashes = Vec::with_capacity(rows.min(ROWS_MAX));
    let mut last = String::new();
    for page in 0..blob.decoder.page_count() {
        let keys = blob.check_page(page)?;
        check_keys(&keys).map_err(|e| wrong(e.message()))?;
        let Some(end) = keys.len().checked_sub(1) else {
            continue;
        };
        // Keys are never empty, so the first comes after none.
        let ascends = |at: usize| keys.value(at) < keys.value(at + 1);
        if keys.value(0) <= last.as_str() || !(0..end).all(ascends) {
            return Err(wrong("keys are not ascending"));
        }
        let ends = [keys.value(0), keys.value(end)];
        if !ends.iter().all(|key| entry.may_hold(key)) || !blob.begins_and_ends(page, ends) {
            return Err(wrong("keys are outside its bounds"));
        }
        keys.value(end).clone_into(&mut last);
        add_hashes(&mut hashes, &keys, (blob.rows_of(page).start, mask));
    }
    Ok(hashes)
}

fn wrong(what: &str) -> Error {
    Error::corrupt(format!("a blob's {what}"))
}

/// Adds the hashes of a page's keys whose rows, from `start` on, are not masked.
pub(super) fn add_hashes(hashes: &mut Vec<u64>, keys: &StringArray, (start, mask): (usize, &Mask)) {
    let is_live = |at: &usize| !mask.has(u32::try_from(start + at).unwrap_or(u32::MAX));
    let all = 0..keys.len();
    match mask.masked() {
        0 => hashes.extend(all.map(|at| hash(keys.value(at)))),
        _ => hashes.extend(all.filter(is_live).map(|at| hash(keys.value(at)))),
    }
}

impl Engine {
    /// The file is whole: looks whether a key of it is twice, where all were seen.
    pub(super) fn keys_are_all(&mut self, sql: &dyn Sql, full: &str) -> Result<()> {
        let mut rows = BTreeMap::new();
        for prepared in self.view.collections.iter() {
            let id = prepared.collection.id;
            let mut all = 0;
            for entry in copy::manifest(sql, full, id)?.blobs {
                let mask = snapshots::part(sql, full, PartKind::Mask, (id, entry.id))?;
                let masked = mask.map_or(0, |bits| Mask::of_bits(bits).masked());
                all += u64::from(entry.rows.saturating_sub(masked));
            }
            rows.insert(id, all);
        }
        self.keys.end(&rows);
        Ok(())
    }
}
