//! Random histories with snapshots and restores against a model that knows of every key what it was when.

use serde_json::{Value as Json, json};
use tidelog_core::{
    Command, LogPolicy, Query, RestoreTarget, Snapshot, SnapshotCommand, SnapshotKind,
    SnapshotPolicy, SnapshotReply, SqlExt as _,
};
use tidelog_log::Sequence;

use crate::lab::{Lab, delete, folding, insert, upsert};
use crate::model::{Chance, number, replayed, stored};
use crate::snapshots::small_steps;
use crate::snapshots_model::{Seen, State};
use crate::sqlite::Memory;

const COLLECTIONS: [&str; 2] = ["notes", "marks"];
const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000;
/// A log of fewer events is replayed after each restore: versions are then what its events say.
const LOG_REPLAYED: u64 = 1_000;
/// A state of so many documents is compared whole each time, a larger one now and then.
const COMPARED_WHOLE: usize = 60;

/// One object, what was seen of it, and what it can be brought back to.
struct History {
    seed: u64,
    chance: Chance,
    lab: Lab,
    seen: Seen,
    taken: Vec<Snapshot>,
    /// How rare snapshots and restores are.
    pace: u64,
    restores: u64,
    /// Incrementals of the longest chain.
    longest: usize,
    /// Records of adopted blobs that were there after restores.
    adopted: u64,
}

fn collections(threshold: u64) -> Json {
    let plain = json!({"fields": {"n": {"type": "int"}, "t": {"type": "string"}}});
    let mut folded = folding(json!({"notes": plain}), threshold);
    folded["marks"] = json!({"fields": {"n": {"type": "int"}}, "hot": {"vortex_threshold": 0}});
    for name in COLLECTIONS {
        // No table has what the log lost.
        folded[name]["cold"] = json!({"enabled": false});
    }
    folded
}

/// Steps of some documents: a history of thousands would take too many of four.
fn middling_steps() -> LogPolicy {
    LogPolicy {
        snapshots: SnapshotPolicy {
            step_rows: 200,
            step_bytes: 20_000,
            direct_rows: 40,
            direct_bytes: 4_000,
            ..small_steps().snapshots
        },
        ..small_steps()
    }
}

/// Records of blobs that were adopted, among those that are in no segment.
fn adopted_records(lab: &Lab) -> u64 {
    let text = "SELECT count(*) FROM _log WHERE id % 256 = 0 AND substr(body, 5, 1) = x'03'";
    let found = lab.sql.first(text, &[], |row| row[0].unsigned());
    found.unwrap().unwrap()
}

impl History {
    fn new(seed: u64, steps: u64) -> Self {
        let threshold = [0, 3, 1, 8][usize::try_from(seed % 4).unwrap()];
        let is_long = steps > 1_000;
        let policy = match is_long {
            true => middling_steps(),
            false => small_steps(),
        };
        let mut lab = Lab::with_policy(collections(threshold), policy);
        lab.keep_all();
        // With a host's memory for blobs and without one.
        lab.sql.memory = (is_long || seed.is_multiple_of(2)).then(Memory::new);
        lab.write(vec![insert("notes", json!({"id": "k0"}))])
            .unwrap();
        let mut history = Self {
            seed,
            chance: Chance(seed),
            lab,
            seen: Seen::default(),
            taken: Vec::new(),
            pace: (steps / 100).max(15),
            restores: 0,
            longest: 0,
            adopted: 0,
        };
        history.seen.follow(&history.lab);
        history
    }

    /// Chains are let grow as long as they may.
    fn grows_chains(&self) -> bool {
        self.seed % 2 == 1
    }

    /// One step of a history.
    fn step(&mut self) {
        self.lab.now += 5;
        let is_rare = |chance: &mut Chance, pace: u64| chance.below(pace) == 0;
        match self.chance.below(30) {
            0 => self.lab.reopen(),
            1 | 2 => self.lab.settle(),
            _ if is_rare(&mut self.chance, 2 * self.pace / 3) => self.take(),
            _ if is_rare(&mut self.chance, 3 * self.pace) => self.forget(),
            _ if is_rare(&mut self.chance, self.pace) => self.restore(),
            _ if self.seed.is_multiple_of(3) && is_rare(&mut self.chance, 4 * self.pace) => {
                self.trim();
            }
            _ => self.write(),
        }
        self.seen.follow(&self.lab);
    }

    /// One random turn of writes.
    fn write(&mut self) {
        let chance = &mut self.chance;
        let name = COLLECTIONS[usize::from(chance.below(3) == 0)];
        let key = |chance: &mut Chance| format!("k{}", chance.below(24));
        let mutations = match chance.below(6) {
            0 => (0..2 + chance.below(6))
                .map(|n| {
                    let id = format!("b{}-{n}", chance.below(1 << 11));
                    insert(name, json!({"id": id, "n": n}))
                })
                .collect(),
            1 => vec![delete(name, &format!("b{}-0", chance.below(1 << 11)))],
            2 => vec![delete(name, &key(chance))],
            _ => (0..1 + chance.below(4))
                .map(|_| upsert(name, json!({"id": key(chance), "n": chance.below(5)})))
                .collect(),
        };
        // What is not there cannot be deleted, nor what is inserted: that is no failure here.
        let refused = ["unknown_document", "duplicate_key"];
        if let Err(error) = self.lab.write(mutations) {
            assert!(refused.contains(&error.code()), "{error}");
        }
    }

    fn take(&mut self) {
        let fulls = if self.grows_chains() { 200 } else { 3 };
        let parent = self.taken.last().map(|last| last.id.clone());
        let parent = parent.filter(|_| self.grows_chains());
        let kind = match self.chance.below(fulls) {
            0 => SnapshotKind::Full,
            _ => SnapshotKind::Incremental,
        };
        let is_incremental = kind == SnapshotKind::Incremental;
        let parent = parent.filter(|_| is_incremental);
        let Some(running) = self.begin(kind, parent) else {
            return;
        };
        // Writes between its steps.
        for _ in 0..self.chance.below(4) {
            self.write();
            self.lab.turn(Command::Wake).unwrap();
        }
        self.lab.finish_job();
        let taken = self.lab.engine.view().snapshot(&self.lab.sql, &running.id);
        self.taken.push(taken.unwrap());
        self.longest = self.longest.max(self.chain_behind(&running.id));
    }

    /// Begins to take one; where an incremental cannot be, a full one.
    fn begin(&mut self, kind: SnapshotKind, parent: Option<String>) -> Option<Snapshot> {
        let note = String::new();
        let said = self
            .lab
            .snapshots(SnapshotCommand::Create { kind, parent, note });
        match said {
            Ok(SnapshotReply::Snapshot(running)) => Some(*running),
            Ok(other) => panic!("{other:?}"),
            Err(error) if error.code() == "snapshot_parent_missing" => {
                let full = self.grows_chains();
                full.then(|| self.begin(SnapshotKind::Full, None)).flatten()
            }
            Err(error) => {
                let codes = ["snapshot_chain_too_long", "snapshot_parent_trimmed"];
                assert!(codes.contains(&error.code()), "{error}");
                self.begin(SnapshotKind::Full, None)
            }
        }
    }

    /// Incrementals between a snapshot and its full one.
    fn chain_behind(&self, id: &str) -> usize {
        let (mut count, mut id) = (0, id.to_owned());
        let parent = |id: &str| self.taken.iter().find(|s| s.id == id)?.parent.clone();
        while let Some(of) = parent(&id) {
            (count, id) = (count + 1, of);
        }
        count
    }

    fn forget(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let at = usize::try_from(self.chance.below(self.taken.len() as u64)).unwrap();
        let id = self.taken[at].id.clone();
        match self.lab.snapshots(SnapshotCommand::Delete { id }) {
            Ok(_) => drop(self.taken.remove(at)),
            Err(error) => assert_eq!(error.code(), "snapshot_has_children"),
        }
    }

    /// The log before now goes: further back only snapshots reach.
    fn trim(&mut self) {
        self.lab.now += WEEK + 1_000;
        self.write();
        let head = self.lab.engine.head().0;
        for name in COLLECTIONS {
            self.lab.committed(name, head);
        }
    }

    /// Some state that can be brought back, by what must be.
    fn target(&mut self) -> (RestoreTarget, u64) {
        let of = self.chance.below(2 * self.taken.len() as u64 + 1);
        if let Some(snapshot) = self.taken.get(usize::try_from(of).unwrap()) {
            let target = RestoreTarget::Snapshot(snapshot.id.clone());
            return (target, snapshot.sequence.0);
        }
        let sequence = self.chance.below(self.seen.head + 1);
        (RestoreTarget::Sequence(Sequence(sequence)), sequence)
    }

    fn restore(&mut self) {
        let (target, sequence) = self.target();
        let dry_run = self.chance.below(4) == 0;
        let (before, head) = (self.seen.state(self.seen.head), self.seen.head);
        let wanted = self.seen.state(sequence);
        let differs = before.differs(&wanted);
        if let Err(error) = self
            .lab
            .snapshots(self.lab.restoring(target.clone(), dry_run))
        {
            assert_eq!(error.code(), "restore_beyond_horizon", "{target:?}");
            assert!(!self.reaches(sequence), "{target:?}");
            return;
        }
        // The process ends on the way, and perhaps it is thought better of.
        for _ in 0..self.chance.below(3) {
            self.lab.turn(Command::Wake).unwrap();
            self.lab.reopen();
        }
        let is_cancelled =
            self.chance.below(8) == 0 && self.lab.snapshots(SnapshotCommand::CancelRestore).is_ok();
        self.lab.finish_job();
        let wanted = match dry_run || is_cancelled {
            true => {
                assert_eq!(self.lab.engine.head().0, head);
                before
            }
            false => wanted,
        };
        if !is_cancelled {
            let said = self.lab.engine.view().last_restore(&self.lab.sql).unwrap();
            let counted: u64 = said.differences.values().map(|d| d.total()).sum();
            assert_eq!(counted, differs, "seed {}: {target:?}", self.seed);
        }
        let place = format!("seed {}: {target:?}", self.seed);
        same(&mut self.chance, &self.lab, &wanted, &place);
        self.restores += 1;
        self.adopted += adopted_records(&self.lab);
        let is_short = self.seen.head < LOG_REPLAYED && self.lab.state().earliest.0 <= 1;
        for name in COLLECTIONS.iter().filter(|_| is_short) {
            assert_eq!(
                stored(&self.lab, name),
                replayed(&self.lab, name),
                "{place}"
            );
        }
    }

    /// True where the log or a snapshot reaches to a sequence beyond doubt.
    fn reaches(&self, sequence: u64) -> bool {
        let earliest = self.lab.state().earliest.0;
        let mut snapshots = self.taken.iter();
        let is_one = snapshots.any(|s| s.sequence.0 == sequence);
        let mut fulls = self.taken.iter().filter(|s| s.parent.is_none());
        let is_behind_one = fulls.any(|s| s.sequence.0 <= sequence && earliest <= s.sequence.0 + 1);
        earliest == 1 || is_one || is_behind_one
    }

    fn check_whole(&self) {
        let place = format!("seed {} at its end", self.seed);
        let wanted = self.seen.state(self.seen.head);
        whole(&self.lab, &wanted, &place);
        let events = self.seen.head + 1 - self.lab.state().earliest.0;
        assert_eq!(self.lab.check_log(), events, "{place}");
    }
}

/// The object's documents are those of a state: all of its keys, and all or some of the documents.
fn same(chance: &mut Chance, lab: &Lab, wanted: &State<'_>, place: &str) {
    if wanted.len() <= COMPARED_WHOLE || chance.below(10) == 0 {
        return whole(lab, wanted, place);
    }
    for name in COLLECTIONS {
        let collection = lab.schema.collection(name).unwrap();
        let body = json!({"select": ["_key"], "limit": 10_000});
        let query = Query::parse(collection, &body).unwrap();
        let rows = query.run(&lab.sql, collection).unwrap().rows;
        let keys: Vec<&str> = rows
            .iter()
            .map(|row| row["_key"].as_str().unwrap())
            .collect();
        assert!(keys == wanted.keys(name), "{place}: other keys");
        for _ in 0..COMPARED_WHOLE.min(keys.len()) {
            let key = keys[usize::try_from(chance.below(keys.len() as u64)).unwrap()];
            let found = lab.get(name, key).unwrap();
            assert_eq!(Some(&found), wanted.get(name, key), "{place}: {key}");
        }
    }
}

fn whole(lab: &Lab, wanted: &State<'_>, place: &str) {
    for name in COLLECTIONS {
        let found = stored(lab, name);
        let found = found
            .into_iter()
            .map(|(key, (_, d))| (key, Json::Object(d)));
        let found: Vec<(String, Json)> = found.collect();
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert!(keys == wanted.keys(name), "{place}: other keys");
        for (key, document) in &found {
            assert_eq!(Some(document), wanted.get(name, key), "{place}: {key}");
        }
    }
}

#[test]
fn every_state_that_was_comes_back_as_it_was() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    let seeds = number("TIDELOG_SNAPSHOT_SEEDS").unwrap_or(6);
    let steps = number("TIDELOG_STEPS").unwrap_or(200);
    let (mut restores, mut longest, mut adopted) = (0, 0, 0);
    for seed in first..first + seeds {
        let mut history = History::new(seed, steps);
        for _ in 0..steps {
            history.step();
            let head = history.lab.engine.head().0;
            assert_eq!(history.seen.head, head, "seed {seed}");
        }
        history.check_whole();
        let (made, chain) = (history.restores, history.longest);
        println!(
            "seed {seed}: {} events, {made} restores, a chain of {chain}",
            history.seen.head
        );
        (restores, longest) = (restores + made, longest.max(chain));
        adopted += history.adopted;
    }
    assert!(restores > seeds, "{restores} restores");
    // Some histories alone have none.
    assert!(seeds < 6 || adopted > 0, "no blob was adopted");
    let is_large = seeds * steps >= 1_000_000;
    assert!(!is_large || longest == 100, "longest chain: {longest}");
}
