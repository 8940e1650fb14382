use bytes::Bytes;
use serde_json::{Value as Json, json};
use tidelog_core::Mutation;
use tidelog_log::{Error, Sequence};

use super::fake::Fake;
use crate::limits::{BODY_BYTES_MAX, LINE_BYTES_MAX, NDJSON_TURN_ROWS};

const FLIGHTS: &str = "POST /v1/objects/airport/JFK/flights";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[test]
fn an_array_is_one_turn() {
    let fake = Fake::default();
    let answer = fake.post(FLIGHTS, r#"[{"id":"a"},{"id":"b"}]"#);
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.json()["written"][1],
        json!({"key":"1","version":9,"operation":"INSERT"})
    );
    let one = fake.post(&format!("{FLIGHTS}?mode=upsert"), r#"{"id":"a"}"#);
    assert_eq!(one.header("etag"), "\"9\"");
    let turns = fake.turns.lock().unwrap();
    assert_eq!(turns[0].1.len(), 2);
    assert!(matches!(
        turns[1].1[0],
        Mutation::Upsert {
            if_version: None,
            ..
        }
    ));
}

#[test]
fn bad_bodies_are_named() {
    let fake = Fake::default();
    let many = format!("[{}]", vec!["{}"; 10_001].join(","));
    for (body, status, code) in [
        ("", 400, "invalid_json"),
        ("[", 400, "invalid_json"),
        (r#"{"a":1,"a":2}"#, 400, "invalid_json"),
        ("[]", 400, "empty_turn"),
        ("[{},1]", 400, "invalid_body"),
        ("\"x\"", 400, "invalid_body"),
        (many.as_str(), 413, "too_many_rows"),
        (
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1",
            400,
            "json_too_deep",
        ),
    ] {
        let got = fake.post(FLIGHTS, body).problem();
        let shown: String = body.chars().take(40).collect();
        assert_eq!((got.0, got.1.as_str()), (status, code), "{shown}");
    }
    assert_eq!(fake.post(FLIGHTS, "[{},1]").problem().2, "[1]");
    let mode = fake.post(&format!("{FLIGHTS}?mode=x"), "{}").problem();
    assert_eq!(
        (mode.1.as_str(), mode.2.as_str()),
        ("invalid_parameter", "mode")
    );
}

#[test]
fn a_body_is_cut_off_at_its_limit_while_it_is_read() {
    let fake = Fake::default();
    let chunk = || Ok(Bytes::from(vec![b' '; 1_000_000]));
    let endless = fake.send(FLIGHTS, &[], std::iter::repeat_with(chunk).take(17));
    assert_eq!(endless.problem().1, "body_too_large");
    let declared = (BODY_BYTES_MAX + 1).to_string();
    let declared = fake.send(FLIGHTS, &[("content-length", &declared)], []);
    assert_eq!(declared.problem().0, 413);
    let cut = [
        Ok(Bytes::from("{")),
        Err(Error::invalid("body_interrupted", "cut")),
    ];
    assert_eq!(fake.send(FLIGHTS, &[], cut).problem().1, "body_interrupted");
}

#[test]
fn versions_are_entity_tags() {
    let fake = Fake::default();
    let document = "/v1/objects/airport/JFK/flights/a";
    let got = fake.ask(&format!("GET {document}"));
    assert_eq!((got.status, got.header("etag")), (200, "\"5\""));
    for tag in ["\"5\"", "W/\"5\"", "\"1\", \"5\"", "*"] {
        let got = fake.send(&format!("GET {document}"), &[("if-none-match", tag)], []);
        assert_eq!((got.status, got.text()), (304, ""), "{tag}");
    }
    let put = [("if-none-match", "*"), ("idempotency-key", "k")];
    fake.send(&format!("PUT {document}"), &put, [Ok(Bytes::from("{}"))]);
    fake.send(
        &format!("PATCH {document}?ifVersion=5"),
        &[],
        [Ok(Bytes::from("{\"x\":null}"))],
    );
    let turns = fake.turns.lock().unwrap();
    assert!(
        matches!(&turns[0].1[0], Mutation::Put { key, if_version: Some(Sequence(0)), .. }
        if key == "a")
    );
    assert_eq!(turns[0].0.idempotency_key, "k");
    assert!(matches!(
        &turns[1].1[0],
        Mutation::Update {
            if_version: Some(Sequence(5)),
            ..
        }
    ));
    drop(turns);
    let stale = fake.send(&format!("DELETE {document}"), &[("if-match", "\"3\"")], []);
    assert_eq!(
        (stale.problem().0, stale.json()["version"].clone()),
        (412, json!(9))
    );
    let none = fake
        .ask("GET /v1/objects/airport/JFK/flights/none")
        .problem();
    assert_eq!((none.0, none.1.as_str()), (404, "unknown_document"));
}

#[test]
fn a_batch_takes_exactly_its_members() {
    let fake = Fake::default();
    let batch = |body: &str| fake.post("POST /v1/objects/airport/JFK/batch", body);
    let good = r#"{"mutations":[
        {"op":"insert","collection":"c","document":{}},
        {"op":"upsert","collection":"c","document":{},"ifVersion":0},
        {"op":"put","collection":"c","key":"k","document":{}},
        {"op":"update","collection":"c","key":"k","patch":{},"ifVersion":7},
        {"op":"delete","collection":"c","key":"k"}]}"#;
    assert_eq!(batch(good).status, 200);
    for (body, field) in [
        ("{}", "mutations"),
        (
            r#"{"mutations":[{"op":"insert","collection":"c","document":{}}],"x":1}"#,
            "x",
        ),
        (r#"{"mutations":[1]}"#, "mutations[0]"),
        (
            r#"{"mutations":[{"op":"insert","collection":"c"}]}"#,
            "mutations[0].document",
        ),
        (
            r#"{"mutations":[{"op":"drop","collection":"c"}]}"#,
            "mutations[0].op",
        ),
        (
            r#"{"mutations":[{"op":"delete","collection":"c","key":1}]}"#,
            "mutations[0].key",
        ),
        (
            r#"{"mutations":[{"op":"delete","collection":"c","key":"k","if":1}]}"#,
            "mutations[0].if",
        ),
        (
            r#"{"mutations":[{"op":"delete","collection":"c","key":"k","ifVersion":-1}]}"#,
            "mutations[0].ifVersion",
        ),
    ] {
        assert_eq!(batch(body).problem().2, field, "{body}");
    }
}

#[test]
fn a_query_passes_through() {
    let fake = Fake::default();
    let answer = fake
        .post(
            "POST /v1/objects/airport/JFK/flights/query",
            r#"{"limit":3}"#,
        )
        .json();
    assert_eq!(answer["rows"], json!([{"limit":3}]));
    assert_eq!(answer["next"], "more");
}

fn ingest(fake: &Fake, body: &str, chunk_bytes: usize, line: &str) -> Vec<Json> {
    let chunks = body
        .as_bytes()
        .chunks(chunk_bytes)
        .map(|c| Ok(Bytes::copy_from_slice(c)));
    let headers = [NDJSON, ("idempotency-key", "load")];
    let mut answer = fake.send(line, &headers, chunks);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let text = answer.stream(fake);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn ndjson_turns_depend_on_the_lines_and_not_on_the_chunks() {
    let body: String = (0..2_500)
        .map(|n| format!("{{\"n\":{n}}}\r\n"))
        .collect::<String>()
        + "\n{}";
    let mut replies = Vec::new();
    for chunk_bytes in [7, 1_000, usize::MAX] {
        let fake = Fake::default();
        let lines = ingest(&fake, &body, chunk_bytes, FLIGHTS);
        let turns = fake.turns.lock().unwrap();
        let keys: Vec<_> = turns
            .iter()
            .map(|(caller, _)| caller.idempotency_key.clone())
            .collect();
        assert_eq!(keys, ["load#1", "load#1001", "load#2001"]);
        assert_eq!(turns[0].1.len(), NDJSON_TURN_ROWS);
        replies.push(lines);
    }
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]));
    let last = replies[0].last().unwrap();
    assert_eq!(
        (&last["done"], &last["rows"], &last["line"]),
        (&json!(true), &json!(2_501), &json!(2_502))
    );
    assert_eq!(replies[0][1]["line"], 2_000);
}

#[test]
fn a_bad_line_ends_the_series_and_earlier_turns_stand() {
    let mut body: String = "{\"a\":1}\n".repeat(1_004);
    body.push_str("{\"a\":1,\"a\":2}\n{}\n");
    let fake = Fake::default();
    let lines = ingest(&fake, &body, 100, FLIGHTS);
    assert_eq!(fake.turns.lock().unwrap().len(), 1);
    let error = &lines[1];
    assert_eq!(error["code"], "invalid_ndjson_line");
    assert_eq!(
        (&error["line"], &error["firstLine"]),
        (&json!(1_005), &json!(1_001))
    );
    assert_eq!(lines.len(), 2);
    for body in [
        "[1]",
        "x",
        &format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX)),
    ] {
        let lines = ingest(&Fake::default(), body, 1 << 16, FLIGHTS);
        assert_eq!(
            (&lines[0]["code"], &lines[0]["line"]),
            (&json!("invalid_ndjson_line"), &json!(1))
        );
    }
}

#[test]
fn ndjson_resumes_at_a_line() {
    let fake = Fake::default();
    let lines = ingest(&fake, "{}\n{}\n", 100, &format!("{FLIGHTS}?firstLine=1001"));
    assert_eq!(fake.turns.lock().unwrap()[0].0.idempotency_key, "load#1001");
    assert_eq!(lines[0]["line"], 1_002);
    let empty = ingest(&fake, "", 100, FLIGHTS);
    assert_eq!(
        empty,
        [json!({"done": true, "line": 0, "turns": 0, "rows": 0})]
    );
}

#[test]
fn an_interrupted_ndjson_body_is_not_an_end() {
    let fake = Fake::default();
    let cut = [
        Ok(Bytes::from("{}\n{}\n")),
        Err(Error::invalid("body_interrupted", "cut")),
    ];
    let text = fake.send(FLIGHTS, &[NDJSON], cut).stream(&fake);
    assert!(text.contains("body_interrupted"), "{text}");
    assert!(fake.turns.lock().unwrap().is_empty());
}

const COLD: &str = "GET /v1/objects/airport/JFK/flights/UA1?tier=cold";

#[test]
fn a_cold_answer_says_which_state_it_is_of() {
    let fake = Fake::default();
    let answer = fake.post(COLD, "");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"key": "cold"}))
    );
    for (name, value) in [
        ("etag", "\"3\""),
        ("age", "61"),
        ("tidelog-offset", "0000000000000001_0000000000000004"),
        ("cache-control", "private, no-cache"),
        ("tidelog-cache", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let known = fake.send(COLD, &[("if-none-match", "\"3\"")], []);
    assert_eq!(known.status, 304);
    let newer = fake.send(COLD, &[("if-none-match", "\"5\"")], []);
    assert_eq!(newer.status, 200);
}

#[test]
fn a_cold_read_goes_without_consistency() {
    let fake = Fake::default();
    let early = "atLeast=0000000000000001_0000000000000005";
    for (more, status, code, field) in [
        (
            "consistency=warm",
            400,
            "conflicting_parameters",
            "consistency",
        ),
        (
            "consistency=strong",
            400,
            "conflicting_parameters",
            "consistency",
        ),
        (
            "consistency=x",
            501,
            "consistency_unsupported",
            "consistency",
        ),
        ("tier=hot", 400, "invalid_parameter", "tier"),
        ("atLeast=x", 400, "malformed_offset", "atLeast"),
        (early, 503, "not_caught_up", ""),
    ] {
        let got = fake.post(&format!("{COLD}&{more}"), "").problem();
        let got = (got.0, got.1.as_str(), got.2.as_str());
        assert_eq!(got, (status, code, field), "{more}");
    }
    let tier = |tier: &str| COLD.replace("cold", tier);
    assert_eq!(fake.post(&tier("warm"), "").problem().1, "tier_unsupported");
    let hot = fake.post(&format!("{}&consistency=strong", tier("hot")), "");
    assert_eq!(hot.header("etag"), "\"5\"");
}
