//! The cost meter: known work moves the counters accordingly.

use serde_json::{Value as Json, json};

use crate::support::Shop;

/// Rows a turn writes beside its documents, at most: the log, marks, timers.
const TURN_ROWS_MAX: u64 = 12;

/// A type that no lake follows, so that nothing but the test works on its objects.
const SCHEMA: &str = r#"
type = "depot"
[cold]
enabled = false
[collections.plain]
key = ["n"]
[collections.plain.fields]
n = { type = "int", required = true }
code = { type = "int" }
[collections.indexed]
key = ["n"]
indexes = [{ fields = ["code"] }]
[collections.indexed.fields]
n = { type = "int", required = true }
code = { type = "int" }
"#;

fn depot() -> Shop {
    let shop = Shop::open();
    let path = "/v1/types/depot";
    let made = shop.send("PUT", path, "application/toml", SCHEMA.as_bytes());
    assert_eq!(made.status, 201, "{}", made.text);
    insert(&shop, "plain", 0..1);
    shop
}

fn insert(shop: &Shop, collection: &str, numbers: std::ops::Range<u64>) {
    let rows: Vec<Json> = numbers.map(|n| json!({"n": n, "code": n})).collect();
    let answer = shop.post(&format!("/v1/objects/depot/one/{collection}"), &json!(rows));
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn costs(shop: &Shop) -> Json {
    shop.get("/v1/objects/depot/one/state").json()["costs"].clone()
}

/// How far a counter moves while `work` is done, the look at it included.
fn moved(shop: &Shop, counter: &str, work: impl FnOnce()) -> u64 {
    let read = || costs(shop)["meter"][counter].as_u64().unwrap();
    let before = read();
    work();
    read() - before
}

#[test]
fn written_rows_count_with_their_index_entries() {
    let shop = depot();
    let plain = moved(&shop, "rowsWritten", || insert(&shop, "plain", 100..200));
    assert!((100..100 + TURN_ROWS_MAX).contains(&plain), "{plain}");
    let indexed = moved(&shop, "rowsWritten", || insert(&shop, "indexed", 100..200));
    assert!((200..200 + TURN_ROWS_MAX).contains(&indexed), "{indexed}");
    let read = moved(&shop, "rowsWritten", || {
        drop(shop.get("/v1/objects/depot/one/plain/100"));
    });
    assert_eq!(read, 0);
}

#[test]
fn events_requests_and_rows_read_count() {
    let shop = depot();
    let events = moved(&shop, "events", || insert(&shop, "plain", 10..60));
    assert_eq!(events, 50);
    // Two gets, and the look at the meter.
    let requests = moved(&shop, "requests", || {
        shop.get("/v1/objects/depot/one/plain/10");
        shop.get("/v1/objects/depot/one/plain/none");
    });
    assert_eq!(requests, 3);
    // A look may open a connection, which reads the schema: the least of several did not.
    let least = |work: &dyn Fn()| (0..5).map(|_| moved(&shop, "rowsRead", work)).min();
    let nothing = least(&|| ()).unwrap();
    let rows = least(&|| {
        let answer = shop.post("/v1/objects/depot/one/plain/query", &json!({"limit": 40}));
        assert_eq!(answer.json()["rows"].as_array().unwrap().len(), 40);
    });
    let rows = rows.unwrap();
    let rows = rows - nothing;
    assert!((40..60).contains(&rows), "{rows}");
}

#[test]
fn costs_are_the_meter_times_the_prices() {
    let shop = depot();
    insert(&shop, "plain", 1..1_001);
    let costs = costs(&shop);
    let count = |name: &str| costs["meter"][name].as_f64().unwrap();
    let close = |found: &Json, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} {expected} {costs}"
        );
    };
    close(&costs["dollars"]["rowsWritten"], count("rowsWritten") / 1e6);
    close(
        &costs["dollars"]["requests"],
        count("requests") * 0.15 / 1e6,
    );
    let total = costs["dollars"]["total"].as_f64().unwrap();
    let rows = count("rowsWritten");
    assert!(
        (4.0..100.0).contains(&rows),
        "a bulk insert is a few rows: {rows}"
    );
    let million = costs["dollarsPerMillionEvents"].as_f64().unwrap();
    assert!((million - total * 1e6 / 1_001.0).abs() < 1e-6, "{costs}");
    assert!(count("storedBytes") > 10_000.0);
}

#[test]
fn counters_start_anew_with_the_process_and_stored_bytes_do_not() {
    let mut shop = depot();
    insert(&shop, "plain", 1..1_001);
    let before = costs(&shop)["meter"].clone();
    shop.restart();
    let after = costs(&shop)["meter"].clone();
    assert_eq!(
        (&after["events"], &after["rowsWritten"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(after["storedBytes"], before["storedBytes"]);
}

#[test]
fn a_flush_counts_for_the_table_and_all_of_it_is_in_the_metrics() {
    let shop = Shop::open();
    for sku in ["a", "b", "c"] {
        assert_eq!(shop.insert("one", sku).status, 201);
    }
    let synced = shop.post("/v1/objects/shop/one/sync", &json!({"tier": "cold"}));
    assert_eq!(
        synced.json()["costs"]["meter"]["events"],
        3,
        "{}",
        synced.text
    );
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in\n{text}"))
            .trim()
            .parse()
            .unwrap()
    };
    let table = |name: &str| format!("tidelog_{name}{{type=\"shop\",actor=\"table\"}}");
    let mut text = shop.get("/metrics").text;
    // A table is metered right after it has answered.
    while value(&text, &table("r2_class_a_total")) < 4.0 {
        text = shop.get("/metrics").text;
    }
    for name in [
        "rows_written_total",
        "rows_read_total",
        "requests_total",
        "stored_bytes",
    ] {
        assert!(value(&text, &table(name)) > 0.0, "{name} in\n{text}");
    }
    let events = "tidelog_events_total{type=\"shop\",actor=\"object\"}";
    assert_eq!(value(&text, events), 3.0);
    let dollars = value(&text, "tidelog_dollars_total{type=\"shop\"}");
    assert!(dollars > 4.0 * 4.5e-6, "{dollars}");
    let million = value(&text, "tidelog_dollars_per_million_events{type=\"shop\"}");
    assert!((million - dollars * 1e6 / 3.0).abs() < 1e-6);
}
