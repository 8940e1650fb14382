//! Opened blobs and decoded pages, kept in memory: bytes of a blob never change.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::blob::OpenedBlob;
use super::manifest::KnownManifest;

/// The start of the BLAKE3 hash of a blob's bytes.
pub(crate) type Tag = [u8; 16];

/// Names what is cached by the content it comes from, so that no entry is ever wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheKey {
    pub(crate) tag: Tag,
    /// Column and page; none: the opened blob.
    pub(crate) page: Option<(usize, usize)>,
}

impl CacheKey {
    /// Names the records that a segment of the log stands for.
    pub(crate) fn records(tag: Tag) -> Self {
        Self {
            tag,
            page: Some((usize::MAX, 0)),
        }
    }

    /// Names a manifest by its last bytes, a checksum of the others: who finds one compares them all.
    pub(crate) fn manifest(bytes: &[u8]) -> Self {
        let mut tag = Tag::default();
        let last = &bytes[bytes.len().saturating_sub(tag.len())..];
        tag[..last.len()].copy_from_slice(last);
        Self {
            tag,
            page: Some((usize::MAX, 1)),
        }
    }
}

/// What is cached; cheap to clone.
#[derive(Clone, Debug)]
pub enum Cached {
    /// An opened blob, which holds its bytes.
    Blob(Arc<OpenedBlob>),
    /// A decoded page of one column.
    Page(ArrayRef),
    /// Which blobs a collection has.
    Manifest(Arc<KnownManifest>),
}

impl Cached {
    fn bytes(&self) -> usize {
        match self {
            Self::Blob(blob) => blob.decoder.bytes().len() + 4_096,
            Self::Page(array) => array.get_array_memory_size(),
            Self::Manifest(known) => known.memory(),
        }
    }
}

/// A host's memory for blobs. An answer is the same with it and without it.
pub trait BlobCache: std::fmt::Debug {
    /// What was put under this key, if it is still there.
    fn get(&self, key: &CacheKey) -> Option<Cached>;

    /// Keeps it for a while.
    fn put(&self, key: CacheKey, value: Cached);
}

/// What was used last, within a number of bytes. A host wraps it in the cell or lock it needs.
#[derive(Debug)]
pub struct RecentBlobs {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    entries: BTreeMap<CacheKey, (u64, Cached)>,
    by_use: BTreeMap<u64, CacheKey>,
}

impl RecentBlobs {
    /// An empty cache of at most this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            clock: 0,
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    /// What was put under this key, if it is still there.
    pub fn get(&mut self, key: &CacheKey) -> Option<Cached> {
        self.clock += 1;
        let (used, value) = self.entries.get_mut(key)?;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, *key);
        Some(value.clone())
    }

    /// Keeps it; what was not used for longest goes when it gets too much.
    pub fn put(&mut self, key: CacheKey, value: Cached) {
        let bytes = value.bytes();
        if bytes > self.bytes_max / 2 {
            return;
        }
        self.remove(&key);
        self.clock += 1;
        self.bytes += bytes;
        self.entries.insert(key, (self.clock, value));
        self.by_use.insert(self.clock, key);
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                return;
            };
            self.remove(&oldest);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some((used, value)) = self.entries.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= value.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn what_was_used_last_stays_and_the_bytes_are_bounded() {
        let key = |n: u8| CacheKey {
            tag: [n; 16],
            page: Some((0, 0)),
        };
        let page = || Cached::Page(Arc::new(Int64Array::from(vec![1; 1_000])));
        let one = page().bytes();
        let mut cache = RecentBlobs::new(3 * one);
        for n in 0..3 {
            cache.put(key(n), page());
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(3), page());
        let held: Vec<u8> = (0..4).filter(|n| cache.get(&key(*n)).is_some()).collect();
        assert_eq!((held, cache.bytes()), (vec![0, 2, 3], 3 * one));
    }
}
