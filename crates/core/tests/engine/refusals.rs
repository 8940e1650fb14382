//! Bad input: the code, the field, and nothing changed.

use serde_json::{Value as Json, json};
use tidelog_core::{Caller, Mutation};
use tidelog_log::Kind;

use crate::lab::{Lab, as_text, delete, insert, put, town, update, upsert};

fn person(members: Json) -> Mutation {
    let mut document = json!({"id": "new", "name": "New"});
    for (name, json) in members.as_object().unwrap() {
        document[name] = json.clone();
    }
    insert("people", document)
}

fn nested(levels: usize) -> Json {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// A change, the code of its refusal, and the field.
type Case = (Mutation, &'static str, &'static str);

fn bad_documents() -> Vec<Case> {
    vec![
        (
            insert("nothing", json!({})),
            "unknown_collection",
            "collection",
        ),
        (delete("people", "nobody"), "unknown_document", "key"),
        (
            update("people", "nobody", json!({})),
            "unknown_document",
            "key",
        ),
        (
            insert("people", json!({"id": "x"})),
            "missing_field",
            "name",
        ),
        (person(json!({"name": null})), "missing_field", "name"),
        (person(json!({"name": 5})), "wrong_type", "name"),
        (person(json!({"name": "ada"})), "check_failed", "name"),
        (person(json!({"age": "5"})), "wrong_type", "age"),
        (person(json!({"age": -1})), "check_failed", "age"),
        (person(json!({"age": 151})), "check_failed", "age"),
        (person(json!({"age": 1.5})), "value_out_of_range", "age"),
        (
            person(json!({"age": 9_007_199_254_740_992_i64})),
            "value_out_of_range",
            "age",
        ),
        (person(json!({"role": "root"})), "check_failed", "role"),
        (person(json!({"born": "1999-02-29"})), "wrong_type", "born"),
        (person(json!({"boss": "nobody"})), "check_failed", "boss"),
        (person(json!({"place": [1]})), "check_failed", "place"),
        (person(json!({"place": [1, "x"]})), "wrong_type", "place"),
        (person(json!({"more": nested(33)})), "json_too_deep", "more"),
        (person(json!({"free": nested(33)})), "json_too_deep", "free"),
        (person(json!({"_own": 1})), "reserved_member", "_own"),
        (person(json!({"": 1})), "reserved_member", ""),
    ]
}

fn bad_keys_and_states() -> Vec<Case> {
    let long = "k".repeat(1_025);
    vec![
        (person(json!({"id": 5})), "wrong_type", "id"),
        (person(json!({"id": ""})), "invalid_key", "key"),
        (person(json!({"id": "a\nb"})), "invalid_key", "key"),
        (person(json!({"id": long.as_str()})), "invalid_key", "key"),
        (
            put("people", &long, json!({"name": "A"})),
            "invalid_key",
            "key",
        ),
        (
            put("people", "a", json!({"id": "b", "name": "A"})),
            "key_mismatch",
            "key",
        ),
        (
            put("flights", "2013-01-31~UA", json!({})),
            "wrong_type",
            "number",
        ),
        (
            put("flights", "2013-01-31~UA~01", json!({})),
            "wrong_type",
            "number",
        ),
        (
            put("flights", "2013-01-31~UA~1~2", json!({})),
            "key_mismatch",
            "key",
        ),
        (
            put("flights", "yesterday~UA~1", json!({})),
            "wrong_type",
            "day",
        ),
        (
            update("people", "ada", json!({"age": 200})),
            "check_failed",
            "age",
        ),
        (
            update("people", "ada", json!({"id": "eve"})),
            "key_mismatch",
            "key",
        ),
        (
            upsert("people", json!({"id": "ada"})),
            "missing_field",
            "name",
        ),
        (
            insert("people", json!({"id": "ada", "name": "A"})),
            "duplicate_key",
            "key",
        ),
        (
            person(json!({"email": "ada@x"})),
            "unique_violation",
            "people.email",
        ),
    ]
}

#[test]
fn every_bad_input_names_its_field_and_changes_nothing() {
    let mut lab = Lab::new(town());
    let ada = json!({"id": "ada", "name": "Ada", "email": "ada@x"});
    lab.write(vec![insert("people", ada)]).unwrap();
    for (mutation, code, field) in [bad_documents(), bad_keys_and_states()].concat() {
        let shown = format!("{mutation:?}");
        let error = lab.refused(vec![mutation.clone()]);
        assert_eq!(lab.refused(vec![as_text(&mutation)]), error, "{shown}");
        assert_eq!(
            (error.code(), error.field()),
            (code, Some(field)),
            "{shown}"
        );
        let place = format!("[1].{field}");
        let good = update("people", "ada", json!({"age": 30}));
        let error = lab.refused(vec![good, mutation]);
        assert_eq!(
            (error.code(), error.field()),
            (code, Some(place.as_str())),
            "{shown}"
        );
    }
}

#[test]
fn a_document_over_a_limit_is_too_large() {
    let mut lab = Lab::new(town());
    let many: serde_json::Map<_, _> = (0..1_001).map(|n| (format!("f{n}"), json!(n))).collect();
    for (mutation, code) in [
        (
            person(json!({"free": "x".repeat(1_500_001)})),
            "document_too_large",
        ),
        (
            person(json!({"more": "\u{1}".repeat(400_000)})),
            "document_too_large",
        ),
        (person(Json::Object(many)), "too_many_fields"),
    ] {
        let error = lab.refused(vec![mutation]);
        assert_eq!((error.kind(), error.code()), (Kind::TooLarge, code));
    }
}

#[test]
fn a_label_is_at_most_256_bytes() {
    let mut lab = Lab::new(town());
    let long = "é".repeat(129);
    let before = lab.dump();
    let callers = [
        (
            "source",
            Caller {
                source: long.clone(),
                ..Caller::default()
            },
        ),
        (
            "correlationId",
            Caller {
                correlation_id: long.clone(),
                ..Caller::default()
            },
        ),
        (
            "traceparent",
            Caller {
                trace_parent: long.clone(),
                ..Caller::default()
            },
        ),
        (
            "Idempotency-Key",
            Caller {
                idempotency_key: long,
                ..Caller::default()
            },
        ),
    ];
    for (name, caller) in callers {
        let error = lab.write_as(caller, vec![person(json!({}))]).unwrap_err();
        assert_eq!(
            (error.code(), error.field()),
            ("label_too_long", Some(name))
        );
    }
    assert_eq!(lab.dump(), before);
}

#[test]
fn a_file_of_another_object_or_a_later_format_is_not_opened() {
    let lab = Lab::new(town());
    let open = |id: &str| {
        let address = tidelog_core::Address::object("lab", id).unwrap();
        tidelog_core::Engine::open(&lab.sql, &address, lab.policy)
    };
    assert_eq!(open("two").unwrap_err().code(), "corrupt");
    assert!(open("one").is_ok());
    lab.sql
        .batch("UPDATE _meta SET value = '4' WHERE name = 'format'");
    assert_eq!(open("one").unwrap_err().code(), "unsupported_format");
}
