//! Snapshots leave one server as files and come into another.

use serde_json::{Value as Json, json};
use tidelog_embedded::verify_snapshot_file;

use crate::support::{Answer, Shop, events};

const ADMIN: (&str, &str) = ("authorization", "Bearer of-administrators");

fn shop() -> Shop {
    Shop::with(|settings| settings.admin_token = Some("of-administrators".to_owned()))
}

fn ask(shop: &Shop, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let path = format!("/v1/objects/shop/{path}");
    let headers: Vec<_> = [ADMIN].into_iter().chain(headers.iter().copied()).collect();
    shop.send_with(method, &path, &headers, body)
}

fn take(shop: &Shop, body: &Json) -> String {
    let headers = [("content-type", "application/json")];
    let answer = ask(
        shop,
        "POST",
        "a/snapshots",
        &headers,
        body.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn items(shop: &Shop, object: &str) -> Json {
    let path = format!("/v1/objects/shop/{object}/items/query");
    let answer = shop.post(&path, &json!({"orderBy": ["sku"], "limit": 10_000}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut rows = answer.json()["rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        // The copy's log is another.
        row.as_object_mut().unwrap().remove("_version");
    }
    rows
}

/// A shop with a chain of two snapshots. Returns it with the second one's id.
fn filled() -> (Shop, String) {
    let shop = shop();
    let documents: Vec<Json> = (0..3_000)
        .map(|n| json!({"sku": format!("s{n:04}"), "code": n, "price": n % 7, "more": {"of": [n]}}))
        .collect();
    let answer = shop.post("/v1/objects/shop/a/items", &json!(documents));
    assert_eq!(answer.status, 201, "{}", answer.text);
    take(&shop, &json!({}));
    let gone = shop.send("DELETE", "/v1/objects/shop/a/items/s0003", "", b"");
    assert_eq!(gone.status, 200, "{}", gone.text);
    shop.insert("a", "t1");
    let id = take(&shop, &json!({"kind": "incremental", "note": "nightly"}));
    (shop, id)
}

#[test]
fn a_file_goes_from_one_server_to_another_and_is_whole_there() {
    let (from, id) = filled();
    let path = format!("a/snapshots/{id}/file");
    let file = ask(&from, "GET", &path, &[], b"");
    assert_eq!(file.status, 200);
    assert_eq!(
        file.header("content-type"),
        "application/vnd.tidelog.snapshot"
    );
    assert_eq!(
        file.header("tidelog-file-bytes"),
        file.bytes.len().to_string()
    );
    let rest = ask(&from, "GET", &path, &[("range", "bytes=1000-")], b"");
    assert_eq!(
        (rest.status, &rest.bytes),
        (206, &file.bytes[1_000..].to_vec())
    );

    let to = shop();
    let taken = ask(&to, "POST", "b/snapshots/import", &[], &file.bytes);
    assert_eq!(taken.status, 201, "{}", taken.text);
    let snapshot = taken.json()["snapshot"].clone();
    let headers = [("content-type", "application/json")];
    let body = json!({"snapshot": snapshot}).to_string();
    let restored = ask(&to, "POST", "b/restore", &headers, body.as_bytes());
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(
        restored.json()["differences"]["items"]["added"],
        json!(3_000)
    );
    assert_eq!(items(&to, "b"), items(&from, "a"));
    assert_eq!(events(&to, "b").len(), 3_000, "an event for each document");
}

#[test]
fn an_upload_that_breaks_off_goes_on() {
    let (from, id) = filled();
    let file = ask(&from, "GET", &format!("a/snapshots/{id}/file"), &[], b"").bytes;
    let to = shop();
    let none = ask(&to, "GET", "b/snapshots/import", &[], b"");
    assert_eq!(none.status, 404, "{}", none.text);
    let first = &file[..file.len() - 100];
    let cut = ask(&to, "POST", "b/snapshots/import", &[], first);
    assert_eq!(
        (cut.status, &cut.json()["code"]),
        (400, &json!("snapshot_truncated"))
    );
    let at = ask(&to, "GET", "b/snapshots/import", &[], b"").json();
    assert_eq!(at["offset"], cut.json()["offset"]);
    let offset = usize::try_from(at["offset"].as_u64().unwrap()).unwrap();
    assert!(offset > 1_000 && offset <= first.len());
    let path = format!("b/snapshots/import?offset={}", offset - 1);
    let wrong = ask(&to, "POST", &path, &[], &file[offset - 1..]);
    assert_eq!(
        (wrong.status, &wrong.json()["code"]),
        (409, &json!("import_out_of_order"))
    );
    let path = format!("b/snapshots/import?offset={offset}");
    let done = ask(&to, "POST", &path, &[], &file[offset..]);
    assert_eq!(done.status, 201, "{}", done.text);
}

#[test]
fn a_file_is_verified_without_a_server() {
    let (from, id) = filled();
    let file = ask(&from, "GET", &format!("a/snapshots/{id}/file"), &[], b"").bytes;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.tls");
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        verify_snapshot_file(&path, scratch.path(), |_| {})
    };
    let report = check(&file).unwrap();
    assert_eq!((report.links.len(), report.bytes), (2, file.len() as u64));
    assert_eq!(report.restore.differences["items"].added, 3_000);
    for at in (0..file.len()).step_by(file.len() / 23) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        assert!(check(&damaged).is_err(), "byte {at}");
    }
    assert_eq!(
        check(&file[..file.len() - 1]).unwrap_err().code(),
        "snapshot_truncated"
    );
}

#[test]
fn the_routes_of_files_are_the_administrators() {
    let (from, id) = filled();
    for path in [
        format!("a/snapshots/{id}/file"),
        "a/snapshots/import".to_owned(),
    ] {
        let answer = from.get(&format!("/v1/objects/shop/{path}"));
        assert!([401, 403].contains(&answer.status), "{}", answer.text);
    }
    let audit = ask(&from, "GET", "a/snapshots/audit", &[], b"").json();
    assert_eq!(audit["entries"].as_array().unwrap().len(), 2);
}
