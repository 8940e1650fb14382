//! Deleting an object: in steps, to a tombstone; and making it anew.

use serde_json::json;
use tidelog_core::{Command, Effect, Reply};
use tidelog_log::{Kind, Sequence, StartAt};

use crate::lab::{Lab, delete, folding, insert, notes, town, update};

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

#[test]
fn documents_of_many_interleaved_blobs_are_deleted_once_each() {
    let mut lab = Lab::new(folding(notes(), 4));
    let id = |n: u32, blob: u32| format!("k{n}-{blob:02}");
    for blob in 0..40 {
        let rows = (0..5).map(|n| insert("notes", json!({"id": id(n, blob), "n": n})));
        lab.write(rows.collect()).unwrap();
    }
    lab.write(vec![
        insert("notes", json!({"id": "k2-row"})),
        delete("notes", &id(1, 3)),
        update("notes", &id(4, 39), json!({"n": 9})),
    ])
    .unwrap();
    let before = lab.events().len();
    lab.delete_object().unwrap();
    let events = lab.events();
    let mut keys: Vec<&str> = events[before..]
        .iter()
        .map(|event| event["documentId"].as_str().unwrap())
        .collect();
    let deleted = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((deleted, keys.len()), (200, 200));
    lab.settle();
    let state = lab.state();
    assert_eq!((state.status, state.documents[0].1), ("deleted", 0));
    assert_eq!(
        state.folded.iter().map(|f| f.documents).sum::<u64>(),
        0,
        "no blob is left"
    );
    assert_eq!(lab.check_log(), lab.engine.head().0);
}

#[test]
fn a_step_writes_a_bounded_part_of_the_log_however_many_members_documents_have() {
    for threshold in [0, 4] {
        let mut lab = Lab::new(folding(notes(), threshold));
        let name = "n".repeat(60);
        for start in (0..180).step_by(10) {
            let rows = (start..start + 10).map(|n| {
                let mut document = json!({"id": format!("k{n:03}")});
                for member in 0..950 {
                    document[format!("{name}{member}")] = json!(1);
                }
                insert("notes", document)
            });
            lab.write(rows.collect()).unwrap();
        }
        let bytes = lab.state().log_bytes;
        lab.delete_object().unwrap();
        let first = lab.state().log_bytes - bytes;
        assert!((8_000_000..9_000_000).contains(&first), "{first} bytes");
        lab.settle();
        assert_eq!(
            (lab.state().status, lab.state().documents[0].1),
            ("deleted", 0)
        );
        assert_eq!(lab.engine.head().0, 360);
    }
}
