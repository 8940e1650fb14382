//! The `BlobStore` port over an R2 bucket.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use tidelog_lake::{BlobMeta, BlobStore, PutMode};
use tidelog_log::{Error, Result};
use wasm_bindgen::{JsCast, JsValue};
use worker::{Bucket, Conditional, Object};

use crate::js;

/// Bodies above this go up in parts.
const SINGLE_PUT_BYTES_MAX: usize = 16 << 20;
/// Size of a part; R2 takes no less than 5 MiB but for the last one.
const PART_BYTES: usize = 8 << 20;
/// Blobs one listing call returns, and keys one delete takes.
const PAGE: usize = 1_000;

/// An R2 bucket that counts its operations.
#[derive(Clone, Debug)]
pub(crate) struct R2Blobs {
    bucket: Rc<Bucket>,
    /// Puts, lists and parts.
    class_a: Rc<Cell<u64>>,
    /// Gets.
    class_b: Rc<Cell<u64>>,
}

impl R2Blobs {
    /// The bucket that is bound as `LAKE`.
    pub(crate) fn of_lake(env: &JsValue) -> Result<Self> {
        let bucket = js_sys::Reflect::get(env, &JsValue::from_str("LAKE"));
        let bucket = bucket.map_err(|e| Error::internal(js::text_of(&e)))?;
        Ok(Self::new(bucket.unchecked_into()))
    }

    fn new(bucket: Bucket) -> Self {
        Self {
            bucket: Rc::new(bucket),
            class_a: Rc::default(),
            class_b: Rc::default(),
        }
    }

    /// Another bucket, counted with this one.
    pub(crate) fn beside(&self, bucket: Bucket) -> Self {
        Self {
            bucket: Rc::new(bucket),
            class_a: Rc::clone(&self.class_a),
            class_b: Rc::clone(&self.class_b),
        }
    }

    /// Operations of class A and B so far.
    pub(crate) fn operations(&self) -> (u64, u64) {
        (self.class_a.get(), self.class_b.get())
    }

    fn count(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }

    async fn put_parts(&self, key: &str, body: &Bytes) -> Result<()> {
        Self::count(&self.class_a);
        let upload = self.bucket.create_multipart_upload(key).execute().await;
        let upload = upload.map_err(store)?;
        let mut parts = Vec::new();
        for (number, part) in (1_u16..).zip(body.chunks(PART_BYTES)) {
            Self::count(&self.class_a);
            match upload.upload_part(number, part.to_vec()).await {
                Ok(part) => parts.push(part),
                Err(error) => {
                    // Parts of an upload that nobody completes are dropped by R2 after a week.
                    drop(upload.abort().await);
                    return Err(store(error));
                }
            }
        }
        Self::count(&self.class_a);
        upload.complete(parts).await.map_err(store).map(drop)
    }
}

impl BlobStore for R2Blobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        Self::count(&self.class_b);
        let mut get = self.bucket.get(key);
        if let Some(range) = &range {
            get = get.range(worker::Range::OffsetWithLength {
                offset: range.start,
                length: range.end.saturating_sub(range.start),
            });
        }
        let found = get.execute().await.map_err(|e| reading(e, key))?;
        let found = found.ok_or_else(|| missing(key))?;
        let body = found.body().ok_or_else(|| missing(key))?;
        let bytes = body.bytes().await.map_err(store)?;
        match range {
            Some(range) if bytes.len() as u64 != range.end.saturating_sub(range.start) => {
                Err(outside(key))
            }
            _ => Ok(Bytes::from(bytes)),
        }
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        let taken = || Error::conflict("blob_exists", format!("there is a blob {key:?} already"));
        if body.len() > SINGLE_PUT_BYTES_MAX {
            // An upload in parts takes no condition; names are of one attempt only.
            Self::count(&self.class_b);
            let there = self.bucket.head(key).await.map_err(store)?;
            if mode == PutMode::Absent && there.is_some() {
                return Err(taken());
            }
            return self.put_parts(key, &body).await;
        }
        Self::count(&self.class_a);
        let mut put = self.bucket.put(key, Vec::from(body));
        if mode == PutMode::Absent {
            put = put.only_if(Conditional {
                etag_does_not_match: Some("*".to_owned()),
                ..Conditional::default()
            });
        }
        // A condition that fails gives no object and no error.
        match put.execute().await.map_err(store)? {
            Some(_) => Ok(()),
            None => Err(taken()),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        let mut found: Vec<BlobMeta> = Vec::new();
        let mut after = after.map(str::to_owned);
        while found.len() < limit {
            Self::count(&self.class_a);
            let wanted = (limit - found.len()).min(PAGE);
            let mut list = self.bucket.list().prefix(prefix);
            list = list.limit(u32::try_from(wanted).unwrap_or(u32::MAX));
            if let Some(after) = &after {
                list = list.start_after(after);
            }
            let page = list.execute().await.map_err(store)?;
            found.extend(page.objects().iter().map(meta));
            after = found.last().map(|blob| blob.key.clone());
            if !page.truncated() || after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(PAGE) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.bucket.delete_multiple(keys).await.map_err(store)?;
        }
        Ok(())
    }
}

fn meta(object: &Object) -> BlobMeta {
    BlobMeta {
        key: object.key(),
        bytes: object.size(),
    }
}

fn missing(key: &str) -> Error {
    Error::not_found("blob_not_found", format!("no blob {key:?}"))
}

fn outside(key: &str) -> Error {
    Error::invalid(
        "blob_range",
        format!("the range ends past the blob {key:?}"),
    )
}

/// R2 refuses a range that starts past the end (its error 10039).
fn reading(error: worker::Error, key: &str) -> Error {
    let text = error.to_string();
    match text.contains("10039") || text.contains("range") {
        true => outside(key),
        false => store(error),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn store(error: worker::Error) -> Error {
    Error::unavailable("blob_store", error.to_string())
}
