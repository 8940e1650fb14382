//! A disk that fills up in the middle of a group.

use serde_json::json;
use tidelog_core::{Command, LogPolicy};
use tidelog_embedded::{OpenObject, Sqlite};

use crate::check::check_whole;
use crate::script::{Folding, address, schema, upsert, write};
use crate::vfs::{Shared, connect};

/// SQLite undoes the whole transaction itself when the disk is full, the turns before the failing one
/// included. Nothing after it may then be taken as if they still stood.
#[test]
fn a_full_disk_in_a_group_fails_the_group_and_leaves_a_whole_log() {
    let recording = Shared::default();
    let mut object = open(&recording);
    assert!(object.group(vec![note("a", 10)]).usable);
    let outcome = object.group(vec![note("b", 10), note("c", 900_000), note("d", 10)]);
    assert!(!outcome.usable);
    assert!(outcome.answers.iter().all(Result::is_err), "{outcome:?}");
    drop(object);
    let object = open(&recording);
    assert_eq!(object.engine().head().0, 1);
    assert_eq!(check_whole(&object), Ok(()));
}

#[test]
fn a_full_disk_in_a_lone_turn_undoes_that_turn() {
    let recording = Shared::default();
    let mut object = open(&recording);
    for (key, bytes, fits) in [("a", 10, true), ("b", 900_000, false), ("c", 10, true)] {
        let outcome = object.group(vec![note(key, bytes)]);
        assert_eq!(outcome.answers[0].is_ok(), fits, "{outcome:?}");
        if !outcome.usable {
            drop(object);
            object = open(&recording);
        }
    }
    drop(object);
    let object = open(&recording);
    assert_eq!(object.engine().head().0, 2);
    assert_eq!(check_whole(&object), Ok(()));
}

/// An object on a disk of 600 kB.
fn open(recording: &Shared) -> OpenObject {
    let sqlite = Sqlite::writer_on(connect(recording), 600_000).unwrap();
    OpenObject::on(sqlite, &address(), LogPolicy::default()).unwrap()
}

/// A write of a document of about `bytes` bytes.
fn note(key: &str, bytes: usize) -> Command {
    let document = json!({"id": key, "title": "x".repeat(bytes)});
    write(&schema(Folding::Off), vec![upsert(document)])
}
