//! The same history of an object gives the same rows in the lake whether its documents fold or not.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, Caller, Command, Engine, Input, LogPolicy, Mutation, TypeSchema, TypeSpec,
};
use tidelog_lake::{MemoryBlobs, PushReply};
use tidelog_log::{Operation, Sequence};

use crate::support::{ALL_TYPES, Sqlite, Table, document};

/// Rows past which the objects fold that get the same inputs; 0: never.
const THRESHOLDS: [u64; 3] = [0, 1, 1_000];
/// Documents of the largest insert: over every threshold.
const BULK: u64 = 1_100;
const KEEP_MILLIS: i64 = 60_000;
const STEPS: u64 = 60;

/// An object, its table, and the way between.
struct Feed {
    sql: Sqlite,
    engine: Engine,
    schema: Arc<TypeSchema>,
    table: Table<MemoryBlobs>,
    mark: Sequence,
    now: i64,
}

fn schema(threshold: u64) -> Arc<TypeSchema> {
    let mut fields = json!({});
    for (name, field_type) in ALL_TYPES {
        fields[name] = json!({"type": field_type});
    }
    fields["embedding"]["dimensions"] = json!(2);
    let spec = json!({"type": "airport", "collections": {"flights": {
        "fields": fields, "cold": {"enabled": true}, "hot": {"vortex_threshold": threshold},
    }}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    Arc::new(TypeSchema::register(None, &spec).unwrap())
}

impl Feed {
    fn new(threshold: u64) -> Self {
        let sql = Sqlite(Connection::open_in_memory().unwrap());
        let address = Address::object("airport", "JFK").unwrap();
        let policy = LogPolicy {
            keep_millis: KEEP_MILLIS,
            ..LogPolicy::default()
        };
        let schema = schema(threshold);
        let collection = schema.collection("flights").unwrap();
        Self {
            engine: Engine::open(&sql, &address, policy).unwrap(),
            table: Table::new(MemoryBlobs::new(), collection),
            schema,
            sql,
            mark: Sequence(0),
            now: 1_700_000_000_000,
        }
    }

    fn turn(&mut self, command: Command) {
        let (now, entropy) = (self.now, [7; 16]);
        let input = Input {
            now,
            entropy,
            command,
        };
        self.engine.turn(&self.sql, input).unwrap();
    }

    fn write(&mut self, mutations: Vec<Mutation>) {
        let (schema, caller) = (Arc::clone(&self.schema), Caller::default());
        self.turn(Command::Write {
            schema,
            caller,
            mutations,
        });
    }

    /// Every timer that is due, so every step of folding.
    fn wake(&mut self) {
        let due = |feed: &Self| feed.engine.view().wake_at(&feed.sql).unwrap();
        while due(self).is_some_and(|at| at <= self.now) {
            self.turn(Command::Wake);
        }
    }

    /// Some of what the table lacks.
    fn push(&mut self, bytes_max: usize) {
        let view = self.engine.view();
        let batch = view.batch(&self.sql, "flights", self.mark, bytes_max);
        let (batch, table) = (batch.unwrap(), &self.table);
        let reply = table.actor.accept(&table.sql, table.clock, &batch).unwrap();
        self.mark = match reply {
            PushReply::Accepted { mark, .. } => mark,
            other => panic!("{other:?}"),
        };
    }

    /// What the table has is committed, and the object hears of it: it may trim its log.
    fn flush(&mut self) {
        for committed in self.table.flush() {
            let destination = Address::table("airport", "flights").unwrap().to_string();
            let sequence = committed.sequence;
            self.turn(Command::Committed {
                destination,
                sequence,
            });
        }
    }

    fn blobs(&self) -> u64 {
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let found = self
            .sql
            .0
            .query_row("SELECT count(*) FROM _blobs", [], count);
        found.unwrap().unsigned_abs()
    }
}

/// A splitmix64 generator: every number follows from the seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What the history has made so far.
#[derive(Default)]
struct History {
    made: u64,
    keys: BTreeSet<String>,
}

impl History {
    fn inserts(&mut self, chance: &mut Chance, count: u64) -> Vec<Mutation> {
        let mut new = || {
            self.made += 1;
            // Keys come in no order: blobs overlap.
            let key = format!("{:03}-{}", chance.below(1_000), self.made);
            self.keys.insert(key.clone());
            let document = json_of(self.made, &key).into();
            let collection = "flights".to_owned();
            Mutation::Insert {
                collection,
                document,
            }
        };
        (0..count).map(|_| new()).collect()
    }

    /// Changes of documents that are there, each once.
    fn changes(&mut self, chance: &mut Chance, count: u64) -> Vec<Mutation> {
        let mut mutations = Vec::new();
        for _ in 0..count {
            let from = format!("{:03}", chance.below(1_000));
            let Some(key) = self.keys.range(from..).next().cloned() else {
                continue;
            };
            let collection = "flights".to_owned();
            mutations.push(match chance.below(3) {
                0 => {
                    self.keys.remove(&key);
                    Mutation::Delete {
                        collection,
                        key,
                        if_version: None,
                    }
                }
                _ => {
                    self.made += 1;
                    let document = json_of(self.made, &key);
                    Mutation::Put {
                        collection,
                        key,
                        document,
                        if_version: None,
                    }
                }
            });
        }
        mutations
    }
}

fn json_of(n: u64, key: &str) -> tidelog_core::JsonObject {
    let row = document(i64::try_from(n).unwrap());
    let at = |id: u32| usize::try_from(id - 1).unwrap();
    match row.to_json(|id| ALL_TYPES.get(at(id)).map(|(name, _)| *name)) {
        Json::Object(mut members) => {
            members.insert("id".to_owned(), json!(key));
            members
        }
        other => panic!("{other} is no document"),
    }
}

#[test]
fn the_lake_is_the_same_whatever_the_threshold() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    for seed in first..first + number("TIDELOG_SEEDS").unwrap_or(3) {
        let (mut chance, mut history) = (Chance(seed), History::default());
        let mut feeds = THRESHOLDS.map(Feed::new);
        let mut most = [0; THRESHOLDS.len()];
        for at in 0..STEPS {
            step(&mut chance, &mut history, &mut feeds, at);
            for (most, feed) in most.iter_mut().zip(&feeds) {
                *most = feed.blobs().max(*most);
            }
        }
        assert!(most[0] == 0 && most[1] > 0 && most[2] > 0, "{most:?}");
        for feed in &mut feeds {
            while feed.mark < feed.engine.head() {
                feed.push(2_000_000);
            }
            feed.flush();
        }
        let [off, one, thousand] = feeds.map(|feed| {
            let rows = feed.table.rows(None);
            assert_eq!(rows.len() as u64, feed.engine.head().0, "seed {seed}");
            rows
        });
        assert!(
            off == one && off == thousand,
            "seed {seed}: the lakes differ"
        );
        let operations: BTreeSet<&str> = off.iter().map(|row| row.operation.name()).collect();
        let all = [Operation::Insert, Operation::Update, Operation::Delete];
        assert_eq!(operations, all.iter().map(|o| o.name()).collect());
    }
}

/// The same input for every object; only what folds differs.
fn step(chance: &mut Chance, history: &mut History, feeds: &mut [Feed], at: u64) {
    for feed in feeds.iter_mut() {
        feed.now += 7_000;
    }
    let mutations = match chance.below(10) {
        _ if at == 0 || at == STEPS / 2 => history.inserts(chance, BULK),
        0..4 => {
            let count = 1 + chance.below(30);
            history.inserts(chance, count)
        }
        4..7 => {
            let count = 1 + chance.below(60);
            history.changes(chance, count)
        }
        7 => return feeds.iter_mut().for_each(Feed::flush),
        _ => {
            // Some of the records are read as they were written, some after their rows folded.
            let bytes_max = [1, 20_000, 2_000_000][usize::try_from(chance.below(3)).unwrap()];
            return feeds.iter_mut().for_each(|feed| feed.push(bytes_max));
        }
    };
    let wakes = chance.below(2) == 0;
    for feed in feeds {
        feed.write(mutations.clone());
        if wakes {
            feed.wake();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner's own variables")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}
