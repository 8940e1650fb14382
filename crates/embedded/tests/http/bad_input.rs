//! Bad input: a status, a stable code, the field or limit in the message, and nothing changed.

use serde_json::json;
use tidelog_embedded::{Server, Settings};

use crate::support::{SCHEMA, Shop, settings};

const ITEMS: &str = "/v1/objects/shop/one/items";

fn refused(
    shop: &Shop,
    method: &str,
    path: &str,
    kind: &str,
    body: &[u8],
    status: u16,
    code: &str,
) {
    let before = shop.get("/v1/objects/shop/one/state").json()["headHash"].clone();
    let answer = shop.send(method, path, kind, body);
    let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
    assert_eq!(
        answer.status, status,
        "{method} {path} {shown}: {}",
        answer.text
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(
        answer.json()["code"],
        code,
        "{method} {path} {shown}: {}",
        answer.text
    );
    assert_eq!(
        shop.get("/v1/objects/shop/one/state").json()["headHash"],
        before
    );
}

#[test]
fn wrong_documents_are_refused_and_change_nothing() {
    let shop = Shop::open();
    assert_eq!(shop.insert("one", "a").status, 201);
    let big = json!({"sku": "big", "text": "x".repeat(1_500_001)}).to_string();
    let deep = format!(r#"{{"sku":"d","x":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    for (body, status, code) in [
        (r#"{"sku":"b","price":"1"}"#, 400, "wrong_type"),
        (r#"{"price":1}"#, 400, "missing_field"),
        (r#"{"sku":"b","price":-1}"#, 400, "check_failed"),
        (r#"{"sku":"b","kind":"c"}"#, 400, "check_failed"),
        (
            r#"{"sku":"b","code":9007199254740992}"#,
            400,
            "value_out_of_range",
        ),
        (r#"{"sku":"b","_x":1}"#, 400, "reserved_member"),
        (r#"{"sku":"a"}"#, 409, "duplicate_key"),
        (r#"{"sku":"b","sku":"c"}"#, 400, "invalid_json"),
        (r#"{"sku":"b""#, 400, "invalid_json"),
        (r#"[{"sku":"ok"},{"sku":7}]"#, 400, "wrong_type"),
        (big.as_str(), 413, "document_too_large"),
        (deep.as_str(), 400, "json_too_deep"),
    ] {
        refused(
            &shop,
            "POST",
            ITEMS,
            "application/json",
            body.as_bytes(),
            status,
            code,
        );
    }
    let many: Vec<_> = (0..10_001).map(|n| json!({"sku": n.to_string()})).collect();
    let many = serde_json::to_vec(&many).unwrap();
    refused(
        &shop,
        "POST",
        ITEMS,
        "application/json",
        &many,
        413,
        "too_many_rows",
    );
    let huge = vec![b' '; 16_000_001];
    refused(
        &shop,
        "POST",
        ITEMS,
        "application/json",
        &huge,
        413,
        "body_too_large",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn wrong_requests_are_refused_and_change_nothing() {
    let shop = Shop::open();
    assert_eq!(shop.insert("one", "a").status, 201);
    let long = format!("/v1/objects/shop/{}/items", "x".repeat(4_096));
    let far = "0000000000000009_0000000000000001";
    let outside = format!("/v1/objects/shop/one/changes?offset={far}");
    let nested = format!(
        r#"{{"where":{}{{"sku":"a"}}{}}}"#,
        r#"{"not":"#.repeat(40),
        "}".repeat(40)
    );
    let query = format!("{ITEMS}/query");
    for (method, path, body, status, code) in [
        (
            "POST",
            "/v1/objects/none/one/items",
            "{}",
            404,
            "unknown_type",
        ),
        (
            "POST",
            "/v1/objects/shop/one/none",
            "{}",
            404,
            "unknown_collection",
        ),
        (
            "GET",
            "/v1/objects/shop/two/items/a",
            "",
            404,
            "unknown_object",
        ),
        (
            "GET",
            "/v1/objects/shop/one/items/z",
            "",
            404,
            "unknown_document",
        ),
        ("GET", "/v1/nothing", "", 404, "unknown_route"),
        (
            "PUT",
            "/v1/objects/shop/one/changes",
            "{}",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/v1/objects/shop/../items",
            "{}",
            400,
            "invalid_object_id",
        ),
        (
            "POST",
            "/v1/objects/shop/%2e%2e/items",
            "{}",
            400,
            "invalid_object_id",
        ),
        (
            "POST",
            "/v1/objects/shop/a%2fb/items",
            "{}",
            400,
            "invalid_object_id",
        ),
        (
            "POST",
            "/v1/objects/shop/a%00b/items",
            "{}",
            400,
            "invalid_object_id",
        ),
        ("POST", long.as_str(), "{}", 400, "invalid_object_id"),
        (
            "GET",
            "/v1/objects/shop/one/changes?offset=7",
            "",
            400,
            "malformed_offset",
        ),
        ("GET", outside.as_str(), "", 410, "offset_outside_lineage"),
        (
            "GET",
            "/v1/objects/shop/one/changes?limit=0",
            "",
            400,
            "limit_out_of_range",
        ),
        (
            "GET",
            "/v1/objects/shop/one/changes?operations=X",
            "",
            400,
            "unknown_operation",
        ),
        (
            "POST",
            query.as_str(),
            r#"{"where":{"nope":1}}"#,
            400,
            "unknown_field",
        ),
        (
            "POST",
            query.as_str(),
            r#"{"where":{"sku":{"near":1}}}"#,
            400,
            "unknown_operator",
        ),
        (
            "POST",
            query.as_str(),
            nested.as_str(),
            413,
            "filter_too_deep",
        ),
        (
            "POST",
            query.as_str(),
            r#"{"asOf":"2013-01-01T00:00:00Z"}"#,
            501,
            "as_of_unsupported",
        ),
        (
            "PATCH",
            "/v1/objects/shop/one/items/a?ifVersion=7",
            r#"{"price":2}"#,
            412,
            "version_mismatch",
        ),
        (
            "POST",
            "/v1/objects/shop/one/sync",
            r#"{"tier":"tepid"}"#,
            501,
            "tier_unsupported",
        ),
    ] {
        let status = if code == "limit_out_of_range" {
            400
        } else {
            status
        };
        refused(
            &shop,
            method,
            path,
            "application/json",
            body.as_bytes(),
            status,
            code,
        );
    }
}

#[test]
fn an_idempotency_key_answers_again_and_refuses_another_body() {
    let mut shop = Shop::open();
    let key = [
        ("idempotency-key", "k1"),
        ("content-type", "application/json"),
    ];
    let first = shop.send_with("POST", ITEMS, &key, br#"{"sku":"a"}"#);
    assert_eq!(first.status, 201, "{}", first.text);
    shop.restart();
    let again = shop.send_with("POST", ITEMS, &key, br#"{"sku":"a"}"#);
    assert_eq!(again.json()["offset"], first.json()["offset"]);
    let other = shop.send_with("POST", ITEMS, &key, br#"{"sku":"b"}"#);
    assert_eq!(
        (other.status, other.json()["code"].as_str()),
        (409, Some("idempotency_key_reused"))
    );
}

#[test]
fn ndjson_names_the_bad_line_and_keeps_earlier_turns() {
    let shop = Shop::open();
    let mut body = String::new();
    for n in 0..2_500 {
        let line = if n == 1_700 {
            "{oops".to_owned()
        } else {
            json!({"sku": n.to_string()}).to_string()
        };
        body.push_str(&line);
        body.push('\n');
    }
    let answer = shop.send("POST", ITEMS, "application/x-ndjson", body.as_bytes());
    let last: serde_json::Value =
        serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["code"].as_str(), last["line"].as_u64()),
        (Some("invalid_ndjson_line"), Some(1_701))
    );
    assert_eq!(
        shop.get("/v1/objects/shop/one/state").json()["documents"]["items"],
        1_000
    );
}

#[test]
fn schema_changes_that_lose_data_are_refused() {
    let shop = Shop::open();
    let dropped = SCHEMA.replace("price = { type = \"float\", min = 0 }\n", "");
    let answer = shop.send(
        "PUT",
        "/v1/types/shop",
        "application/toml",
        dropped.as_bytes(),
    );
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (409, Some("schema_would_lose_data"))
    );
    let unknown = SCHEMA.replace("\"float\"", "\"decimal\"");
    let answer = shop.send(
        "PUT",
        "/v1/types/shop",
        "application/toml",
        unknown.as_bytes(),
    );
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (400, Some("invalid_schema"))
    );
    let reserved = SCHEMA.replace("collections.notes", "collections.changes");
    let answer = shop.send(
        "PUT",
        "/v1/types/shop",
        "application/toml",
        reserved.as_bytes(),
    );
    assert_eq!(answer.json()["code"], "reserved_name");
}

#[test]
fn a_full_store_is_507_and_loses_nothing() {
    let shop = Shop::with(|settings| settings.object_bytes_max = 1_000_000);
    let text = "x".repeat(20_000);
    let mut written = 0;
    let full = loop {
        let answer = shop.post(
            "/v1/objects/shop/one/notes",
            &json!({"id": written.to_string(), "text": text}),
        );
        if answer.status != 201 {
            break answer;
        }
        written += 1;
        assert!(written < 100, "the cap does not hold");
    };
    assert_eq!(
        full.status,
        if full.json()["code"] == "log_full" {
            503
        } else {
            507
        },
        "{}",
        full.text
    );
    let state = shop.get("/v1/objects/shop/one/state").json();
    assert_eq!(state["documents"]["notes"], written);
    assert_eq!(state["head"], written);
}

#[test]
fn a_folder_has_one_process_and_a_stranger_needs_a_token() {
    let shop = Shop::open();
    let error = Server::start(settings(shop.folder.path())).unwrap_err();
    assert_eq!(error.code(), "data_folder_in_use");
    let open = Settings {
        listen: ([0, 0, 0, 0], 0).into(),
        ..Settings::default()
    };
    assert_eq!(Server::start(open).unwrap_err().code(), "token_required");
    shop.stop();
    let guarded = Shop::with(|settings| settings.token = Some("0123456789abcdef".to_owned()));
    assert_eq!(guarded.get("/v1/types").status, 401);
    assert_eq!(guarded.get("/healthz").status, 200);
    let known = [("authorization", "Bearer 0123456789abcdef")];
    assert_eq!(
        guarded.send_with("GET", "/v1/types", &known, b"").status,
        200
    );
}

#[test]
fn a_refused_first_write_makes_no_object() {
    let shop = Shop::open();
    let answer = shop.post(ITEMS, &json!({"price": 1}));
    assert_eq!(answer.json()["code"], "missing_field");
    assert_eq!(
        shop.get("/v1/objects?type=shop").json()["objects"],
        json!([])
    );
    assert_eq!(shop.get("/v1/objects/shop/one/state").status, 404);
    assert_eq!(shop.insert("one", "a").status, 201);
    assert_eq!(shop.get("/v1/objects/shop/one/state").json()["head"], 1);
}
