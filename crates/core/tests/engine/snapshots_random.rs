//! Random histories with snapshots and restores against a model that keeps every event it saw.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidelog_core::{Command, RestoreTarget, Snapshot, SnapshotCommand, SnapshotKind, SqlExt as _};
use tidelog_log::{Sequence, StartAt};

use crate::lab::{Lab, delete, folding, insert, upsert};
use crate::model::{Chance, number, replayed, stored};
use crate::snapshots::small_steps;

/// Documents by collection and key.
type State = BTreeMap<(String, String), Json>;

/// What happened, as a reader of the log saw it; every event in its place.
#[derive(Default)]
struct Seen {
    events: Vec<(String, String, Option<Json>)>,
}

impl Seen {
    /// Reads on in the log.
    fn follow(&mut self, lab: &Lab, at: &mut StartAt) {
        loop {
            let page = lab.page(*at, 500).unwrap();
            for event in &page.events {
                let text = |name: &str| event[name].as_str().unwrap().to_owned();
                assert_eq!(event["sequence"], json!(self.events.len() + 1));
                let after = event.get("after").filter(|after| after.is_object());
                self.events
                    .push((text("collection"), text("documentId"), after.cloned()));
            }
            *at = StartAt::After(page.next);
            if page.up_to_date {
                return;
            }
        }
    }

    /// The state after so many events.
    fn state(&self, sequence: u64) -> State {
        let mut state = State::new();
        for (collection, key, after) in &self.events[..usize::try_from(sequence).unwrap()] {
            let place = (collection.clone(), key.clone());
            match after {
                Some(document) => drop(state.insert(place, document.clone())),
                None => drop(state.remove(&place)),
            }
        }
        state
    }
}

fn present(lab: &Lab) -> State {
    let mut state = State::new();
    for name in ["notes", "marks"] {
        for (key, (_, document)) in stored(lab, name) {
            state.insert((name.to_owned(), key), Json::Object(document));
        }
    }
    state
}

fn collections(threshold: u64) -> Json {
    let plain = json!({"fields": {"n": {"type": "int"}, "t": {"type": "string"}}});
    let mut folded = folding(json!({"notes": plain}), threshold);
    folded["marks"] = json!({"fields": {"n": {"type": "int"}}, "hot": {"vortex_threshold": 0}});
    folded
}

/// Records of blobs that were adopted, among those that are in no segment.
fn adopted_records(lab: &Lab) -> u64 {
    let text = "SELECT count(*) FROM _log WHERE id % 256 = 0 AND substr(body, 5, 1) = x'03'";
    let found = lab.sql.first(text, &[], |row| row[0].unsigned());
    found.unwrap().unwrap()
}

/// One random turn of writes.
fn write(chance: &mut Chance, lab: &mut Lab) {
    let name = if chance.below(3) == 0 {
        "marks"
    } else {
        "notes"
    };
    let key = |chance: &mut Chance| format!("k{}", chance.below(24));
    let mutations = match chance.below(6) {
        0 => (0..2 + chance.below(6))
            .map(|n| {
                let id = format!("b{}-{n}", chance.below(1 << 30));
                insert(name, json!({"id": id, "n": n}))
            })
            .collect(),
        1 | 2 => vec![delete(name, &key(chance))],
        _ => (0..1 + chance.below(4))
            .map(|_| upsert(name, json!({"id": key(chance), "n": chance.below(5)})))
            .collect(),
    };
    // What is not there cannot be deleted: that is no failure here.
    let _ = lab
        .write(mutations)
        .map_err(|e| assert_eq!(e.code(), "unknown_document"));
}

/// Some state that can be brought back, with what it must be.
fn target(chance: &mut Chance, seen: &Seen, taken: &[Snapshot]) -> (RestoreTarget, State) {
    if let Some(snapshot) = taken.get(usize::try_from(chance.below(4)).unwrap()) {
        let target = RestoreTarget::Snapshot(snapshot.id.clone());
        return (target, seen.state(snapshot.sequence.0));
    }
    let sequence = chance.below(seen.events.len() as u64 + 1);
    let target = RestoreTarget::Sequence(Sequence(sequence));
    (target, seen.state(sequence))
}

/// One step of a history.
fn step(chance: &mut Chance, lab: &mut Lab, seen: &mut Seen, taken: &mut Vec<Snapshot>) -> u64 {
    lab.now += 5;
    match chance.below(30) {
        0 => lab.reopen(),
        1 | 2 => lab.settle(),
        3 => {
            let kind = match chance.below(3) {
                0 => SnapshotKind::Full,
                _ => SnapshotKind::Incremental,
            };
            let (parent, note) = (None, String::new());
            match lab.snapshots(SnapshotCommand::Create { kind, parent, note }) {
                Err(error) => assert_eq!(error.code(), "snapshot_parent_missing"),
                Ok(tidelog_core::SnapshotReply::Snapshot(running)) => {
                    // Writes between its steps.
                    for _ in 0..chance.below(4) {
                        write(chance, lab);
                        lab.turn(Command::Wake).unwrap();
                    }
                    lab.finish_job();
                    taken.push(lab.engine.view().snapshot(&lab.sql, &running.id).unwrap());
                }
                Ok(other) => panic!("{other:?}"),
            }
        }
        4 if !taken.is_empty() => {
            let at = usize::try_from(chance.below(taken.len() as u64)).unwrap();
            let id = taken[at].id.clone();
            match lab.snapshots(SnapshotCommand::Delete { id }) {
                Ok(_) => drop(taken.remove(at)),
                Err(error) => assert_eq!(error.code(), "snapshot_has_children"),
            }
        }
        5 | 6 => {
            let (target, wanted) = target(chance, seen, taken);
            let dry_run = chance.below(4) == 0;
            let before = present(lab);
            let said = lab.restore(target.clone(), dry_run).unwrap();
            let counted: u64 = said.differences.values().map(|d| d.total()).sum();
            let differs = before
                .iter()
                .filter(|(at, d)| wanted.get(*at) != Some(*d))
                .count()
                + wanted.keys().filter(|at| !before.contains_key(*at)).count();
            assert_eq!(counted, differs as u64, "{target:?}");
            let wanted = if dry_run { before } else { wanted };
            assert!(present(lab) == wanted, "{target:?}");
            for name in ["notes", "marks"] {
                assert_eq!(stored(lab, name), replayed(lab, name), "{target:?}");
            }
            return 1;
        }
        _ => write(chance, lab),
    }
    0
}

#[test]
fn every_state_that_was_comes_back_as_it_was() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    let seeds = number("TIDELOG_SEEDS").unwrap_or(6);
    let steps = number("TIDELOG_STEPS").unwrap_or(200);
    let (mut restores, mut adopted) = (0, 0);
    for seed in first..first + seeds {
        let mut chance = Chance(seed);
        let threshold = [0, 3, 1, 8][usize::try_from(seed % 4).unwrap()];
        let mut lab = Lab::with_policy(collections(threshold), small_steps());
        let (mut seen, mut at, mut taken) = (Seen::default(), StartAt::Beginning, Vec::new());
        lab.write(vec![insert("notes", json!({"id": "k0"}))])
            .unwrap();
        seen.follow(&lab, &mut at);
        for _ in 0..steps {
            let restored = step(&mut chance, &mut lab, &mut seen, &mut taken);
            restores += restored;
            adopted += restored * adopted_records(&lab);
            if lab.engine.head() > Sequence(0) {
                seen.follow(&lab, &mut at);
            }
            assert_eq!(seen.events.len() as u64, lab.engine.head().0, "seed {seed}");
        }
        assert!(
            present(&lab) == seen.state(lab.engine.head().0),
            "seed {seed}"
        );
        assert_eq!(lab.check_log(), lab.engine.head().0, "seed {seed}");
    }
    assert!(restores > seeds, "{restores} restores");
    assert!(adopted > 0, "no blob was adopted");
}
