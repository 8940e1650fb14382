//! The process's memory for the blobs of objects: what was read last, shared by all connections.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_core::{BlobCache, CacheKey, Cached, RecentBlobs};

/// Opened blobs and decoded pages. Entries are named by content, so objects may share them.
#[derive(Debug)]
pub struct BlobMemory(Mutex<RecentBlobs>);

impl BlobMemory {
    /// Bytes held when nothing else is said.
    pub const BYTES_DEFAULT: usize = 256_000_000;

    /// An empty memory of at most this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Mutex::new(RecentBlobs::new(bytes_max)))
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, RecentBlobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BlobMemory {
    fn default() -> Self {
        Self::new(Self::BYTES_DEFAULT)
    }
}

impl BlobCache for BlobMemory {
    fn get(&self, key: &CacheKey) -> Option<Cached> {
        self.lock().get(key)
    }

    fn put(&self, key: CacheKey, value: Cached) {
        self.lock().put(key, value);
    }
}
