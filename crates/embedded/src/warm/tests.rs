//! The cache through the HTTP contract: what reads are answered, what is kept, and for how long.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};
use tidelog_api::{Body, Request, handle};

use super::*;
use crate::host::Embedded;
use crate::{LakeSettings, Server, Settings};

pub(super) const TTL_MILLIS: i64 = 60_000;
const SCHEMA: &str = r#"
type = "shop"
[warm]
enabled = true
default_ttl = 60
max_entries = 40
collections = ["pushed"]
[cold]
enabled = false
[collections.pushed.fields]
n = { type = "int" }
[collections.read.fields]
n = { type = "int" }
[collections.cool]
warm = { enabled = false }
"#;

pub(super) struct Shop {
    pub(super) server: Server,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    fn n(&self) -> u64 {
        self.json()["n"].as_u64().unwrap()
    }

    fn problem(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("field"))
    }
}

impl Shop {
    fn open(change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_as(SCHEMA, change)
    }

    pub(super) fn open_as(schema: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data: folder.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            lake: LakeSettings {
                push_millis: 5,
                ..LakeSettings::default()
            },
            ..Settings::default()
        };
        change(&mut settings);
        let server = Server::start(settings).unwrap();
        let shop = Self {
            server,
            _folder: folder,
        };
        let headers = [("content-type", "application/toml")];
        let made = shop.ask_with("PUT /v1/types/shop", &headers, schema.as_bytes());
        assert_eq!(made.status, 201, "{}", made.text);
        shop
    }

    pub(super) fn host(&self) -> &Arc<Embedded> {
        self.server.host()
    }

    fn ask_with(&self, line: &str, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        self.server.block_on(ask(self.host(), line, headers, body))
    }

    fn ask(&self, line: &str) -> Answer {
        self.ask_with(line, &[], b"")
    }

    fn write(&self, collection: &str, key: &str, n: u64) -> String {
        let done = self.server.block_on(write(self.host(), collection, key, n));
        done.json()["offset"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn ask(
    host: &Arc<Embedded>,
    line: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |(name, value): &(&'static str, &str)| {
        let value = http::HeaderValue::from_str(value).unwrap();
        (http::HeaderName::from_static(name), value)
    };
    let request = Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: Bytes::copy_from_slice(body),
    };
    let response = handle(&**host, request).await;
    let (parts, body) = response.into_parts();
    let Body::Bytes(body) = body else {
        panic!("a stream");
    };
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

async fn write(host: &Arc<Embedded>, collection: &str, key: &str, n: u64) -> Answer {
    let line = format!("PUT /v1/objects/shop/one/{collection}/{key}");
    let body = json!({ "n": n }).to_string();
    let done = ask(host, &line, &[], body.as_bytes()).await;
    assert!(matches!(done.status, 200 | 201), "{}", done.text);
    done
}

#[test]
fn reads_fill_and_a_write_is_seen_after_the_ttl_at_the_latest() {
    let shop = Shop::open(|_| {});
    let get = |more: &str| shop.ask(&format!("GET /v1/objects/shop/one/read/a{more}"));
    let how = |answer: &Answer| (answer.n(), answer.header("tidelog-cache").to_owned());
    shop.write("read", "a", 1);
    assert_eq!(how(&get("?consistency=warm")), (1, "miss".to_owned()));
    let hit = get("?consistency=warm");
    assert_eq!(how(&hit), (1, "hit".to_owned()));
    assert_eq!((hit.header("age"), hit.header("etag")), ("0", "\"1\""));
    let line = "GET /v1/objects/shop/one/read/a?consistency=warm";
    let same = shop.ask_with(line, &[("if-none-match", "\"1\"")], b"");
    assert_eq!((same.status, same.text.as_str()), (304, ""));
    // A write that goes past the cache.
    let offset = shop.write("read", "a", 2);
    assert_eq!(how(&get("?consistency=warm")), (1, "hit".to_owned()));
    assert_eq!((get("").n(), get("").header("tidelog-cache")), (2, ""));
    let least = get(&format!("?consistency=warm&atLeast={offset}"));
    assert_eq!(how(&least), (2, "stale".to_owned()));
    assert_eq!(least.header("tidelog-offset"), offset);
    assert_eq!(how(&get("?consistency=warm")), (2, "hit".to_owned()));
    shop.write("read", "a", 3);
    clock::advance(TTL_MILLIS - 5_000);
    let hit = get("?consistency=warm");
    assert_eq!(how(&hit), (2, "hit".to_owned()));
    assert_eq!(hit.header("age"), "55");
    clock::advance(5_000);
    assert_eq!(how(&get("?consistency=warm")).0, 3);
    let state = shop.ask("GET /v1/objects/shop/one/state").json();
    assert_eq!(state["warm"]["hits"], 5, "{state}");
    let metrics = shop.ask("GET /metrics").text;
    let line = "tidelog_warm_reads_total{type=\"shop\",outcome=\"hit\"} 5";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("tidelog_warm_age_seconds_max{type=\"shop\"} 55."));
}

#[test]
fn a_collection_keeps_its_entries_while_others_are_written() {
    let shop = Shop::open(|_| {});
    let get = || shop.ask("GET /v1/objects/shop/one/read/a?consistency=warm");
    shop.write("read", "a", 1);
    get();
    let offset = shop.write("cool", "x", 1);
    clock::advance(TTL_MILLIS);
    // The pointer is too old; what it pointed to is still the state.
    let line = format!("GET /v1/objects/shop/one/read/a?atLeast={offset}&consistency=warm");
    assert_eq!(shop.ask(&line).header("tidelog-cache"), "miss");
    assert_eq!(get().header("tidelog-cache"), "hit");
    let cool = shop.ask("GET /v1/objects/shop/one/cool/x?consistency=warm");
    assert_eq!(cool.header("tidelog-cache"), "bypass");
}

#[test]
fn queries_are_kept_by_what_they_ask() {
    let shop = Shop::open(|_| {});
    shop.write("read", "a", 1);
    let query = |body: &Json| {
        let line = "POST /v1/objects/shop/one/read/query";
        shop.ask_with(line, &[], body.to_string().as_bytes())
    };
    let how = |body: Json| query(&body).header("tidelog-cache").to_owned();
    assert_eq!(
        how(json!({"where": {"n": 1}, "consistency": "warm"})),
        "miss"
    );
    assert_eq!(
        how(json!({"consistency": "warm", "where": {"n": 1}, "limit": null})),
        "hit"
    );
    assert_eq!(
        how(json!({"where": {"n": 2}, "consistency": "warm"})),
        "miss"
    );
    assert_eq!(how(json!({"where": {"n": 1}, "consistency": "strong"})), "");
    shop.write("read", "b", 1);
    let warm = query(&json!({"where": {"n": 1}, "consistency": "warm"}));
    assert_eq!(
        warm.json()["rows"].as_array().unwrap().len(),
        1,
        "within the TTL"
    );
    let strong = query(&json!({"where": {"n": 1}}));
    assert_eq!(strong.json()["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn changes_of_listed_collections_are_pushed() {
    let shop = Shop::open(|_| {});
    shop.write("pushed", "a", 1);
    let sync = |shop: &Shop| {
        let line = "POST /v1/objects/shop/one/sync";
        shop.ask_with(line, &[], br#"{"tier":"warm"}"#).json()
    };
    assert_eq!(sync(&shop)["lastWarmSequence"], 1);
    let first = shop.ask("GET /v1/objects/shop/one/pushed/a?consistency=warm");
    assert_eq!((first.n(), first.header("tidelog-cache")), (1, "hit"));
    shop.write("pushed", "a", 2);
    shop.write("pushed", "b", 3);
    let state = sync(&shop);
    assert_eq!(
        (&state["lastWarmSequence"], &state["warm"]["lagEvents"]),
        (&json!(3), &json!(0))
    );
    for (key, n) in [("a", 2), ("b", 3)] {
        let line = format!("GET /v1/objects/shop/one/pushed/{key}?consistency=warm");
        let got = shop.ask(&line);
        assert_eq!(got.n(), n, "{key}");
        // Where the two writes were pushed apart, what the first one pushed is of the state before.
        assert!(key == "a" || got.header("tidelog-cache") == "hit", "{key}");
        assert_eq!(got.text, shop.ask(line.split('?').next().unwrap()).text);
    }
    shop.ask("DELETE /v1/objects/shop/one/pushed/a");
    sync(&shop);
    let gone = shop.ask("GET /v1/objects/shop/one/pushed/a?consistency=warm");
    assert_eq!(gone.problem().1, "unknown_document");
    shop.ask("DELETE /v1/objects/shop/one");
    sync(&shop);
    let gone = shop.ask("GET /v1/objects/shop/one/pushed/b?consistency=warm");
    assert_eq!(gone.problem().1, "object_deleted");
}

#[test]
fn users_entries_live_for_their_time_and_go_with_their_prefix() {
    let shop = Shop::open(|_| {});
    let put = |key: &str, more: &str| {
        let line = format!("PUT /v1/objects/shop/one/cache/{key}{more}");
        shop.ask_with(&line, &[("content-type", "image/png")], b"\x89PNG")
            .status
    };
    let get = |key: &str| shop.ask(&format!("GET /v1/objects/shop/one/cache/{key}"));
    let delete = |key: &str| {
        shop.ask(&format!("DELETE /v1/objects/shop/one/cache/{key}"))
            .status
    };
    assert_eq!(
        get("a").problem(),
        (404, "unknown_cache_entry".into(), "key".into())
    );
    for key in ["users:1", "users:2%2Fname", "other", "a"] {
        assert_eq!(put(key, ""), 204);
        let got = get(key);
        assert_eq!(
            (got.status, got.header("content-type")),
            (200, "image/png"),
            "{key}"
        );
        assert_eq!(got.text, "\u{fffd}PNG");
    }
    assert_eq!((delete("a"), get("a").status, delete("a")), (204, 404, 204));
    assert_eq!(delete("users:*"), 204);
    let left = |key: &str| get(key).status == 200;
    assert!(!left("users:1") && !left("users:2%2Fname") && left("other"));
    assert_eq!(put("users:1", "?ttl=2m"), 204);
    clock::advance(TTL_MILLIS);
    assert!(
        left("users:1") && !left("other"),
        "the default is the type's TTL"
    );
    assert_eq!(get("users:1").header("age"), "60");
    clock::advance(TTL_MILLIS);
    assert!(!left("users:1"));
    put("x", "");
    assert_eq!((delete("*"), get("x").status), (204, 404));
}

/// A request, its body, and the status, code and field of its refusal.
const REFUSED: [(&str, &str, &str); 17] = [
    (
        "GET {o}/read/a?consistency=eventual",
        "",
        "501 consistency_unsupported consistency",
    ),
    (
        "GET {o}/read/a?consistency=warm&atLeast=now",
        "",
        "400 malformed_offset atLeast",
    ),
    (
        "GET {o}/read/a?atLeast={e}",
        "",
        "410 offset_outside_lineage atLeast",
    ),
    (
        "GET {o}/read/a?consistency=warm&atLeast={e}",
        "",
        "410 offset_outside_lineage atLeast",
    ),
    (
        "POST {o}/read/query",
        r#"{"atLeast":"{e}"}"#,
        "410 offset_outside_lineage atLeast",
    ),
    (
        "POST {o}/read/query",
        r#"{"consistency":5}"#,
        "400 wrong_type consistency",
    ),
    (
        "POST {o}/read/query",
        r#"{"consistency":"warm","atLeast":5}"#,
        "400 wrong_type atLeast",
    ),
    (
        "GET {o}/nope/a?consistency=warm",
        "",
        "404 unknown_collection collection",
    ),
    (
        "GET {o}/read/b?consistency=warm",
        "",
        "404 unknown_document key",
    ),
    (
        "GET /v1/objects/shop/two/read/a?consistency=warm",
        "",
        "404 unknown_object id",
    ),
    ("PUT {o}/cache/k?ttl=59s", "x", "400 invalid_parameter ttl"),
    ("PUT {o}/cache/k?ttl=soon", "x", "400 invalid_parameter ttl"),
    ("PUT {o}/cache/{l}", "x", "413 cache_key_too_long key"),
    ("GET {o}/cache/{l}", "", "413 cache_key_too_long key"),
    ("PUT {o}/cache/a*", "x", "400 invalid_cache_key key"),
    ("DELETE {o}/cache/use*", "", "400 invalid_cache_key key"),
    (
        "GET /v1/objects/nope/one/cache/k",
        "",
        "404 unknown_type type",
    ),
];

#[test]
fn what_is_wrong_with_a_warm_request_is_said() {
    let shop = Shop::open(|_| {});
    shop.write("read", "a", 1);
    let object = "/v1/objects/shop/one";
    let long = "x".repeat(513);
    let offset = "0000000000000001_0000000000000001";
    for (line, body, wanted) in REFUSED {
        let fill = |text: &str| text.replace("{o}", object).replace("{e}", offset);
        let line = fill(line).replace("{l}", &long);
        let (status, code, field) = shop.ask_with(&line, &[], fill(body).as_bytes()).problem();
        assert_eq!(format!("{status} {code} {field}"), wanted, "{line}");
    }
    let large = vec![0; 1_000_001];
    let refused = shop
        .ask_with(&format!("PUT {object}/cache/k"), &[], &large)
        .problem();
    assert_eq!((refused.0, refused.1.as_str()), (413, "body_too_large"));
    let spec = b"type = \"cool\"\n[collections.notes]\n";
    shop.ask_with(
        "PUT /v1/types/cool",
        &[("content-type", "application/toml")],
        spec,
    );
    let refused = shop
        .ask_with("PUT /v1/objects/cool/one/cache/k", &[], b"x")
        .problem();
    assert_eq!((refused.0, refused.1.as_str()), (400, "warm_disabled"));
}

#[test]
fn a_collection_keeps_no_more_entries_than_it_may() {
    let shop = Shop::open(|_| {});
    for n in 0..100 {
        let line = format!("PUT /v1/objects/shop/one/cache/k{n}");
        assert_eq!(shop.ask_with(&line, &[], b"x").status, 204);
    }
    let there = |n: &u64| {
        shop.ask(&format!("GET /v1/objects/shop/one/cache/k{n}"))
            .status
            == 200
    };
    let left: Vec<u64> = (0..100).filter(there).collect();
    assert_eq!(left, (60..100).collect::<Vec<u64>>(), "max_entries is 40");
}

#[test]
fn the_cache_keeps_within_its_bytes() {
    let shop = Shop::open(|settings| settings.warm_bytes_max = 1_000_000);
    let value = vec![0; 100_000];
    for n in 0..30 {
        let line = format!("PUT /v1/objects/shop/one/cache/k{n}");
        assert_eq!(shop.ask_with(&line, &[], &value).status, 204);
    }
    shop.host().warm.memory.run_pending_tasks();
    assert!(shop.host().warm.memory.weighted_size() <= 1_000_000);
}

/// Fills and pushes put pointers from several threads.
#[test]
fn of_pointers_put_at_once_the_newest_stays() {
    let shop = Shop::open(|_| {});
    let warm = &shop.host().warm;
    let key = CacheKey::new("pointer", "room");
    let stays = |there: &Entry, new: &Entry| there.stored_at > new.stored_at;
    let keep = Keep {
        // Other tests of this process may move the clock.
        ttl_millis: i64::MAX / 4,
        entries_max: 40,
    };
    for round in 0..200 {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let key = &key;
                scope.spawn(move || {
                    for n in 0..50 {
                        let entry = Entry {
                            body: Bytes::new(),
                            media: String::new(),
                            tag: String::new(),
                            stored_at: round * 1_000 + n * 4 + thread,
                        };
                        let put = warm.put_unless(key, entry, keep, &stays);
                        put.now_or_never().expect("it never waits");
                    }
                });
            }
        });
        let kept = warm.get(&key).now_or_never().unwrap();
        assert_eq!(kept.map(|entry| entry.stored_at), Some(round * 1_000 + 199));
    }
}
