//! An object at its `hot.max_size` whose actor wants to write.

use serde_json::json;
use tidelog_core::Sql as _;
use tidelog_log::Kind;

use super::world::World;
use crate::lab::insert;

const BYTES_MAX: u64 = 1_000_000;

/// Object `one` is full of notes, the first of them `0000`.
fn full() -> World {
    let mut world = World::new();
    world.set_max_size(BYTES_MAX);
    for n in 0.. {
        let note = json!({"id": format!("{n:04}"), "t": "x".repeat(10_000)});
        world.write("one", insert("notes", note));
        if world.nodes["one"].sql.used_bytes().unwrap() >= BYTES_MAX {
            return world;
        }
    }
    unreachable!("it never fills")
}

#[test]
fn a_full_object_refuses_messages_that_make_it_larger() {
    let mut world = full();
    for (name, body) in [
        ("add", json!({"id": "new"})),
        ("forget", json!({"id": "0000"})),
        ("go_on", json!({"id": "new"})),
    ] {
        let error = world.refused("one", name, body);
        assert_eq!(
            (error.kind(), error.code(), error.field()),
            (Kind::Unavailable, "object_full", Some("hot.max_size")),
            "{name}"
        );
    }
    world.send("one", "read", json!(null)).unwrap();
    world.send("one", "remove", json!({"id": "0000"})).unwrap();
    assert!(!world.keys("one", "notes").contains(&"0000".to_owned()));
    world.set_max_size(2 * BYTES_MAX);
    world.send("one", "add", json!({"id": "new"})).unwrap();
}

#[test]
fn letters_and_alarms_of_a_full_object_wait_for_room() {
    let mut world = full();
    let now = world.now;
    let tell = json!({"id": "1", "to": ["one"]});
    world.send("other", "tell", tell).unwrap();
    world.pump().unwrap();
    assert_eq!(world.actor_state("other").waiting, 1);
    let alarm = json!({"name": "rings", "at": now});
    world.send("one", "alarm", alarm).unwrap();
    world.wake("one");
    let wakes = world.state("one").wakes;
    let rings = wakes.iter().find(|(name, ..)| name == "alarm:rings");
    assert_eq!(rings.map(|(.., attempts)| *attempts), Some(1), "{wakes:?}");
    world.set_max_size(2 * BYTES_MAX);
    world.write("one", insert("watched", json!({"id": "upgrades"})));
    world.now += 60_000;
    world.wake("one");
    world.pump().unwrap();
    let notes = world.keys("one", "notes");
    for wanted in ["1 0", "rings rang"] {
        assert!(notes.contains(&wanted.to_owned()), "{wanted}: {notes:?}");
    }
}
