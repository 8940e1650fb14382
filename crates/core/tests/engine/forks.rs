//! An object becomes another one: as it is, or as it was.

use std::sync::Arc;

use serde_json::json;
use tidelog_core::{
    Address, Command, Engine, Fork, ForkPlace, LogPolicy, RestoreStatus, RestoreTarget,
    SnapshotCommand, SnapshotKind, SnapshotReply, TransferAsk, TransferCommand, TransferOutcome,
    TransferStep,
};
use tidelog_log::{Error, Kind, Result, Sequence};

use crate::lab::{Lab, delete, notes, update};
use crate::model::{replayed, stored};
use crate::snapshot_schedule::{all, write};
use crate::snapshots::small_steps;
use crate::sqlite::Sqlite;

/// An object of another id, which nobody has written to.
fn other(policy: LogPolicy) -> Lab {
    let mut lab = Lab::with_policy(notes(), policy);
    lab.sql = Sqlite::new();
    let address = Address::object("lab", "two").unwrap();
    lab.engine = Engine::open(&lab.sql, &address, policy).unwrap();
    lab
}

fn begin(lab: &mut Lab, target: Option<RestoreTarget>) -> Result<Fork> {
    let to = "two".to_owned();
    match lab.snapshots(SnapshotCommand::Fork {
        to,
        target,
        life: None,
    })? {
        SnapshotReply::Fork(fork) => Ok(*fork),
        other => panic!("{other:?}"),
    }
}

fn due(lab: &Lab) -> Option<TransferAsk> {
    lab.engine.view().transfer_due(&lab.sql, lab.now).unwrap()
}

/// Hands a part over, as a host does.
fn hand_over(to: &mut Lab, ask: &TransferAsk) -> Result<ForkPlace> {
    let TransferStep::Fork {
        to: id,
        order,
        bytes,
    } = ask.what.clone()
    else {
        panic!("{ask:?}");
    };
    assert_eq!(id, "two");
    let schema = Arc::clone(&to.schema);
    let take = SnapshotCommand::TakeFork {
        schema,
        order,
        bytes,
    };
    match to.snapshots(take)? {
        SnapshotReply::Place(place) => Ok(*place),
        other => panic!("{other:?}"),
    }
}

fn tell(lab: &mut Lab, ask: &TransferAsk, outcome: TransferOutcome) {
    let (number, step) = (ask.number, ask.step);
    let told = TransferCommand {
        number,
        step,
        outcome,
    };
    lab.turn(Command::Transferred(Box::new(told))).unwrap();
}

/// Carries until the fork runs no more; `lossy`: every part goes twice, and both objects are opened again.
fn carry(from: &mut Lab, to: &mut Lab, lossy: bool) -> Fork {
    from.finish_job();
    for _ in 0..2_000 {
        let fork = from.engine.view().last_fork(&from.sql).unwrap();
        if fork.status != RestoreStatus::Running {
            return fork;
        }
        from.now += 100;
        to.now = from.now;
        let Some(ask) = due(from) else {
            to.finish_job();
            continue;
        };
        let place = hand_over(to, &ask);
        if lossy {
            // What was told was lost, and so were both instances.
            from.reopen();
            let address = Address::object("lab", "two").unwrap();
            to.engine = Engine::open(&to.sql, &address, to.policy).unwrap();
            let again = due(from).unwrap();
            assert_eq!((again.number, again.step), (ask.number, ask.step));
            hand_over(to, &again).unwrap();
        }
        let outcome = place.map_or_else(TransferOutcome::Failed, TransferOutcome::Forked);
        tell(from, &ask, outcome);
    }
    panic!("it does not end");
}

/// Notes k000 to k019, then one changed and one gone in one turn.
fn twenty(policy: LogPolicy) -> Lab {
    let mut lab = Lab::with_policy(notes(), policy);
    write(&mut lab, 0..20);
    lab.now += 1_000;
    let turn = vec![
        update("notes", "k003", json!({"n": 300})),
        delete("notes", "k004"),
    ];
    lab.write(turn).unwrap();
    lab
}

fn documents(lab: &Lab) -> Vec<(String, serde_json::Value)> {
    let all = stored(lab, "notes").into_iter();
    all.map(|(key, (_, document))| (key, document.into()))
        .collect()
}

#[test]
fn a_fork_is_the_object_as_it_is_with_a_log_of_its_own() {
    for policy in [LogPolicy::default(), small_steps()] {
        for lossy in [false, true] {
            let (mut from, mut to) = (twenty(policy), other(policy));
            let begun = begin(&mut from, None).unwrap();
            assert_eq!(begun.status, RestoreStatus::Running);
            // Writes go on meanwhile.
            write(&mut from, 20..22);
            let fork = carry(&mut from, &mut to, lossy);
            assert_eq!(
                (fork.status, &fork.failure),
                (RestoreStatus::Complete, &None)
            );
            let mut wanted = documents(&from);
            let sequence = fork.sequence.0;
            wanted.retain(|(key, _)| sequence > 22 || key.as_str() < "k020");
            assert_eq!(documents(&to), wanted);
            assert_eq!(stored(&to, "notes"), replayed(&to, "notes"));
            assert_eq!(
                fork.offset,
                Some(to.engine.view().offset(&to.sql).unwrap().to_string())
            );
            // Neither keeps what it was made of.
            assert!(
                all(&from).is_empty() && all(&to).is_empty(),
                "{:?}",
                all(&to)
            );
            let noted = to.engine.view().audit(&to.sql, None, 9).unwrap().entries;
            assert_eq!(
                (noted[0].1.action.as_str(), &noted[0].1.id),
                ("fork.from", &fork.id)
            );
            write(&mut to, 50..51);
            assert!(from.get("notes", "k050").is_err());
        }
    }
}

#[test]
fn a_fork_is_the_object_as_it_was_at_any_sequence_and_of_any_snapshot() {
    // With the log only, after a full snapshot, and between incrementals; also in the middle of a turn.
    for taken in [0, 1, 3] {
        for sequence in [0, 1, 12, 21, 22] {
            let mut from = Lab::with_policy(notes(), small_steps());
            write(&mut from, 0..5);
            if taken > 0 {
                from.take(SnapshotKind::Full).unwrap();
            }
            for part in 1..3 {
                write(&mut from, part * 5..part * 5 + 5);
                if taken > 1 {
                    from.take(SnapshotKind::Incremental).unwrap();
                }
            }
            write(&mut from, 15..20);
            let turn = vec![
                update("notes", "k003", json!({"n": 300})),
                delete("notes", "k004"),
            ];
            from.write(turn).unwrap();
            let mut to = other(small_steps());
            let kept = all(&from).len();
            let target = RestoreTarget::Sequence(Sequence(sequence));
            begin(&mut from, Some(target.clone())).unwrap();
            let fork = carry(&mut from, &mut to, false);
            assert_eq!(
                (fork.status, fork.sequence.0),
                (RestoreStatus::Complete, sequence)
            );
            assert_eq!(all(&from).len(), kept, "{taken} {sequence}");
            from.restore(target, false).unwrap();
            assert_eq!(documents(&to), documents(&from), "{taken} {sequence}");
        }
    }
    let mut from = twenty(small_steps());
    let taken = from.take(SnapshotKind::Full).unwrap();
    write(&mut from, 30..40);
    let mut to = other(LogPolicy::default());
    begin(&mut from, Some(RestoreTarget::Snapshot(taken.id.clone()))).unwrap();
    let fork = carry(&mut from, &mut to, false);
    assert_eq!(fork.status, RestoreStatus::Complete);
    assert_eq!(documents(&to).len(), 19);
    assert_eq!(all(&from)[0].id, taken.id);
}

#[test]
fn what_was_written_to_does_not_become_a_fork() {
    let (mut from, mut to) = (twenty(small_steps()), other(small_steps()));
    write(&mut to, 0..1);
    begin(&mut from, None).unwrap();
    let fork = carry(&mut from, &mut to, false);
    assert_eq!(fork.status, RestoreStatus::Failed);
    assert_eq!(fork.failure.unwrap().code, "object_exists");
    assert!(all(&from).is_empty());
    assert_eq!(documents(&to).len(), 1);
    let to = "one".to_owned();
    let own = from
        .snapshots(SnapshotCommand::Fork {
            to,
            target: None,
            life: None,
        })
        .unwrap_err();
    assert_eq!(own.code(), "object_exists");
    let to = "a/b".to_owned();
    let odd = from
        .snapshots(SnapshotCommand::Fork {
            to,
            target: None,
            life: None,
        })
        .unwrap_err();
    assert_eq!(odd.code(), "invalid_object_id");
}

#[test]
fn one_fork_at_a_time_and_it_can_be_given_up() {
    let mut from = twenty(small_steps());
    begin(&mut from, None).unwrap();
    from.finish_job();
    assert_eq!(begin(&mut from, None).unwrap_err().code(), "fork_running");
    let asked = due(&from).unwrap();
    // Who does not answer is asked again later, and it shows.
    tell(
        &mut from,
        &asked,
        TransferOutcome::Failed(Error::unavailable("busy", "later")),
    );
    let fork = from.engine.view().last_fork(&from.sql).unwrap();
    assert_eq!(
        (fork.status, fork.failure.unwrap().code.as_str()),
        (RestoreStatus::Running, "busy")
    );
    assert!(due(&from).is_none());
    let SnapshotReply::Fork(fork) = from.snapshots(SnapshotCommand::CancelFork).unwrap() else {
        panic!();
    };
    assert_eq!(fork.status, RestoreStatus::Cancelled);
    from.now += 1_000_000;
    assert!(due(&from).is_none() && all(&from).is_empty());
    let none = from.snapshots(SnapshotCommand::CancelFork).unwrap_err();
    assert_eq!((none.kind(), none.code()), (Kind::NotFound, "no_fork"));
}

const DAY: i64 = 24 * 60 * 60 * 1_000;

#[test]
fn a_scratch_fork_is_in_no_table_and_ends_by_itself() {
    let (mut from, mut to) = (twenty(small_steps()), other(small_steps()));
    for life in [1_000, 31 * DAY] {
        let (to, life) = ("two".to_owned(), Some(life));
        let odd = from.snapshots(SnapshotCommand::Fork {
            to,
            target: None,
            life,
        });
        assert_eq!(odd.unwrap_err().field(), Some("expires"));
    }
    let (id, life) = ("two".to_owned(), Some(DAY));
    from.snapshots(SnapshotCommand::Fork {
        to: id,
        target: None,
        life,
    })
    .unwrap();
    let fork = carry(&mut from, &mut to, false);
    assert_eq!(fork.status, RestoreStatus::Complete);
    assert_eq!(documents(&to), documents(&from));
    let ends = fork.expires.unwrap();
    assert_eq!(to.state().expires, Some(ends));
    let batch = |lab: &Lab| {
        let view = lab.engine.view();
        view.batch(&lab.sql, "notes", Sequence(0), 1_000_000)
            .unwrap()
            .range
    };
    assert_eq!(batch(&to).to, Sequence(0));
    assert!(batch(&from).to > Sequence(0));
    to.take(SnapshotKind::Full).unwrap();
    to.now = ends - 1;
    to.settle();
    assert_eq!(documents(&to).len(), 19);
    let ended = |to: &mut Lab| {
        for _ in 0..100 {
            to.now += 1_000;
            to.settle();
        }
        let state = to.state();
        assert_eq!((state.status, state.documents[0].1), ("deleted", 0));
        assert!(all(to).is_empty());
        assert!(state.log_records <= 1, "{}", state.log_records);
        assert_eq!(state.blobs.0, 0);
    };
    ended(&mut to);
    // Who writes to it later has it no longer than that.
    write(&mut to, 0..1);
    ended(&mut to);
    assert_eq!(documents(&from).len(), 19);
}
