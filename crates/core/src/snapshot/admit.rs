//! What a blob of a file must be before it is believed.

use std::collections::BTreeMap;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use tidelog_log::{Error, Result};

use super::copy;
use crate::Engine;
use crate::document::check_key;
use crate::folded::{Blob, Entry, wrong_column};
use crate::sql::Sql;
use crate::table::masks::Mask;
use crate::table::snapshots::{self, PartKind};

impl Engine {
    /// Every document must read, and keys must be ascending and within what the frame says. Columns are
    /// read as they are, not document by document.
    pub(super) fn check_rows(
        &mut self,
        blob: &Blob<'_>,
        (collection, entry): (u32, &Entry),
        mask: &Mask,
    ) -> Result<()> {
        let wrong = |what: &str| Error::corrupt(format!("a blob's {what}"));
        if blob.decoder.rows() != entry.rows as usize {
            return Err(wrong("rows are not as many as its frame says"));
        }
        let most = self.policy.snapshots.keys_at_once;
        let mut last = String::new();
        for page in 0..blob.decoder.page_count() {
            blob.check_page(page)?;
            let keys = blob.keys(page)?;
            let keys = keys
                .as_string_opt::<i32>()
                .ok_or_else(|| wrong_column("text"))?;
            let mut before = last.as_str();
            for at in 0..keys.len() {
                let key = keys.value(at);
                check_key(key).map_err(|e| wrong(e.message()))?;
                // Keys are never empty, so the first comes after none.
                if key <= before {
                    return Err(wrong("keys are not ascending"));
                }
                before = key;
            }
            let first = keys.iter().flatten().next().unwrap_or_default();
            if !entry.may_hold(first) || !entry.may_hold(before) {
                return Err(wrong("keys are outside its bounds"));
            }
            last = before.to_owned();
            let start = blob.rows_of(page).start;
            self.keys.add((collection, keys), (start, mask), most);
        }
        Ok(())
    }

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
