//! An object's life over HTTP: written, read, restarted, deleted, made anew.

use serde_json::json;

use crate::support::{Shop, events};

#[test]
fn documents_survive_a_restart_with_versions_and_etags() {
    let mut shop = Shop::open();
    assert_eq!(shop.insert("one", "a").status, 201);
    let patch = br#"{"price":2.5,"color":"red"}"#;
    let path = "/v1/objects/shop/one/items/a";
    assert_eq!(
        shop.send("PATCH", path, "application/merge-patch+json", patch)
            .status,
        200
    );
    shop.restart();
    let read = shop.get(path);
    assert_eq!(
        read.json(),
        json!({"sku": "a", "price": 2.5, "color": "red"})
    );
    assert_eq!(read.header("etag"), "\"2\"");
    let same = shop.send_with("GET", path, &[("if-none-match", "\"2\"")], b"");
    assert_eq!(same.status, 304);
    let log = events(&shop, "one");
    assert_eq!(log.len(), 2);
    assert_eq!(log[1]["changedFields"], json!(["price", "color"]));
    assert_eq!(log[1]["before"], json!({"price": 1.0}));
}

#[test]
fn a_batch_over_collections_is_one_turn_or_nothing() {
    let shop = Shop::open();
    let good = json!({"mutations": [
        {"op": "insert", "collection": "items", "document": {"sku": "a"}},
        {"op": "insert", "collection": "notes", "document": {"id": "n", "text": "hi"}},
        {"op": "update", "collection": "items", "key": "a", "patch": {"price": 3}},
    ]});
    let answer = shop.post("/v1/objects/shop/one/batch", &good);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let bad = json!({"mutations": [
        {"op": "delete", "collection": "items", "key": "a"},
        {"op": "delete", "collection": "items", "key": "missing"},
    ]});
    let answer = shop.post("/v1/objects/shop/one/batch", &bad);
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (404, Some("unknown_document"))
    );
    let log = events(&shop, "one");
    assert_eq!(log.len(), 3);
    assert!(log.iter().all(|event| event["turn"]["count"] == 3));
}

#[test]
fn a_deleted_object_closes_its_stream_and_can_be_made_anew() {
    let shop = Shop::open();
    for sku in ["a", "b"] {
        shop.insert("one", sku);
    }
    let deleted = shop.send_with("DELETE", "/v1/objects/shop/one", &[], b"");
    assert_eq!(
        (deleted.status, deleted.json()["status"].as_str()),
        (200, Some("deleted"))
    );
    let gone = shop.get("/v1/objects/shop/one/items/a");
    assert_eq!(
        (gone.status, gone.json()["code"].as_str()),
        (404, Some("object_deleted"))
    );
    let end = shop.get("/v1/objects/shop/one/changes?offset=-1");
    assert_eq!(end.header("stream-closed"), "true");
    let old = end.json()[3]["epoch"].as_u64().unwrap();
    assert_eq!(
        shop.get("/v1/objects?type=shop").json()["objects"][0]["status"],
        "deleted"
    );
    assert_eq!(shop.insert("one", "c").status, 201);
    let log = events(&shop, "one");
    let sequences: Vec<u64> = log
        .iter()
        .map(|e| e["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    assert!(log[4]["epoch"].as_u64().unwrap() > old);
}

#[test]
fn objects_are_listed_in_pages_over_the_shards() {
    let shop = Shop::open();
    for id in 0..25 {
        shop.insert(&format!("o{id:02}"), "a");
    }
    let first = shop.get("/v1/objects?type=shop&prefix=o&limit=20").json();
    assert_eq!(first["objects"].as_array().unwrap().len(), 20);
    let next: String = first["next"]
        .as_str()
        .unwrap()
        .bytes()
        .map(|b| format!("%{b:02x}"))
        .collect();
    let rest = shop
        .get(&format!(
            "/v1/objects?type=shop&prefix=o&limit=20&after={next}"
        ))
        .json();
    let ids: Vec<&str> = rest["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["o20", "o21", "o22", "o23", "o24"]);
}

#[test]
fn health_metrics_and_openapi_answer() {
    let shop = Shop::open();
    shop.insert("one", "a");
    assert_eq!(shop.get("/healthz").status, 200);
    assert_eq!(shop.get("/readyz").status, 200);
    assert!(
        shop.get("/metrics")
            .text
            .contains("tidelog_turns_total 1\n")
    );
    assert_eq!(shop.get("/openapi.json").json()["openapi"], "3.1.0");
}
