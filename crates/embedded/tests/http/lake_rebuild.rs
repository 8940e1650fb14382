//! Drill: what the lake has lost is made again from its data files and the objects, event by event.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tidelog_embedded::{LakeRebuilt, RebuildWanted, rebuild_lake};

use crate::lake::rows;
use crate::support::{Shop, events, settings};

fn write(shop: &Shop, object: &str, from: usize) {
    let path = format!("/v1/objects/shop/{object}/items");
    for n in from..from + 12 {
        let month = 1 + n % 9;
        let item = json!({"sku": format!("{n}"), "at": format!("2013-0{month}-03T04:05:06Z")});
        assert_eq!(shop.post(&path, &item).status, 201);
        if n % 4 == 0 {
            let note = shop.post(
                &format!("/v1/objects/shop/{object}/notes"),
                &json!({"text": "é"}),
            );
            assert_eq!(note.status, 201);
        }
    }
    let gone = format!("{path}/{}", from + 3);
    assert_eq!(shop.send_with("DELETE", &gone, &[], b"").status, 200);
}

fn sync(shop: &Shop) {
    for object in ["one", "two"] {
        let sync = shop.post(
            &format!("/v1/objects/shop/{object}/sync"),
            &json!({"tier": "cold"}),
        );
        assert_eq!(sync.status, 200, "{}", sync.text);
    }
}

/// Some commits of two objects, and a few events that are in no table yet.
fn shop() -> Shop {
    let shop = Shop::open();
    for round in 0..3 {
        for object in ["one", "two"] {
            write(&shop, object, 12 * round);
        }
        sync(&shop);
    }
    shop
}

fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.join("data/lake")], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().contains(part) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing of {part}");
    found
}

fn remove(files: &[PathBuf]) {
    for file in files {
        fs::remove_file(file).unwrap();
    }
}

fn rebuild(folder: &Path, dry_run: bool) -> LakeRebuilt {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let wanted = RebuildWanted {
        dry_run,
        ..RebuildWanted::default()
    };
    runtime
        .block_on(rebuild_lake(&settings(folder), &wanted))
        .unwrap()
}

/// The table of items has the events of both logs, once each.
fn assert_as_the_logs(shop: &Shop) {
    let mut log: Vec<(String, Json, Json)> = Vec::new();
    for object in ["one", "two"] {
        for event in events(shop, object) {
            if event["collection"] == "items" {
                log.push((
                    object.to_owned(),
                    event["sequence"].clone(),
                    event["documentId"].clone(),
                ));
            }
        }
    }
    let lake = rows(shop).into_iter();
    let lake = lake.map(|row| (row.object, json!(row.sequence), json!(row.key)));
    assert_eq!(lake.collect::<Vec<_>>(), log);
}

#[test]
fn lost_metadata_comes_back_and_flushes_go_on() {
    let mut shop = shop();
    shop.restart_after(|data| {
        let folder = data.parent().unwrap();
        remove(&files(folder, "/metadata/"));
        let counted = rebuild(folder, true);
        assert_eq!(fs::read_dir(folder.join("data/lake")).unwrap().count(), 1);
        let done = rebuild(folder, false);
        assert_eq!(json!(done.tables), json!(counted.tables));
        let (items, missing) = (&done.tables[0], done.missing);
        assert_eq!((items.rows, items.refilled, missing.len()), (78, 0, 0));
    });
    assert_as_the_logs(&shop);
    write(&shop, "one", 100);
    sync(&shop);
    assert_as_the_logs(&shop);
    shop.restart();
    assert_as_the_logs(&shop);
    shop.stop();
}

#[test]
fn lost_databases_of_tables_come_back_with_their_marks() {
    let mut shop = shop();
    let lost = |folder: &Path| fs::remove_dir_all(folder.join("data/tables")).unwrap();
    shop.restart_after(|data| {
        let folder = data.parent().unwrap();
        remove(&files(folder, "/metadata/"));
        lost(folder);
        rebuild(folder, false);
    });
    // What the tables have is not sent again, and what is new is.
    write(&shop, "two", 100);
    sync(&shop);
    assert_as_the_logs(&shop);
    let state = shop.get("/v1/objects/shop/two/state").json();
    assert_eq!(state["lake"][0]["error"], Json::Null, "{state}");
    shop.stop();
}

#[test]
fn lost_data_files_come_again_from_the_logs() {
    let mut shop = shop();
    shop.restart_after(|data| {
        let folder = data.parent().unwrap();
        let data = files(folder, "/items/0/changes/data/");
        remove(&data[..data.len() / 2]);
        fs::write(&data[data.len() / 2], b"no file of ours").unwrap();
        remove(&files(folder, "/metadata/"));
        let done = rebuild(folder, false);
        let items = &done.tables[0];
        assert_eq!(
            (items.rows, items.damaged.len(), done.missing.len()),
            (78, 1, 0)
        );
        assert!(items.refilled > 30, "{}", items.refilled);
    });
    assert_as_the_logs(&shop);
    shop.stop();
}

#[test]
fn what_no_log_has_any_more_is_named() {
    let mut shop = Shop::with(|settings| settings.log_keep_seconds = 0);
    for n in 0..5 {
        assert_eq!(shop.insert("one", &format!("{n}")).status, 201);
        sync_one(&shop);
    }
    crate::lake_restore::trimmed(&shop, "/v1/objects/shop/one", 4);
    shop.restart_after(|data| {
        let folder = data.parent().unwrap();
        remove(&files(folder, "/items/0/changes/data/"));
        let done = rebuild(folder, false);
        let lost = json!([{"object": "shop/one", "from": 1, "to": 4}]);
        assert_eq!((json!(done.missing), done.tables[0].refilled), (lost, 1));
    });
    assert_eq!(rows(&shop).len(), 1);
    shop.stop();
}

fn sync_one(shop: &Shop) {
    let sync = shop.post("/v1/objects/shop/one/sync", &json!({"tier": "cold"}));
    assert_eq!(sync.status, 200, "{}", sync.text);
}
