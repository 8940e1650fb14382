//! Snapshots in the cold tier of one server: the folder beside its lake.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::support::{Answer, Shop};

const ADMIN: (&str, &str) = ("authorization", "Bearer a-token-of-administrators");

fn ask(shop: &Shop, method: &str, path: &str, body: &Json) -> Answer {
    let path = format!("/v1/objects/shop/{path}");
    let headers = [ADMIN, ("content-type", "application/json")];
    let body = match body {
        Json::Null => String::new(),
        body => body.to_string(),
    };
    shop.send_with(method, &path, &headers, body.as_bytes())
}

/// Reads until it is as wanted.
fn until(shop: &Shop, path: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
    for _ in 0..100_000 {
        let answer = ask(shop, "GET", path, &Json::Null);
        if holds(&answer) {
            return answer;
        }
        std::thread::yield_now();
    }
    let answer = ask(shop, "GET", path, &Json::Null);
    panic!("{path} does not come to an end: {}", answer.text);
}

fn is_complete(answer: &Answer) -> bool {
    answer.status == 200 && answer.json()["status"] == "complete"
}

fn items(shop: &Shop) -> Json {
    let path = "/v1/objects/shop/a/items/query";
    let answer = shop.post(path, &json!({"orderBy": ["sku"], "limit": 10_000}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut rows = answer.json()["rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("_version");
    }
    rows
}

/// A shop with a chain of two cold snapshots, their ids, and its documents at the second.
fn cold() -> (Shop, [String; 2], Json) {
    let shop = Shop::open();
    let documents: Vec<Json> = (0..3_000)
        .map(|n| json!({"sku": format!("s{n:04}"), "code": n, "price": n % 7}))
        .collect();
    let answer = shop.post("/v1/objects/shop/a/items", &json!(documents));
    assert_eq!(answer.status, 201, "{}", answer.text);
    let take = |kind: &str| {
        let answer = ask(&shop, "POST", "a/snapshots", &json!({ "kind": kind }));
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let full = take("full");
    shop.insert("a", "t1");
    let last = take("incremental");
    for id in [&full, &last] {
        let path = format!("a/snapshots/{id}");
        let asked = ask(&shop, "POST", &format!("{path}/promote"), &Json::Null);
        assert_eq!(
            (asked.status, &asked.json()["moving"]),
            (202, &json!("promoting"))
        );
        until(&shop, &path, |answer| answer.json()["tier"] == "cold");
        let again = ask(&shop, "POST", &format!("{path}/promote"), &Json::Null);
        assert_eq!(again.status, 200);
    }
    let wanted = items(&shop);
    shop.insert("a", "t2");
    (shop, [full, last], wanted)
}

fn parts(shop: &Shop, id: &str) -> Vec<PathBuf> {
    let folder = shop.data().join("cold/default/snapshots/shop/a").join(id);
    let Ok(found) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut parts: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    parts.sort();
    parts
}

#[test]
fn a_restore_from_cold_goes_on_by_itself_also_after_a_restart() {
    let (mut shop, [full, last], wanted) = cold();
    assert!(parts(&shop, &full).len() > 1 && parts(&shop, &last).len() > 1);
    let file = ask(
        &shop,
        "GET",
        &format!("a/snapshots/{last}/file"),
        &Json::Null,
    );
    assert_eq!(
        (file.status, &file.json()["code"]),
        (409, &json!("snapshot_cold"))
    );
    let asked = ask(&shop, "POST", "a/restore", &json!({ "snapshot": last }));
    assert!([200, 202].contains(&asked.status), "{}", asked.text);
    shop.restart_after(|_| {});
    until(&shop, "a/restore", is_complete);
    assert_eq!(items(&shop), wanted);
    let listed = ask(&shop, "GET", "a/snapshots?tier=cold", &Json::Null);
    assert_eq!(listed.json()["snapshots"], json!([]));
}

#[test]
fn an_object_whose_file_is_lost_comes_back_from_the_cold_tier() {
    let (mut shop, [full, last], wanted) = cold();
    shop.restart_after(|data| std::fs::remove_dir_all(data.join("objects/shop")).unwrap());
    let lost = shop.get("/v1/objects/shop/a/state");
    assert_eq!(lost.status, 404);
    let asked = ask(&shop, "POST", "a/snapshots/discover", &Json::Null);
    assert_eq!(asked.status, 202, "{}", asked.text);
    let found = until(&shop, "a/snapshots/discover", is_complete).json();
    assert_eq!(found["added"], json!([full, last]));
    let asked = ask(&shop, "POST", "a/restore", &json!({ "snapshot": last }));
    assert_eq!(asked.status, 202, "{}", asked.text);
    until(&shop, "a/restore", is_complete);
    assert_eq!(items(&shop), wanted);
    // Deleting takes them away there.
    for id in [&last, &full] {
        let path = format!("a/snapshots/{id}");
        let deleted = ask(&shop, "DELETE", &path, &Json::Null);
        assert_eq!(
            (deleted.status, &deleted.json()["status"]),
            (202, &json!("deleting"))
        );
        until(&shop, &path, |answer| answer.status == 404);
        assert_eq!(parts(&shop, id), Vec::<PathBuf>::new());
    }
}

#[test]
fn an_altered_part_is_named_and_nothing_changes() {
    let (shop, [full, last], _) = cold();
    let before = items(&shop);
    let part = &parts(&shop, &full)[0];
    let mut bytes = std::fs::read(part).unwrap();
    bytes[100] ^= 1;
    std::fs::write(part, &bytes).unwrap();
    let asked = ask(&shop, "POST", "a/restore", &json!({ "snapshot": last }));
    assert_eq!(asked.status, 202, "{}", asked.text);
    let failed = until(&shop, "a/restore", |answer| {
        answer.json()["status"] == "failed"
    });
    let failure = &failed.json()["failure"];
    assert_eq!(failure["code"], "snapshot_damaged");
    assert!(failure["message"].as_str().unwrap().contains(&full));
    assert_eq!(items(&shop), before);
}
