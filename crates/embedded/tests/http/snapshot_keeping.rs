//! Snapshots by schedule and by retention, on a server that is stopped in between.

use serde_json::{Value as Json, json};

use crate::support::Shop;

const OBJECT: &str = "/v1/objects/diary/one";

fn diary(shop: &Shop) {
    let schema = "type = \"diary\"\n[snapshots]\nchanges = 4\nfull_every = 3\n\
                  [collections.pages.fields]\nid = { type = \"string\" }\n";
    let toml = "application/toml";
    let answer = shop.send("PUT", "/v1/types/diary", toml, schema.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn write(shop: &Shop, pages: std::ops::Range<u32>) {
    for page in pages {
        let answer = shop.post(
            &format!("{OBJECT}/pages"),
            &json!({"id": format!("p{page:03}")}),
        );
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

/// Kind and sequence of every snapshot, oldest first.
fn taken(shop: &Shop) -> Vec<(String, u64)> {
    let page = shop
        .admin("GET", &format!("{OBJECT}/snapshots"), &Json::Null)
        .json();
    let each = page["snapshots"].as_array().unwrap().iter().rev();
    each.filter(|s| s["status"] == "complete")
        .map(|s| {
            (
                s["kind"].as_str().unwrap().to_owned(),
                s["sequence"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// Waits until there are such snapshots: nothing but timers goes on with them.
fn until(shop: &Shop, wanted: &[(&str, u64)]) {
    for _ in 0..20_000 {
        let now = taken(shop);
        if now
            .iter()
            .map(|(kind, at)| (kind.as_str(), *at))
            .eq(wanted.iter().copied())
        {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{:?} is not {wanted:?}", taken(shop));
}

#[test]
fn a_server_takes_snapshots_by_schedule_and_forgets_them_by_its_rules() {
    let mut shop = Shop::open();
    diary(&shop);
    write(&shop, 0..4);
    until(&shop, &[("full", 4)]);
    write(&shop, 4..6);
    shop.restart();
    write(&shop, 6..8);
    until(&shop, &[("full", 4), ("incremental", 8)]);
    let retention = format!("{OBJECT}/snapshots/retention");
    let state = shop.admin("GET", &retention, &Json::Null).json();
    assert_eq!(
        (&state["hotAge"], &state["hotCount"]),
        (&json!("7d"), &json!(100))
    );
    assert_eq!(state["schedule"]["sequence"], json!(8));
    let rules = shop.admin("PUT", &retention, &json!({"hotCount": 1}));
    assert_eq!(
        (rules.status, &rules.json()["hotCount"]),
        (200, &json!(1)),
        "{}",
        rules.text
    );
    write(&shop, 8..12);
    until(
        &shop,
        &[("full", 4), ("incremental", 8), ("incremental", 12)],
    );
    write(&shop, 12..16);
    until(&shop, &[("full", 16)]);
    shop.restart();
    let audit = shop
        .admin("GET", &format!("{OBJECT}/snapshots/audit"), &Json::Null)
        .json();
    let actions: Vec<(&str, &str)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|e| {
            (
                e["actor"].as_str().unwrap_or_default(),
                e["action"].as_str().unwrap(),
            )
        })
        .collect();
    let (created, gone) = (
        ("schedule", "snapshot.create"),
        ("retention", "snapshot.expire"),
    );
    let declared = ("", "snapshot.retention");
    assert_eq!(
        actions,
        [
            created, created, declared, created, created, gone, gone, gone
        ]
    );
    let expired = audit["entries"][0]["id"].as_str().unwrap();
    let asked = shop.admin("GET", &format!("{OBJECT}/snapshots/{expired}"), &Json::Null);
    assert_eq!(
        (asked.status, &asked.json()["code"]),
        (410, &json!("snapshot_expired"))
    );
    let kept = shop.admin(
        "PATCH",
        &format!("{OBJECT}/snapshots/{expired}"),
        &json!({"keep": true}),
    );
    assert_eq!(kept.status, 410, "{}", kept.text);
}
