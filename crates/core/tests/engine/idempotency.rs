//! Requests that are repeated under one key.

use serde_json::json;
use tidelog_core::{Caller, Mutation, NewDocument, TurnReply};
use tidelog_log::Result;

use crate::lab::{Lab, insert, notes};

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn write(lab: &mut Lab, key: &str, n: i64) -> Result<TurnReply> {
    let caller = Caller {
        idempotency_key: key.to_owned(),
        ..Caller::default()
    };
    lab.write_as(caller, vec![insert("notes", json!({"n": n}))])
}

#[test]
fn a_repeat_gets_the_first_answer_and_does_nothing_also_after_reopening() {
    let mut lab = Lab::new(notes());
    let first = write(&mut lab, "k", 1).unwrap();
    lab.write(vec![insert("notes", json!({"n": 2}))]).unwrap();
    let before = lab.dump();
    for _ in 0..2 {
        let again = write(&mut lab, "k", 1).unwrap();
        assert!(again.replayed);
        assert_eq!(
            (again.offset, again.written),
            (first.offset, first.written.clone())
        );
        lab.reopen();
    }
    assert_eq!(lab.dump(), before);
}

#[test]
fn a_repeat_may_order_and_space_its_members_in_another_way() {
    let mut lab = Lab::new(notes());
    let caller = Caller {
        idempotency_key: "k".to_owned(),
        ..Caller::default()
    };
    let mut write = |document: NewDocument| {
        let collection = "notes".to_owned();
        let insert = Mutation::Insert {
            collection,
            document,
        };
        lab.write_as(caller.clone(), vec![insert]).unwrap().replayed
    };
    let text = |text: &str| NewDocument::Text(text.into());
    assert!(!write(text(r#"{"n":1,"id":"a"}"#)));
    assert!(write(text(r#"{ "id": "\u0061", "n": 1 }"#)));
    assert!(write(
        json!({"id": "a", "n": 1})
            .as_object()
            .unwrap()
            .clone()
            .into()
    ));
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    let mut lab = Lab::new(notes());
    write(&mut lab, "k", 1).unwrap();
    let before = lab.dump();
    let error = write(&mut lab, "k", 2).unwrap_err();
    assert_eq!(
        (error.code(), error.field()),
        ("idempotency_key_reused", Some("Idempotency-Key"))
    );
    assert_eq!(lab.dump(), before);
}

#[test]
fn a_refused_write_leaves_its_key_free() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    let caller = Caller {
        idempotency_key: "k".to_owned(),
        ..Caller::default()
    };
    let taken = vec![insert("notes", json!({"id": "a"}))];
    assert_eq!(
        lab.write_as(caller, taken).unwrap_err().code(),
        "duplicate_key"
    );
    assert!(!write(&mut lab, "k", 1).unwrap().replayed);
}

#[test]
fn a_key_is_forgotten_after_a_day_and_its_timer_removes_it() {
    let mut lab = Lab::new(notes());
    write(&mut lab, "k", 1).unwrap();
    lab.now += DAY - 1;
    assert!(write(&mut lab, "k", 1).unwrap().replayed);
    lab.now += 2;
    assert!(!write(&mut lab, "k", 1).unwrap().replayed);
    lab.now += DAY + 1;
    lab.turn(tidelog_core::Command::Wake).unwrap();
    assert!(
        !lab.dump()
            .iter()
            .any(|line| line.starts_with("[Text(\"_idempotency\"), Text(\"k\")"))
    );
    assert!(!lab.state().wakes.iter().any(|(name, ..)| name == "prune"));
}
