//! Of one key a snapshot has one document. Ours are so because the object was; one that came as a file
//! is looked at before a blob of it is adopted, for nothing would look at its keys later.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, StringArray};
use tidelog_log::{Error, Result};

use super::Budget;
use super::compare::Base;
use super::restore::{Phase, Restoring};
use crate::Engine;
use crate::folded::wrong_column;
use crate::sql::Sql;
use crate::table::masks::Mask;

/// The keys of a file that is being taken in, while all are in memory; empty is always right.
#[derive(Debug, Default)]
pub(crate) struct KeysSeen {
    /// The full snapshot that the file becomes.
    snapshot: Option<String>,
    /// By collection, until the file is whole.
    hashes: BTreeMap<u32, Hashes>,
    held: usize,
    /// Collections of which no key was there twice.
    distinct: BTreeSet<u32>,
}

impl KeysSeen {
    pub(super) fn begin(&mut self, snapshot: &str) {
        *self = Self {
            snapshot: Some(snapshot.to_owned()),
            ..Self::default()
        };
    }

    /// Takes the keys of a page, whose rows begin at `start`, and forgets all once they are over `most`.
    pub(super) fn add(
        &mut self,
        (collection, keys): (u32, &StringArray),
        (start, mask): (usize, &Mask),
        most: usize,
    ) {
        if self.held + keys.len() > most {
            self.snapshot = None;
            self.hashes.clear();
        }
        if self.snapshot.is_some() {
            self.held += keys.len();
            let hashes = self.hashes.entry(collection).or_default();
            hashes.add(keys, (start, mask), |_| true);
        }
    }

    /// The file is whole: `rows` of each collection are in its blobs.
    pub(super) fn end(&mut self, rows: &BTreeMap<u32, u64>) {
        for (collection, mut hashes) in std::mem::take(&mut self.hashes) {
            let all = rows.get(&collection) == Some(&hashes.count);
            if all && !hashes.is_any_twice() {
                self.distinct.insert(collection);
            }
        }
    }

    fn are_distinct(&self, snapshot: Option<&String>, collection: u32) -> bool {
        let is_it = snapshot.is_some() && self.snapshot.as_ref() == snapshot;
        is_it && self.hashes.is_empty() && self.distinct.contains(&collection)
    }
}

/// Hashes of keys, in buckets that fit a processor's cache: sorted so, they take a third of the time.
#[derive(Debug)]
struct Hashes {
    buckets: Vec<Vec<u64>>,
    count: u64,
}

impl Default for Hashes {
    fn default() -> Self {
        Self {
            buckets: vec![Vec::new(); 256],
            count: 0,
        }
    }
}

impl Hashes {
    /// Adds the keys of unmasked rows whose hash is wanted.
    fn add(
        &mut self,
        keys: &StringArray,
        (start, mask): (usize, &Mask),
        wanted: impl Fn(u64) -> bool,
    ) {
        for at in 0..keys.len() {
            let hash = hash(keys.value(at));
            let row = u32::try_from(start + at).unwrap_or(u32::MAX);
            if wanted(hash) && !mask.has(row) {
                self.buckets[usize::from(hash.to_be_bytes()[0])].push(hash);
                self.count += 1;
            }
        }
    }

    fn is_any_twice(&mut self) -> bool {
        self.buckets.iter_mut().any(|hashes| {
            hashes.sort_unstable();
            hashes.windows(2).any(|pair| pair[0] == pair[1])
        })
    }
}

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
        let known = self.keys.are_distinct(restoring.sources.full.as_ref(), id);
        let done = known || !base.is_imported() || !manifest.overlaps() || part >= parts;
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
    let mut hashes = Hashes::default();
    for entry in base.folded.entries() {
        let (blob, mask) = (base.folded.blob(entry)?, base.mask(entry.id)?);
        for page in 0..blob.decoder.page_count() {
            let keys = blob.keys(page)?;
            let keys = keys.as_string_opt::<i32>();
            let keys = keys.ok_or_else(|| wrong_column("text"))?;
            let start = blob.rows_of(page).start;
            hashes.add(keys, (start, &mask), |hash| hash % parts == part);
        }
    }
    Ok(hashes.is_any_twice())
}

/// 64 bits that follow from a key. Whoever makes two keys of one hash gets a slower restore.
fn hash(key: &str) -> u64 {
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let length = (key.len() as u64).to_le_bytes();
    let words = words.iter().chain([&last, &length]);
    words.fold(0x9e37_79b9_7f4a_7c15, |hash, word| {
        let wide = u128::from(hash ^ u64::from_le_bytes(*word)) * 0xe703_7ed1_a0b4_28db;
        let [high, low] = [wide >> 64, wide & u128::from(u64::MAX)];
        u64::try_from(high ^ low).unwrap_or(0)
    })
}
