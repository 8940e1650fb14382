//! References between the collections of one object.

use serde_json::json;

use crate::lab::{Lab, delete, insert, town, update};

fn flight(to: &str) -> tidelog_core::Mutation {
    insert(
        "flights",
        json!({"day": "2013-01-31", "carrier": "UA", "number": 1, "to": to}),
    )
}

#[test]
fn a_reference_needs_its_target_which_may_come_earlier_in_the_same_turn() {
    let mut lab = Lab::new(town());
    lab.write(vec![insert("airports", json!({"code": "JFK"}))])
        .unwrap();
    let error = lab.refused(vec![flight("LGA")]);
    assert_eq!((error.code(), error.field()), ("check_failed", Some("to")));
    lab.write(vec![
        insert("airports", json!({"code": "LGA"})),
        flight("LGA"),
    ])
    .unwrap();
    let key = "2013-01-31~UA~1";
    let error = lab.refused(vec![update("flights", key, json!({"to": "XXX"}))]);
    assert_eq!((error.code(), error.field()), ("check_failed", Some("to")));
}

#[test]
fn a_document_that_is_referred_to_cannot_be_deleted_before_its_holder() {
    let mut lab = Lab::new(town());
    lab.write(vec![
        insert("airports", json!({"code": "JFK"})),
        flight("JFK"),
    ])
    .unwrap();
    let error = lab.refused(vec![delete("airports", "JFK")]);
    assert_eq!(
        (error.code(), error.field()),
        ("document_referenced", Some("key"))
    );
    let key = "2013-01-31~UA~1";
    lab.write(vec![delete("flights", key), delete("airports", "JFK")])
        .unwrap();
}

#[test]
fn a_collection_may_refer_to_itself() {
    let mut lab = Lab::new(town());
    let person = |id: &str, boss: Option<&str>| {
        insert("people", json!({"id": id, "name": "A", "boss": boss}))
    };
    lab.write(vec![person("a", None), person("b", Some("a"))])
        .unwrap();
    assert_eq!(
        lab.refused(vec![delete("people", "a")]).code(),
        "document_referenced"
    );
    assert_eq!(
        lab.refused(vec![person("c", Some("zoe"))]).code(),
        "check_failed"
    );
}
