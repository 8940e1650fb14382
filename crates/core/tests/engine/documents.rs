//! Insert, upsert, put, update, delete; defaults, generated ids, undeclared fields, versions.

use serde_json::json;
use tidelog_core::{Mutation, NewDocument, WrittenOperation};
use tidelog_log::Sequence;

use crate::lab::{Lab, delete, insert, notes, of_version, put, town, update, upsert};

#[test]
fn an_inserted_document_is_read_back_with_its_defaults() {
    let mut lab = Lab::new(town());
    let ada = json!({"id": "ada", "name": "Ada", "born": "1815-12-10", "place": [1.5, 2.0],
                     "more": {"a": [1, null]}, "shoe": 38});
    let reply = lab.write(vec![insert("people", ada.clone())]).unwrap();
    assert_eq!(reply.written[0].version, Sequence(1));
    assert_eq!(reply.written[0].operation, WrittenOperation::Insert);
    let mut wanted = ada;
    wanted["role"] = json!("guest");
    assert_eq!(lab.get("people", "ada").unwrap(), wanted);
}

/// Documents as a caller may write them: usual, odd and wrong.
const TEXTS: [&str; 16] = [
    r#"{"id":"a","name":"Ada","age":36,"born":"1815-12-10","place":[1.5,2],"more":{"a":[1,null]}}"#,
    r#" { "more" : [ { "x" : -0.0 } ], "name" : "\u0041d\u00e9", "id" : "b" } "#,
    r#"{"name":"Eve","id":"c","age":null,"shoe":38,"free":{"z":1,"a":{}},"also":null}"#,
    r#"{"name":"Eve","id":"d","role":null,"age":1e1}"#,
    r#"{"name":"No id"}"#,
    r#"{"name":"Null id","id":null}"#,
    r#"{"name":"Number id","id":1}"#,
    r#"{"id":"e","name":"First","name":"Last"}"#,
    r#"{"id":"f","name":"Ada","shoe":1,"shoe":2}"#,
    r#"{"id":"g","name":"ada","age":-1}"#,
    r#"{"id":"h","age":-1,"born":"x"}"#,
    r#"{"id":"i","name":"Ada","place":[1,2,3]}"#,
    r#"{"id":"j","name":"Ada","age":1.5,"_x":1}"#,
    r#"{"id":"k","name":"Ada","more":"text","boss":"a"}"#,
    r#"{"id":"l","name":"Ada","boss":"nobody"}"#,
    r#"{"id":"a","name":"Taken"}"#,
];

#[test]
fn a_document_is_the_same_as_text_and_as_members() {
    let (mut one, mut two) = (Lab::new(town()), Lab::new(town()));
    let insert = |document| Mutation::Insert {
        collection: "people".to_owned(),
        document,
    };
    for text in TEXTS {
        let text = NewDocument::Text(text.into());
        let members = text.clone().into_members().unwrap();
        let answers = (
            one.write(vec![insert(text.clone())]),
            two.write(vec![insert(members.into())]),
        );
        assert_eq!(answers.0, answers.1, "{text:?}");
        assert_eq!(one.dump(), two.dump(), "{text:?}");
    }
    assert_eq!(one.engine.head(), Sequence(8));
}

#[test]
fn text_that_is_no_object_is_refused() {
    let mut lab = Lab::new(notes());
    for text in ["", "[]", "1", "{", "{}{}", r#"{"n":1}x"#, r#"{"n":1e999}"#] {
        let document = NewDocument::Text(text.into());
        let collection = "notes".to_owned();
        let error = lab.write(vec![Mutation::Insert {
            collection,
            document,
        }]);
        assert_eq!(error.unwrap_err().code(), "invalid_json", "{text}");
    }
}

#[test]
fn a_document_without_an_id_gets_one_from_the_inputs_time_and_randomness() {
    let (mut one, mut two) = (Lab::new(notes()), Lab::new(notes()));
    let many = || {
        vec![
            insert("notes", json!({"n": 1})),
            insert("notes", json!({"n": 2})),
        ]
    };
    let reply = one.write(many()).unwrap();
    assert_eq!(reply, two.write(many()).unwrap());
    let keys: Vec<&str> = reply.written.iter().map(|w| w.key.as_str()).collect();
    assert_ne!(keys[0], keys[1]);
    // A UUIDv7 starts with the milliseconds.
    assert!(
        keys.iter().all(|key| key.starts_with("018bcfe5-6800-7")),
        "{keys:?}"
    );
    assert_eq!(one.get("notes", keys[0]).unwrap()["id"], keys[0]);
}

#[test]
fn an_upsert_replaces_the_whole_document() {
    let mut lab = Lab::new(notes());
    lab.write(vec![upsert("notes", json!({"id": "a", "n": 1, "x": 1}))])
        .unwrap();
    let reply = lab
        .write(vec![upsert("notes", json!({"id": "a", "t": "new"}))])
        .unwrap();
    assert_eq!(reply.written[0].operation, WrittenOperation::Update);
    assert_eq!(
        lab.get("notes", "a").unwrap(),
        json!({"id": "a", "t": "new"})
    );
    assert_eq!(lab.events()[1]["changedFields"], json!(["n", "t", "x"]));
}

#[test]
fn a_put_takes_its_key_from_the_address() {
    let mut lab = Lab::new(town());
    lab.write(vec![put("people", "a b/c", json!({"name": "X"}))])
        .unwrap();
    assert_eq!(lab.get("people", "a b/c").unwrap()["id"], "a b/c");
    lab.write(vec![put("flights", "2013-01-31~U%7EA~15", json!({}))])
        .unwrap();
    let wanted = json!({"day": "2013-01-31", "carrier": "U~A", "number": 15});
    assert_eq!(lab.get("flights", "2013-01-31~U%7EA~15").unwrap(), wanted);
}

#[test]
fn a_patch_merges_as_rfc_7396_says() {
    let mut lab = Lab::new(town());
    let document = json!({"id": "a", "name": "A", "age": 3, "more": {"x": {"y": 1, "z": 2}},
                          "free": {"p": 1, "q": 2}, "gone": 1});
    lab.write(vec![insert("people", document)]).unwrap();
    let patch = json!({"age": null, "more": {"x": {"y": null, "w": 3}}, "free": {"q": null},
                       "gone": null, "new": [1]});
    lab.write(vec![update("people", "a", patch)]).unwrap();
    let wanted = json!({"id": "a", "name": "A", "role": "guest", "more": {"x": {"z": 2, "w": 3}},
                        "free": {"p": 1}, "new": [1]});
    assert_eq!(lab.get("people", "a").unwrap(), wanted);
}

#[test]
fn a_write_that_changes_nothing_makes_no_event() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a", "n": 1}))])
        .unwrap();
    let before = lab.dump();
    let same = vec![
        upsert("notes", json!({"id": "a", "n": 1.0})),
        update("notes", "a", json!({"n": 1, "t": null})),
    ];
    let reply = lab.write(same).unwrap();
    assert!(
        reply
            .written
            .iter()
            .all(|w| w.operation == WrittenOperation::None)
    );
    assert!(reply.written.iter().all(|w| w.version == Sequence(1)));
    assert_eq!(lab.dump(), before);
}

#[test]
fn a_version_named_must_be_the_documents() {
    let mut lab = Lab::new(notes());
    lab.write(vec![of_version(
        upsert("notes", json!({"id": "a", "n": 1})),
        0,
    )])
    .unwrap();
    for mutation in [
        of_version(upsert("notes", json!({"id": "a", "n": 2})), 0),
        of_version(put("notes", "a", json!({"n": 2})), 7),
        of_version(update("notes", "a", json!({"n": 2})), 7),
        of_version(delete("notes", "a"), 7),
        of_version(put("notes", "new", json!({})), 1),
    ] {
        let error = lab.refused(vec![mutation]);
        assert_eq!(
            (error.code(), error.field()),
            ("version_mismatch", Some("ifVersion"))
        );
    }
    assert_eq!(
        lab.refused(vec![of_version(delete("notes", "a"), 7)])
            .details()["version"],
        1
    );
    lab.write(vec![of_version(update("notes", "a", json!({"n": 2})), 1)])
        .unwrap();
    lab.write(vec![of_version(delete("notes", "a"), 2)])
        .unwrap();
    assert_eq!(
        lab.get("notes", "a").unwrap_err().code(),
        "unknown_document"
    );
}

#[test]
fn undeclared_fields_keep_every_kind_of_json() {
    let mut lab = Lab::new(notes());
    let document = json!({"id": "a", "null": null, "float": 1.5, "whole": 1.0, "big": u64::MAX,
                          "low": i64::MIN, "deep": [[{"x": [true, "é"]}]], "empty": {}});
    lab.write(vec![insert("notes", document.clone())]).unwrap();
    assert_eq!(lab.get("notes", "a").unwrap(), document);
    assert_eq!(lab.events()[0]["after"], document);
}
