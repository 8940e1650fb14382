//! The cache of the embedded host: in this process's memory, bounded by bytes and, per collection, by
//! entries. A restart forgets all of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Memory;
use tidelog_api::{Cache, CacheKey, Entry, Figures, Keep, Push, Stays, metrics};
use tidelog_core::{Address, Engine, Touched, TypeSchema};
use tidelog_log::{Result, Sequence};

use crate::clock;
use crate::readers::Readers;
use crate::shards::Shared;

/// Bytes an entry takes beside its key and its body, roughly.
const OVERHEAD_BYTES: usize = 200;
/// Objects whose cursors and touched collections are remembered; beyond that all are forgotten, which
/// costs misses.
const OBJECTS_MAX: usize = 10_000;

/// The cache, and how far it has followed objects.
#[derive(Debug)]
pub(crate) struct Warm {
    memory: Memory<Arc<str>, Kept>,
    rooms: Mutex<BTreeMap<String, Room>>,
    cursors: Mutex<BTreeMap<Address, Sequence>>,
    pub(crate) figures: Figures,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
}

#[derive(Clone, Debug)]
struct Kept {
    entry: Entry,
    ends_at: i64,
}

impl Warm {
    pub(crate) fn new(shared: &Arc<Shared>, readers: &Arc<Readers>) -> Self {
        let size = |key: &Arc<str>, kept: &Kept| {
            let bytes = key.len() + kept.entry.body.len() + OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        // States of the past are never asked for again, however often they once were.
        let memory = Memory::builder()
            .max_capacity(shared.settings.warm_bytes_max)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(size)
            .build();
        Self {
            memory,
            rooms: Mutex::default(),
            cursors: Mutex::default(),
            figures: Figures::default(),
            shared: Arc::clone(shared),
            readers: Arc::clone(readers),
        }
    }

    /// Brings the cache up to date with an object's newest committed state.
    pub(crate) async fn push(&self, object: &Address, schema: &Arc<TypeSchema>) -> Result<()> {
        if !Push::wanted(schema) {
            return Ok(());
        }
        let (observed_at, after) = (clock::now(), self.cursor(object));
        let (touched, wanted) = (self.shared.touches.of(object), Arc::clone(schema));
        let gathered = self.readers.read_own(object, move |view, sql| {
            Push::gather(view, sql, &wanted, touched.as_ref(), after)
        });
        let push = gathered.await?;
        let to = push.to;
        push.send(self, object, schema.version, observed_at, clock::now)
            .await;
        let mut cursors = lock(&self.cursors);
        if cursors.len() >= OBJECTS_MAX && !cursors.contains_key(object) {
            cursors.clear();
        }
        let cursor = cursors.entry(object.clone()).or_default();
        *cursor = to.max(*cursor);
        Ok(())
    }

    /// How far an object's changes were pushed since this process started.
    pub(crate) fn cursor(&self, object: &Address) -> Option<Sequence> {
        lock(&self.cursors).get(object).copied()
    }

    /// How much is in the cache, as metrics.
    pub(crate) fn sizes_text(&self) -> String {
        self.memory.run_pending_tasks();
        let mut out = String::new();
        for (name, help, value) in [
            (
                "warm_entries",
                "Entries of the cache.",
                self.memory.entry_count(),
            ),
            (
                "warm_bytes",
                "Bytes of the cache, roughly.",
                self.memory.weighted_size(),
            ),
        ] {
            metrics::head(&mut out, name, help, "gauge");
            let _ = writeln!(out, "tidelog_{name} {value}");
        }
        out
    }
}

impl Cache for Warm {
    async fn get(&self, key: &CacheKey) -> Option<Entry> {
        let kept = self.memory.get(key.path())?;
        if kept.ends_at <= clock::now() {
            self.memory.invalidate(key.path());
            return None;
        }
        Some(kept.entry)
    }

    async fn put(&self, key: &CacheKey, entry: Entry, keep: Keep) {
        self.put_unless(key, entry, keep, &|_, _| false).await;
    }

    async fn put_unless(&self, key: &CacheKey, entry: Entry, keep: Keep, stays: &Stays<'_>) {
        let now = clock::now();
        let ends_at = now.saturating_add(keep.ttl_millis);
        let name: Arc<str> = Arc::from(key.path());
        // One call at a time of each key: between looking and putting nobody else puts.
        let slot = self.memory.entry(Arc::clone(&name));
        let done = slot.and_compute_with(|there| match there.map(|found| found.into_value()) {
            Some(there) if there.ends_at > now && stays(&there.entry, &entry) => Op::Nop,
            _ => Op::Put(Kept { entry, ends_at }),
        });
        if matches!(done, CompResult::Inserted(_)) {
            let mut rooms = lock(&self.rooms);
            let room = rooms.entry(key.room().to_owned()).or_default();
            room.add(name, keep.entries_max, &self.memory);
        }
    }

    async fn delete(&self, key: &CacheKey) {
        self.memory.invalidate(key.path());
    }
}

/// What one collection, or one type's users, have in the cache: the oldest first.
#[derive(Debug, Default)]
struct Room {
    names: VecDeque<Arc<str>>,
    /// Names among them that the cache has lost are looked for when there are so many.
    sweep_at: usize,
}

impl Room {
    const SWEEP_MIN: usize = 1_024;

    fn add(&mut self, name: Arc<str>, entries_max: u64, memory: &Memory<Arc<str>, Kept>) {
        self.names.push_back(name);
        while self.names.len() as u64 > entries_max {
            if let Some(oldest) = self.names.pop_front() {
                memory.invalidate(&oldest);
            }
        }
        if self.names.len() > self.sweep_at.max(Self::SWEEP_MIN) {
            self.names.retain(|name| memory.contains_key(name));
            self.sweep_at = 2 * self.names.len();
        }
    }
}

/// What engines remember of the collections they touched, for readers on other threads.
#[derive(Debug, Default)]
pub(crate) struct Touches(Mutex<BTreeMap<Address, Touched>>);

impl Touches {
    /// Makes known what is durable by now.
    pub(crate) fn publish(&self, object: &Address, engine: &Engine) {
        if !engine.view().is_warm() {
            return;
        }
        let mut known = lock(&self.0);
        if let Some(touched) = known.get_mut(object) {
            touched.clone_from(engine.touched());
            return;
        }
        if known.len() >= OBJECTS_MAX {
            known.clear();
        }
        known.insert(object.clone(), engine.touched().clone());
    }

    /// What was last made known of an object.
    pub(crate) fn of(&self, object: &Address) -> Option<Touched> {
        lock(&self.0).get(object).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod race;
#[cfg(test)]
mod tests;
