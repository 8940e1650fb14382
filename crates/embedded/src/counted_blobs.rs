//! The blob port with the operations on it counted, in the classes that R2 bills.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tidelog_lake::{BlobMeta, BlobStore, PutMode};
use tidelog_log::Result;

use crate::blobs::Blobs;
use crate::metrics::Counter;

/// The blobs of one table actor; clones share the counts.
///
/// Every call counts as one operation, also one that fails: R2 bills a put whose condition does
/// not hold. What readers of the lake fetch through the S3 endpoint is no work of an actor.
#[derive(Clone, Debug)]
pub(crate) struct CountedBlobs {
    blobs: Blobs,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    class_a: Counter,
    class_b: Counter,
}

impl CountedBlobs {
    pub(crate) fn new(blobs: Blobs) -> Self {
        Self {
            blobs,
            counts: Arc::default(),
        }
    }

    /// Operations of class A and of class B since the last call.
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.counts.class_a.take(), self.counts.class_b.take())
    }
}

impl BlobStore for CountedBlobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        self.counts.class_b.add(1);
        self.blobs.get(key, range).await
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        self.counts.class_a.add(1);
        self.blobs.put(key, body, mode).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        self.counts.class_a.add(1);
        self.blobs.list(prefix, after, limit).await
    }

    /// Deletes are free.
    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.blobs.delete(keys).await
    }
}
