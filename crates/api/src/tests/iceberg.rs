use serde_json::{Value as Json, json};

use super::fake::Fake;

const BASE: &str = "/iceberg/v1/default/namespaces";

fn get(path: &str) -> Json {
    Fake::default().ask(&format!("GET {path}")).json()
}

#[test]
fn the_config_lists_what_is_served() {
    let config = get("/iceberg/v1/config?warehouse=any");
    assert_eq!(
        (&config["defaults"], &config["overrides"]),
        (&json!({}), &json!({"prefix":"default"}))
    );
    let endpoints = config["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 6);
    assert!(endpoints.contains(&json!(
        "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"
    )));
    assert!(endpoints.contains(&json!("HEAD /v1/{prefix}/namespaces/{namespace}")));
}

#[test]
fn lists_page_by_token() {
    assert_eq!(
        get(BASE)["namespaces"],
        json!([["airport"], ["city"], ["plane"]])
    );
    let first = get(&format!("{BASE}?pageToken=&pageSize=2"));
    assert_eq!(first["namespaces"], json!([["airport"], ["city"]]));
    let token = first["next-page-token"].as_str().unwrap();
    let rest = get(&format!("{BASE}?pageToken={token}&pageSize=2"));
    assert_eq!(
        (&rest["namespaces"], &rest["next-page-token"]),
        (&json!([["plane"]]), &Json::Null)
    );
    let tables = get(&format!("{BASE}/airport/tables?pageSize=1"));
    assert_eq!(
        tables["identifiers"],
        json!([{"namespace":["airport"],"name":"flights"}])
    );
    assert_eq!(
        get(&format!("{BASE}/city/tables"))["identifiers"],
        json!([])
    );
    assert_eq!(get(&format!("{BASE}?parent=city"))["namespaces"], json!([]));
}

#[test]
fn a_table_comes_with_the_means_to_read_it() {
    let fake = Fake::default();
    let line = format!("GET {BASE}/airport/tables/flights");
    let headers = [
        ("host", "lake.test:80"),
        ("x-iceberg-access-delegation", "vended-credentials"),
    ];
    let answer = fake.send(&line, &headers, []);
    let table = answer.json();
    assert_eq!(table["metadata-location"], "s3://lake/v3.metadata.json");
    assert!(answer.text().contains("9223372036854775807"));
    assert_eq!(table["config"]["s3.endpoint"], "http://lake.test:80");
    assert_eq!(table["storage-credentials"][0]["config"], table["config"]);
    let tag = answer.header("etag");
    assert_eq!(fake.send(&line, &[("if-none-match", tag)], []).status, 304);
}

#[test]
fn errors_have_the_form_of_the_specification() {
    let fake = Fake::default();
    for (line, status, kind) in [
        (format!("GET {BASE}/nope"), 404, "NoSuchNamespaceException"),
        (
            format!("GET {BASE}/nope/tables"),
            404,
            "NoSuchNamespaceException",
        ),
        (
            format!("GET {BASE}/airport/tables/x"),
            404,
            "NoSuchTableException",
        ),
        (format!("GET {BASE}/a%1Fb"), 404, "NoSuchNamespaceException"),
        (
            "GET /iceberg/v1/other/namespaces".to_owned(),
            404,
            "NotFoundException",
        ),
        (
            "POST /iceberg/v1/oauth/tokens".to_owned(),
            404,
            "NotFoundException",
        ),
        (format!("POST {BASE}"), 405, "UnsupportedOperationException"),
        (
            format!("DELETE {BASE}/airport/tables/flights"),
            405,
            "UnsupportedOperationException",
        ),
        (format!("GET {BASE}?pageSize=0"), 400, "BadRequestException"),
    ] {
        let error = fake.ask(&line).json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!(status), &json!(kind)),
            "{line}"
        );
        assert!(error["message"].is_string());
    }
    for (path, status) in [
        ("airport", 204),
        ("nope", 404),
        ("airport/tables/flights", 204),
    ] {
        let head = fake.ask(&format!("HEAD {BASE}/{path}"));
        assert_eq!((head.status, head.text()), (status, ""), "{path}");
    }
}
