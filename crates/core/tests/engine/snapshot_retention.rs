//! Snapshots that are too old, or too many, go; what something builds on stays.

use std::collections::BTreeMap;

use serde_json::json;
use tidelog_core::{
    Command, LogPolicy, RestoreTarget, Snapshot, SnapshotCommand, SnapshotKind,
    SnapshotRetentionSpec, SqlExt as _, SqlValue,
};
use tidelog_log::Kind;

use crate::faults::{at_once, shelved, survives};
use crate::lab::{Lab, START, insert, notes};
use crate::model::{Chance, number, stored};
use crate::snapshot_schedule::{DAY, MINUTE, all, scheduled, write};
use crate::snapshots::small_steps;

use SnapshotKind::{Full, Incremental};

fn rules(rules: serde_json::Value) -> SnapshotCommand {
    let rules: SnapshotRetentionSpec = serde_json::from_value(rules).unwrap();
    SnapshotCommand::SetRetention(rules)
}

fn ids(lab: &Lab) -> Vec<String> {
    all(lab).into_iter().map(|s| s.id).collect()
}

/// A snapshot of one more note.
fn take(lab: &mut Lab, kind: SnapshotKind) -> Snapshot {
    let n = lab.engine.head().0;
    write(lab, n..n + 1);
    lab.now += 10;
    let taken = lab.take(kind).unwrap();
    lab.settle();
    taken
}

#[test]
fn one_goes_after_seven_days_unless_it_is_the_newest() {
    let mut lab = Lab::new(notes());
    let first = take(&mut lab, Full);
    lab.now += DAY;
    let second = take(&mut lab, Full);
    lab.now = first.created + 7 * DAY - 1;
    lab.settle();
    assert_eq!(ids(&lab), [first.id.as_str(), second.id.as_str()]);
    lab.now += 1;
    lab.settle();
    assert_eq!(ids(&lab), [second.id.as_str()]);
    lab.now += 100 * DAY;
    lab.settle();
    assert_eq!(ids(&lab), [second.id.as_str()]);
    let gone = lab
        .restore(RestoreTarget::Snapshot(first.id.clone()), false)
        .unwrap_err();
    assert_eq!((gone.kind(), gone.code()), (Kind::Gone, "snapshot_expired"));
    let page = lab.engine.view().audit(&lab.sql, None, 10).unwrap();
    let (_, entry) = &page.entries[0];
    assert_eq!(
        (entry.actor.as_str(), entry.action.as_str()),
        ("retention", "snapshot.expire")
    );
    assert_eq!(entry.id, first.id);
    // It comes to go once there is a newer one.
    let third = take(&mut lab, Full);
    assert_eq!(ids(&lab), [third.id]);
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_a_kept_one_stays() {
    let mut lab = Lab::new(notes());
    lab.snapshots(rules(json!({"hotCount": 3}))).unwrap();
    let first = take(&mut lab, Full);
    let (id, keep) = (first.id.clone(), true);
    lab.snapshots(SnapshotCommand::Keep { id, keep }).unwrap();
    let taken: Vec<String> = (0..5).map(|_| take(&mut lab, Full).id).collect();
    assert_eq!(ids(&lab)[1..], taken[2..]);
    assert_eq!(ids(&lab)[0], first.id);
    let (id, keep) = (first.id, false);
    lab.snapshots(SnapshotCommand::Keep { id, keep }).unwrap();
    lab.settle();
    assert_eq!(ids(&lab), taken[2..]);
}

#[test]
fn a_chain_goes_as_a_whole_or_from_its_end() {
    let mut lab = Lab::new(notes());
    lab.snapshots(rules(json!({"hotCount": 2}))).unwrap();
    let chain: Vec<String> = [Full, Incremental, Incremental]
        .map(|kind| take(&mut lab, kind).id)
        .to_vec();
    // Two of three are too many, and the newest builds on both.
    assert_eq!(ids(&lab), chain);
    let full = take(&mut lab, Full).id;
    assert_eq!(
        ids(&lab)[..3],
        chain,
        "the newest of the chain is among the two"
    );
    let other = take(&mut lab, Full).id;
    assert_eq!(ids(&lab), [full, other]);
}

#[test]
fn a_chain_is_as_long_as_the_rules_say() {
    let mut lab = Lab::new(notes());
    lab.snapshots(rules(json!({"chain": 2}))).unwrap();
    for kind in [Full, Incremental, Incremental] {
        take(&mut lab, kind);
    }
    let error = lab.take(Incremental).unwrap_err();
    assert_eq!(error.code(), "snapshot_chain_too_long");
}

#[test]
fn an_objects_own_rules_are_over_its_types_and_those_over_the_defaults() {
    let retention = json!({"hot_age": "3d", "hot_count": 20});
    let mut lab = scheduled(json!({"retention": retention}), LogPolicy::default());
    write(&mut lab, 0..1);
    lab.snapshots(rules(json!({"hotCount": 5, "coldAge": 0})))
        .unwrap();
    let state = lab.engine.view().snapshot_retention(&lab.sql).unwrap();
    let shown = serde_json::to_value(&state).unwrap();
    let wanted = json!({
        "hotAge": "3d", "hotCount": 5, "coldAge": 0, "coldCount": 0, "chain": 100, "promoteAge": 0,
        "promoteSize": 0, "own": {"hotCount": 5, "coldAge": 0},
    });
    assert_eq!(shown, wanted);
    lab.snapshots(rules(json!({}))).unwrap();
    let state = lab.engine.view().snapshot_retention(&lab.sql).unwrap();
    assert_eq!(
        (state.rules.hot_count, state.own),
        (Some(20), Default::default())
    );
    let error = lab.snapshots(rules(json!({"hotAge": "1s"}))).unwrap_err();
    assert_eq!(error.field(), Some("hotAge"));
}

#[test]
fn undo_snapshots_go_by_the_same_rules() {
    let mut lab = Lab::new(notes());
    let taken = take(&mut lab, Full);
    take(&mut lab, Full);
    let target = RestoreTarget::Snapshot(taken.id);
    let undo = lab.restore(target, false).unwrap().undo.unwrap();
    lab.now += DAY;
    let newest = take(&mut lab, Full);
    assert!(ids(&lab).contains(&undo));
    lab.now += 6 * DAY + MINUTE;
    lab.settle();
    assert_eq!(ids(&lab), [newest.id]);
}

#[test]
fn many_go_a_few_a_turn() {
    let mut lab = Lab::new(notes());
    for _ in 0..20 {
        take(&mut lab, Full);
    }
    lab.snapshots(rules(json!({"hotCount": 1}))).unwrap();
    let mut counts = Vec::new();
    while lab.wake_is_due() {
        lab.turn(Command::Wake).unwrap();
        counts.push(ids(&lab).len());
    }
    assert_eq!(counts, [16, 12, 8, 4, 1]);
    // Nothing is held any more but what the newest holds.
    let parts = "SELECT count(DISTINCT snapshot) FROM _snapshot_parts";
    let parts = lab.sql.first(parts, &[], |row| row[0].integer()).unwrap();
    assert_eq!(parts, Some(1));
}

#[test]
fn a_step_of_the_clean_up_is_there_whole_or_not_at_all() {
    let too_many = || {
        let mut lab = shelved();
        for n in 0..6 {
            at_once(&mut lab, n * 5..n * 5 + 5);
            lab.take([Full, Incremental][usize::from(n % 3 > 0)])
                .unwrap();
        }
        lab.snapshots(rules(json!({"hotCount": 1}))).unwrap();
        lab
    };
    let wake = |lab: &mut Lab| {
        lab.turns = 1_000;
        lab.now = START + 5_000;
        let alone = "UPDATE _wakes SET attempts = 0, at = iif(name = 'retain', 0, ?1)";
        lab.sql
            .exec(alone, &[SqlValue::Integer(START + 9_000_000)])?;
        lab.turn(Command::Wake).map(drop)
    };
    let steps = survives(too_many, wake);
    assert!(steps > 10, "{steps} steps");
}

/// What must hold after a clean-up.
fn check(lab: &Lab, (age, count): (i64, u64), seed: u64) {
    let left = all(lab);
    let newest = left.iter().rev().find(|s| !s.imported).map(|s| &s.id);
    // What stays by a rule of its own, then what that builds on.
    let mut stays: BTreeMap<&str, bool> = BTreeMap::new();
    for (at, snapshot) in left.iter().rev().enumerate() {
        let many = count > 0 && at as u64 >= count;
        let old = age > 0 && snapshot.created + age <= lab.now;
        let held = stays.contains_key(snapshot.id.as_str());
        let exempt = snapshot.keep || newest == Some(&snapshot.id) || held;
        assert!(
            exempt || !(many || old),
            "seed {seed}: {} should be gone",
            snapshot.id
        );
        stays.extend(snapshot.parent.as_deref().map(|parent| (parent, true)));
    }
    for snapshot in &left {
        let parent = snapshot.parent.as_ref();
        assert!(
            parent.is_none_or(|parent| left.iter().any(|s| s.id == *parent)),
            "seed {seed}"
        );
    }
}

#[test]
fn whatever_goes_what_is_left_can_be_restored_and_no_rule_is_exceeded_without_a_chain() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    let seeds = number("TIDELOG_SEEDS").unwrap_or(12);
    for seed in first..first + seeds {
        let mut chance = Chance(seed);
        let mut lab = Lab::with_policy(notes(), small_steps());
        lab.write(vec![insert("notes", json!({"id": "first"}))])
            .unwrap();
        let mut limits = (7 * DAY, 100);
        let mut taken = BTreeMap::new();
        for _ in 0..60 {
            let n = lab.engine.head().0;
            lab.now += i64::try_from(chance.below(20)).unwrap() * 3 * 60 * MINUTE;
            match chance.below(8) {
                0 => {
                    limits = (
                        i64::try_from(chance.below(6)).unwrap() * DAY,
                        chance.below(8),
                    );
                    let age = format!("{}m", limits.0 / MINUTE);
                    lab.snapshots(rules(json!({"hotAge": age, "hotCount": limits.1})))
                        .unwrap();
                }
                1 => {
                    let left = all(&lab);
                    if let Some(one) = left.get(usize::try_from(chance.below(9)).unwrap()) {
                        let (id, keep) = (one.id.clone(), chance.below(2) == 0);
                        lab.snapshots(SnapshotCommand::Keep { id, keep }).unwrap();
                    }
                }
                2 => lab.reopen(),
                _ => {
                    write(&mut lab, n..n + 1 + chance.below(3));
                    let kind =
                        [Full, Incremental, Incremental][usize::try_from(chance.below(3)).unwrap()];
                    match lab.take(kind) {
                        Ok(snapshot) => drop(taken.insert(snapshot.id, stored(&lab, "notes"))),
                        Err(error) => {
                            assert_eq!(error.kind(), Kind::Conflict, "seed {seed}: {error}");
                        }
                    }
                }
            }
            lab.settle();
            check(&lab, limits, seed);
        }
        lab.keep_all();
        for snapshot in all(&lab).into_iter().filter(|s| taken.contains_key(&s.id)) {
            lab.restore(RestoreTarget::Snapshot(snapshot.id.clone()), false)
                .unwrap();
            let documents = |all: &crate::model::Documents| -> Vec<_> {
                all.iter()
                    .map(|(key, (_, document))| (key.clone(), document.clone()))
                    .collect()
            };
            let now = documents(&stored(&lab, "notes"));
            let wanted = documents(&taken[&snapshot.id]);
            let lacks: Vec<_> = wanted.iter().filter(|d| !now.contains(d)).collect();
            let odd: Vec<_> = now.iter().filter(|d| !wanted.contains(d)).collect();
            assert!(
                lacks.is_empty() && odd.is_empty(),
                "seed {seed}: {snapshot:?} lacks {lacks:?} and has {odd:?}",
            );
        }
    }
}
