//! The size of an object: a warning, then a limit that deletes may pass.

use std::sync::Arc;

use serde_json::json;
use tidelog_core::{Sql as _, TypeSchema, TypeSpec};
use tidelog_log::Kind;

use crate::lab::{Lab, delete, insert, notes, put, update, upsert};

fn sized(previous: Option<&TypeSchema>, max_size: u64) -> Arc<TypeSchema> {
    let spec = json!({"type": "lab", "hot": {"max_size": max_size}, "collections": notes()});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    Arc::new(TypeSchema::register(previous, &spec).unwrap())
}

fn full() -> (Lab, u64) {
    let mut lab = Lab::new(notes());
    lab.schema = sized(None, 1_000_000);
    let mut notes = 0;
    let mut warned_at = None;
    while lab.sql.used_bytes().unwrap() < 1_000_000 {
        let document = json!({"id": notes.to_string(), "t": "x".repeat(10_000)});
        lab.write(vec![insert("notes", document)]).unwrap();
        notes += 1;
        let state = lab.state();
        if let Some(warning) = state.warnings.first() {
            assert_eq!(warning.code, "object_nearly_full");
            warned_at = warned_at.or(Some(state.used_bytes));
        }
    }
    let warned_at = warned_at.unwrap();
    assert!((800_000..900_000).contains(&warned_at), "{warned_at}");
    (lab, notes)
}

#[test]
fn a_full_object_takes_deletes_only_and_loses_nothing() {
    let (mut lab, notes) = full();
    for growing in [
        insert("notes", json!({"id": "new"})),
        upsert("notes", json!({"id": "0", "n": 1})),
        put("notes", "0", json!({"n": 1})),
        update("notes", "0", json!({"n": 1})),
    ] {
        let error = lab.refused(vec![delete("notes", "1"), growing]);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unavailable, "object_full")
        );
        assert!(error.message().contains("1000000"), "{error}");
    }
    lab.reopen();
    assert_eq!(
        lab.refused(vec![insert("notes", json!({}))]).code(),
        "object_full"
    );
    lab.write(vec![delete("notes", "1")]).unwrap();
    assert_eq!(lab.state().documents[0].1, notes - 1);
    assert_eq!(lab.check_log(), notes + 1);
}

#[test]
fn a_larger_limit_comes_with_a_new_version_of_the_type() {
    let (mut lab, _) = full();
    lab.schema = sized(Some(&lab.schema), 2_000_000);
    lab.write(vec![insert("notes", json!({"id": "new"}))])
        .unwrap();
    let state = lab.state();
    assert_eq!((state.used_bytes_max, state.warnings.len()), (2_000_000, 0));
}

#[test]
fn room_that_trimming_made_can_be_written_again() {
    let (mut lab, notes) = full();
    lab.policy.keep_millis = 0;
    lab.reopen();
    lab.now += 1;
    lab.write(vec![delete("notes", "0")]).unwrap();
    lab.now += 1;
    lab.committed("notes", notes);
    lab.write(vec![insert("notes", json!({"id": "new"}))])
        .unwrap();
}
