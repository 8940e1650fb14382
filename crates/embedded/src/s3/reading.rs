//! The S3 operations: reads of one bucket.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops;
use std::time::SystemTime;

use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use object_store::{Error as StoreError, GetOptions, GetRange, GetResult, GetResultPayload};
use s3s::dto::{
    Bucket, ETag, ETagCondition, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output, Range,
    StreamingBlob, Timestamp, TimestampFormat,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::listing;
use crate::Blobs;
use crate::blobs::is_no_blob;

/// The region the bucket says it is in; requests may be signed for any.
const REGION: &str = "us-east-1";
/// Most bytes of a file held at once for one response.
const CHUNK_BYTES_MAX: u64 = 256 * 1024;
const CONTENT_TYPE: &str = "application/octet-stream";

/// Reads of one bucket.
pub(super) struct Reading {
    blobs: Blobs,
    bucket: String,
}

/// The conditions of a request; times are whole seconds.
struct Conditions {
    matching: Option<ETagCondition>,
    none_matching: Option<ETagCondition>,
    modified_since: Option<Timestamp>,
    unmodified_since: Option<Timestamp>,
}

impl Reading {
    pub(super) fn new(blobs: Blobs, bucket: String) -> Self {
        Self { blobs, bucket }
    }

    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        match bucket == self.bucket {
            true => Ok(()),
            false => Err(s3_error!(NoSuchBucket)),
        }
    }

    async fn open(&self, key: &str, options: GetOptions) -> S3Result<GetResult> {
        if !listing::is_key(key) {
            return Err(s3_error!(NoSuchKey));
        }
        let ranged = options.range.clone();
        match self.blobs.open(key, options).await {
            Ok(found) => Ok(found),
            Err(error) => Err(match (s3_failure(&error), ranged) {
                (Some(failure), _) => failure,
                (None, Some(range)) => self.range_failure(key, &range, error).await,
                (None, None) => unavailable(error),
            }),
        }
    }

    /// Stores report a range that starts past the blob in their own ways: asks for the size.
    async fn range_failure(&self, key: &str, range: &GetRange, error: StoreError) -> S3Error {
        let head = GetOptions::new().with_head(true);
        match self.blobs.open(key, head).await {
            Ok(found) if starts_past(range, found.meta.size) => s3_error!(InvalidRange),
            Ok(_) => unavailable(error),
            Err(error) => s3_failure(&error).unwrap_or_else(|| unavailable(error)),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Reading {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let conditions = Conditions {
            matching: input.if_match,
            none_matching: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        let mut options = conditions.options()?;
        options.range = input.range.map(store_range).transpose()?;
        let ranged = options.range.is_some();
        let found = self.open(&input.key, options).await?;
        Ok(S3Response::new(object_output(found, ranged)?))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let conditions = Conditions {
            matching: input.if_match,
            none_matching: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        let options = conditions.options()?.with_head(true);
        let meta = self.open(&input.key, options).await?.meta;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(meta.size)?),
            content_type: Some(CONTENT_TYPE.to_owned()),
            e_tag: e_tag(meta.e_tag.as_deref()),
            last_modified: Some(timestamp(meta.last_modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.check_bucket(&request.input.bucket)?;
        let listed = listing::list(&self.blobs, request.input).await?;
        Ok(S3Response::new(listed))
    }

    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(vec![Bucket {
                name: Some(self.bucket.clone()),
                ..Bucket::default()
            }]),
            ..ListBucketsOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.check_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(REGION.to_owned()),
            ..HeadBucketOutput::default()
        }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.check_bucket(&request.input.bucket)?;
        // S3 names `us-east-1` by naming nothing.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }
}

impl Conditions {
    fn options(&self) -> S3Result<GetOptions> {
        let mut options = GetOptions::new();
        options.if_match = self.matching.as_ref().map(condition).transpose()?;
        options.if_none_match = self.none_matching.as_ref().map(condition).transpose()?;
        options.if_modified_since = self.modified_since.as_ref().map(until).transpose()?;
        options.if_unmodified_since = self.unmodified_since.as_ref().map(until).transpose()?;
        Ok(options)
    }
}

fn condition(condition: &ETagCondition) -> S3Result<String> {
    let header = condition.to_http_header();
    let header = header.map_err(|_| s3_error!(InvalidArgument))?;
    let text = header.to_str().map_err(|_| s3_error!(InvalidArgument))?;
    Ok(text.to_owned())
}

/// The last moment of the second that a header names: files know fractions, headers do not.
fn until(second: &Timestamp) -> S3Result<DateTime<Utc>> {
    let invalid = || s3_error!(InvalidArgument, "a date is not readable");
    let mut text = Vec::new();
    let written = second.format(TimestampFormat::EpochSeconds, &mut text);
    written.map_err(|_| invalid())?;
    let text = String::from_utf8(text).map_err(|_| invalid())?;
    let whole = text.split('.').next().unwrap_or_default();
    let seconds = whole.parse().map_err(|_| invalid())?;
    DateTime::from_timestamp(seconds, 999_999_999).ok_or_else(invalid)
}

fn store_range(range: Range) -> S3Result<GetRange> {
    match range {
        Range::Int {
            first,
            last: Some(last),
        } => Ok(GetRange::Bounded(first..last.saturating_add(1))),
        Range::Int { first, last: None } => Ok(GetRange::Offset(first)),
        Range::Suffix { length: 0 } => Err(s3_error!(InvalidRange)),
        Range::Suffix { length } => Ok(GetRange::Suffix(length)),
    }
}

fn starts_past(range: &GetRange, size: u64) -> bool {
    match range {
        GetRange::Bounded(range) => range.start >= size,
        GetRange::Offset(start) => *start >= size,
        GetRange::Suffix(_) => size == 0,
    }
}

fn object_output(found: GetResult, ranged: bool) -> S3Result<GetObjectOutput> {
    let (range, size) = (found.range.clone(), found.meta.size);
    let content_range = (ranged && !range.is_empty())
        .then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1));
    Ok(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(signed(range.end - range.start)?),
        content_range,
        content_type: Some(CONTENT_TYPE.to_owned()),
        e_tag: e_tag(found.meta.e_tag.as_deref()),
        last_modified: Some(timestamp(found.meta.last_modified)),
        body: Some(stream_body(found)),
        ..GetObjectOutput::default()
    })
}

fn stream_body(found: GetResult) -> StreamingBlob {
    let range = found.range.clone();
    let body = match found.payload {
        GetResultPayload::File(file, _) => Body::from_stream(file_chunks(file, range)),
        GetResultPayload::Stream(stream) => Body::from_stream(stream),
    };
    s3s::Body::http_body_unsync(body).into()
}

/// Reads a file in chunks, each where it may block.
fn file_chunks(file: File, range: ops::Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.end.min(range.start.saturating_add(CHUNK_BYTES_MAX));
        let read = tokio::task::spawn_blocking(move || read_chunk(file, range.start..end));
        let (file, chunk) = read.await.map_err(io::Error::other)??;
        Ok(Some((chunk, (file, end..range.end))))
    })
}

fn read_chunk(mut file: File, range: ops::Range<u64>) -> io::Result<(File, Bytes)> {
    let length = range.end - range.start;
    let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.seek(SeekFrom::Start(range.start))?;
    file.by_ref().take(length).read_to_end(&mut chunk)?;
    match chunk.len() as u64 == length {
        true => Ok((file, chunk.into())),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn signed(bytes: u64) -> S3Result<i64> {
    i64::try_from(bytes).map_err(S3Error::internal_error)
}

/// An entity tag as S3 knows it.
pub(super) fn e_tag(tag: Option<&str>) -> Option<ETag> {
    ETag::parse_http_header(tag?.as_bytes()).ok()
}

/// A time as S3 knows it.
pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    SystemTime::from(time).into()
}

/// The errors that S3 has codes for.
fn s3_failure(error: &StoreError) -> Option<S3Error> {
    let code = match error {
        StoreError::NotFound { .. } | StoreError::InvalidPath { .. } => S3ErrorCode::NoSuchKey,
        StoreError::Precondition { .. } => S3ErrorCode::PreconditionFailed,
        StoreError::NotModified { .. } => S3ErrorCode::NotModified,
        _ if is_no_blob(error) => S3ErrorCode::NoSuchKey,
        _ => return None,
    };
    Some(code.into())
}

/// A store that does not answer; clients try `ServiceUnavailable` again.
fn unavailable(error: StoreError) -> S3Error {
    S3Error::with_source(S3ErrorCode::ServiceUnavailable, Box::new(error))
}
