//! The run that is recorded: group commits, single turns, big records, checkpoints, a reopening, and
//! where documents fold, every step of that.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, Caller, Command, JsonObject, LogPolicy, Mutation, SqlExt, TypeSchema, TypeSpec,
};
use tidelog_embedded::{OpenObject, Sqlite};

use crate::chance::Chance;
use crate::recording::Operation;
use crate::torn_fold::torn_fold;
use crate::vfs::{Shared, connect};

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The caller is told before the transaction is committed.
    EarlyAcknowledgement,
    /// The connection has this `PRAGMA synchronous` instead of FULL.
    Synchronous(&'static str),
    /// Rows are deleted in one transaction and found as a blob after another.
    TornFold,
}

/// Whether the documents of a run fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folding {
    Off,
    On,
}

/// Largest database of the run, bytes.
pub(crate) const BYTES_MAX: u64 = 1 << 30;
/// Documents that a turn chooses from.
const KEYS: usize = 40;
/// Rows past which documents fold, where they do.
const THRESHOLD: usize = 8;

pub(crate) fn address() -> Address {
    Address::object("lab", "one").unwrap()
}

pub(crate) fn schema(folding: Folding) -> Arc<TypeSchema> {
    let threshold = match folding {
        Folding::Off => 0,
        Folding::On => THRESHOLD,
    };
    let spec = json!({"type": "lab", "collections": {"notes": {
        "fields": {"title": {"type": "string"}, "n": {"type": "int"}, "name": {"type": "string"}},
        "indexes": [{"fields": ["n"]}, {"fields": ["name"], "unique": true}],
        "cold": {"enabled": false}, "hot": {"vortex_threshold": threshold}
    }}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    Arc::new(TypeSchema::register(None, &spec).unwrap())
}

pub(crate) fn write(schema: &Arc<TypeSchema>, mutations: Vec<Mutation>) -> Command {
    Command::Write {
        schema: Arc::clone(schema),
        caller: Caller::default(),
        mutations,
    }
}

fn members(document: Json) -> JsonObject {
    match document {
        Json::Object(members) => members,
        other => panic!("{other} is no document"),
    }
}

pub(crate) fn upsert(document: Json) -> Mutation {
    Mutation::Upsert {
        collection: "notes".to_owned(),
        document: members(document).into(),
        if_version: None,
    }
}

/// Runs `groups` groups of turns and returns what they did to the disk.
pub(crate) fn run(fault: Fault, folding: Folding, seed: u64, groups: usize) -> Shared {
    let recording = Shared::default();
    let (schema, mut chance) = (schema(folding), Chance::new(seed));
    let mut object = open(&recording, fault);
    for at in 0..groups {
        if at == groups / 2 {
            // Closing checkpoints and deletes the WAL; the next opening makes it anew.
            drop(object);
            object = open(&recording, fault);
        }
        let mut commands: Vec<Command> = (0..1 + chance.below(5))
            .map(|_| write(&schema, mutations(&mut chance, at)))
            .collect();
        if folding == Folding::On && at % 3 == 1 {
            commands.push(write(&schema, bulk(at)));
        }
        if at + 3 == groups {
            commands.push(write(&schema, vec![big("a"), big("b")]));
        }
        take(&recording, &mut object, commands, fault);
        while let Some(due) = fold_due(&object) {
            if fault == Fault::TornFold {
                torn_fold(object.sql(), due);
                drop(object);
                object = open(&recording, fault);
                continue;
            }
            // The timer shares its transaction with a turn, or has it alone.
            let mut commands = vec![Command::Wake];
            if chance.below(2) == 0 {
                commands.push(write(&schema, mutations(&mut chance, at)));
            }
            take(&recording, &mut object, commands, fault);
        }
    }
    drop(object);
    recording
}

/// One group, and its acknowledgement.
fn take(recording: &Shared, object: &mut OpenObject, commands: Vec<Command>, fault: Fault) {
    if fault == Fault::EarlyAcknowledgement {
        note(recording, object.engine().head().0 + 1);
    }
    let outcome = object.group(commands);
    assert!(outcome.usable);
    for answer in outcome.answers {
        // A turn may delete what is not there: it is refused, and the others of its group stand.
        if let Err(error) = answer {
            assert_eq!(error.code(), "unknown_document");
        }
    }
    note(recording, object.engine().head().0);
}

/// When the next step of folding is due, if one is.
fn fold_due(object: &OpenObject) -> Option<i64> {
    let state = object.engine().view().state(object.sql()).unwrap();
    let mut wakes = state.wakes.into_iter();
    let (_, at, attempts) = wakes.find(|(name, ..)| name == "fold")?;
    assert_eq!(attempts, 0, "a step of folding failed");
    Some(at)
}

fn open(recording: &Shared, fault: Fault) -> OpenObject {
    let sqlite = Sqlite::writer_on(connect(recording), BYTES_MAX).unwrap();
    sqlite.exec("PRAGMA wal_autocheckpoint = 30", &[]).unwrap();
    if let Fault::Synchronous(level) = fault {
        let pragma = format!("PRAGMA synchronous = {level}");
        sqlite.exec(&pragma, &[]).unwrap();
    }
    OpenObject::on(sqlite, &address(), LogPolicy::default()).unwrap()
}

fn note(recording: &Shared, sequence: u64) {
    let acknowledged = Operation::Acknowledged(sequence);
    recording.lock().unwrap().record(acknowledged);
}

fn mutations(chance: &mut Chance, at: usize) -> Vec<Mutation> {
    let count = 1 + chance.below(6);
    (0..count).map(|_| mutation(chance, at)).collect()
}

/// A change in the group before which there were `at` others.
fn mutation(chance: &mut Chance, at: usize) -> Mutation {
    let key = match chance.below(4) {
        // Of an earlier group's bulk insert, if it made one.
        0 if at > 0 => format!("bulk{}-{}", chance.below(at), chance.below(THRESHOLD)),
        _ => format!("k{}", chance.below(KEYS)),
    };
    if chance.below(12) == 0 {
        return Mutation::Delete {
            collection: "notes".to_owned(),
            key,
            if_version: None,
        };
    }
    let title = "x".repeat(chance.below(3_000));
    let tag = chance.below(1_000);
    upsert(json!({"id": key, "title": title, "n": chance.below(1_000), "tag": tag}))
}

/// So many new documents that they go straight into a blob.
fn bulk(at: usize) -> Vec<Mutation> {
    let documents = (0..THRESHOLD + at % 4).map(|n| {
        let key = format!("bulk{at}-{n}");
        let name = format!("{at} {n}");
        json!({"id": key, "title": "z".repeat(n * 40), "n": n, "name": name})
    });
    let insert = |document| Mutation::Insert {
        collection: "notes".to_owned(),
        document: members(document).into(),
    };
    documents.map(insert).collect()
}

/// Two of these make a record of more than one part.
fn big(key: &str) -> Mutation {
    upsert(json!({"id": key, "title": "y".repeat(1_000_000)}))
}
