//! Snapshots that an object takes of itself.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_core::{
    Command, LogPolicy, RestoreTarget, Snapshot, SnapshotCommand, SnapshotKind, SnapshotStatus,
    SqlExt as _, TypeSchema, TypeSpec,
};
use tidelog_log::Sequence;

use crate::faults::survives;
use crate::lab::{Lab, insert, notes};
use crate::model::stored;
use crate::snapshots::small_steps;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;

/// A lab whose type takes snapshots so.
pub(crate) fn scheduled(snapshots: Json, policy: LogPolicy) -> Lab {
    let mut lab = Lab::with_policy(notes(), policy);
    let spec = json!({"type": "lab", "collections": notes(), "snapshots": snapshots,
                      "cold": {"enabled": false}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    lab.schema = Arc::new(TypeSchema::register(None, &spec).unwrap());
    lab
}

pub(crate) fn write(lab: &mut Lab, keys: std::ops::Range<u64>) {
    for n in keys {
        lab.write(vec![insert(
            "notes",
            json!({"id": format!("k{n:03}"), "n": n}),
        )])
        .unwrap();
    }
}

/// Every snapshot, oldest first.
pub(crate) fn all(lab: &Lab) -> Vec<Snapshot> {
    let page = lab.engine.view().snapshots(&lab.sql, None, 1_000).unwrap();
    page.snapshots.into_iter().rev().collect()
}

fn kinds(lab: &Lab) -> Vec<(SnapshotKind, u64)> {
    let each = all(lab).into_iter();
    each.inspect(|s| {
        assert_eq!(
            (s.status, s.note.as_str()),
            (SnapshotStatus::Complete, "schedule")
        );
    })
    .map(|s| (s.kind, s.sequence.0))
    .collect()
}

use SnapshotKind::{Full, Incremental};

#[test]
fn every_so_many_changes_one_is_taken_and_every_so_manieth_is_full() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = scheduled(json!({"changes": 3, "fullEvery": 3}), policy);
        for n in 0..15 {
            write(&mut lab, n..n + 1);
            lab.settle();
        }
        let wanted = [
            (Full, 3),
            (Incremental, 6),
            (Incremental, 9),
            (Full, 12),
            (Incremental, 15),
        ];
        assert_eq!(kinds(&lab), wanted);
        let before = stored(&lab, "notes");
        for snapshot in all(&lab) {
            let restored = lab
                .restore(RestoreTarget::Snapshot(snapshot.id), false)
                .unwrap();
            assert_eq!(stored(&lab, "notes").len() as u64, restored.sequence.0);
        }
        assert_eq!(stored(&lab, "notes").len(), before.len());
    }
}

#[test]
fn every_so_long_one_is_taken_if_something_changed() {
    let mut lab = scheduled(
        json!({"every": "1h", "full_every": 2}),
        LogPolicy::default(),
    );
    write(&mut lab, 0..2);
    lab.settle();
    assert_eq!(kinds(&lab), []);
    lab.now += 60 * MINUTE;
    lab.settle();
    assert_eq!(kinds(&lab), [(Full, 2)]);
    // Nothing changes: nothing is taken, and no timer is set for it.
    lab.now += 600 * MINUTE;
    lab.settle();
    let due = "SELECT count(*) FROM _wakes WHERE name = 'schedule'";
    let due = lab.sql.first(due, &[], |row| row[0].integer()).unwrap();
    assert_eq!((kinds(&lab).len(), due), (1, Some(0)));
    write(&mut lab, 2..3);
    lab.settle();
    assert_eq!(kinds(&lab), [(Full, 2), (Incremental, 3)]);
    write(&mut lab, 3..4);
    lab.settle();
    assert_eq!(kinds(&lab).len(), 2, "an hour is not over");
}

#[test]
fn the_audit_log_says_that_the_schedule_took_it() {
    let mut lab = scheduled(json!({"changes": 2}), LogPolicy::default());
    write(&mut lab, 0..2);
    lab.settle();
    let page = lab.engine.view().audit(&lab.sql, None, 10).unwrap();
    let (number, entry) = &page.entries[0];
    assert_eq!((*number, entry.actor.as_str()), (1, "schedule"));
    assert_eq!(entry.action, "snapshot.create");
    assert_eq!(entry.id, all(&lab)[0].id);
    let state = lab.engine.view().snapshot_retention(&lab.sql).unwrap();
    let schedule = state.schedule.unwrap();
    assert_eq!(
        (schedule.last, schedule.sequence),
        (Some(entry.id.clone()), Sequence(2))
    );
}

#[test]
fn while_something_else_runs_the_schedule_waits() {
    let mut lab = scheduled(json!({"changes": 6}), small_steps());
    write(&mut lab, 0..5);
    let (kind, parent, note) = (Full, None, String::new());
    lab.snapshots(SnapshotCommand::Create { kind, parent, note })
        .unwrap();
    write(&mut lab, 5..6);
    lab.turn(Command::Wake).unwrap();
    lab.finish_job();
    assert_eq!(all(&lab).len(), 1);
    lab.now += 1_000;
    lab.settle();
    let taken = all(&lab);
    assert_eq!(taken.len(), 2);
    assert_eq!((taken[1].note.as_str(), taken[1].kind), ("schedule", Full));
}

#[test]
fn the_log_is_kept_for_the_next_incremental() {
    let policy = LogPolicy {
        keep_millis: 1_000,
        ..LogPolicy::default()
    };
    let mut lab = scheduled(json!({"changes": 10, "full_every": 5}), policy);
    write(&mut lab, 0..10);
    lab.settle();
    write(&mut lab, 10..19);
    lab.now += 5_000;
    lab.settle();
    lab.now += DAY;
    lab.settle();
    assert_eq!(lab.state().earliest, Sequence(11));
    write(&mut lab, 19..20);
    lab.settle();
    assert_eq!(kinds(&lab), [(Full, 10), (Incremental, 20)]);
    // And no longer than that.
    lab.now += DAY;
    lab.settle();
    assert_eq!(lab.state().earliest, Sequence(20));
}

#[test]
fn a_log_that_grows_too_large_is_trimmed_and_the_next_one_is_full() {
    let policy = LogPolicy {
        keep_millis: 1_000,
        bytes_max: 6_000,
        ..LogPolicy::default()
    };
    let mut lab = scheduled(json!({"changes": 60, "full_every": 5}), policy);
    let earliest = |lab: &Lab| lab.state().earliest.0;
    for n in 0..120 {
        write(&mut lab, n..n + 1);
        lab.now += 2_000;
        lab.settle();
    }
    assert!(earliest(&lab) > 61, "{}", earliest(&lab));
    assert_eq!(kinds(&lab), [(Full, 60), (Full, 120)]);
}

#[test]
fn the_next_one_is_full_when_the_last_one_is_gone() {
    let mut lab = scheduled(json!({"changes": 2}), LogPolicy::default());
    write(&mut lab, 0..2);
    lab.settle();
    let id = all(&lab)[0].id.clone();
    lab.snapshots(SnapshotCommand::Delete { id }).unwrap();
    write(&mut lab, 2..4);
    lab.settle();
    assert_eq!(kinds(&lab), [(Full, 4)]);
}

#[test]
fn an_attempt_that_cannot_be_is_shown_and_made_again_later() {
    let mut lab = scheduled(json!({"changes": 2}), LogPolicy::default());
    lab.write(vec![insert("notes", json!({"id": "a"}))])
        .unwrap();
    // As many as an object may have, of another history.
    let taken = lab.take(Full).unwrap();
    let body = "INSERT INTO _snapshots SELECT substr(id, 1, 24) || printf('%012x', value), \
                json_set(body, '$.id', substr(id, 1, 24) || printf('%012x', value), '$.imported', json('true')) \
                FROM _snapshots, (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 999) \
                SELECT value FROM n)";
    lab.sql.exec(body, &[]).unwrap();
    lab.keep_all();
    write(&mut lab, 0..3);
    lab.settle();
    let failure = |lab: &Lab| {
        let state = lab.engine.view().snapshot_retention(&lab.sql).unwrap();
        state.schedule.unwrap().failure.map(|failure| failure.code)
    };
    assert_eq!(failure(&lab).as_deref(), Some("too_many_snapshots"));
    let at = |lab: &Lab| {
        let text = "SELECT at FROM _wakes WHERE name = 'schedule'";
        lab.sql
            .first(text, &[], |row| row[0].integer())
            .unwrap()
            .unwrap()
    };
    let first = at(&lab);
    assert_eq!(first, lab.now + 1_000);
    // A write does not make it come sooner.
    write(&mut lab, 3..4);
    assert_eq!(at(&lab), first);
    lab.now = first;
    lab.settle();
    assert_eq!(at(&lab), first + 2_000);
    lab.sql
        .exec(
            "DELETE FROM _snapshots WHERE id <> ?1",
            &[tidelog_core::SqlValue::Text(&taken.id)],
        )
        .unwrap();
    lab.now += 2_000;
    lab.settle();
    let newest = all(&lab).pop().unwrap();
    assert_eq!(
        (newest.note.as_str(), newest.sequence),
        ("schedule", lab.engine.head())
    );
    assert_eq!(failure(&lab), None);
}

#[test]
fn a_step_of_the_schedule_is_there_whole_or_not_at_all() {
    let due = || {
        let mut lab = crate::faults::shelved();
        let mut spec = serde_json::to_value(&*lab.schema).unwrap();
        spec["snapshots"] = json!({"changes": 3, "full_every": 3});
        spec["version"] = json!(2);
        lab.schema = Arc::new(serde_json::from_value(spec).unwrap());
        crate::faults::at_once(&mut lab, 0..8);
        lab
    };
    let wake = |lab: &mut Lab| {
        lab.turns = 1_000;
        lab.now = crate::lab::START + 5_000;
        let alone = "UPDATE _wakes SET attempts = 0, at = iif(name = 'schedule', 0, ?1)";
        let later = tidelog_core::SqlValue::Integer(crate::lab::START + 9_000_000);
        lab.sql.exec(alone, &[later])?;
        lab.turn(Command::Wake).map(drop)
    };
    let steps = survives(due, wake);
    assert!(steps > 10, "{steps} steps");
}
