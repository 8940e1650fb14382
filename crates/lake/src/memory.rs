//! A strict blob store in memory, for tests and simulation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use bytes::Bytes;
use tidelog_log::{Error, Result};

use crate::{BlobMeta, BlobStore, PutMode};

/// Blobs in memory, with every promise of [`BlobStore`] kept exactly.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: RefCell<BTreeMap<String, Bytes>>,
}

impl MemoryBlobs {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every key, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.blobs.borrow().keys().cloned().collect()
    }
}

impl BlobStore for MemoryBlobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        let body = self.blobs.borrow().get(key).cloned();
        let body =
            body.ok_or_else(|| Error::not_found("blob_not_found", format!("no blob {key:?}")))?;
        let Some(range) = range else {
            return Ok(body);
        };
        let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
        let (start, end) = (place(range.start), place(range.end));
        if start > end || end > body.len() {
            return Err(Error::invalid(
                "blob_range",
                format!("blob {key:?} has {} bytes, not {range:?}", body.len()),
            ));
        }
        Ok(body.slice(start..end))
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        let mut blobs = self.blobs.borrow_mut();
        if mode == PutMode::Absent && blobs.contains_key(key) {
            return Err(Error::conflict(
                "blob_exists",
                format!("there is a blob {key:?} already"),
            ));
        }
        blobs.insert(key.to_owned(), body);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let blobs = self.blobs.borrow();
        let page = blobs
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, body)| BlobMeta {
                key: key.clone(),
                bytes: body.len() as u64,
            })
            .collect();
        Ok(page)
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        let mut blobs = self.blobs.borrow_mut();
        for key in keys {
            blobs.remove(key);
        }
        Ok(())
    }
}
