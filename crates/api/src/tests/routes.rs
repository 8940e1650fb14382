use serde_json::{Value as Json, json};

use super::fake::Fake;
use crate::{ApiSettings, ROUTES, openapi};

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    let fake = Fake::default();
    for path in [
        "/nope",
        "/v1",
        "/v1/",
        "/v1/types/",
        "/v1/types/a/b",
        "/v1/objects/airport/JFK/flights/",
        "/v1/objects/airport/JFK/cache",
        "//",
    ] {
        let got = fake.ask(&format!("GET {path}")).problem();
        assert_eq!((got.0, got.1.as_str()), (404, "unknown_route"), "{path}");
    }
    for (line, allow) in [
        ("POST /v1/types/airport", "GET, HEAD, PUT"),
        ("PUT /v1/objects/airport/JFK/changes", "GET, HEAD"),
        ("POST /v1/objects/airport/JFK/changes", "GET, HEAD"),
        ("DELETE /v1/objects/airport/JFK/changes", "GET, HEAD"),
        ("GET /v1/objects/airport/JFK/batch", "POST"),
        ("GET /v1/objects/airport/JFK/flights", "POST"),
        ("OPTIONS /healthz", "GET, HEAD"),
    ] {
        let answer = fake.ask(line);
        assert_eq!(answer.problem().1, "method_not_allowed", "{line}");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, allow),
            "{line}"
        );
    }
}

#[test]
fn segments_are_decoded_exactly_once() {
    let fake = Fake::default();
    let key = |path: &str| fake.ask(path).json()["key"].as_str().unwrap().to_owned();
    assert_eq!(
        key("GET /v1/objects/airport/J%20F/flights/a%2Fb%252F"),
        "a/b%2F"
    );
    assert_eq!(key("GET /v1/objects/airport/JFK/flights/%C3%BC+x"), "ü+x");
    assert_eq!(key("GET /v1/objects/airport/JFK/flights/query"), "query");
    let code = |path: &str| fake.ask(path).problem().1;
    for id in ["a%2Fb", "%2E%2e", ".", "%00", "%0A"] {
        let path = format!("GET /v1/objects/airport/{id}/flights/x");
        assert_eq!(code(&path), "invalid_object_id", "{id}");
    }
    assert_eq!(code("GET /v1/objects/Air-Port/x/flights/x"), "invalid_name");
    assert_eq!(code("GET /v1/objects/airport/%f/flights/x"), "invalid_path");
    assert_eq!(
        code("GET /v1/objects/airport/%ff/flights/x"),
        "invalid_path"
    );
}

#[test]
fn a_token_covers_every_route_but_health() {
    let fake = Fake {
        settings: ApiSettings {
            token: Some("secret".to_owned()),
            ..ApiSettings::default()
        },
        ..Fake::default()
    };
    assert_eq!(fake.ask("GET /healthz").status, 200);
    for route in ROUTES.iter().filter(|route| route.path != "/healthz") {
        let answer = fake.ask(&format!("{} {}", route.method, route.path));
        assert_eq!(answer.status, 401, "{}", route.path);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(fake.ask("GET /nope").status, 401);
    let with = fake.send("GET /v1/types", &[("authorization", "Bearer secret")], []);
    assert_eq!(with.status, 200);
    let iceberg = fake.ask("GET /iceberg/v1/config").json();
    assert_eq!(iceberg["error"]["type"], "NotAuthorizedException");
}

#[test]
fn openapi_describes_exactly_the_routes() {
    let description = openapi();
    let paths = description["paths"].as_object().unwrap();
    let described: usize = paths
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(described, ROUTES.len());
    let mut ids = std::collections::BTreeSet::new();
    for route in ROUTES {
        let operation = &paths[route.path][route.method.to_ascii_lowercase()];
        assert_eq!(operation["summary"], route.summary);
        assert!(ids.insert(operation["operationId"].to_string()));
        assert!(operation["responses"]["default"].is_object());
    }
    // Every reference leads somewhere.
    let text = description.to_string();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for (at, start) in text.match_indices("#/components/schemas/") {
        let name = text[at + start.len()..].split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    assert_eq!(Fake::default().ask("GET /openapi.json").json(), description);
}

#[test]
fn the_documentation_names_every_route() {
    let docs = include_str!("../../../../docs/http.md");
    for route in ROUTES {
        let path = route.path.split('?').next().unwrap_or_default();
        assert!(
            docs.contains(&format!("`{} {path}`", route.method)),
            "{} {path}",
            route.method
        );
    }
}

#[test]
fn host_pages_answer() {
    let fake = Fake::default();
    assert_eq!(fake.ask("GET /healthz").text(), "ok\n");
    assert_eq!(fake.ask("GET /metrics").text(), "tidelog_up 1\n");
    assert_eq!(fake.ask("GET /").json()["name"], "tidelog");
    let head = fake.ask("HEAD /v1/types");
    assert_eq!((head.status, head.text()), (200, ""));
    let ready = fake.ask("GET /readyz");
    assert_eq!((ready.status, ready.header("retry-after")), (503, "1"));
    assert_eq!(ready.header("x-content-type-options"), "nosniff");
    assert_eq!(
        fake.ask("GET /v1/objects?type=airport&prefix=J+F&limit=7")
            .status,
        200
    );
    let typo = fake.ask("GET /v1/objects?typ=airport").problem();
    assert_eq!(
        typo,
        (400, "unknown_parameter".to_owned(), "typ".to_owned())
    );
}

#[test]
fn declarations_come_as_json_or_toml() {
    let fake = Fake::default();
    let json = r#"{"collections": {"flights": {"fields": {"id": {"type": "string"}}}}}"#;
    let answer = fake.post("PUT /v1/types/airport", json);
    assert_eq!((answer.status, answer.header("etag")), (201, "\"1\""));
    let toml = [("content-type", "application/toml")];
    let put = |text: &'static str| {
        fake.send(
            "PUT /v1/types/airport",
            &toml,
            [Ok(bytes::Bytes::from_static(text.as_bytes()))],
        )
    };
    assert_eq!(put("type = 'airport'\n[collections.flights]\n").status, 201);
    assert_eq!(
        put("type = 'city'\n[collections.flights]\n").problem().1,
        "type_name_mismatch"
    );
    let reserved = put("type = 'airport'\n[collections.state]\n").problem();
    assert_eq!(reserved.2, "collections.state");
    assert_eq!(reserved.1, "reserved_name");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        fake.send("PUT /v1/types/airport", &form, []).problem().0,
        415
    );
    assert_eq!(fake.ask("GET /v1/types/nope").problem().1, "unknown_type");
}

#[test]
fn sync_knows_the_tiers_and_all_of_them() {
    let fake = Fake::default();
    let sync = |body| fake.post("POST /v1/objects/airport/JFK/sync", body);
    for body in [r#"{"tier":"cold"}"#, r#"{"tier":"warm"}"#, "{}"] {
        let head = super::fake::offset(2).to_string();
        assert_eq!(sync(body).json()["headOffset"], head, "{body}");
    }
    let unknown = sync(r#"{"tier":"tepid"}"#).problem();
    assert_eq!(
        unknown,
        (501, "tier_unsupported".to_owned(), "tier".to_owned())
    );
    assert_eq!(sync(r#"{"tier":1}"#).problem().1, "invalid_body");
    assert_eq!(sync(r#"{"tiers":"cold"}"#).problem().1, "invalid_body");
}

#[test]
fn state_says_how_far_each_tier_is_and_what_to_see_to() {
    let state = Fake::default()
        .ask("GET /v1/objects/airport/JFK/state")
        .json();
    assert_eq!(state["lastHotSequence"], 2);
    assert_eq!(state["lastWarmSequence"], Json::Null);
    assert_eq!(state["lastColdSequence"], 1);
    let cold = json!({"events": 1, "millis": 30});
    assert_eq!(state["lag"], json!({"warm": null, "cold": cold}));
    assert_eq!(state["database"], json!({"bytes": 900, "maxBytes": 1_000}));
    assert_eq!(state["warnings"][0]["code"], "object_nearly_full");
}
