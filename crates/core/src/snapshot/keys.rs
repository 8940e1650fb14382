//! Of one key a snapshot has one document. Ours are so because the object was; one that came as a file
//! is looked at before a blob of it is adopted, for nothing would look at its keys later.

use std::hash::{DefaultHasher, Hasher as _};

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use tidelog_log::{Error, Result};

use super::Budget;
use super::compare::Base;
use super::restore::{Phase, Restoring};
use crate::Engine;
use crate::folded::wrong_column;
use crate::sql::Sql;

impl Engine {
    /// Looks at the keys of a collection whose hashes are one of so many parts of all.
    pub(super) fn keys_step(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        budget: &mut Budget,
    ) -> Result<()> {
        let Phase::Keys { collection, part } = restoring.phase else {
            return Err(Error::internal("not a phase of looking at keys"));
        };
        let collections = restoring.collections(&self.view);
        let Some(prepared) = collections.get(collection) else {
            restoring.phase = Phase::first_of_comparing();
            return Ok(());
        };
        let id = prepared.collection.id;
        let base = Base::open(sql, restoring, id)?;
        let manifest = base.folded.manifest();
        let rows: u64 = manifest.blobs.iter().map(|e| u64::from(e.rows)).sum();
        let parts = rows.div_ceil(self.policy.snapshots.keys_at_once.max(1) as u64);
        let done = !base.is_imported() || !manifest.overlaps() || part >= parts;
        if done {
            restoring.distinct.insert(id);
        } else {
            budget.spend(usize::try_from(rows / 64).unwrap_or(usize::MAX), 0);
        }
        let twice = !done && is_any_twice(&base, (part, parts))?;
        restoring.phase = match done || twice {
            true => Phase::Keys {
                collection: collection + 1,
                part: 0,
            },
            false => Phase::Keys {
                collection,
                part: part + 1,
            },
        };
        Ok(())
    }
}

/// True when two documents may have one key, of those in this part. Their hashes are compared: what is
/// wrongly held to be twice is compared document by document, and comes back all the same.
fn is_any_twice(base: &Base<'_>, (part, parts): (u64, u64)) -> Result<bool> {
    let mut hashes = Vec::new();
    for entry in base.folded.entries() {
        let (blob, mask) = (base.folded.blob(entry)?, base.mask(entry.id)?);
        for page in 0..blob.decoder.page_count() {
            let keys = blob.keys(page)?;
            let keys = keys.as_string_opt::<i32>();
            let keys = keys.ok_or_else(|| wrong_column("text"))?;
            for (at, row) in blob.rows_of(page).enumerate().take(keys.len()) {
                let hash = hash(keys.value(at));
                if hash % parts == part && !mask.has(u32::try_from(row).unwrap_or(u32::MAX)) {
                    hashes.push(hash);
                }
            }
        }
    }
    hashes.sort_unstable();
    Ok(hashes.windows(2).any(|pair| pair[0] == pair[1]))
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_bytes());
    hasher.finish()
}
