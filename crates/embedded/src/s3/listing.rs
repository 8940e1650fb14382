//! ListObjectsV2.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::reading::{e_tag, timestamp};
use crate::Blobs;
use crate::blobs::{PageAsk, PageEntry, blob_path, end_of};

/// Most keys of one page, by S3.
const PAGE_KEYS_MAX: i32 = 1_000;

/// Whether a key can name a blob at all.
pub(super) fn is_key(key: &str) -> bool {
    blob_path(key).is_ok()
}

/// Lists one page of the bucket.
pub(super) async fn list(
    blobs: &Blobs,
    input: ListObjectsV2Input,
) -> S3Result<ListObjectsV2Output> {
    let max_keys = input.max_keys.unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX);
    let limit = usize::try_from(max_keys).map_err(|_| s3_error!(InvalidArgument))?;
    let mut page = Vec::new();
    if limit > 0 {
        // One more than asked for says whether there is a next page.
        let ask = page_ask(&input, limit + 1)?;
        let listed = blobs.page(ask).await;
        page = listed.map_err(|error| {
            S3Error::with_source(S3ErrorCode::ServiceUnavailable, Box::new(error))
        })?;
    }
    let truncated = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| truncated).map(next_token);
    let output = ListObjectsV2Output {
        max_keys: Some(max_keys),
        key_count: i32::try_from(page.len()).ok(),
        is_truncated: Some(truncated),
        next_continuation_token: next,
        ..named(input)?
    };
    filled(output, page)
}

fn page_ask(input: &ListObjectsV2Input, limit: usize) -> S3Result<PageAsk> {
    let rolled_up = match input.delimiter.as_deref() {
        None | Some("") => false,
        Some("/") => true,
        Some(_) => return Err(s3_error!(NotImplemented, "the only delimiter is /")),
    };
    let after = match &input.continuation_token {
        Some(token) => Some(read_token(token)?),
        None => input.start_after.clone(),
    };
    Ok(PageAsk {
        prefix: input.prefix.clone().unwrap_or_default(),
        after,
        rolled_up,
        limit,
    })
}

/// A token is the last key of its page; encoded because a key need not be XML.
fn next_token(last: &PageEntry) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(end_of(last.key()))
}

fn read_token(token: &str) -> S3Result<String> {
    let refused = || s3_error!(InvalidArgument, "the continuation token is not ours");
    let key = BASE64_URL_SAFE_NO_PAD.decode(token);
    String::from_utf8(key.map_err(|_| refused())?).map_err(|_| refused())
}

/// The answer's echo of the question.
fn named(input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let encoding = input.encoding_type.as_ref();
    if encoding.is_some_and(|encoding| encoding.as_str() != EncodingType::URL) {
        return Err(s3_error!(InvalidArgument, "the only encoding is url"));
    }
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(written(encoding, &input.prefix.unwrap_or_default())),
        delimiter: input.delimiter.map(|text| written(encoding, &text)),
        start_after: input.start_after.map(|text| written(encoding, &text)),
        encoding_type: input.encoding_type.clone(),
        continuation_token: input.continuation_token,
        ..ListObjectsV2Output::default()
    })
}

fn filled(mut output: ListObjectsV2Output, page: Vec<PageEntry>) -> S3Result<ListObjectsV2Output> {
    let encoding = output.encoding_type.as_ref();
    let (mut contents, mut folders) = (Vec::new(), Vec::new());
    for entry in page {
        let key = Some(written(encoding, entry.key()));
        match entry {
            PageEntry::Folder(_) => folders.push(CommonPrefix { prefix: key }),
            PageEntry::Blob(meta) => contents.push(Object {
                key,
                e_tag: e_tag(meta.e_tag.as_deref()),
                last_modified: Some(timestamp(meta.last_modified)),
                size: Some(i64::try_from(meta.size).map_err(S3Error::internal_error)?),
                storage_class: Some(ObjectStorageClass::STANDARD.to_owned().into()),
                ..Object::default()
            }),
        }
    }
    output.contents = Some(contents);
    output.common_prefixes = Some(folders);
    Ok(output)
}

/// A key as the client asked to see it: percent-encoded but for `/`, or as it is.
fn written(encoding: Option<&EncodingType>, key: &str) -> String {
    if encoding.is_none() {
        return key.to_owned();
    }
    key.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_percent_encoded_on_request() {
        let url = EncodingType::from_static(EncodingType::URL);
        assert_eq!(written(Some(&url), "a b/c=é%"), "a%20b/c%3D%C3%A9%25");
        assert_eq!(written(None, "a b/c=é%"), "a b/c=é%");
    }

    #[test]
    fn tokens_read_back() {
        let token = next_token(&PageEntry::Folder("a/b/".to_owned()));
        assert_eq!(read_token(&token).unwrap(), format!("a/b/{}", char::MAX));
        assert!(read_token("not ours!").is_err());
    }
}
