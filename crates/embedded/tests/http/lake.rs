//! What is written reaches the changes table once and only once, restarts or not.

use serde_json::json;
use tidelog_embedded::Blobs;
use tidelog_lake::{ChangeRow, ChangesScan};

use crate::support::{Answer, Shop, events};

pub(crate) fn rows(shop: &Shop) -> Vec<ChangeRow> {
    let table = shop.get("/iceberg/v1/default/namespaces/shop/tables/items_changes");
    rows_of(shop, &table)
}

/// The rows of a table that the catalog has answered.
pub(crate) fn rows_of(shop: &Shop, table: &Answer) -> Vec<ChangeRow> {
    assert_eq!(table.status, 200, "{}", table.text);
    let metadata = table.json()["metadata"].to_string();
    let blobs = Blobs::folder(shop.folder.path().join("data/lake")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let scan = ChangesScan::open(&blobs, &metadata).await.unwrap();
        let mut rows = Vec::new();
        for index in 0..scan.files().len() {
            rows.extend(scan.read(&blobs, index, None).await.unwrap());
        }
        rows.sort_by(|a, b| (&a.object, a.sequence).cmp(&(&b.object, b.sequence)));
        rows
    })
}

#[test]
fn the_changes_table_equals_the_log_across_restarts() {
    let mut shop = Shop::open();
    for round in 0..3 {
        for object in ["one", "two"] {
            for n in 0..20 {
                let item = json!({"sku": format!("{round}-{n}"), "at": "2013-02-03T04:05:06Z"});
                let path = format!("/v1/objects/shop/{object}/items");
                assert_eq!(shop.post(&path, &item).status, 201);
            }
            let gone = format!("/v1/objects/shop/{object}/items/{round}-3");
            assert_eq!(shop.send_with("DELETE", &gone, &[], b"").status, 200);
            let sync = shop.post(
                &format!("/v1/objects/shop/{object}/sync"),
                &json!({"tier": "cold"}),
            );
            assert_eq!(sync.status, 200, "{}", sync.text);
            let status = sync.json()["lake"].clone();
            assert!(
                status
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|lake| lake["lagEvents"] == 0),
                "{status}"
            );
        }
        shop.restart();
    }
    let lake: Vec<(String, u64, String)> = rows(&shop)
        .into_iter()
        .map(|row| (row.object, row.sequence.0, row.key))
        .collect();
    let mut log = Vec::new();
    for object in ["one", "two"] {
        for event in events(&shop, object) {
            let key = event["documentId"].as_str().unwrap().to_owned();
            log.push((object.to_owned(), event["sequence"].as_u64().unwrap(), key));
        }
    }
    assert_eq!(log.len(), 126);
    assert_eq!(lake, log);
}
