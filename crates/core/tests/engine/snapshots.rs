//! Snapshots and restores, one behaviour at a time.

use serde_json::{Value as Json, json};
use tidelog_core::{
    LogPolicy, RestoreStatus, RestoreTarget, SnapshotCommand, SnapshotKind, SnapshotPolicy,
    SnapshotReply, SnapshotStatus,
};
use tidelog_log::{Kind, Sequence};

use crate::lab::{Lab, START, delete, insert, notes, small_segments, town, update};
use crate::model::{replayed, stored};

/// Steps of a few documents, and differences of three are staged.
pub(crate) fn small_steps() -> LogPolicy {
    LogPolicy {
        snapshots: SnapshotPolicy {
            step_rows: 4,
            step_bytes: 2_000,
            direct_rows: 3,
            direct_bytes: 1_000,
            adopt_rows: 2,
            keys_at_once: 10,
        },
        ..small_segments()
    }
}

fn note(key: &str, n: u64) -> tidelog_core::Mutation {
    insert("notes", json!({"id": key, "n": n}))
}

/// Five notes.
fn five(policy: LogPolicy) -> Lab {
    five_of(notes(), policy)
}

fn five_of(collections: Json, policy: LogPolicy) -> Lab {
    let mut lab = Lab::with_policy(collections, policy);
    for n in 0..5 {
        lab.write(vec![note(&format!("k{n}"), n)]).unwrap();
    }
    lab
}

/// One changed, one gone, one new, two as they were.
fn change(lab: &mut Lab) {
    lab.now += 1_000;
    lab.write(vec![
        update("notes", "k1", json!({"n": 100})),
        delete("notes", "k2"),
        note("k9", 9),
    ])
    .unwrap();
}

fn check_whole(lab: &Lab) {
    assert_eq!(stored(lab, "notes"), replayed(lab, "notes"));
    assert_eq!(lab.check_log(), lab.engine.head().0);
}

#[test]
fn a_restore_is_the_difference_as_events_in_a_new_epoch() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = five(policy);
        let before = stored(&lab, "notes");
        let taken = lab.take(SnapshotKind::Full).unwrap();
        assert_eq!(taken.status, SnapshotStatus::Complete);
        assert_eq!(taken.sequence, Sequence(5));
        assert_eq!(taken.documents["notes"], 5);
        change(&mut lab);
        let epoch = lab.state().epoch;
        let target = RestoreTarget::Snapshot(taken.id.clone());
        let done = lab.restore(target, false).unwrap();
        assert_eq!(done.status, RestoreStatus::Complete);
        let difference = done.differences["notes"];
        let counts = (difference.added, difference.changed, difference.removed);
        assert_eq!(counts, (1, 1, 1));
        let events: Vec<Json> = lab.events().split_off(8);
        let said: Vec<Json> = events
            .iter()
            .map(|e| json!([e["operation"], e["documentId"]]))
            .collect();
        let wanted = json!([["UPDATE", "k1"], ["INSERT", "k2"], ["DELETE", "k9"]]);
        assert_eq!(json!(said), wanted);
        assert!(lab.state().epoch > epoch);
        let cause = format!("restore:{:016}_{:016}", taken.epoch.0, 5);
        assert_eq!(events[0]["turn"]["cause"], json!(cause));
        let after = stored(&lab, "notes");
        for (key, (version, document)) in &before {
            let (now, restored) = &after[key];
            assert_eq!(restored, document);
            assert_eq!(
                now == version,
                !["k1", "k2"].contains(&key.as_str()),
                "{key}"
            );
        }
        assert_eq!(after.len(), 5);
        check_whole(&lab);
        // The undo snapshot is the state before.
        let undo = RestoreTarget::Snapshot(done.undo.unwrap());
        lab.restore(undo, false).unwrap();
        assert_eq!(lab.get("notes", "k1").unwrap()["n"], json!(100));
        assert!(lab.get("notes", "k2").is_err() && lab.get("notes", "k9").is_ok());
        check_whole(&lab);
    }
}

#[test]
fn any_sequence_and_any_time_can_be_brought_back_without_a_snapshot_while_the_log_is_whole() {
    let mut lab = five(small_steps());
    let at = lab.now;
    change(&mut lab);
    lab.restore(RestoreTarget::Sequence(Sequence(2)), false)
        .unwrap();
    let keys: Vec<String> = stored(&lab, "notes").into_keys().collect();
    assert_eq!(keys, ["k0", "k1"]);
    lab.restore(RestoreTarget::Time(at + 999), false).unwrap();
    assert_eq!(stored(&lab, "notes").len(), 5);
    // In the middle of a turn too.
    lab.restore(RestoreTarget::Sequence(Sequence(7)), false)
        .unwrap();
    let keys: Vec<String> = stored(&lab, "notes").into_keys().collect();
    assert_eq!(keys, ["k0", "k1", "k3", "k4"]);
    lab.restore(RestoreTarget::Sequence(Sequence(0)), false)
        .unwrap();
    assert!(stored(&lab, "notes").is_empty());
    check_whole(&lab);
    let early = lab.restore(RestoreTarget::Time(START - 1), false);
    let early = early.unwrap_err();
    assert_eq!(
        (early.kind(), early.code()),
        (Kind::Gone, "restore_beyond_horizon")
    );
    let late = lab.restore(RestoreTarget::Sequence(Sequence(999)), false);
    let late = late.unwrap_err();
    assert_eq!(
        (late.code(), late.field()),
        ("restore_in_future", Some("sequence"))
    );
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = five(policy);
        let taken = lab.take(SnapshotKind::Full).unwrap();
        change(&mut lab);
        let (events, documents) = (lab.events(), stored(&lab, "notes"));
        let done = lab
            .restore(RestoreTarget::Snapshot(taken.id), true)
            .unwrap();
        assert_eq!(done.differences["notes"].total(), 3);
        assert_eq!((done.undo, done.offset), (None, None));
        assert_eq!((lab.events(), stored(&lab, "notes")), (events, documents));
        let rest = "SELECT count(*) FROM _restore";
        let left = tidelog_core::one(&lab.sql, rest, &[], |row| row[0].unsigned());
        assert_eq!(left.unwrap(), Some(0));
    }
}

#[test]
fn a_restore_to_the_present_state_makes_no_event_and_no_undo_snapshot() {
    let mut lab = five(LogPolicy::default());
    let taken = lab.take(SnapshotKind::Full).unwrap();
    let done = lab
        .restore(RestoreTarget::Snapshot(taken.id), false)
        .unwrap();
    assert_eq!((done.undo, lab.engine.head()), (None, Sequence(5)));
    assert!(done.offset.is_some() && done.differences.is_empty());
}

#[test]
fn only_the_collections_that_are_named_come_back() {
    let mut lab = Lab::new(town());
    let person = |id: &str| insert("people", json!({"id": id, "name": "A"}));
    lab.write(vec![
        person("a"),
        insert("airports", json!({"code": "JFK"})),
    ])
    .unwrap();
    let taken = lab.take(SnapshotKind::Full).unwrap();
    lab.write(vec![delete("people", "a"), delete("airports", "JFK")])
        .unwrap();
    let SnapshotCommand::Restore { schema, caller, .. } =
        lab.restoring(RestoreTarget::Time(0), false)
    else {
        panic!("a restore");
    };
    let command = |collections: &[&str]| SnapshotCommand::Restore {
        schema: schema.clone(),
        caller: caller.clone(),
        target: RestoreTarget::Snapshot(taken.id.clone()),
        collections: collections.iter().map(ToString::to_string).collect(),
        dry_run: false,
    };
    let error = lab.snapshots(command(&["boats"])).unwrap_err();
    assert_eq!(error.code(), "unknown_collection");
    lab.snapshots(command(&["people"])).unwrap();
    lab.finish_job();
    assert!(lab.get("people", "a").is_ok() && lab.get("airports", "JFK").is_err());
}

#[test]
fn incrementals_hold_the_events_since_and_need_their_parents() {
    let mut collections = notes();
    // No table has what the log lost.
    collections["notes"]["cold"] = json!({"enabled": false});
    let mut lab = five_of(collections, small_steps());
    let none = lab.take(SnapshotKind::Incremental).unwrap_err();
    assert_eq!(none.code(), "snapshot_parent_missing");
    let full = lab.take(SnapshotKind::Full).unwrap();
    change(&mut lab);
    let first = lab.take(SnapshotKind::Incremental).unwrap();
    assert_eq!((first.from, first.sequence), (Sequence(5), Sequence(8)));
    assert_eq!(first.parent.as_ref(), Some(&full.id));
    lab.write(vec![note("k10", 10)]).unwrap();
    let second = lab.take(SnapshotKind::Incremental).unwrap();
    assert_eq!(second.parent.as_ref(), Some(&first.id));
    lab.write(vec![delete("notes", "k0")]).unwrap();
    // They need no log.
    lab.now += 30 * 24 * 60 * 60 * 1_000;
    lab.write(vec![delete("notes", "k10")]).unwrap();
    lab.committed("notes", lab.engine.head().0);
    assert_eq!(lab.state().earliest, lab.engine.head());
    lab.restore(RestoreTarget::Snapshot(second.id.clone()), false)
        .unwrap();
    let keys: Vec<String> = stored(&lab, "notes").into_keys().collect();
    assert_eq!(keys, ["k0", "k1", "k10", "k3", "k4", "k9"]);
    lab.restore(RestoreTarget::Sequence(Sequence(7)), false)
        .unwrap();
    let keys: Vec<String> = stored(&lab, "notes").into_keys().collect();
    assert_eq!(keys, ["k0", "k1", "k3", "k4"]);
    let beyond = lab.restore(RestoreTarget::Sequence(Sequence(3)), false);
    let beyond = beyond.unwrap_err();
    assert_eq!(
        (beyond.kind(), beyond.code()),
        (Kind::Gone, "restore_beyond_horizon")
    );
    assert!(beyond.message().contains("that at 5"), "{beyond}");
    let held = lab.snapshots(SnapshotCommand::Delete {
        id: first.id.clone(),
    });
    assert_eq!(held.unwrap_err().code(), "snapshot_has_children");
    for id in [second.id, first.id, full.id] {
        lab.snapshots(SnapshotCommand::Delete { id }).unwrap();
    }
}

#[test]
fn a_snapshot_is_a_cut_while_writes_go_on() {
    let mut lab = five(small_steps());
    let command = SnapshotCommand::Create {
        kind: SnapshotKind::Full,
        parent: None,
        note: "before the release".to_owned(),
    };
    let SnapshotReply::Snapshot(running) = lab.snapshots(command.clone()).unwrap() else {
        panic!("a snapshot");
    };
    if running.status == SnapshotStatus::Running {
        let twice = lab.snapshots(command).unwrap_err();
        assert_eq!(twice.code(), "snapshot_running");
        assert_eq!(lab.delete_object().unwrap_err().code(), "snapshot_running");
        change(&mut lab);
    }
    lab.finish_job();
    let taken = lab.engine.view().snapshot(&lab.sql, &running.id).unwrap();
    let wanted = stored(&lab, "notes");
    assert_eq!(taken.sequence, lab.engine.head());
    assert_eq!(taken.documents["notes"], wanted.len() as u64);
    for key in wanted.keys() {
        lab.write(vec![update("notes", key, json!({"n": 77}))])
            .unwrap();
    }
    lab.restore(RestoreTarget::Snapshot(taken.id), false)
        .unwrap();
    let rows = |documents: crate::model::Documents| {
        documents
            .into_iter()
            .map(|(key, (_, document))| (key, document))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(stored(&lab, "notes")), rows(wanted));
}

#[test]
fn writes_wait_for_a_restore_that_can_be_cancelled() {
    let mut lab = five(small_steps());
    let taken = lab.take(SnapshotKind::Full).unwrap();
    for n in 0..5 {
        let key = format!("k{n}");
        lab.write(vec![update("notes", &key, json!({"n": 50}))])
            .unwrap();
    }
    let (documents, events) = (stored(&lab, "notes"), lab.events());
    let restoring = lab.restoring(RestoreTarget::Snapshot(taken.id), false);
    let mut steps = 0;
    loop {
        lab.snapshots(restoring.clone()).unwrap();
        for _ in 0..steps {
            lab.turn(tidelog_core::Command::Wake).unwrap();
        }
        if lab.engine.view().last_restore(&lab.sql).unwrap().status == RestoreStatus::Complete {
            break;
        }
        let refused = lab.write(vec![note("k6", 6)]).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.code()),
            (Kind::Unavailable, "object_restoring")
        );
        assert_eq!(
            lab.snapshots(restoring.clone()).unwrap_err().code(),
            "restore_running"
        );
        lab.reopen();
        lab.snapshots(SnapshotCommand::CancelRestore).unwrap();
        assert_eq!(
            (stored(&lab, "notes"), lab.events()),
            (documents.clone(), events.clone())
        );
        steps += 1;
        assert!(steps < 100);
    }
    assert!(steps > 2, "{steps} steps");
    assert_eq!(lab.get("notes", "k3").unwrap()["n"], json!(3));
    check_whole(&lab);
    let idle = lab.snapshots(SnapshotCommand::CancelRestore).unwrap_err();
    assert_eq!(idle.code(), "no_restore");
}

#[test]
fn a_deleted_object_comes_back() {
    let mut lab = five(LogPolicy::default());
    let before = stored(&lab, "notes");
    let taken = lab.take(SnapshotKind::Full).unwrap();
    lab.delete_object().unwrap();
    lab.settle();
    assert_eq!(lab.state().status, "deleted");
    lab.restore(RestoreTarget::Snapshot(taken.id), false)
        .unwrap();
    assert_eq!(lab.state().status, "active");
    let after = stored(&lab, "notes");
    assert!(
        before
            .iter()
            .all(|(key, (_, document))| after[key].1 == *document)
    );
    check_whole(&lab);
}

#[test]
fn values_of_a_unique_index_may_move_between_documents() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = Lab::with_policy(town(), policy);
        let person = |id: &str, email: &str| {
            insert("people", json!({"id": id, "name": "A", "email": email}))
        };
        lab.write(vec![person("a", "x"), person("b", "y"), person("c", "z")])
            .unwrap();
        let taken = lab.take(SnapshotKind::Full).unwrap();
        lab.write(vec![
            delete("people", "c"),
            update("people", "a", json!({"email": "z"})),
            update("people", "b", json!({"email": "x"})),
            person("d", "y"),
        ])
        .unwrap();
        lab.restore(RestoreTarget::Snapshot(taken.id), false)
            .unwrap();
        let emails = ["a", "b", "c"].map(|key| lab.get("people", key).unwrap()["email"].clone());
        assert_eq!(emails, [json!("x"), json!("y"), json!("z")]);
        assert_eq!(
            lab.refused(vec![person("e", "y")]).code(),
            "unique_violation"
        );
    }
}

#[test]
fn documents_too_large_for_a_blob_are_kept_and_come_back() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = Lab::with_policy(notes(), policy);
        let large = "x".repeat(1_200_000);
        lab.write(vec![insert("notes", json!({"id": "big", "t": large}))])
            .unwrap();
        lab.write(vec![note("small", 1)]).unwrap();
        let taken = lab.take(SnapshotKind::Full).unwrap();
        lab.write(vec![delete("notes", "big"), delete("notes", "small")])
            .unwrap();
        lab.restore(RestoreTarget::Snapshot(taken.id), false)
            .unwrap();
        assert_eq!(lab.get("notes", "big").unwrap()["t"], json!(large));
        check_whole(&lab);
    }
}

#[test]
fn deleting_snapshots_lets_go_of_all_they_hold() {
    let mut lab = five(small_steps());
    lab.settle();
    let blobs = lab.state().blobs;
    let first = lab.take(SnapshotKind::Full).unwrap();
    let second = lab.take(SnapshotKind::Full).unwrap();
    assert!(second.id > first.id);
    let page = lab.engine.view().snapshots(&lab.sql, None, 1).unwrap();
    assert_eq!(page.snapshots[0].id, second.id);
    let next = page.next.unwrap();
    let page = lab
        .engine
        .view()
        .snapshots(&lab.sql, Some(&next), 1)
        .unwrap();
    assert_eq!(
        (page.snapshots[0].id.as_str(), page.next),
        (first.id.as_str(), None)
    );
    for id in [first.id.clone(), second.id] {
        lab.snapshots(SnapshotCommand::Delete { id }).unwrap();
    }
    let parts = "SELECT count(*) FROM _snapshot_parts";
    let left = tidelog_core::one(&lab.sql, parts, &[], |row| row[0].unsigned());
    assert_eq!((left.unwrap(), lab.state().blobs), (Some(0), blobs));
    let gone = lab
        .restore(RestoreTarget::Snapshot(first.id), false)
        .unwrap_err();
    assert_eq!(
        (gone.kind(), gone.code()),
        (Kind::NotFound, "unknown_snapshot")
    );
}

#[test]
fn a_state_that_breaks_a_later_unique_index_does_not_come_back() {
    for policy in [LogPolicy::default(), small_steps()] {
        let mut lab = five(policy);
        lab.write((10..20).map(|n| note(&format!("k{n}"), 7)).collect())
            .unwrap();
        let taken = lab.take(SnapshotKind::Full).unwrap();
        lab.write(
            (10..20)
                .map(|n| delete("notes", &format!("k{n}")))
                .collect(),
        )
        .unwrap();
        let mut unique = crate::lab::folding(notes(), 2);
        unique["notes"]["indexes"] = json!([{"fields": ["n"], "unique": true}]);
        lab.register(unique);
        lab.write(vec![note("k30", 30)]).unwrap();
        let before = stored(&lab, "notes");
        let refused = lab.restore(RestoreTarget::Snapshot(taken.id), false);
        let code = match refused {
            Err(error) => error.code().to_owned(),
            Ok(done) => {
                assert_eq!(done.status, RestoreStatus::Failed);
                done.failure.unwrap().code
            }
        };
        assert_eq!(code, "restore_breaks_index");
        assert_eq!(stored(&lab, "notes"), before);
        lab.write(vec![note("k31", 31)]).unwrap();
        check_whole(&lab);
    }
}
