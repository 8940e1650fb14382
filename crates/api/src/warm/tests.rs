//! What stays in the cache of answers and pushes that cross, and how old an answer may be.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use tidelog_core::{Address, Stamp, WarmPolicy};
use tidelog_log::{Epoch, Error, Offset, Sequence};

use super::key::CollectionKeys;
use super::read::{Answered, Question, Read, read};
use super::*;
use crate::{ApiSettings, Body, Response};

pub(super) const TTL_MILLIS: i64 = 60_000;
const SECOND: i64 = 1_000;

/// A host with a clock that tests move, and a cache that loses nothing.
#[derive(Default)]
struct Desk {
    now: RefCell<i64>,
    shelf: Shelf,
    figures: Figures,
    settings: ApiSettings,
}

#[derive(Default)]
pub(super) struct Shelf(RefCell<BTreeMap<String, Entry>>);

impl Cache for Shelf {
    async fn get(&self, key: &CacheKey) -> Option<Entry> {
        self.0.borrow().get(key.path()).cloned()
    }

    async fn put(&self, key: &CacheKey, entry: Entry, _: Keep) {
        self.0.borrow_mut().insert(key.path().to_owned(), entry);
    }

    async fn put_unless(&self, key: &CacheKey, entry: Entry, keep: Keep, stays: &Stays<'_>) {
        let there = self.get(key).await;
        if !there.is_some_and(|there| stays(&there, &entry)) {
            self.put(key, entry, keep).await;
        }
    }

    async fn delete(&self, key: &CacheKey) {
        self.0.borrow_mut().remove(key.path());
    }
}

impl Host for Desk {
    fn now(&self) -> i64 {
        *self.now.borrow()
    }

    fn stopping(&self) -> bool {
        false
    }

    fn settings(&self) -> &ApiSettings {
        &self.settings
    }
}

impl WarmHost for Desk {
    type Cache = Shelf;

    fn cache(&self) -> &Shelf {
        &self.shelf
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    async fn newest(&self, _: &str) -> Result<Arc<TypeSchema>> {
        Err(Error::not_found("unknown_type", "it has none"))
    }

    fn entropy(&self) -> [u8; 16] {
        [0; 16]
    }
}

pub(super) fn stamp(sequence: u64) -> Stamp {
    Stamp {
        offset: Offset {
            epoch: Epoch(5),
            sequence: Sequence(sequence),
        },
        touched: Sequence(sequence),
        mark: sequence,
        schema_version: 1,
    }
}

pub(super) fn object() -> Address {
    Address::object("shop", "one").unwrap()
}

impl Desk {
    fn pass(&self, millis: i64) {
        *self.now.borrow_mut() += millis;
    }

    /// A read, answered by the object, if it is asked, with the state that `origin` ends in. What was
    /// answered: the state's number, and what the cache said.
    async fn read(
        &self,
        at_least: Option<u64>,
        origin: impl Future<Output = u64>,
    ) -> (u64, String) {
        let (object, headers) = (object(), HeaderMap::new());
        let asked = Read {
            object: &object,
            keys: CollectionKeys::new(&object, 1, "items"),
            policy: policy(),
            question: Question::Document("a".to_owned()),
            at_least: at_least.map(|sequence| stamp(sequence).offset),
            headers: &headers,
        };
        let origin = origin.map(|sequence| {
            let body = Bytes::from(sequence.to_string());
            let (tag, stamp) = (String::new(), stamp(sequence));
            Ok(Answered::<()>::Value { body, tag, stamp })
        });
        let response: Response<()> = read(self, &asked, origin).await.unwrap();
        let how = response.headers()["tidelog-cache"].to_str().unwrap();
        let how = how.to_owned();
        let Body::Bytes(body) = response.into_body() else {
            panic!("a stream");
        };
        (String::from_utf8_lossy(&body).parse().unwrap(), how)
    }

    /// A read that the cache answers, or else nobody.
    fn hit(&self) -> Option<u64> {
        let nobody = std::future::pending();
        self.read(None, nobody).now_or_never().map(|(n, _)| n)
    }

    fn push(&self, sequence: u64, observed_at: i64, clock: fn() -> i64) {
        let push = Push::of("items", policy(), stamp(sequence));
        let object = object();
        let sent = push.send(&self.shelf, &object, 1, observed_at, clock);
        sent.now_or_never().expect("the shelf never waits");
    }
}

fn policy() -> WarmPolicy {
    WarmPolicy {
        enabled: true,
        ttl_millis: TTL_MILLIS,
        ..WarmPolicy::default()
    }
}

/// Two reads cross: the one that was asked first is answered with the older state, and comes last.
fn crossing(desk: &Desk, between: i64) {
    let late = desk.read(Some(1), async {
        desk.pass(between);
        let early = desk.read(Some(2), async { 2 }).await;
        assert_eq!(early.0, 2);
        1
    });
    assert_eq!(late.now_or_never().unwrap().0, 1);
}

#[test]
fn an_answer_that_comes_late_does_not_set_the_cache_back() {
    for between in [0, 1, SECOND, 25 * SECOND, 59 * SECOND] {
        let desk = Desk::default();
        crossing(&desk, between);
        assert_eq!(desk.hit(), Some(2), "{between} ms between");
    }
}

#[test]
fn a_push_that_comes_late_does_not_set_the_cache_back() {
    for observed_at in [0, 29 * SECOND] {
        let desk = Desk::default();
        desk.pass(30 * SECOND);
        let read = desk.read(None, async { 2 }).now_or_never();
        assert_eq!(read.unwrap().1, "miss");
        desk.push(1, observed_at, || 30 * SECOND);
        assert_eq!(desk.hit(), Some(2), "gathered at {observed_at}");
        desk.push(3, observed_at, || 30 * SECOND);
        let newer = desk.read(None, async { 3 }).now_or_never();
        assert_eq!(newer, Some((3, "miss".to_owned())), "its pointer is newer");
    }
}

/// Whichever of two pointers is there, no answer is older than the TTL.
#[test]
fn whatever_stays_in_the_cache_is_over_with_its_ttl() {
    for between in [0, 1, 30 * SECOND, 59 * SECOND, 90 * SECOND] {
        let desk = Desk::default();
        crossing(&desk, between);
        // State 1 was the newest at 0, state 2 at `between`: known from when they were asked for.
        while desk.now() < between + 2 * TTL_MILLIS {
            let found = desk.hit();
            let limit = |n| {
                if n == 1 {
                    TTL_MILLIS
                } else {
                    between + TTL_MILLIS
                }
            };
            assert!(
                found.is_none_or(|n| desk.now() < limit(n)),
                "{found:?} at {}",
                desk.now()
            );
            desk.pass(SECOND);
        }
        assert_eq!(desk.hit(), None);
    }
}
