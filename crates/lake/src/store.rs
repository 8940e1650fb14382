//! What a flush does with the blob store, beyond single calls.

use bytes::Bytes;
use tidelog_log::Result;

use crate::limits::ORPHANS_PAGE;
use crate::{BlobStore, PutMode};

/// Writes a blob that nobody else may have written: if it is there already, from an earlier run
/// of the same attempt, it must be the same.
pub(crate) async fn put_once<B: BlobStore>(blobs: &B, key: &str, body: Bytes) -> Result<()> {
    match blobs.put(key, body.clone(), PutMode::Absent).await {
        Err(error) if error.code() == "blob_exists" => match blobs.get(key, None).await? == body {
            true => Ok(()),
            false => Err(error),
        },
        other => other,
    }
}

/// Every key that starts with `prefix` and not with `except`.
pub(crate) async fn keys_except<B: BlobStore>(
    blobs: &B,
    prefix: &str,
    except: &str,
) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = blobs.list(prefix, after.as_deref(), ORPHANS_PAGE).await?;
        let full = page.len() == ORPHANS_PAGE;
        after = page.last().map(|blob| blob.key.clone());
        let page = page.into_iter().map(|blob| blob.key);
        keys.extend(page.filter(|key| !key.starts_with(except)));
        if !full {
            return Ok(keys);
        }
    }
}
