//! Tier settings over HTTP: each refusal, and what the accepted ones do.

use serde_json::{Value as Json, json};
use tidelog_embedded::Settings;

use crate::support::{SCHEMA, Shop, events};

const OBJECT: &str = "/v1/objects/shop/one";

/// Registers the type with `head` before its collections and `tail` after them.
fn declare(shop: &Shop, head: &str, tail: &str) -> (u16, Json) {
    let schema = SCHEMA.replace("type = \"shop\"", &format!("type = \"shop\"\n{head}")) + tail;
    let answer = shop.send(
        "PUT",
        "/v1/types/shop",
        "application/toml",
        schema.as_bytes(),
    );
    (answer.status, answer.json())
}

fn state(shop: &Shop) -> Json {
    shop.get(&format!("{OBJECT}/state")).json()
}

/// Follows the log until the condition holds.
fn until(shop: &Shop, what: &str, done: impl Fn(&Json) -> bool) {
    for _ in 0..100 {
        let state = state(shop);
        if done(&state) {
            return;
        }
        let head = state["headOffset"].as_str().unwrap();
        shop.get(&format!("{OBJECT}/changes?offset={head}&live=long-poll"));
    }
    panic!("{what}");
}

#[test]
fn each_wrong_setting_is_refused_with_its_place_and_makes_no_version() {
    let shop = Shop::open();
    for (head, field) in [
        ("[hot]\nenabled = false", "hot.enabled"),
        ("[hot]\nmax_size = \"1KB\"", "hot.max_size"),
        ("[hot]\nmaxSize = \"ten\"", "hot.max_size"),
        ("[hot]\nvortexThreshold = -1", "hot.vortex_threshold"),
        ("[warm]\ndefaultTTL = 1", "warm.default_ttl"),
        ("[warm]\ndefault_ttl = \"2 years\"", "warm.default_ttl"),
        ("[warm]\nmaxEntries = 0", "warm.max_entries"),
        ("[warm]\ncollections = [\"nope\"]", "warm.collections"),
        ("[cold]\nbucket = \"_\"", "cold.bucket"),
        ("[cold]\nprefix = \"x\"", "cold.prefix"),
        (
            "[cold]\ncompressionCodec = \"gzip\"",
            "cold.compression_codec",
        ),
        ("[cold]\nschedule = 0", "cold.schedule"),
        ("[cold]\nminAge = \"1y\"", "cold.min_age"),
        ("[sync]\nbatchSize = 0", "sync.batch_size"),
        ("[sync]\ninterval = \"2d\"", "sync.interval"),
        ("[retention]\nmax_age = \"1ms\"", "retention.max_age"),
    ] {
        let (status, problem) = declare(&shop, head, "");
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid_schema")),
            "{head}"
        );
        assert_eq!(problem["field"], field, "{head}");
    }
    for (tail, status, code, field) in [
        (
            "[collections.items.hot]\nmax_size = \"5GB\"",
            400,
            "invalid_schema",
            "hot.max_size",
        ),
        (
            "[collections.items.retention]\nfield = \"price\"\nmax_age = 9",
            400,
            "invalid_schema",
            "retention.field",
        ),
        (
            "[collections.notes.cold]\nbucket = \"another\"",
            409,
            "location_change_unsupported",
            "cold.bucket",
        ),
    ] {
        let (got, problem) = declare(&shop, "", tail);
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{tail}");
        let place = problem["field"].as_str().unwrap();
        assert!(
            place.starts_with("collections.") && place.ends_with(field),
            "{place}"
        );
    }
    assert_eq!(
        declare(&shop, "[hot]\nmaxsize = 5", "").1["code"],
        "invalid_schema"
    );
    assert_eq!(shop.get("/v1/types/shop").json()["version"], 1);
}

#[test]
fn an_object_warns_is_full_and_takes_deletes() {
    let shop = Shop::open();
    assert_eq!(declare(&shop, "[hot]\nmax_size = \"1MB\"", "").0, 201);
    let text = "x".repeat(20_000);
    let (mut written, mut warned) = (0, false);
    let full = loop {
        let note = json!({"id": written.to_string(), "text": text});
        let answer = shop.post(&format!("{OBJECT}/notes"), &note);
        if answer.status != 201 {
            break answer;
        }
        written += 1;
        let state = state(&shop);
        warned |= state["warnings"][0]["code"] == "object_nearly_full";
        assert_eq!(state["database"]["maxBytes"], 1_000_000);
        assert!(written < 100, "the cap does not hold");
    };
    assert!(warned);
    assert_eq!(
        (full.status, &full.json()["code"]),
        (507, &json!("object_full"))
    );
    let metrics = shop.get("/metrics").text;
    let line = "tidelog_nearly_full{type=\"shop\",actor=\"object\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let deleted = shop.send_with("DELETE", &format!("{OBJECT}/notes/0"), &[], b"");
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(state(&shop)["documents"]["notes"], written - 1);
    assert_eq!(declare(&shop, "[hot]\nmax_size = \"10MB\"", "").0, 201);
    assert_eq!(
        shop.post(&format!("{OBJECT}/notes"), &json!({})).status,
        201
    );
}

#[test]
fn old_documents_go_with_events_that_say_why() {
    let shop = Shop::open();
    let retention = "[collections.items.retention]\nfield = \"at\"\nmax_age = \"10s\"";
    assert_eq!(declare(&shop, "", retention).0, 201);
    let old: Vec<Json> = (0..1_200)
        .map(|n| json!({"sku": format!("old-{n}"), "at": "2020-01-01T00:00:00Z"}))
        .collect();
    let items = format!("{OBJECT}/items");
    assert_eq!(shop.post(&items, &json!(old)).status, 201);
    let new = json!({"sku": "new", "at": "2200-01-01T00:00:00Z"});
    assert_eq!(shop.post(&items, &new).status, 201);
    until(&shop, "the old ones go", |state| {
        state["documents"]["items"] == 1
    });
    let all = events(&shop, "one");
    let gone: Vec<&Json> = all
        .iter()
        .filter(|event| event["operation"] == "DELETE")
        .collect();
    assert_eq!(gone.len(), 1_200);
    assert!(
        gone.iter()
            .all(|event| event["turn"]["cause"] == "retention")
    );
    let largest = gone
        .iter()
        .map(|event| event["turn"]["count"].as_u64())
        .max();
    assert_eq!(largest, Some(Some(1_000)), "a turn is bounded");
}

#[test]
fn a_second_of_retention_empties_the_collection() {
    let mut shop = Shop::open();
    let retention = "[collections.notes.retention]\nmax_age = \"1s\"";
    assert_eq!(declare(&shop, "", retention).0, 201);
    for _ in 0..3 {
        assert_eq!(
            shop.post(&format!("{OBJECT}/notes"), &json!({})).status,
            201
        );
    }
    assert_eq!(shop.insert("one", "stays").status, 201);
    shop.restart();
    until(&shop, "the notes expire", |state| {
        state["documents"]["notes"] == 0
    });
    assert_eq!(state(&shop)["documents"]["items"], 1);
    let all = events(&shop, "one");
    let gone = all
        .iter()
        .filter(|event| event["turn"]["cause"] == "retention");
    assert_eq!(gone.count(), 3);
}

#[test]
fn sync_brings_every_tier_or_one_up_to_date_and_state_says_so() {
    let shop = Shop::open();
    // Events are neither pushed nor committed unasked while this test runs.
    let head =
        "[cold]\nschedule = \"1h\"\nmin_age = \"1h\"\n[sync]\ninterval = \"1h\"\nbatch_size = 2";
    assert_eq!(declare(&shop, head, "").0, 201);
    for n in 0..7 {
        assert_eq!(shop.insert("one", &n.to_string()).status, 201);
    }
    let before = state(&shop);
    assert_eq!(
        (&before["lastHotSequence"], &before["lastColdSequence"]),
        (&json!(7), &json!(0))
    );
    assert_eq!(before["lag"]["cold"]["events"], 7);
    assert_eq!(
        (&before["lastWarmSequence"], &before["lag"]["warm"]),
        (&Json::Null, &Json::Null)
    );
    let sync = format!("{OBJECT}/sync");
    assert_eq!(
        shop.post(&sync, &json!({"tier": "warm"})).json()["lastColdSequence"],
        0
    );
    let pushes = |shop: &Shop| {
        let metrics = shop.get("/metrics").text;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("tidelog_pushes_total"));
        line.unwrap()
            .rsplit_once(' ')
            .unwrap()
            .1
            .parse::<u64>()
            .unwrap()
    };
    let pushed = pushes(&shop);
    let after = shop.post(&sync, &json!({"tier": "cold"})).json();
    assert_eq!(
        (&after["lastColdSequence"], &after["lag"]["cold"]["events"]),
        (&json!(7), &json!(0))
    );
    assert_eq!(
        pushes(&shop) - pushed,
        8,
        "7 turns of 1 event go 2 at a time to 2 tables"
    );
    assert_eq!(shop.insert("one", "8").status, 201);
    assert_eq!(shop.post(&sync, &json!({})).json()["lastColdSequence"], 8);
    let unknown = shop.post(&sync, &json!({"tier": "lukewarm"}));
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (501, &json!("tier_unsupported"))
    );
}

#[test]
fn a_bucket_that_cannot_be_reached_shows_in_state_and_loses_nothing() {
    let shop = Shop::open();
    let own = "[collections.logs.fields]\nline = { type = \"string\" }\n[collections.logs.cold]\nbucket = \"elsewhere\"";
    assert_eq!(declare(&shop, "", own).0, 201);
    assert_eq!(
        shop.post(&format!("{OBJECT}/logs"), &json!({"line": "a"}))
            .status,
        201
    );
    let failed = shop.post(&format!("{OBJECT}/sync"), &json!({}));
    assert_eq!(
        (failed.status, &failed.json()["code"]),
        (501, &json!("bucket_unreachable"))
    );
    let lake = state(&shop)["lake"].clone();
    let logs = lake
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["collection"] == "logs");
    assert!(
        logs.unwrap()["error"]
            .as_str()
            .unwrap()
            .contains("elsewhere"),
        "{lake}"
    );
    assert_eq!(state(&shop)["documents"]["logs"], 1);
}

/// The value of a metric.
fn metric(shop: &Shop, name: &str) -> Option<u64> {
    let text = shop.get("/metrics").text;
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    Some(value.parse().unwrap())
}

#[test]
fn the_memory_for_blobs_is_as_large_as_it_is_set() {
    let held = |bytes_max: u64| {
        let shop = Shop::with(|settings| settings.blob_bytes_max = bytes_max);
        // Each folds into blobs of its own, which reading decodes. Equal ones would be held once.
        for object in ["one", "two", "three"] {
            let items = |n| json!({"sku": format!("{object}{n:06}"), "kind": "a", "price": n});
            let items: Vec<Json> = (0..20_000).map(items).collect();
            let path = format!("/v1/objects/shop/{object}/items");
            for part in items.chunks(10_000) {
                assert_eq!(shop.post(&path, &json!(part)).status, 201);
            }
            let query = json!({"where": {"price": {"gte": 3}, "sku": {"gt": "0"}}, "aggregate": {"n": {"count": "*"}}});
            let rows = shop.post(&format!("{path}/query"), &query);
            assert_eq!(rows.json()["rows"][0]["n"], 19_997, "{}", rows.text);
        }
        metric(&shop, "tidelog_blob_memory_bytes").unwrap()
    };
    let (little, much) = (held(1_000_000), held(256_000_000));
    assert!(little <= 1_000_000, "{little} bytes are held");
    assert!(
        much > 1_000_000,
        "only {much} bytes are held: it shows nothing"
    );
}

#[test]
fn memories_outside_their_range_are_refused() {
    type Set = fn(&mut Settings, u64);
    let blobs: Set = |settings, bytes| settings.blob_bytes_max = bytes;
    let warm: Set = |settings, bytes| settings.warm_bytes_max = bytes;
    for (name, set) in [("blob_bytes_max", blobs), ("warm_bytes_max", warm)] {
        for bytes in [0, 999_999, 1_000_000_000_001, u64::MAX] {
            let mut settings = Settings::default();
            set(&mut settings, bytes);
            let error = settings.check().unwrap_err();
            assert_eq!(
                (error.code(), error.field()),
                ("invalid_settings", Some(name))
            );
        }
    }
}

#[test]
fn metrics_say_how_long_events_wait_for_their_tables() {
    let shop = Shop::open();
    assert_eq!(declare(&shop, "[sync]\ninterval = \"1h\"", "").0, 201);
    assert_eq!(shop.insert("one", "a").status, 201);
    let waiting = |shop: &Shop| metric(shop, "tidelog_unpushed_objects{type=\"shop\"}");
    assert_eq!(waiting(&shop), Some(1));
    assert!(metric(&shop, "tidelog_unpushed_age_millis{type=\"shop\"}").is_some());
    let done = shop.post(&format!("{OBJECT}/sync"), &json!({"tier": "cold"}));
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(waiting(&shop), None);
}
