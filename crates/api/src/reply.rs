//! Answers in the making.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value as Json;
use tidelog_core::{TurnReply, Written};
use tidelog_log::{Result, Sequence};

use crate::handle::unreadable;
use crate::{Body, Response};

/// An answer with no body.
pub(crate) fn empty<B>(status: StatusCode) -> Response<B> {
    bytes(status, "", Bytes::new())
}

/// An answer with a body; no content type when it is empty text.
pub(crate) fn bytes<B>(status: StatusCode, media: &'static str, body: Bytes) -> Response<B> {
    let mut response = Response::new(Body::Bytes(body));
    *response.status_mut() = status;
    if !media.is_empty() {
        let media = HeaderValue::from_static(media);
        response.headers_mut().insert(CONTENT_TYPE, media);
    }
    response
}

/// A JSON answer of another media type.
pub(crate) fn document<B>(status: StatusCode, media: &'static str, body: &Json) -> Response<B> {
    bytes(status, media, Bytes::from(body.to_string()))
}

/// A JSON answer.
pub(crate) fn json<B>(status: StatusCode, body: &Json) -> Response<B> {
    document(status, "application/json", body)
}

/// Sets a header; a value that no header can hold leaves it out.
pub(crate) fn with_header<B>(
    mut response: Response<B>,
    name: &'static str,
    value: &str,
) -> Response<B> {
    if let Ok(value) = HeaderValue::from_str(value) {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, value);
    }
    response
}

/// The entity tag of a version.
pub(crate) fn version_tag(version: Sequence) -> String {
    format!("\"{version}\"")
}

/// Whether `If-None-Match` says that the client has what `tag` names (weak comparison).
pub(crate) fn has_already(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all("if-none-match").into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}

/// What a turn answers. Written straight to bytes: a turn may be of 10,000 documents.
pub(crate) fn turn<B>(status: StatusCode, reply: &TurnReply) -> Result<Response<B>> {
    let answer = TurnAnswer {
        offset: reply.offset.to_string(),
        replayed: reply.replayed,
        written: &reply.written,
    };
    let body = serde_json::to_vec(&answer).map_err(|e| unreadable(&e))?;
    Ok(bytes(status, "application/json", Bytes::from(body)))
}

#[derive(Serialize)]
struct TurnAnswer<'a> {
    offset: String,
    replayed: bool,
    written: &'a [Written],
}
