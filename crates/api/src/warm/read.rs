//! One read that the cache may answer.

use std::future::Future;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value as Json;
use tidelog_core::{Address, Stamp, TypeSchema, WarmPolicy};
use tidelog_log::{Offset, Result};

use super::key::CollectionKeys;
use super::{Cache, CacheKey, Entry, Keep, Outcome, Pointer, WarmHost};
use crate::Response;
use crate::limits::CACHE_ENTRY_BYTES_MAX;
use crate::reply::{self, has_already, with_header};

/// What is asked of a collection.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// The document with this key.
    Document(String),
    /// The query with this digest.
    Query(String),
}

impl Question {
    /// A query by what it says; how new the answer must be is no part of it.
    pub(crate) fn query(query: &Json) -> Self {
        let mut members = query.as_object().cloned().unwrap_or_default();
        members.retain(|name, value| {
            !matches!(name.as_str(), "consistency" | "atLeast") && !value.is_null()
        });
        let text = Json::Object(members).to_string();
        Self::Query(blake3::hash(text.as_bytes()).to_hex().to_string())
    }

    fn key(&self, keys: &CollectionKeys, stamp: &Stamp) -> CacheKey {
        match self {
            Self::Document(key) => keys.document(stamp, key),
            Self::Query(digest) => keys.query(stamp, digest),
        }
    }

    fn cache_control(&self) -> &'static str {
        match self {
            Self::Document(_) => "private, no-cache",
            Self::Query(_) => "no-store",
        }
    }
}

/// What the object answered.
pub(crate) enum Answered<B> {
    /// What was asked for, and the state it is of.
    Value {
        body: Bytes,
        /// Empty: none.
        tag: String,
        stamp: Stamp,
    },
    /// Something that is not kept.
    Other(Response<B>),
}

/// A read of a collection whose cache is on.
pub(crate) struct Read<'r> {
    pub(crate) object: &'r Address,
    pub(crate) keys: CollectionKeys,
    pub(crate) policy: WarmPolicy,
    pub(crate) question: Question,
    pub(crate) at_least: Option<Offset>,
    pub(crate) headers: &'r http::HeaderMap,
}

impl<'r> Read<'r> {
    /// `None` when the collection's values are not kept, or there is no such collection.
    pub(crate) fn of(
        object: &'r Address,
        schema: &TypeSchema,
        collection: &str,
        question: Question,
        at_least: Option<Offset>,
        headers: &'r http::HeaderMap,
    ) -> Option<Self> {
        let found = schema.collection(collection).ok()?;
        found.warm.enabled.then(|| Self {
            object,
            keys: CollectionKeys::new(object, schema.version, collection),
            policy: found.warm,
            question,
            at_least,
            headers,
        })
    }
}

/// Answers from the cache; else asks the object, which is `origin`, and keeps its answer.
pub(crate) async fn read<H: WarmHost, B>(
    host: &H,
    read: &Read<'_>,
    origin: impl Future<Output = Result<Answered<B>>>,
) -> Result<Response<B>> {
    // Before anything is read: what is found out from here on was so at this time or later.
    let now = host.now();
    let outcome = match look(host, read, now).await {
        Ok(hit) => {
            host.figures().count(read.object, Outcome::Hit(hit.age));
            return Ok(hit.answer(read));
        }
        Err(outcome) => outcome,
    };
    host.figures().count(read.object, outcome);
    let (body, tag, stamp) = match origin.await? {
        Answered::Value { body, tag, stamp } => (body, tag, stamp),
        Answered::Other(response) => return Ok(response),
    };
    let entry = Entry {
        body,
        media: "application/json".to_owned(),
        tag,
        stored_at: now,
    };
    let pointer = Pointer {
        stamp,
        observed_at: now,
    };
    keep(host, read, &pointer, &entry).await;
    let how = if outcome == Outcome::Stale {
        "stale"
    } else {
        "miss"
    };
    let response = answer(read, entry, how, 0);
    Ok(with_header(
        response,
        "tidelog-offset",
        &stamp.offset.to_string(),
    ))
}

struct Hit {
    entry: Entry,
    age: i64,
    offset: Offset,
}

impl Hit {
    fn answer<B>(self, read: &Read<'_>) -> Response<B> {
        let response = answer(read, self.entry, "hit", self.age);
        with_header(response, "tidelog-offset", &self.offset.to_string())
    }
}

async fn look<H: WarmHost>(host: &H, read: &Read<'_>, now: i64) -> Result<Hit, Outcome> {
    let cache = host.cache();
    let pointer = cache.get(&read.keys.pointer()).await;
    let pointer = pointer.as_ref().and_then(Pointer::read);
    let Pointer { stamp, .. } = pointer.ok_or(Outcome::Miss)?;
    let age = pointer.and_then(|p| p.age(now, read.policy.ttl_millis, read.at_least));
    let age = age.ok_or(Outcome::Stale)?;
    let entry = cache.get(&read.question.key(&read.keys, &stamp)).await;
    Ok(Hit {
        entry: entry.ok_or(Outcome::Miss)?,
        age,
        offset: stamp.offset,
    })
}

/// Keeps the value, then what points to it. A pointer to a later state stays: a reader of it would find
/// itself set back.
async fn keep<H: WarmHost>(host: &H, read: &Read<'_>, pointer: &Pointer, entry: &Entry) {
    let cache = host.cache();
    let keep = Keep {
        ttl_millis: read.policy.ttl_millis,
        entries_max: read.policy.entries_max,
    };
    if entry.body.len() <= CACHE_ENTRY_BYTES_MAX {
        let key = read.question.key(&read.keys, &pointer.stamp);
        cache.put(&key, entry.clone(), keep).await;
    }
    let now = host.now();
    let stays = |there: &Entry, new: &Entry| Pointer::stays(there, new, now);
    cache
        .put_unless(&read.keys.pointer(), pointer.entry(), keep, &stays)
        .await;
}

fn answer<B>(read: &Read<'_>, entry: Entry, how: &str, age_millis: i64) -> Response<B> {
    let has = !entry.tag.is_empty() && has_already(read.headers, &entry.tag);
    let mut response = match has {
        true => reply::empty(StatusCode::NOT_MODIFIED),
        false => reply::bytes(StatusCode::OK, "application/json", entry.body),
    };
    if !entry.tag.is_empty() {
        response = with_header(response, "etag", &entry.tag);
    }
    response = with_header(response, "cache-control", read.question.cache_control());
    response = with_header(response, "tidelog-cache", how);
    with_header(response, "age", &(age_millis / 1_000).to_string())
}
