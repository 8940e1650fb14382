//! Every step of taking, deleting and restoring breaks at each of its statements in turn.

use serde_json::json;
use tidelog_core::snapshot_file::Frame;
use tidelog_core::{
    Command, LogPolicy, RestoreStatus, RestoreTarget, SnapshotCommand, SnapshotKind,
    SnapshotPolicy, SqlExt as _, SqlValue,
};
use tidelog_log::{Result, Sequence};

use crate::faults::{at_once, fold, key, one_by_one, shelved, state, survives};
use crate::lab::{Lab, START, delete, folding, insert, notes};
use crate::model::Chance;
use crate::snapshot_files::{bytes_of, frames, import};
use crate::snapshots::small_steps;

fn create(kind: SnapshotKind) -> impl Fn(&mut Lab) -> Result<()> {
    move |lab| {
        let (parent, note) = (None, String::new());
        let command = SnapshotCommand::Create { kind, parent, note };
        again(lab);
        lab.snapshots(command).map(drop)
    }
}

/// The next turn has the time and the randomness it had the first time.
fn again(lab: &mut Lab) {
    lab.turns = 1_000;
    lab.now = START + 5_000;
}

/// Books in blobs, some masked, and in rows.
fn books() -> Lab {
    let mut lab = shelved();
    at_once(&mut lab, 0..8);
    one_by_one(&mut lab, 8..10);
    lab.write(vec![delete("books", &key(1))]).unwrap();
    lab
}

#[test]
fn a_snapshot_is_there_whole_or_not_at_all() {
    let steps = survives(books, create(SnapshotKind::Full));
    assert!(steps > 10, "{steps} steps");
    let with_parent = || {
        let mut lab = books();
        create(SnapshotKind::Full)(&mut lab).unwrap();
        lab.write(vec![delete("books", &key(2))]).unwrap();
        lab
    };
    let steps = survives(with_parent, create(SnapshotKind::Incremental));
    assert!(steps > 8, "{steps} steps");
    let remove = |lab: &mut Lab| {
        let page = lab.engine.view().snapshots(&lab.sql, None, 1)?;
        // Done already.
        let Some(snapshot) = page.snapshots.into_iter().next() else {
            return Ok(());
        };
        let id = snapshot.id;
        lab.snapshots(SnapshotCommand::Delete { id }).map(drop)
    };
    let steps = survives(with_parent, remove);
    assert!(steps > 4, "{steps} steps");
}

#[test]
fn a_small_difference_is_restored_whole_or_not_at_all() {
    let changed = || {
        let mut lab = books();
        lab.write(vec![delete("books", &key(3)), delete("books", &key(8))])
            .unwrap();
        lab
    };
    let restore = |lab: &mut Lab| {
        let target = RestoreTarget::Sequence(Sequence(11));
        again(lab);
        lab.snapshots(lab.restoring(target, false)).map(drop)
    };
    let steps = survives(changed, restore);
    assert!(steps > 30, "{steps} steps");
}

/// A restore of a large difference, so many timers in.
fn under_way(timers: usize) -> Option<Lab> {
    let mut lab = books();
    // Without segments: their timer would run in the same turns, in savepoints of its own.
    lab.policy = LogPolicy {
        snapshots: SnapshotPolicy {
            step_rows: 9,
            ..small_steps().snapshots
        },
        ..LogPolicy::default()
    };
    lab.reopen();
    fold(&mut lab);
    for n in [3, 4, 8] {
        lab.write(vec![delete("books", &key(n))]).unwrap();
    }
    at_once(&mut lab, 20..24);
    let target = RestoreTarget::Sequence(Sequence(11));
    lab.snapshots(lab.restoring(target, false)).unwrap();
    for _ in 0..timers {
        lab.turn(Command::Wake).unwrap();
    }
    let restore = lab.engine.view().last_restore(&lab.sql).unwrap();
    (restore.status == RestoreStatus::Running).then_some(lab)
}

/// A restore that adopts blobs, some of whose rows are masked, so many timers in.
fn adopting(timers: usize) -> Option<Lab> {
    let mut lab = shelved();
    at_once(&mut lab, 0..5);
    lab.write(vec![delete("books", &key(1))]).unwrap();
    lab.policy = LogPolicy {
        snapshots: SnapshotPolicy {
            step_rows: 1,
            ..small_steps().snapshots
        },
        ..LogPolicy::default()
    };
    lab.reopen();
    let full = lab.take(SnapshotKind::Full).unwrap();
    for n in [0, 2, 3, 4] {
        lab.write(vec![delete("books", &key(n))]).unwrap();
    }
    let target = RestoreTarget::Snapshot(full.id);
    lab.snapshots(lab.restoring(target, false)).unwrap();
    for _ in 0..timers {
        lab.turn(Command::Wake).unwrap();
    }
    let restore = lab.engine.view().last_restore(&lab.sql).unwrap();
    if restore.status == RestoreStatus::Running {
        return Some(lab);
    }
    let adopted = "SELECT count(*) FROM _log WHERE substr(body, 5, 1) = x'03'";
    let adopted = lab.sql.first(adopted, &[], |row| row[0].unsigned());
    assert!(adopted.unwrap() > Some(0));
    None
}

#[test]
fn every_step_of_a_large_restore_is_there_whole_or_not_at_all() {
    survives_each_step(under_way);
}

#[test]
fn every_step_of_an_adoption_is_there_whole_or_not_at_all() {
    survives_each_step(adopting);
}

fn survives_each_step(under_way: fn(usize) -> Option<Lab>) {
    let mut timers = 0;
    while under_way(timers).is_some() {
        let step = |lab: &mut Lab| {
            again(lab);
            // The other timers run in savepoints of their own, and later here.
            let later = SqlValue::Integer(START + 9_000_000);
            let alone = "UPDATE _wakes SET attempts = 0, at = iif(name = 'snapshot', 0, ?1)";
            lab.sql.exec(alone, &[later])?;
            lab.turn(Command::Wake).map(drop)
        };
        survives(|| under_way(timers).unwrap(), step);
        timers += 1;
    }
    assert!(timers > 3, "{timers} timers");
}

/// The frames of a snapshot of books that are elsewhere, and then of events.
fn file() -> Vec<Frame> {
    let mut lab = books();
    lab.take(SnapshotKind::Full).unwrap();
    lab.write(vec![delete("books", &key(2))]).unwrap();
    let taken = lab.take(SnapshotKind::Incremental).unwrap();
    frames(&bytes_of(&lab, &taken.id, 1_000_000)).unwrap()
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let file = file();
    let take = |lab: &mut Lab| {
        again(lab);
        import(lab, file.clone()).map(drop)
    };
    let steps = survives(books, take);
    assert!(steps > 10, "{steps} steps");
    // Half of it was there, and the same file begins anew.
    let half = || {
        let mut lab = books();
        import(&mut lab, file[..file.len() - 2].to_vec()).unwrap();
        lab
    };
    let steps = survives(half, take);
    assert!(steps > 14, "{steps} steps");
}

/// Leaves ever more room in the database until an act fits: until then it changes nothing.
fn fills_up(prepare: impl Fn() -> Lab, act: impl Fn(&mut Lab) -> Result<()>) {
    let mut refused = 0;
    for room in 0.. {
        let mut lab = prepare();
        let before = state(&lab);
        lab.sql.batch("VACUUM");
        let count = "SELECT page_count FROM pragma_page_count";
        let pages = lab.sql.first(count, &[], |row| row[0].unsigned());
        let limit = pages.unwrap().unwrap() + room;
        lab.sql.batch(&format!("PRAGMA max_page_count = {limit}"));
        let done = act(&mut lab);
        lab.sql.batch("PRAGMA max_page_count = 1000000");
        if done.is_ok() {
            assert!(refused > 10, "only {refused} places");
            return;
        }
        refused += 1;
        lab.reopen();
        assert!(
            state(&lab) == before,
            "half of it is there with {room} pages"
        );
        act(&mut lab).unwrap();
    }
}

/// Notes of many pages, in rows.
fn heavy() -> Lab {
    let mut lab = Lab::new(folding(notes(), 0));
    let mut chance = Chance(1);
    for n in 0..5 {
        let noise = (0..1_000).map(|_| chance.below(1 << 60).to_string());
        let note = json!({"id": format!("k{n}"), "t": noise.collect::<String>()});
        lab.write(vec![insert("notes", note)]).unwrap();
    }
    lab
}

#[test]
fn a_disk_that_is_full_midway_changes_nothing() {
    let mut elsewhere = heavy();
    let taken = elsewhere.take(SnapshotKind::Full).unwrap();
    let file = frames(&bytes_of(&elsewhere, &taken.id, 1_000_000)).unwrap();
    fills_up(heavy, create(SnapshotKind::Full));
    fills_up(
        || Lab::new(folding(notes(), 0)),
        |lab| {
            again(lab);
            import(lab, file.clone()).map(drop)
        },
    );
    let emptied = || {
        let mut lab = heavy();
        lab.take(SnapshotKind::Full).unwrap();
        lab.write((0..5).map(|n| delete("notes", &format!("k{n}"))).collect())
            .unwrap();
        lab
    };
    fills_up(emptied, |lab| {
        again(lab);
        let target = RestoreTarget::Sequence(Sequence(5));
        lab.snapshots(lab.restoring(target, false)).map(drop)
    });
}
