//! Unique and partial indexes.

use serde_json::json;

use crate::lab::{Lab, delete, insert, town, update};

fn person(id: &str, name: &str, role: &str) -> tidelog_core::Mutation {
    insert("people", json!({"id": id, "name": name, "role": role}))
}

#[test]
fn a_unique_index_refuses_the_second_document_and_lets_absent_values_repeat() {
    let mut lab = Lab::new(town());
    let with = |id: &str| insert("people", json!({"id": id, "name": "A", "email": "a@x"}));
    lab.write(vec![
        person("a", "A", "guest"),
        person("b", "A", "guest"),
        with("c"),
    ])
    .unwrap();
    let error = lab.refused(vec![with("d")]);
    assert_eq!(
        (error.code(), error.field()),
        ("unique_violation", Some("people.email"))
    );
    let error = lab.refused(vec![update("people", "a", json!({"email": "a@x"}))]);
    assert_eq!(error.code(), "unique_violation");
    lab.write(vec![delete("people", "c"), with("d")]).unwrap();
}

#[test]
fn a_partial_unique_index_binds_only_the_documents_it_names() {
    let mut lab = Lab::new(town());
    lab.write(vec![person("a", "A", "guest"), person("b", "A", "admin")])
        .unwrap();
    assert_eq!(
        lab.refused(vec![person("c", "A", "admin")]).code(),
        "unique_violation"
    );
    let promote = update("people", "a", json!({"role": "admin"}));
    assert_eq!(
        lab.refused(vec![promote.clone()]).code(),
        "unique_violation"
    );
    lab.write(vec![
        update("people", "b", json!({"role": "guest"})),
        promote,
    ])
    .unwrap();
}

#[test]
fn a_second_document_of_the_same_key_is_refused() {
    let mut lab = Lab::new(town());
    lab.write(vec![person("a", "A", "guest")]).unwrap();
    let error = lab.refused(vec![person("a", "B", "guest")]);
    assert_eq!(
        (error.code(), error.field()),
        ("duplicate_key", Some("key"))
    );
}
