//! A bucket of S3, or of a store that speaks it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ListResult, ObjectStore, RetryConfig};
use tidelog_log::{Error, Result};

use super::failure::blob_error;
use super::{PageAsk, PageEntry};

/// Most keys one listing request returns, by S3.
const LIST_KEYS_MAX: usize = 1_000;
/// Times a request is sent again before the store counts as unavailable.
const RETRIES_MAX: usize = 4;
/// How long one request is retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a bucket.
#[derive(Clone)]
pub struct S3Settings {
    /// Where the store is, such as `http://127.0.0.1:9000`; none for AWS.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region, such as `us-east-1`; `auto` for R2.
    pub region: String,
    /// The key's id.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
    /// Accepts an endpoint without TLS.
    pub allow_http: bool,
    /// Puts the bucket in the path instead of the host name.
    pub path_style: bool,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// The client of one bucket.
#[derive(Clone)]
pub(super) struct Bucket(AmazonS3);

impl Bucket {
    /// Makes the client; sends nothing.
    pub(super) fn open(settings: S3Settings) -> Result<Self> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(settings.bucket)
            .with_region(settings.region)
            .with_access_key_id(settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key)
            .with_allow_http(settings.allow_http)
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig {
                max_retries: RETRIES_MAX,
                retry_timeout: RETRY_TIMEOUT,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let client = builder.build();
        client
            .map(Self)
            .map_err(|error| Error::invalid("blob_settings", error.to_string()))
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.0.clone())
    }

    /// Lists one page, sorted by key.
    pub(super) async fn page(&self, ask: PageAsk) -> Result<Vec<PageEntry>> {
        let mut page = Vec::new();
        let mut token = None;
        while page.len() < ask.limit {
            let options = PaginatedListOptions {
                offset: ask.after.clone().filter(|after| !after.is_empty()),
                delimiter: ask.rolled_up.then_some("/".into()),
                max_keys: Some((ask.limit - page.len()).min(LIST_KEYS_MAX)),
                page_token: token.take(),
                ..PaginatedListOptions::default()
            };
            let prefix = Some(ask.prefix.as_str()).filter(|prefix| !prefix.is_empty());
            let listed = self.0.list_paginated(prefix, options).await;
            let listed = listed.map_err(blob_error)?;
            page.extend(entries(listed.result));
            token = listed.page_token;
            if token.is_none() {
                break;
            }
        }
        page.truncate(ask.limit);
        Ok(page)
    }
}

/// Blobs and folders of one answer in the order of their keys; S3 gives them apart.
fn entries(listed: ListResult) -> Vec<PageEntry> {
    let folders = listed.common_prefixes.into_iter();
    let mut entries: Vec<_> = folders
        .map(|folder| PageEntry::Folder(format!("{folder}/")))
        .chain(listed.objects.into_iter().map(PageEntry::Blob))
        .collect();
    entries.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    entries
}
