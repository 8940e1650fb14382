//! The run that is recorded: group commits, single turns, big records, checkpoints, a reopening.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_core::{Address, Caller, Command, LogPolicy, Mutation, SqlExt, TypeSchema, TypeSpec};
use tidelog_embedded::{OpenObject, Sqlite};

use crate::chance::Chance;
use crate::recording::Operation;
use crate::vfs::{Shared, connect};

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The caller is told before the transaction is committed.
    EarlyAcknowledgement,
    /// The connection has this `PRAGMA synchronous` instead of FULL.
    Synchronous(&'static str),
}

/// Largest database of the run, bytes.
pub(crate) const BYTES_MAX: u64 = 1 << 30;
/// Documents that a turn chooses from.
const KEYS: usize = 40;

pub(crate) fn address() -> Address {
    Address::object("lab", "one").unwrap()
}

pub(crate) fn schema() -> Arc<TypeSchema> {
    let spec = json!({"type": "lab", "collections": {"notes": {
        "fields": {"title": {"type": "string"}, "n": {"type": "int"}},
        "indexes": [{"fields": ["n"]}],
        "cold": {"enabled": false}
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

pub(crate) fn upsert(document: Json) -> Mutation {
    let Json::Object(document) = document else {
        panic!("a document is an object");
    };
    Mutation::Upsert {
        collection: "notes".to_owned(),
        document: document.into(),
        if_version: None,
    }
}

/// Runs `groups` groups of turns and returns what they did to the disk.
pub(crate) fn run(fault: Fault, seed: u64, groups: usize) -> Shared {
    let recording = Shared::default();
    let (schema, mut chance) = (schema(), Chance::new(seed));
    let mut object = open(&recording, fault);
    for at in 0..groups {
        if at == groups / 2 {
            // Closing checkpoints and deletes the WAL; the next opening makes it anew.
            drop(object);
            object = open(&recording, fault);
        }
        let mut commands: Vec<Command> = (0..1 + chance.below(5))
            .map(|_| write(&schema, mutations(&mut chance)))
            .collect();
        if at + 3 == groups {
            commands.push(write(&schema, vec![big("a"), big("b")]));
        }
        if fault == Fault::EarlyAcknowledgement {
            note(&recording, object.engine().head().0 + 1);
        }
        let outcome = object.group(commands);
        assert!(outcome.usable);
        for answer in outcome.answers {
            // A turn may delete what is not there: it is refused, and the others of its group stand.
            if let Err(error) = answer {
                assert_eq!(error.code(), "unknown_document");
            }
        }
        note(&recording, object.engine().head().0);
    }
    drop(object);
    recording
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

fn mutations(chance: &mut Chance) -> Vec<Mutation> {
    let count = 1 + chance.below(6);
    (0..count).map(|_| mutation(chance)).collect()
}

fn mutation(chance: &mut Chance) -> Mutation {
    let key = format!("k{}", chance.below(KEYS));
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

/// Two of these make a record of more than one part.
fn big(key: &str) -> Mutation {
    upsert(json!({"id": key, "title": "y".repeat(1_000_000)}))
}
