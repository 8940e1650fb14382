//! Disaster drills on a server: `docs/disaster-drills.md` has the commands.

use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};
use tidelog_core::Address;
use tidelog_embedded::actor_file;

use crate::support::Shop;

const OBJECT: &str = "/v1/objects/plain/one";
const TYPE: &str = "type = \"plain\"\n[hot]\nvortex_threshold = 40\n[collections.items.fields]\n\
                    n = { type = \"int\" }\n[collections.notes.fields]\nn = { type = \"int\" }\n";

/// Items that were folded from rows, and a note.
fn folded() -> Shop {
    let shop = Shop::open();
    let answer = shop.send(
        "PUT",
        "/v1/types/plain",
        "application/toml",
        TYPE.as_bytes(),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
    for chunk in 0..5 {
        let items: Vec<Json> = (0..10)
            .map(|n| json!({"id": format!("k{:03}", chunk * 10 + n), "n": n}))
            .collect();
        let answer = shop.post(&format!("{OBJECT}/items"), &json!(items));
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let note = shop.post(&format!("{OBJECT}/notes"), &json!({"id": "a", "n": 1}));
    assert_eq!(note.status, 201);
    for _ in 0..100_000 {
        let state = shop.get(&format!("{OBJECT}/state")).json();
        if state["folded"][0]["documents"].as_u64().unwrap_or(0) >= 40 {
            return shop;
        }
        std::thread::yield_now();
    }
    panic!("nothing is folded");
}

fn file_of(data: &Path) -> Connection {
    let address = Address::object("plain", "one").unwrap();
    Connection::open(actor_file(data, &address)).unwrap()
}

/// Flips one bit in the middle of the body of each blob.
fn flip_blobs(data: &Path) {
    let file = file_of(data);
    let mut all = file.prepare("SELECT id, body FROM _blobs").unwrap();
    let blobs = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let blobs: Vec<(i64, Vec<u8>)> = blobs.unwrap().map(Result::unwrap).collect();
    assert!(!blobs.is_empty());
    for (id, mut body) in blobs {
        let at = body.len() / 3;
        body[at] ^= 4;
        let write = "UPDATE _blobs SET body = ?1 WHERE id = ?2";
        file.execute(write, params![body, id]).unwrap();
    }
}

fn items(shop: &Shop) -> Json {
    let answer = shop.post(&format!("{OBJECT}/items/query"), &json!({"limit": 100}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["rows"].clone()
}

fn head(shop: &Shop) -> u64 {
    let state = shop.get(&format!("{OBJECT}/state")).json();
    state["lastHotSequence"].as_u64().unwrap()
}

fn check(shop: &Shop) -> Vec<Json> {
    let found = shop.admin("GET", &format!("{OBJECT}/check"), &Json::Null);
    assert_eq!(found.status, 200, "{}", found.text);
    let found = found.json();
    assert_eq!(found.get("next"), None);
    found["damaged"].as_array().unwrap().clone()
}

fn heal(shop: &Shop) -> Json {
    let answer = shop.admin("POST", &format!("{OBJECT}/heal"), &Json::Null);
    assert!([200, 202].contains(&answer.status), "{}", answer.text);
    for _ in 0..100_000 {
        let heal = shop
            .admin("GET", &format!("{OBJECT}/heal"), &Json::Null)
            .json();
        if heal["status"] != "running" {
            assert_eq!(heal["status"], "complete", "{heal}");
            return heal;
        }
        std::thread::yield_now();
    }
    panic!("it does not end");
}

#[test]
fn a_corrupted_blob_is_found_and_healed_while_other_collections_go_on() {
    let mut shop = folded();
    let (before, log) = (items(&shop), head(&shop));
    assert_eq!(check(&shop), Vec::<Json>::new());
    shop.restart_after(flip_blobs);

    let broken = shop.get(&format!("{OBJECT}/items/k003"));
    assert_eq!(
        (broken.status, &broken.json()["code"]),
        (500, &json!("corrupt"))
    );
    let found = check(&shop);
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|damage| damage["collection"] == "items"),
        "{found:?}"
    );
    assert!(found[0]["blob"].is_u64());
    let note = shop.post(&format!("{OBJECT}/notes"), &json!({"id": "b", "n": 2}));
    assert_eq!(note.status, 201, "{}", note.text);
    assert_eq!(shop.get(&format!("{OBJECT}/notes/a")).status, 200);

    let healed = heal(&shop);
    assert_eq!(
        (&healed["lost"], &healed["snapshots"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(healed["healed"].as_array().unwrap().len(), found.len());
    assert_eq!(items(&shop), before);
    assert_eq!(check(&shop), Vec::<Json>::new());
    assert_eq!(head(&shop), log + 1, "only the note's event");
    let audit = shop.admin("GET", &format!("{OBJECT}/snapshots/audit"), &Json::Null);
    assert_eq!(audit.json()["entries"][0]["action"], "heal");
    shop.stop();
}

/// Items that the log has only as a blob, and a snapshot of them.
fn bulk() -> (Shop, String) {
    let shop = Shop::open();
    let answer = shop.send(
        "PUT",
        "/v1/types/plain",
        "application/toml",
        TYPE.as_bytes(),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
    let all: Vec<Json> = (0..60)
        .map(|n| json!({"id": format!("k{n:03}"), "n": n}))
        .collect();
    let answer = shop.post(&format!("{OBJECT}/items"), &json!(all));
    assert_eq!(answer.status, 201, "{}", answer.text);
    let taken = shop.admin("POST", &format!("{OBJECT}/snapshots"), &json!({}));
    assert_eq!(taken.status, 201, "{}", taken.text);
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    (shop, id)
}

/// Asks for a move of a snapshot, and waits until it is in that tier.
fn moved(shop: &Shop, snapshot: &str, how: &str, tier: &str) {
    let asked = shop.admin("POST", &format!("{snapshot}/{how}"), &Json::Null);
    assert!([200, 202].contains(&asked.status), "{}", asked.text);
    for _ in 0..100_000 {
        let now = shop.admin("GET", snapshot, &Json::Null).json();
        if now["tier"] == tier && now.get("moving").is_none() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it stays where it is");
}

#[test]
fn a_blob_that_no_event_tells_of_comes_back_from_the_cold_tier() {
    let (mut shop, id) = bulk();
    let (before, snapshot) = (items(&shop), format!("{OBJECT}/snapshots/{id}"));
    moved(&shop, &snapshot, "promote", "cold");
    shop.restart_after(flip_blobs);
    let first = heal(&shop);
    assert_eq!(first["lost"].as_array().unwrap().len(), 1);
    assert_eq!(first["snapshots"], json!([]), "what is cold is whole");
    moved(&shop, &snapshot, "recall", "hot");
    let second = heal(&shop);
    assert_eq!(
        (&second["lost"], &second["healed"][0]["from"]),
        (&json!([]), &json!("copy"))
    );
    assert_eq!(items(&shop), before);
    assert_eq!(check(&shop), Vec::<Json>::new());
    shop.stop();
}

#[test]
fn a_blob_that_no_event_tells_of_comes_back_from_a_snapshots_file() {
    let (mut shop, id) = bulk();
    let before = items(&shop);
    let snapshot = format!("{OBJECT}/snapshots/{id}");
    let file = shop.admin("GET", &format!("{snapshot}/file"), &Json::Null);
    assert_eq!(file.status, 200);
    shop.restart_after(flip_blobs);

    let first = heal(&shop);
    assert_eq!(first["healed"], json!([]));
    assert_eq!(first["lost"].as_array().unwrap().len(), 1);
    assert_eq!(first["snapshots"], json!([id]));
    let refused = shop.admin(
        "POST",
        &format!("{OBJECT}/restore"),
        &json!({"snapshot": id}),
    );
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (409, &json!("snapshot_incomplete"))
    );
    let bearer = format!("Bearer {}", crate::support::ADMIN_TOKEN);
    let headers = [
        ("content-type", "application/vnd.tidelog.snapshot"),
        ("authorization", bearer.as_str()),
    ];
    let import = format!("{OBJECT}/snapshots/import");
    let taken = shop.send_with("POST", &import, &headers, &file.bytes);
    assert_eq!(taken.status, 201, "{}", taken.text);

    let second = heal(&shop);
    assert_eq!(
        (&second["lost"], &second["snapshots"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(second["healed"][0]["from"], "copy");
    assert_eq!(items(&shop), before);
    assert_eq!(check(&shop), Vec::<Json>::new());
    let now = shop.admin("GET", &snapshot, &Json::Null).json();
    assert_eq!(now["status"], "complete");
    shop.stop();
}
