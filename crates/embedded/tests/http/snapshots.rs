//! Snapshots and restores on a server that is stopped in between, with readers and a lake that follow.

use serde_json::{Value as Json, json};

use crate::lake::rows;
use crate::support::{Answer, Shop, events};

const OBJECT: &str = "/v1/objects/shop/one";
const PLAIN: &str = "/v1/objects/plain/one";
/// More than one step of a snapshot or a restore takes.
const ROWS: usize = 24_000;
/// More than one turn changes.
const CHANGED: usize = 6_000;

fn item(n: usize, code: usize) -> Json {
    json!({"sku": format!("{n:06}"), "code": code})
}

/// A type whose documents stay rows: those are copied and compared one by one.
fn never_folds(shop: &Shop) {
    let schema = "type = \"plain\"\n[hot]\nvortex_threshold = 0\n[collections.items]\nkey = [\"sku\"]\n\
                  [collections.items.fields]\nsku = { type = \"string\", required = true }\ncode = { type = \"int\" }\n";
    let answer = shop.send(
        "PUT",
        "/v1/types/plain",
        "application/toml",
        schema.as_bytes(),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn write(shop: &Shop, mode: &str, items: &[Json]) {
    for some in items.chunks(8_000) {
        let path = format!("{PLAIN}/items?mode={mode}");
        let answer = shop.post(&path, &json!(some));
        assert!(answer.status < 300, "{}", answer.text);
    }
}

/// Asks again until it is complete: nothing but the timer goes on with it.
fn complete(shop: &Shop, path: &str) -> Json {
    for _ in 0..100_000 {
        let now = shop.admin("GET", path, &Json::Null).json();
        if now["status"] == "complete" {
            return now;
        }
        assert_eq!(now["status"], "running", "{now}");
        std::thread::yield_now();
    }
    panic!("{path} does not end");
}

fn documents(shop: &Shop) -> Json {
    let query = json!({"aggregate": {"rows": {"count": "*"}, "codes": {"sum": "code"}}});
    let answer = shop.post(&format!("{PLAIN}/items/query"), &query);
    answer.json()["rows"].clone()
}

fn late(shop: &Shop, sku: &str) -> Answer {
    shop.post(&format!("{PLAIN}/items"), &json!({"sku": sku}))
}

#[test]
fn a_large_snapshot_and_a_large_restore_go_on_after_a_restart() {
    let mut shop = Shop::open();
    never_folds(&shop);
    let items: Vec<Json> = (0..ROWS).map(|n| item(n, n)).collect();
    write(&shop, "insert", &items);
    let (wanted, before) = (documents(&shop), shop.get(&format!("{PLAIN}/state")).json());
    let taken = shop.admin("POST", &format!("{PLAIN}/snapshots"), &json!({}));
    assert_eq!(taken.status, 202, "{}", taken.text);
    shop.restart();
    let id = taken.json()["id"].clone();
    let path = format!("{PLAIN}/snapshots/{}", id.as_str().unwrap());
    let taken = complete(&shop, &path);
    assert_eq!(taken["documents"], json!({"items": ROWS}));
    assert_eq!(taken["hash"], before["headHash"]);

    let changed: Vec<Json> = (0..CHANGED).map(|n| item(n, ROWS + n)).collect();
    write(&shop, "upsert", &changed);
    assert_ne!(documents(&shop), wanted);
    let restore = format!("{PLAIN}/restore");
    let asked = shop.admin("POST", &restore, &json!({"snapshot": id}));
    assert_eq!(asked.status, 202, "{}", asked.text);
    let refused = late(&shop, "late");
    let code = refused.json()["code"].clone();
    // It is restoring still, unless the threads were quicker than this test.
    if refused.status != 201 {
        assert_eq!((refused.status, code), (503, json!("object_restoring")));
        assert_eq!(refused.header("retry-after"), "1");
    }
    shop.restart();
    let done = complete(&shop, &restore);
    let counts = json!({"added": 0, "changed": CHANGED, "removed": 0});
    if refused.status != 201 {
        assert_eq!(done["differences"], json!({"items": counts}));
        assert_eq!(documents(&shop), wanted);
    }
    assert_eq!(late(&shop, "after").status, 201);
    let head = shop.get(&format!("{PLAIN}/state")).json()["head"].clone();
    if refused.status != 201 {
        assert_eq!(head, ROWS + CHANGED + CHANGED + 1);
    }
    shop.stop();
}

#[test]
fn readers_and_the_lake_follow_a_restore() {
    let shop = Shop::open();
    for sku in ["a", "b", "c"] {
        assert_eq!(shop.insert("one", sku).status, 201);
    }
    let taken = shop.admin(
        "POST",
        &format!("{OBJECT}/snapshots"),
        &json!({"note": "three"}),
    );
    assert_eq!(taken.status, 201, "{}", taken.text);
    let gone = shop.send_with("DELETE", &format!("{OBJECT}/items/b"), &[], b"");
    assert_eq!(gone.status, 200);
    assert_eq!(shop.insert("one", "d").status, 201);
    let head = shop.get(&format!("{OBJECT}/state")).json()["headOffset"].clone();
    let follow = format!(
        "{OBJECT}/changes?offset={}&live=long-poll",
        head.as_str().unwrap()
    );
    let (woken, done) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| shop.get(&follow));
        let target = json!({"snapshot": taken.json()["id"]});
        let done = shop.admin("POST", &format!("{OBJECT}/restore"), &target);
        (reader.join().unwrap(), done)
    });
    assert_eq!((woken.status, done.status), (200, 200), "{}", done.text);
    assert_eq!(woken.header("stream-next-offset"), done.json()["offset"]);
    let said: Vec<Json> = woken
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(of_event)
        .collect();
    assert_eq!(json!(said), json!([["INSERT", "b"], ["DELETE", "d"]]));

    let sync = shop.post(&format!("{OBJECT}/sync"), &json!({"tier": "cold"}));
    assert_eq!(sync.status, 200, "{}", sync.text);
    let log: Vec<Json> = events(&shop, "one")
        .iter()
        .map(|e| json!([e["sequence"], e["epoch"], e["documentId"]]))
        .collect();
    let lake: Vec<Json> = rows(&shop)
        .iter()
        .map(|row| json!([row.sequence.0, row.epoch.0, row.key]))
        .collect();
    assert_eq!((lake.len(), lake), (7, log));
    shop.stop();
}

fn of_event(event: &Json) -> Json {
    let cause = event["turn"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("restore:"), "{cause}");
    json!([event["operation"], event["documentId"]])
}

#[test]
fn who_and_why_are_kept_with_the_object() {
    let mut shop = Shop::open();
    assert_eq!(shop.insert("one", "a").status, 201);
    let note = json!({"note": "before the sale"});
    let id = shop
        .admin("POST", &format!("{OBJECT}/snapshots"), &note)
        .json()["id"]
        .clone();
    shop.restart();
    let path = format!("{OBJECT}/snapshots/{}?source=cleaner", id.as_str().unwrap());
    assert_eq!(shop.admin("DELETE", &path, &Json::Null).status, 200);
    let refused = shop.admin("DELETE", &path, &Json::Null);
    assert_eq!(refused.status, 404);
    let audit = shop
        .admin("GET", &format!("{OBJECT}/snapshots/audit"), &Json::Null)
        .json();
    let told = |at: usize| {
        let entry = &audit["entries"][at];
        ["number", "action", "actor", "reason", "id"].map(|name| entry[name].clone())
    };
    let deleted = [
        json!(2),
        json!("snapshot.delete"),
        json!("cleaner"),
        Json::Null,
        id.clone(),
    ];
    assert_eq!(told(0), deleted);
    let created = [
        json!(1),
        json!("snapshot.create"),
        Json::Null,
        json!("before the sale"),
        id,
    ];
    assert_eq!(told(1), created);
    assert_eq!(audit["entries"].as_array().unwrap().len(), 2);
    shop.stop();
}
