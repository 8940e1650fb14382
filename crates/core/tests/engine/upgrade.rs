//! A dormant object meets a newer version of its type.

use serde_json::json;
use tidelog_log::Sequence;

use crate::lab::{Lab, insert, schema, update};

fn with(fields: serde_json::Value, indexes: serde_json::Value) -> serde_json::Value {
    json!({"notes": {"fields": fields, "indexes": indexes}})
}

fn dormant() -> Lab {
    let mut lab = Lab::new(with(json!({"n": {"type": "int"}}), json!([])));
    lab.write(vec![insert("notes", json!({"id": "a", "n": 1, "free": 2}))])
        .unwrap();
    lab.write(vec![insert("notes", json!({"id": "b", "n": 1}))])
        .unwrap();
    lab.reopen();
    lab
}

#[test]
fn an_added_field_is_absent_in_old_documents_and_takes_its_default_in_changed_and_new_ones() {
    let mut lab = dormant();
    let kind = json!({"type": "string", "required": true, "default": "plain"});
    lab.register(with(json!({"n": {"type": "int"}, "kind": kind}), json!([])));
    assert_eq!(lab.state().schema_version, 1);
    lab.write(vec![insert("notes", json!({"id": "c"}))])
        .unwrap();
    assert_eq!(lab.state().schema_version, 2);
    assert_eq!(
        lab.get("notes", "c").unwrap(),
        json!({"id": "c", "kind": "plain"})
    );
    assert_eq!(
        lab.get("notes", "a").unwrap(),
        json!({"id": "a", "n": 1, "free": 2})
    );
    lab.write(vec![update("notes", "a", json!({"n": 5}))])
        .unwrap();
    let wanted = json!({"id": "a", "n": 5, "free": 2, "kind": "plain"});
    assert_eq!(lab.get("notes", "a").unwrap(), wanted);
    assert_eq!(lab.events()[3]["changedFields"], json!(["n", "kind"]));
    let gone = update("notes", "a", json!({"kind": null}));
    assert_eq!(lab.refused(vec![gone]).code(), "missing_field");
}

#[test]
fn a_renamed_field_keeps_its_values_and_old_events_show_its_present_name() {
    let mut lab = dormant();
    lab.register(with(
        json!({"count": {"type": "int", "renamed_from": "n"}}),
        json!([]),
    ));
    lab.write(vec![update("notes", "b", json!({"count": 2}))])
        .unwrap();
    assert_eq!(
        lab.get("notes", "a").unwrap(),
        json!({"id": "a", "count": 1, "free": 2})
    );
    assert_eq!(lab.events()[0]["after"]["count"], 1);
    lab.reopen();
    assert_eq!(
        lab.get("notes", "b").unwrap(),
        json!({"id": "b", "count": 2})
    );
}

#[test]
fn two_fields_cannot_take_the_same_old_ones_place() {
    let lab = dormant();
    let fields = json!({"n": {"type": "int"}, "m": {"type": "int", "renamed_from": "n"}});
    let error = schema(Some(&lab.schema), with(fields, json!([]))).unwrap_err();
    assert_eq!(error.code(), "invalid_schema", "{error}");
}

#[test]
fn a_new_index_is_made_over_what_is_there_and_an_undeclared_one_dropped() {
    let mut lab = dormant();
    let fields = || json!({"n": {"type": "int"}});
    lab.register(with(fields(), json!([{"fields": ["n"]}])));
    lab.write(vec![insert("notes", json!({"id": "c"}))])
        .unwrap();
    let indexes = |lab: &Lab| {
        lab.dump()
            .iter()
            .filter(|l| l.contains("CREATE INDEX"))
            .count()
    };
    assert_eq!(indexes(&lab), 1);
    lab.register(with(fields(), json!([])));
    lab.write(vec![insert("notes", json!({"id": "d"}))])
        .unwrap();
    assert_eq!(indexes(&lab), 0);
}

#[test]
fn a_unique_index_that_the_documents_break_refuses_the_turn_and_keeps_the_old_version() {
    let mut lab = dormant();
    let unique = json!([{"fields": ["n"], "unique": true}]);
    let more = json!({"n": {"type": "int"}, "m": {"type": "int"}});
    lab.register(with(more, unique));
    for _ in 0..2 {
        let error = lab.refused(vec![insert("notes", json!({"id": "c"}))]);
        assert_eq!(error.code(), "schema_upgrade_failed");
        assert_eq!(lab.state().schema_version, 1);
    }
    // A turn under the old version repairs it; then the upgrade goes through.
    let newest = std::mem::replace(&mut lab.schema, dormant().schema);
    lab.write(vec![update("notes", "b", json!({"n": 2}))])
        .unwrap();
    lab.schema = newest;
    lab.write(vec![insert("notes", json!({"id": "c", "m": 1}))])
        .unwrap();
    assert_eq!(
        (lab.state().schema_version, lab.engine.head()),
        (2, Sequence(4))
    );
}

#[test]
fn an_older_version_than_the_objects_own_is_ignored() {
    let mut lab = dormant();
    let old = std::sync::Arc::clone(&lab.schema);
    lab.register(with(
        json!({"n": {"type": "int"}, "m": {"type": "int"}}),
        json!([]),
    ));
    lab.write(vec![insert("notes", json!({"id": "c", "m": 1}))])
        .unwrap();
    lab.schema = old;
    lab.write(vec![insert("notes", json!({"id": "d", "m": 2}))])
        .unwrap();
    assert_eq!(lab.state().schema_version, 2);
    assert_eq!(lab.events()[3]["schemaVersion"], 2);
}

#[test]
fn a_new_collection_gets_its_table() {
    let mut lab = dormant();
    let fields = json!({"n": {"type": "int"}});
    lab.register(json!({"notes": {"fields": fields}, "tags": {}}));
    lab.write(vec![insert("tags", json!({"id": "t"}))]).unwrap();
    assert_eq!(lab.get("tags", "t").unwrap(), json!({"id": "t"}));
}
