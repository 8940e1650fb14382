//! The port to object storage.

use std::ops::Range;

use bytes::Bytes;
use tidelog_log::Result;

/// What a put does about a blob that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Refuse with `blob_exists`.
    Absent,
    /// Replace it.
    Overwrite,
}

/// A blob in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    /// Its key, relative to the bucket.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Object storage, one bucket or folder of it. Keys are relative, with `/` between segments.
///
/// Implementers map an unreachable store to `Unavailable`, which callers retry.
#[expect(
    async_fn_in_trait,
    reason = "used generically on one thread; JavaScript futures are not Send"
)]
pub trait BlobStore {
    /// Reads a blob, or the bytes of `range` in it.
    ///
    /// # Errors
    /// `blob_not_found`; `blob_range` when the range ends past the blob.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes>;

    /// Writes a whole blob; it is durable when this returns.
    ///
    /// # Errors
    /// `blob_exists` (conflict) under [`PutMode::Absent`] when the key is taken.
    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()>;

    /// Lists at most `limit` blobs whose keys start with `prefix` and sort after `after`, sorted.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>>;

    /// Deletes blobs; a key that is not there is fine.
    async fn delete(&self, keys: &[String]) -> Result<()>;

    /// Runs work that keeps a processor busy, which makes what is put next. In place, unless the
    /// implementer has threads to run it beside its own waiting.
    ///
    /// # Errors
    /// `internal` when the work did not come to its end.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        Ok(work())
    }
}
