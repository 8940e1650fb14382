//! Documents read from the lake: as of the last commit, out of the folder's files alone.

use serde_json::json;

use crate::support::{Answer, Shop};

const ITEM: &str = "/v1/objects/shop/one/items/a";

fn cold(shop: &Shop) -> Answer {
    shop.get(&format!("{ITEM}?tier=cold"))
}

fn sync(shop: &Shop) {
    let path = "/v1/objects/shop/one/sync";
    let sync = shop.post(path, &json!({"tier": "cold"}));
    assert_eq!(sync.status, 200, "{}", sync.text);
}

fn patch(shop: &Shop, price: f64) {
    let body = json!({ "price": price }).to_string();
    let answer = shop.send("PATCH", ITEM, "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[test]
fn a_cold_read_answers_the_last_commit_across_restarts() {
    let mut shop = Shop::open();
    shop.insert("one", "a");
    sync(&shop);
    for round in 1..=3 {
        patch(&shop, f64::from(round + 1));
        let old = cold(&shop);
        assert_eq!(
            (old.status, old.header("etag")),
            (200, format!("\"{round}\"").as_str())
        );
        assert_eq!(old.json()["price"], json!(f64::from(round)));
        sync(&shop);
        shop.restart();
        let new = cold(&shop);
        let hot = shop.get(ITEM);
        assert_eq!(
            (&new.text, new.header("etag")),
            (&hot.text, hot.header("etag"))
        );
        assert_eq!(new.header("age"), "0");
    }
    assert_eq!(shop.send_with("DELETE", ITEM, &[], b"").status, 200);
    assert_eq!(cold(&shop).status, 200);
    sync(&shop);
    assert_eq!(cold(&shop).json()["code"], "unknown_document");
}

#[test]
fn what_the_lake_lost_is_an_error() {
    let shop = Shop::open();
    shop.insert("one", "a");
    sync(&shop);
    assert_eq!(cold(&shop).status, 200);
    damage(&shop);
    let answer = cold(&shop);
    let code = answer.json()["code"].clone();
    assert_eq!(
        (answer.status, code),
        (500, json!("corrupt")),
        "{}",
        answer.text
    );
    assert_eq!(shop.get(ITEM).status, 200);
}

/// Every data file becomes zeros.
pub(crate) fn damage(shop: &Shop) {
    let lake = shop.folder.path().join("data/lake");
    let mut folders = vec![lake];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "parquet") {
                let bytes = std::fs::metadata(&path).unwrap().len();
                std::fs::write(&path, vec![0; usize::try_from(bytes).unwrap()]).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
}

/// Two tables of one type, many reads at once.
#[test]
fn reads_at_once_see_one_state_each() {
    let shop = Shop::open();
    for n in 0..50 {
        shop.insert("one", &format!("k{n}"));
    }
    sync(&shop);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let shop = &shop;
            scope.spawn(move || {
                for n in (0..50).skip(thread).step_by(3) {
                    let path = format!("/v1/objects/shop/one/items/k{n}");
                    let found = shop.get(&format!("{path}?tier=cold"));
                    let wanted = json!(format!("k{n}"));
                    assert_eq!((found.status, &found.json()["sku"]), (200, &wanted));
                }
            });
        }
    });
}
