//! Timers that fail, and turns that the database undoes.

use serde_json::json;
use tidelog_core::{Command, Effect};
use tidelog_log::Sequence;

use crate::lab::{Lab, START, insert, notes};

#[test]
fn a_failing_timer_waits_twice_as_long_each_time_up_to_five_minutes() {
    let mut lab = Lab::new(notes());
    lab.sql.batch(&format!(
        "INSERT INTO _wakes VALUES ('unknown', {START}, 0)"
    ));
    let mut waits = Vec::new();
    for attempt in 1..=12 {
        let effects = lab.turn(Command::Wake).unwrap();
        let (name, at, attempts) = lab.state().wakes[0].clone();
        assert_eq!((name.as_str(), attempts), ("unknown", attempt));
        assert!(effects.contains(&Effect::WakeAt(at)));
        waits.push((at - lab.now) / 1_000);
        // Before its time it does not run.
        lab.turn(Command::Wake).unwrap();
        assert_eq!(lab.state().wakes[0].2, attempt);
        lab.now = at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
}

#[test]
fn a_failing_timer_does_not_keep_the_others_from_running() {
    let mut lab = Lab::new(notes());
    lab.write((0..6_000).map(|_| insert("notes", json!({}))).collect())
        .unwrap();
    lab.delete_object().unwrap();
    lab.sql.batch(&format!(
        "INSERT INTO _wakes VALUES ('a', {START}, 0), ('z', {START}, 3)"
    ));
    lab.turn(Command::Wake).unwrap();
    assert_eq!(lab.state().status, "deleted");
    assert_eq!(lab.check_log(), 12_000);
}

#[test]
fn a_turn_that_the_database_undoes_leaves_nothing_behind() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    lab.sql.full_at.set(Some("INSERT INTO _log"));
    let error = lab.refused(vec![insert("notes", json!({"id": "b"}))]);
    assert_eq!(error.code(), "storage_full");
    lab.write(vec![insert("notes", json!({"id": "b"}))])
        .unwrap();
    assert_eq!((lab.engine.head(), lab.check_log()), (Sequence(2), 2));
}

/// With a full disk SQLite undoes the whole transaction, earlier turns of the group included.
#[test]
fn an_engine_whose_earlier_turns_were_undone_takes_no_more() {
    let mut lab = Lab::new(notes());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    let before = lab.dump();
    lab.sql.batch("BEGIN");
    lab.write(vec![insert("notes", json!({"id": "b"}))])
        .unwrap();
    lab.sql.full_at.set(Some("INSERT INTO _log"));
    let full = lab
        .write(vec![insert("notes", json!({"id": "c"}))])
        .unwrap_err();
    assert_eq!(full.code(), "storage_full");
    let error = lab
        .write(vec![insert("notes", json!({"id": "d"}))])
        .unwrap_err();
    assert_eq!(error.code(), "storage_failed");
    assert_eq!(lab.dump(), before);
    lab.reopen();
    lab.write(vec![insert("notes", json!({"id": "d"}))])
        .unwrap();
    assert_eq!((lab.engine.head(), lab.check_log()), (Sequence(2), 2));
}
