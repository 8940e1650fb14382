//! Entries on their way into a cache that cannot compare before it puts.
//!
//! Of several puts of one key that are under way at once the last to arrive would stay, whichever it is.
//! So each is noted before it waits for anything, and who ends puts the best of them again where
//! it has put another. Between processes nothing can be done: their readers may find an
//! older pointer, within its TTL.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Cache, CacheKey, Entry, Keep, Stays};

/// Keys with puts under way. Who is cancelled in the middle leaves a note behind: when there are more,
/// all are forgotten.
const KEYS_MAX: usize = 1_000;

/// The puts of one process that are under way.
#[derive(Debug, Default)]
pub struct Underway(RefCell<BTreeMap<String, Puts>>);

#[derive(Debug)]
struct Puts {
    /// The one that is to stay.
    best: Entry,
    count: usize,
}

impl Underway {
    /// [`Cache::put_unless`] by means of the cache's `get` and `put`.
    pub async fn put_unless<C: Cache>(
        &self,
        cache: &C,
        key: &CacheKey,
        entry: Entry,
        keep: Keep,
        stays: &Stays<'_>,
    ) {
        self.begin(key.path(), &entry, stays);
        let mut there = cache.get(key).await;
        if let Some(there) = there.as_ref().filter(|there| stays(there, &entry)) {
            self.offer(key.path(), there, stays);
        }
        while let Some(best) = self.best(key.path()) {
            if there.as_ref() != Some(&best) {
                cache.put(key, best.clone(), keep).await;
            }
            if self.end(key.path(), &best) {
                return;
            }
            there = Some(best);
        }
    }

    /// Notes an entry that is to be put.
    fn begin(&self, path: &str, entry: &Entry, stays: &Stays<'_>) {
        let mut all = self.0.borrow_mut();
        if all.len() >= KEYS_MAX && !all.contains_key(path) {
            all.clear();
        }
        let fresh = || Puts {
            best: entry.clone(),
            count: 0,
        };
        all.entry(path.to_owned()).or_insert_with(fresh).count += 1;
        drop(all);
        self.offer(path, entry, stays);
    }

    /// Takes an entry for the best, unless the one that is stays.
    fn offer(&self, path: &str, entry: &Entry, stays: &Stays<'_>) {
        if let Some(puts) = self.0.borrow_mut().get_mut(path)
            && !stays(&puts.best, entry)
        {
            puts.best = entry.clone();
        }
    }

    /// What to put; `None` when all was forgotten.
    fn best(&self, path: &str) -> Option<Entry> {
        self.0.borrow().get(path).map(|puts| puts.best.clone())
    }

    /// Ends a put of an entry. False when another one is the best by now: that must be put too.
    fn end(&self, path: &str, put: &Entry) -> bool {
        let mut all = self.0.borrow_mut();
        let Some(puts) = all.get_mut(path) else {
            return true;
        };
        if puts.best != *put {
            return false;
        }
        puts.count -= 1;
        if puts.count == 0 {
            all.remove(path);
        }
        true
    }
}

#[cfg(test)]
mod tests;
