//! States that are in no snapshot and not in the log any more come back out of the changes tables.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::lake::rows;
use crate::support::{Answer, SCHEMA, Shop};

const OBJECT: &str = "/v1/objects/wide/one";
const TYPE: &str = r#"
type = "wide"
[collections.rows]
key = ["id"]
[collections.rows.fields]
id = { type = "string", required = true }
n = { type = "int" }
big = { type = "bigint" }
f = { type = "float" }
b = { type = "bool" }
d = { type = "date" }
t = { type = "timestamp" }
raw = { type = "binary" }
u = { type = "uuid" }
v = { type = "vector", dimensions = 3 }
j = { type = "json" }
[collections.rows.cold]
partition_by = [{ field = "d", transform = "month" }]
[collections.tags.fields]
name = { type = "string" }
"#;

/// The next numbers of a fixed row.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn row(&mut self, id: &str, renamed: bool) -> Json {
        let mut row = json!({ "id": id });
        let whole = if renamed { "number" } else { "n" };
        let fields = [
            (whole, json!(self.below(1 << 40))),
            ("big", json!((self.below(1 << 30) << 20).to_string())),
            ("f", json!(self.below(1000) as f64 / 7.0)),
            ("b", json!(self.below(2) == 0)),
            ("d", json!(format!("2026-0{}-15", 1 + self.below(9)))),
            (
                "t",
                json!(format!("2026-01-01T00:00:00.{:06}Z", self.below(1_000_000))),
            ),
            ("raw", json!("AAEC/w==")),
            (
                "u",
                json!(format!(
                    "00000000-0000-4000-8000-{:012x}",
                    self.below(1 << 40)
                )),
            ),
            ("v", json!([0.5, -1.25, self.below(9)])),
            ("j", json!({"of": [self.below(9), null, "é", 1.5e-7]})),
            ("undeclared", json!({"x": null, "y": [self.below(3), 0.1]})),
            ("nothing", Json::Null),
        ];
        for (name, value) in fields {
            if self.below(3) > 0 {
                row[name] = value;
            }
        }
        row
    }
}

/// Every document of both collections, without its version.
fn documents(shop: &Shop, object: &str) -> Json {
    let each = ["rows", "tags"].map(|collection| {
        let query = json!({"orderBy": ["_key"], "limit": 1000});
        let answer = shop.post(&format!("{object}/{collection}/query"), &query);
        let mut rows = answer.json()["rows"].clone();
        for row in rows.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("_version");
        }
        rows
    });
    json!(each)
}

fn head(shop: &Shop, object: &str) -> u64 {
    shop.get(&format!("{object}/state")).json()["head"]
        .as_u64()
        .unwrap()
}

fn sync(shop: &Shop, object: &str) {
    let done = shop.post(&format!("{object}/sync"), &json!({"tier": "cold"}));
    assert_eq!(done.status, 200, "{}", done.text);
}

/// Asks until the log begins behind an event; the timer trims it.
pub(crate) fn trimmed(shop: &Shop, object: &str, last: u64) {
    for _ in 0..1_000_000 {
        let state = shop.get(&format!("{object}/state")).json();
        if state["earliest"].as_u64().unwrap() > last {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the log is not trimmed");
}

fn restore(shop: &Shop, object: &str, wanted: &Json) -> Answer {
    shop.admin("POST", &format!("{object}/restore"), wanted)
}

fn register(shop: &Shop, schema: &str, name: &str) {
    let path = format!("/v1/types/{name}");
    let answer = shop.send("PUT", &path, "application/toml", schema.as_bytes());
    assert!(answer.status < 300, "{}", answer.text);
}

/// A history; what the object was after each of its turns, and when.
fn history(shop: &Shop, chance: &mut Chance) -> BTreeMap<u64, Json> {
    let mut states = BTreeMap::from([(0, json!([[], []]))]);
    for turn in 0..60 {
        if turn == 30 {
            let renamed = TYPE.replace("n = { type", "number = { renamed_from = \"n\", type");
            register(
                shop,
                &format!("{renamed}late = {{ type = \"int\" }}\n"),
                "wide",
            );
        }
        let id = format!("r{}", chance.below(12));
        let path = format!("{OBJECT}/rows/{id}");
        let answer = match chance.below(5) {
            0 => shop.send_with("DELETE", &path, &[], b""),
            1 => {
                let tags = [0, 1, 2].map(
                    |_| json!({"id": format!("t{}", chance.below(90) + 90 * turn), "name": "é"}),
                );
                shop.post(&format!("{OBJECT}/tags?mode=upsert"), &json!(tags))
            }
            2 => {
                let row = chance.row(&id, turn >= 30).to_string();
                shop.send("PATCH", &path, "application/json", row.as_bytes())
            }
            _ => {
                let row = chance.row(&id, turn >= 30).to_string();
                shop.send("PUT", &path, "application/json", row.as_bytes())
            }
        };
        assert!(
            answer.status < 300 || answer.status == 404,
            "{}",
            answer.text
        );
        states.insert(head(shop, OBJECT), documents(shop, OBJECT));
        if chance.below(9) == 0 {
            sync(shop, OBJECT);
        }
    }
    states
}

#[test]
fn any_sequence_comes_back_once_the_log_is_gone() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    register(&shop, TYPE, "wide");
    let mut chance = Chance(7);
    let mut states = history(&shop, &mut chance);
    // A row has names that may since be others.
    for state in states.values_mut() {
        for row in state[0].as_array_mut().unwrap() {
            if let Some(n) = row.as_object_mut().unwrap().remove("n") {
                row["number"] = n;
            }
        }
    }
    sync(&shop, OBJECT);
    let last = head(&shop, OBJECT);
    trimmed(&shop, OBJECT, last - 1);
    let beyond: Vec<u64> = states.keys().copied().filter(|at| *at < last).collect();
    for at in beyond.iter().rev().step_by(4).chain([&0]) {
        let counted = restore(&shop, OBJECT, &json!({"sequence": at, "dryRun": true}));
        assert_eq!(counted.status, 200, "{at}: {}", counted.text);
        let done = restore(&shop, OBJECT, &json!({ "sequence": at }));
        assert_eq!(
            (done.status, &done.json()["status"]),
            (200, &json!("complete")),
            "{at}: {}",
            done.text
        );
        assert_eq!(done.json()["differences"], counted.json()["differences"]);
        assert_eq!(documents(&shop, OBJECT), states[at], "at {at}");
    }
    // One collection alone, which others have events between.
    let at = beyond[beyond.len() / 2];
    let done = restore(
        &shop,
        OBJECT,
        &json!({"sequence": at, "collections": ["rows"]}),
    );
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(documents(&shop, OBJECT)[0], states[&at][0]);
    shop.stop();
}

#[test]
fn a_moment_before_the_log_comes_back_exactly() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    register(&shop, TYPE, "wide");
    let mut moments = Vec::new();
    for n in 0..6 {
        let row = json!({"id": format!("r{n}")});
        let put = shop.post(&format!("{OBJECT}/rows"), &row);
        assert_eq!(put.status, 201, "{}", put.text);
        moments.push(documents(&shop, OBJECT));
        if n == 1 {
            let taken = shop.admin("POST", &format!("{OBJECT}/snapshots"), &json!({}));
            assert_eq!(taken.status, 201);
        }
        // The next one is of another millisecond.
        let now = tidelog_embedded::now();
        while tidelog_embedded::now() < now + 3 {
            std::thread::yield_now();
        }
    }
    sync(&shop, OBJECT);
    let page = shop.get("/iceberg/v1/default/namespaces/wide/tables/rows_changes");
    let mut times: Vec<i64> = crate::lake::rows_of(&shop, &page)
        .iter()
        .map(|row| row.timestamp)
        .collect();
    times.sort_unstable();
    trimmed(&shop, OBJECT, 5);
    for n in [4, 2, 0, 3] {
        let done = restore(&shop, OBJECT, &json!({"time": times[n] + 1}));
        assert_eq!(
            (done.status, &done.json()["sequence"]),
            (200, &json!(n + 1)),
            "{}",
            done.text
        );
        assert_eq!(documents(&shop, OBJECT), moments[n]);
    }
    shop.stop();
}

#[test]
fn what_no_table_has_is_refused_and_nothing_changes() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    let hot = format!("{SCHEMA}[collections.notes.cold]\nenabled = false\n")
        .replace("\"shop\"", "\"half\"");
    register(&shop, &hot, "half");
    let object = "/v1/objects/half/one";
    for n in 0..4 {
        let item = shop.post(&format!("{object}/items"), &json!({"sku": format!("s{n}")}));
        assert_eq!(item.status, 201, "{}", item.text);
        let note = shop.post(&format!("{object}/notes"), &json!({"text": "x"}));
        assert_eq!(note.status, 201, "{}", note.text);
    }
    sync(&shop, object);
    trimmed(&shop, object, 7);
    let refused = restore(&shop, object, &json!({"sequence": 4}));
    let said = refused.json();
    assert_eq!(
        (refused.status, &said["code"]),
        (410, &json!("restore_beyond_horizon")),
        "{said}"
    );
    assert_eq!(said["collection"], "notes");
    let count = |collection: &str| {
        let query = json!({"aggregate": {"rows": {"count": "*"}}});
        shop.post(&format!("{object}/{collection}/query"), &query)
            .json()["rows"][0]["rows"]
            .clone()
    };
    assert_eq!((count("items"), count("notes")), (json!(4), json!(4)));
    let done = restore(
        &shop,
        object,
        &json!({"sequence": 4, "collections": ["items"]}),
    );
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!((count("items"), count("notes")), (json!(2), json!(4)));
    shop.stop();
}

#[test]
fn a_damaged_lake_fails_the_restore_and_writes_go_on() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    for n in 0..5 {
        assert_eq!(shop.insert("one", &format!("s{n}")).status, 201);
    }
    let object = "/v1/objects/shop/one";
    sync(&shop, object);
    trimmed(&shop, object, 4);
    crate::cold::damage(&shop);
    let before = (head(&shop, object), rows_left(&shop));
    let failed = restore(&shop, object, &json!({"sequence": 2}));
    assert_eq!(failed.json()["code"], "corrupt", "{}", failed.text);
    let last = shop
        .admin("GET", &format!("{object}/restore"), &Json::Null)
        .json();
    assert_eq!(
        (&last["status"], &last["failure"]["code"]),
        (&json!("failed"), &json!("corrupt"))
    );
    assert_eq!((head(&shop, object), rows_left(&shop)), before);
    assert_eq!(shop.insert("one", "after").status, 201);
    shop.stop();
}

fn rows_left(shop: &Shop) -> usize {
    let answer = shop.post("/v1/objects/shop/one/items/query", &json!({}));
    answer.json()["rows"].as_array().unwrap().len()
}

#[test]
fn a_restore_from_the_lake_is_in_the_lake() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    let object = "/v1/objects/shop/one";
    for n in 0..5 {
        assert_eq!(shop.insert("one", &format!("s{n}")).status, 201);
    }
    sync(&shop, object);
    trimmed(&shop, object, 4);
    assert_eq!(restore(&shop, object, &json!({"sequence": 2})).status, 200);
    sync(&shop, object);
    let deleted: Vec<String> = rows(&shop)
        .split_off(5)
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(deleted, ["s2", "s3", "s4"]);
    shop.stop();
}

#[test]
fn a_chain_of_snapshots_is_laid_out_before_the_lake_is_read() {
    let shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    let object = "/v1/objects/shop/one";
    // Links enough that one turn does not lay them out.
    for n in 0..6 {
        assert_eq!(shop.insert("one", &format!("s{n}")).status, 201);
        let kind = if n == 0 { "full" } else { "incremental" };
        let taken = shop.admin(
            "POST",
            &format!("{object}/snapshots"),
            &json!({ "kind": kind }),
        );
        assert_eq!(taken.status, 201, "{}", taken.text);
    }
    for n in 6..9 {
        assert_eq!(shop.insert("one", &format!("s{n}")).status, 201);
    }
    sync(&shop, object);
    trimmed(&shop, object, 8);
    let done = restore(&shop, object, &json!({"sequence": 8}));
    assert_eq!(done.json()["status"], "complete", "{}", done.text);
    assert_eq!(rows_left(&shop), 8);
    shop.stop();
}
