//! Forks between objects of a server that is stopped in between.

use serde_json::{Value as Json, json};

use crate::support::Shop;

const OBJECT: &str = "/v1/objects/shop/one";
/// More than one step of a snapshot takes.
const ROWS: usize = 24_000;

fn write(shop: &Shop, mode: &str, rows: std::ops::Range<usize>, price: usize) {
    let items: Vec<Json> = rows
        .map(|n| json!({"sku": format!("{n:06}"), "price": price}))
        .collect();
    for some in items.chunks(8_000) {
        let answer = shop.post(&format!("{OBJECT}/items?mode={mode}"), &json!(some));
        assert!(answer.status < 300, "{}", answer.text);
    }
}

/// Asks again until it runs no more.
fn ended(shop: &Shop) -> Json {
    for _ in 0..100_000 {
        let now = shop
            .admin("GET", &format!("{OBJECT}/fork"), &Json::Null)
            .json();
        if now["status"] != "running" {
            return now;
        }
        std::thread::yield_now();
    }
    panic!("it does not end");
}

fn sums(shop: &Shop, id: &str) -> Json {
    let query = json!({"aggregate": {"rows": {"count": "*"}, "price": {"sum": "price"}}});
    let answer = shop.post(&format!("/v1/objects/shop/{id}/items/query"), &query);
    answer.json()["rows"].clone()
}

#[test]
fn a_large_fork_goes_on_after_a_restart_and_is_as_the_object_was() {
    let mut shop = Shop::open();
    write(&shop, "insert", 0..ROWS, 1);
    let before = sums(&shop, "one");
    write(&shop, "upsert", 0..100, 5);
    let fork = format!("{OBJECT}/fork");
    let asked = shop.admin("POST", &fork, &json!({"to": "copy", "sequence": ROWS}));
    assert_eq!(asked.status, 202, "{}", asked.text);
    shop.restart();
    let done = ended(&shop);
    assert_eq!(
        (&done["status"], &done["sequence"]),
        (&json!("complete"), &json!(ROWS)),
        "{done}"
    );
    assert_eq!(sums(&shop, "copy"), before);
    let list = shop
        .admin("GET", &format!("{OBJECT}/snapshots"), &Json::Null)
        .json();
    assert_eq!(list, json!({"snapshots": []}));
    let again = shop.admin("POST", &fork, &json!({"to": "copy"}));
    assert_eq!(again.status, 202, "{}", again.text);
    let refused = ended(&shop);
    assert_eq!(
        refused["failure"]["code"],
        json!("object_exists"),
        "{refused}"
    );
}

#[test]
fn a_scratch_fork_says_when_it_ends_and_stays_out_of_the_lake() {
    let shop = Shop::open();
    write(&shop, "insert", 0..10, 1);
    let asked = shop.admin(
        "POST",
        &format!("{OBJECT}/fork"),
        &json!({"to": "drill", "expires": "2h"}),
    );
    assert_eq!(asked.status, 202, "{}", asked.text);
    assert_eq!(ended(&shop)["status"], "complete");
    let state = shop.get("/v1/objects/shop/drill/state").json();
    assert_eq!(
        (&state["scratch"], &state["head"]),
        (&json!(true), &json!(10))
    );
    assert!(state["expires"].is_string());
    let sync = shop.post(&format!("{OBJECT}/sync"), &json!({"tier": "cold"}));
    assert_eq!(sync.status, 200, "{}", sync.text);
    let state = shop.get("/v1/objects/shop/drill/state").json();
    assert_eq!(state["lake"][0]["accepted"], json!(0), "{}", state["lake"]);
}
