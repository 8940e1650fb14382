//! The blob port over a local folder or an S3 bucket.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions};
use tidelog_lake::{BlobMeta, BlobStore, PutMode};
use tidelog_log::{Error, Kind, Result};

mod bucket;
use bucket::Bucket;
pub use bucket::S3Settings;

mod failure;
use failure::{blob_error, put_error};
pub(crate) use failure::{blob_path, is_no_blob};

mod folder;
use folder::Folder;
pub(crate) use folder::end_of;

#[cfg(test)]
mod tests;

/// Object storage in a local folder or an S3 bucket; clones share it.
///
/// A put is durable when it returns: in a folder the file, its directory and every directory
/// above it up to the root are synced. Keys are plain paths: no empty, `.` or `..` segment.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

/// Where the blobs are: what the two do differently.
#[derive(Clone)]
enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

/// What to list: at most `limit` entries under `prefix` and after `after`.
#[derive(Clone, Debug)]
pub(crate) struct PageAsk {
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    /// Roll keys up to the first `/` behind the prefix.
    pub(crate) rolled_up: bool,
    pub(crate) limit: usize,
}

/// One line of a listing.
#[derive(Clone, Debug)]
pub(crate) enum PageEntry {
    Blob(ObjectMeta),
    /// Everything under a key that ends in `/`.
    Folder(String),
}

impl PageEntry {
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Blob(meta) => meta.location.as_ref(),
            Self::Folder(key) => key,
        }
    }
}

impl Blobs {
    /// Opens a local folder, and creates it where it is missing.
    ///
    /// # Errors
    /// `storage_full` or `blob_store` (unavailable) when the folder cannot be made.
    pub fn folder(path: impl AsRef<FilePath>) -> Result<Self> {
        let (folder, store) = Folder::open(path.as_ref())?;
        Ok(Self {
            store: Arc::new(store),
            place: Place::Folder(folder),
        })
    }

    /// Opens a bucket of S3 or of a store that speaks it; sends nothing yet.
    ///
    /// # Errors
    /// `blob_settings` (invalid) when the settings do not make a client.
    pub fn s3(settings: S3Settings) -> Result<Self> {
        let bucket = Bucket::open(settings)?;
        Ok(Self {
            store: bucket.store(),
            place: Place::Bucket(bucket),
        })
    }

    /// Opens a blob for reading in pieces, as the store's own answer.
    pub(crate) async fn open(
        &self,
        key: &str,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.store.get_opts(&Path::parse(key)?, options).await
    }

    /// Lists one page, sorted by key; may hold fewer than `limit` entries only at the end.
    pub(crate) async fn page(&self, ask: PageAsk) -> Result<Vec<PageEntry>> {
        match &self.place {
            Place::Bucket(bucket) => bucket.page(ask).await,
            Place::Folder(folder) => folder.page(&self.store, ask).await,
        }
    }

    /// Why a ranged read failed: the range ends past the blob, or else `error`.
    async fn range_error(&self, path: &Path, range: &Range<u64>, error: Error) -> Error {
        match self.store.head(path).await {
            Ok(meta) if range.end > meta.size || range.start > range.end => {
                range_past(path, range, meta.size)
            }
            Ok(_) => error,
            Err(error) => blob_error(error),
        }
    }

    async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        if range.start >= range.end {
            let size = self.store.head(path).await.map_err(blob_error)?.size;
            return match range.start == range.end && range.end <= size {
                true => Ok(Bytes::new()),
                false => Err(range_past(path, &range, size)),
            };
        }
        let options = GetOptions::new().with_range(Some(range.clone()));
        let found = match self.store.get_opts(path, options).await {
            Ok(found) => found,
            Err(error) => return Err(self.range_error(path, &range, blob_error(error)).await),
        };
        // Stores shorten a range that ends past the blob instead of refusing it.
        if found.range != range {
            return Err(range_past(path, &range, found.meta.size));
        }
        found.bytes().await.map_err(blob_error)
    }
}

fn range_past(path: &Path, range: &Range<u64>, size: u64) -> Error {
    Error::invalid(
        "blob_range",
        format!("blob {:?} has {size} bytes, not {range:?}", path.as_ref()),
    )
}

impl BlobStore for Blobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        let path = blob_path(key)?;
        match range {
            Some(range) => self.get_range(&path, range).await,
            None => {
                let found = self.store.get(&path).await.map_err(blob_error)?;
                found.bytes().await.map_err(blob_error)
            }
        }
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        let path = blob_path(key)?;
        if let Place::Folder(folder) = &self.place {
            folder.settle(&path).await?;
        }
        let mode = match mode {
            PutMode::Absent => object_store::PutMode::Create,
            PutMode::Overwrite => object_store::PutMode::Overwrite,
        };
        let put = self
            .store
            .put_opts(&path, body.into(), PutOptions::from(mode));
        put.await.map(drop).map_err(put_error)
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        let ask = PageAsk {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            rolled_up: false,
            limit,
        };
        let entries = self.page(ask).await?.into_iter();
        let blobs = entries.filter_map(|entry| match entry {
            PageEntry::Blob(meta) => Some(BlobMeta {
                key: meta.location.into(),
                bytes: meta.size,
            }),
            PageEntry::Folder(_) => None,
        });
        Ok(blobs.collect())
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        let paths = keys.iter().map(|key| blob_path(key));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        let mut deleted = self
            .store
            .delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome.map_err(blob_error) {
                Err(error) if error.kind() != Kind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::internal(format!("work in the background failed: {e}")))
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blobs({})", self.store)
    }
}
