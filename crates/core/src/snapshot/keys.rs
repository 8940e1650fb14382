//! Of one key a snapshot has one document. Ours are so because the object was; one that came as a file
//! is looked at before a blob of it is adopted, for nothing would look at its keys later.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use tidelog_log::{Error, Result};

use super::Budget;
use super::admit::add_hashes;
use super::compare::Base;
use super::restore::{Phase, Restoring};
use crate::Engine;
use crate::folded::wrong_column;
use crate::sql::Sql;

/// The keys of a file that is being taken in, while all are in memory; empty is always right.
#[derive(Debug, Default)]
pub(crate) struct KeysSeen {
    /// The full snapshot that the file becomes.
    snapshot: Option<String>,
    /// By collection, until the file is whole.
    hashes: BTreeMap<u32, Vec<Arc<Hashes>>>,
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

    /// Takes the hashes of some keys, and forgets all once they are over `most`.
    pub(super) fn add(&mut self, collection: u32, hashes: &Arc<Hashes>, most: usize) {
        let held = hashes.all.len() + hashes.ends.len();
        if self.held + held > most {
            self.snapshot = None;
            self.hashes.clear();
        }
        if self.snapshot.is_some() {
            self.held += held;
            let known = self.hashes.entry(collection).or_default();
            known.push(Arc::clone(hashes));
        }
    }

    /// The file is whole: `rows` of each collection are in its blobs.
    pub(super) fn end(&mut self, rows: &BTreeMap<u32, u64>) {
        for (collection, hashes) in std::mem::take(&mut self.hashes) {
            let count: usize = hashes.iter().map(|hashes| hashes.all.len()).sum();
            let all = rows.get(&collection) == Some(&(count as u64));
            if all && !is_any_twice(&hashes) {
                self.distinct.insert(collection);
            }
        }
    }

    fn are_distinct(&self, snapshot: Option<&String>, collection: u32) -> bool {
        let is_it = snapshot.is_some() && self.snapshot.as_ref() == snapshot;
        is_it && self.hashes.is_empty() && self.distinct.contains(&collection)
    }
}

/// Hashes of keys, those with the same first byte together: of these a processor's cache holds the places.
#[derive(Debug)]
pub(super) struct Hashes {
    all: Vec<u64>,
    /// Where those of each first byte end.
    ends: [u32; 256],
}

impl Hashes {
    pub(super) fn new(unsorted: &[u64]) -> Self {
        let first = |hash: u64| usize::from(hash.to_be_bytes()[0]);
        let mut next = [0; 256];
        for hash in unsorted {
            next[first(*hash)] += 1;
        }
        let mut sum = 0;
        for start in &mut next {
            (*start, sum) = (sum, sum + *start);
        }
        let mut all = vec![0; unsorted.len()];
        for hash in unsorted {
            let place: &mut usize = &mut next[first(*hash)];
            all[*place] = *hash;
            *place += 1;
        }
        // A blob has 65,536 rows, and a part of a snapshot's keys 16 million.
        let ends = next.map(|end| u32::try_from(end).unwrap_or(u32::MAX));
        Self { all, ends }
    }

    fn of(&self, byte: usize) -> &[u64] {
        let end = |byte: usize| self.ends[byte] as usize;
        &self.all[byte.checked_sub(1).map_or(0, end)..end(byte)]
    }
}

/// True when two of some hashes are equal.
fn is_any_twice<H: Borrow<Hashes>>(all: &[H]) -> bool {
    (0..256).any(|byte| {
        let parts: Vec<&[u64]> = all.iter().map(|hashes| hashes.borrow().of(byte)).collect();
        is_any_twice_of(&parts)
    })
}

/// Places of a bit for each hash, so that few fall together.
const PLACES: usize = 16;

/// The same of those with one first byte. Only what falls on one place together is sorted.
fn is_any_twice_of(parts: &[&[u64]]) -> bool {
    let count: usize = parts.iter().map(|part| part.len()).sum();
    let places = (count * PLACES).next_power_of_two().max(64) as u64;
    let place = |hash: u64| {
        let place = hash & (places - 1);
        (
            usize::try_from(place / 64).unwrap_or(0),
            1_u64 << (place % 64),
        )
    };
    let words = usize::try_from(places / 64).unwrap_or(1);
    let (mut taken, mut shared) = (vec![0_u64; words], vec![0_u64; words]);
    let mut is_any_shared = 0;
    for hash in parts.iter().copied().flatten() {
        let (word, bit) = place(*hash);
        is_any_shared |= taken[word] & bit;
        shared[word] |= taken[word] & bit;
        taken[word] |= bit;
    }
    if is_any_shared == 0 {
        return false;
    }
    let is_shared = |hash: &u64| {
        let (word, bit) = place(*hash);
        shared[word] & bit != 0
    };
    let hashes = parts.iter().copied().flatten().copied();
    let mut together: Vec<u64> = hashes.filter(is_shared).collect();
    together.sort_unstable();
    together.windows(2).any(|pair| pair[0] == pair[1])
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
        let twice = !done && may_be_twice(&base, (part, parts))?;
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
fn may_be_twice(base: &Base<'_>, (part, parts): (u64, u64)) -> Result<bool> {
    let (mut all, mut hashes) = (Vec::new(), Vec::new());
    for entry in base.folded.entries() {
        let (blob, mask) = (base.folded.blob(entry)?, base.mask(entry.id)?);
        for page in 0..blob.decoder.page_count() {
            let keys = blob.keys(page)?;
            let keys = keys.as_string_opt::<i32>();
            let keys = keys.ok_or_else(|| wrong_column("text"))?;
            hashes.clear();
            add_hashes(&mut hashes, keys, (blob.rows_of(page).start, &mask));
            let wanted = hashes.iter().copied();
            all.extend(wanted.filter(|hash| hash % parts == part));
        }
    }
    let hashes = Hashes::new(&all);
    drop(all);
    Ok(is_any_twice(&[hashes]))
}

/// 64 bits that follow from a key. Whoever makes two keys of one hash gets a slower restore.
pub(super) fn hash(key: &str) -> u64 {
    const SEEDS: [u64; 3] = [
        0x9e37_79b9_7f4a_7c15,
        0xe703_7ed1_a0b4_28db,
        0x8ebc_6af0_9c88_c6e3,
    ];
    let bytes = key.as_bytes();
    let pair = |pair: [u8; 16], seed: u64| {
        let both = u128::from_le_bytes(pair);
        let (low, high) = halves(both);
        let (low, high) = halves(u128::from(low ^ SEEDS[1]) * u128::from(high ^ seed));
        low ^ high
    };
    let (pairs, rest) = bytes.as_chunks::<16>();
    // The last 16 bytes, some of them again, or all there are.
    let last = bytes.last_chunk::<16>().copied().unwrap_or_else(|| {
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        last
    });
    let all = pairs.iter().fold(SEEDS[0], |hash, one| pair(*one, hash));
    let last = pair(last, SEEDS[2]);
    let all = all ^ (bytes.len() as u64).wrapping_mul(SEEDS[0]);
    let (low, high) = halves(u128::from(all ^ SEEDS[1]) * u128::from(last ^ SEEDS[2]));
    low ^ high
}

/// The lower and the upper 64 bits.
fn halves(wide: u128) -> (u64, u64) {
    let [.., a, b] = [0, wide & u128::from(u64::MAX), wide >> 64];
    (u64::try_from(a).unwrap_or(0), u64::try_from(b).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_twice(all: &[u64]) -> bool {
        let (first, second) = all.split_at(all.len() / 3);
        is_any_twice(&[Hashes::new(first), Hashes::new(second)])
    }

    #[test]
    fn equal_hashes_are_found_among_any_number() {
        for count in [0_u64, 1, 2, 3, 100, 5_000] {
            let mut all: Vec<u64> = (0..count).map(|n| hash(&format!("P{n:04}~x"))).collect();
            assert!(!is_twice(&all), "{count}");
            for at in (0..all.len()).step_by(97) {
                all.push(all[at]);
                assert!(is_twice(&all), "{count}");
                all.pop();
            }
        }
    }

    #[test]
    fn every_byte_of_a_key_matters_to_its_hash() {
        for length in 1..70 {
            let key = "k".repeat(length);
            let mut all: Vec<u64> = (0..length)
                .map(|at| hash(&format!("{}l{}", &key[..at], &key[at + 1..])))
                .collect();
            all.extend([
                hash(&key),
                hash(&format!("{key}k")),
                hash(&format!("{key}\0")),
            ]);
            assert!(!is_twice(&all), "{length}");
        }
    }
}
