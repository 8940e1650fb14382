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

#[test]
fn the_holder_that_is_named_is_the_first_by_key_wherever_it_is_stored() {
    let mut lab = Lab::new(json!({
        "parts": {"fields": {}, "hot": {"vortex_threshold": 0}},
        "items": {"fields": {"part": {"type": "string", "references": "parts"}},
                  "hot": {"vortex_threshold": 4}}
    }));
    let item = |n: u32| insert("items", json!({"id": format!("i{n:02}"), "part": "p"}));
    let named = |lab: &mut Lab| {
        let error = lab.refused(vec![delete("parts", "p")]);
        assert_eq!(error.code(), "document_referenced");
        error.message().to_owned()
    };
    lab.write(vec![insert("parts", json!({"id": "p"}))])
        .unwrap();
    lab.write((40..48).map(item).collect()).unwrap();
    assert!(named(&mut lab).contains("\"i40\""));
    lab.write((20..28).map(item).collect()).unwrap();
    assert!(named(&mut lab).contains("\"i20\""), "the later blob's");
    lab.write(vec![item(30)]).unwrap();
    assert!(named(&mut lab).contains("\"i20\""), "not the row's");
    lab.write(vec![item(10)]).unwrap();
    assert!(named(&mut lab).contains("\"i10\""), "the row's");
    lab.write(vec![delete("items", "i10"), delete("items", "i20")])
        .unwrap();
    assert!(named(&mut lab).contains("\"i21\""), "not a masked one");
}
