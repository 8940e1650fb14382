//! Bodies, read whole within a limit.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value as Json;
use tidelog_core::JsonObject;
use tidelog_log::{Error, Result};

use crate::{BodySource, json};

/// The media types the routes read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Ndjson,
    Toml,
}

/// What the body is, by its `Content-Type`; JSON when none is given.
///
/// Forms and plain text are refused: a browser sends those across sites without asking.
pub(crate) fn media(headers: &HeaderMap, taken: &[Media]) -> Result<Media> {
    let text = headers
        .get(CONTENT_TYPE)
        .map_or("", |v| v.to_str().unwrap_or("?"));
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let media = match essence.as_str() {
        "" | "application/json" => Some(Media::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Media::Ndjson),
        "application/toml" => Some(Media::Toml),
        other if other.starts_with("application/") && other.ends_with("+json") => Some(Media::Json),
        _ => None,
    };
    media.filter(|media| taken.contains(media)).ok_or_else(|| {
        Error::invalid(
            "unsupported_media_type",
            format!("the body is {text:?}; this route reads JSON (-H 'content-type: application/json') and what its documentation lists"),
        )
        .at("Content-Type")
    })
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// `body_too_large` as soon as it is known to be larger.
pub(crate) async fn read<B: BodySource>(
    headers: &HeaderMap,
    body: &mut B,
    bytes_max: usize,
) -> Result<Bytes> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if declared
        .and_then(|n| n.parse().ok())
        .is_some_and(|n: usize| n > bytes_max)
    {
        return Err(too_large(bytes_max));
    }
    let mut all = BytesMut::new();
    while let Some(chunk) = body.chunk().await? {
        if all.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Reads a JSON body.
///
/// # Errors
/// `unsupported_media_type`, `body_too_large`, `invalid_json` or `json_too_deep`.
pub(crate) async fn read_json<B: BodySource>(
    headers: &HeaderMap,
    body: &mut B,
    bytes_max: usize,
    depth_max: usize,
) -> Result<Json> {
    media(headers, &[Media::Json])?;
    json::parse(&read(headers, body, bytes_max).await?, depth_max)
}

/// The JSON as an object.
pub(crate) fn object(json: Json, what: &str) -> Result<JsonObject> {
    match json {
        Json::Object(object) => Ok(object),
        _ => Err(Error::invalid(
            "invalid_body",
            format!("{what} is a JSON object"),
        )),
    }
}

fn too_large(bytes_max: usize) -> Error {
    Error::too_large(
        "body_too_large",
        format!("the body is over {bytes_max} bytes"),
    )
    .with("limit", bytes_max)
}
