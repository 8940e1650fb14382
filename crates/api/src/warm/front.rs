//! The warm tier in front of objects that are elsewhere.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use tidelog_core::Address;
use tidelog_log::Result;

use super::read::{Answered, Question, Read, read};
use super::{Terms, WarmHost, entries, read_stamp};
use crate::body::{self, Media};
use crate::handle::{Routed, routed};
use crate::limits::QUERY_DEPTH_MAX;
use crate::{Body, BodySource, Operation, Request, Response, json};

/// The way to an object.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait Forward {
    /// Has the object answer a request.
    ///
    /// # Errors
    /// `actor_reset`, `busy`: the object was lost or is overloaded.
    async fn forward(
        &self,
        object: &Address,
        request: Request<Bytes>,
    ) -> Result<http::Response<Bytes>>;
}

/// With this header a request asks for the state that its answer is of, which comes under the same.
pub(crate) const STAMP: HeaderName = HeaderName::from_static("tidelog-stamp");

/// What is to be done with a request for an object.
pub(crate) enum Fronted<B> {
    Answered(Result<Response<B>>),
    /// The object answers it, as it came.
    Objects,
}

/// Answers a request for an object from the cache, where that is asked for.
pub(crate) async fn of_front<H: WarmHost + Forward, B: BodySource>(
    host: &H,
    object: &Address,
    operation: Operation,
    request: Request<B>,
) -> Fronted<B> {
    match operation {
        Operation::GetCacheEntry | Operation::PutCacheEntry | Operation::DeleteCacheEntry => {
            Fronted::Answered(entry(host, request).await)
        }
        Operation::GetDocument => or_objects(document(host, object, request).await),
        Operation::Query => or_objects(query(host, object, request).await),
        _ => Fronted::Objects,
    }
}

fn or_objects<B>(answer: Result<Option<Response<B>>>) -> Fronted<B> {
    match answer.transpose() {
        Some(answer) => Fronted::Answered(answer),
        None => Fronted::Objects,
    }
}

async fn entry<H: WarmHost, B: BodySource>(host: &H, request: Request<B>) -> Result<Response<B>> {
    let (operation, request) = routed(host, request)?;
    match operation {
        Operation::GetCacheEntry => entries::get(host, &request).await,
        Operation::PutCacheEntry => entries::put(host, request).await,
        _ => entries::delete(host, &request).await,
    }
}

async fn document<H: WarmHost + Forward, B>(
    host: &H,
    object: &Address,
    request: Request<B>,
) -> Result<Option<Response<B>>> {
    let onwards = Request {
        method: Method::GET,
        path: request.path.clone(),
        query: request.query.clone(),
        headers: onwards(&request.headers),
        body: Bytes::new(),
    };
    let (_, request) = routed(host, request)?;
    let terms = Terms::of_parameters(&request.parameters)?;
    let question = Question::Document(request.value(3).to_owned());
    answered(host, object, &request, (question, terms), onwards).await
}

async fn query<H: WarmHost + Forward, B: BodySource>(
    host: &H,
    object: &Address,
    mut request: Request<B>,
) -> Result<Option<Response<B>>> {
    // What is refused for its form is the object's to refuse.
    if body::media(&request.headers, &[Media::Json]).is_err() {
        return Ok(None);
    }
    // No more than the host has read by now: longer queries are the object's.
    let Some(body) = request.body.chunk().await? else {
        return Ok(None);
    };
    let Ok(query) = json::parse(&body, QUERY_DEPTH_MAX) else {
        return Ok(None);
    };
    let Ok(terms) = Terms::of_query(&query) else {
        return Ok(None);
    };
    let onwards = Request {
        method: Method::POST,
        path: request.path.clone(),
        query: request.query.clone(),
        headers: onwards(&request.headers),
        body,
    };
    let (_, request) = routed(host, request)?;
    let question = Question::query(&query);
    answered(host, object, &request, (question, terms), onwards).await
}

async fn answered<H: WarmHost + Forward, B>(
    host: &H,
    object: &Address,
    request: &Routed<B>,
    (question, terms): (Question, Terms),
    onwards: Request<Bytes>,
) -> Result<Option<Response<B>>> {
    if !terms.warm() {
        return Ok(None);
    }
    let schema = host.newest(&object.type_name).await?;
    let (collection, headers) = (request.value(2), &request.headers);
    let warm = Read::of(
        object,
        &schema,
        collection,
        question,
        terms.at_least,
        headers,
    );
    let Some(warm) = warm else {
        return Ok(None);
    };
    let origin = async { Ok(of_response(host.forward(object, onwards).await?)) };
    read(host, &warm, origin).await.map(Some)
}

/// The headers of a request that asks for a whole answer and the state it is of.
fn onwards(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(http::header::IF_NONE_MATCH);
    headers.insert(STAMP, HeaderValue::from_static("1"));
    headers
}

fn of_response<B>(response: http::Response<Bytes>) -> Answered<B> {
    let (mut parts, body) = response.into_parts();
    let stamp = parts.headers.remove(STAMP);
    let stamp = stamp.as_ref().and_then(|value| value.to_str().ok());
    let tag = parts
        .headers
        .get("etag")
        .and_then(|value| value.to_str().ok());
    match stamp.and_then(read_stamp) {
        Some(stamp) if parts.status == StatusCode::OK => Answered::Value {
            tag: tag.unwrap_or_default().to_owned(),
            body,
            stamp,
        },
        _ => Answered::Other(http::Response::from_parts(parts, Body::Bytes(body))),
    }
}
