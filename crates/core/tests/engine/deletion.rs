//! Deleting an object: in steps, to a tombstone; and making it anew.

use serde_json::json;
use tidelog_core::{Command, Effect, Reply};
use tidelog_log::{Kind, Sequence, StartAt};

use crate::lab::{Lab, insert, notes, town};

#[test]
fn deleting_logs_every_document_closes_the_log_and_leaves_a_tombstone() {
    let mut lab = Lab::new(town());
    let rows = vec![
        insert("airports", json!({"code": "JFK"})),
        insert("people", json!({"id": "a", "name": "A"})),
        insert("people", json!({"id": "b", "name": "B", "boss": "a"})),
    ];
    lab.write(rows).unwrap();
    let effects = lab.delete_object().unwrap();
    let Effect::Reply(Reply::State(state)) = &effects[0] else {
        panic!("{effects:?}");
    };
    assert_eq!((state.status, state.head), ("deleted", Sequence(6)));
    assert!(effects.contains(&Effect::Changed(Sequence(6))));
    assert!(state.documents.iter().all(|(_, count)| *count == 0));
    let deleted = &lab.events()[3..];
    assert!(
        deleted
            .iter()
            .all(|e| e["operation"] == "DELETE" && e["before"].is_object())
    );
    assert!(
        deleted
            .iter()
            .all(|e| e["turn"]["cause"] == "object-deleted")
    );
    let page = lab.page(StartAt::Now, 1).unwrap();
    assert!(page.closed && page.up_to_date);
    assert!(!lab.page(StartAt::Beginning, 1).unwrap().closed);
    let error = lab.get("people", "a").unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::NotFound, "object_deleted")
    );
    lab.reopen();
    assert_eq!(lab.delete_object().unwrap_err().code(), "object_deleted");
}

#[test]
fn more_than_5_000_documents_are_deleted_in_steps_by_timer() {
    let mut lab = Lab::new(notes());
    for _ in 0..2 {
        lab.write((0..6_000).map(|_| insert("notes", json!({}))).collect())
            .unwrap();
    }
    let mut effects = lab.delete_object().unwrap();
    let mut left = vec![lab.state().documents[0].1];
    while lab.state().status == "deleting" {
        assert!(effects.contains(&Effect::WakeAt(lab.now)));
        assert_eq!(
            lab.refused(vec![insert("notes", json!({}))]).code(),
            "object_deleting"
        );
        assert_eq!(lab.get("notes", "x").unwrap_err().code(), "object_deleted");
        // A second request, and a crash between two steps, change nothing.
        lab.delete_object().unwrap();
        lab.reopen();
        effects = lab.turn(Command::Wake).unwrap();
        left.push(lab.state().documents[0].1);
    }
    assert_eq!(left, [7_000, 2_000, 0]);
    assert_eq!((lab.state().status, lab.check_log()), ("deleted", 24_000));
    assert!(lab.page(StartAt::Now, 1).unwrap().closed);
}

#[test]
fn a_write_makes_a_deleted_object_anew_with_a_new_epoch_and_continuing_sequences() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    let old = lab.page(StartAt::Now, 1).unwrap().next;
    lab.delete_object().unwrap();
    // Not even the clock's standing still makes the same epoch again.
    lab.reopen();
    let reply = lab
        .write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    assert_eq!(reply.offset.sequence, Sequence(3));
    assert!(reply.offset.epoch > old.epoch);
    assert_eq!((lab.state().status, lab.check_log()), ("active", 3));
    let page = lab.page(StartAt::After(old), 10).unwrap();
    assert_eq!((page.events.len(), page.closed), (2, false));
}

#[test]
fn a_write_that_changes_nothing_leaves_a_deleted_object_deleted() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    lab.delete_object().unwrap();
    lab.write(Vec::new()).unwrap();
    assert_eq!(lab.state().status, "deleted");
}
