//! Messages from outside: one turn, one answer, or nothing at all.

use serde_json::json;
use tidelog_core::{Actors, Caller};
use tidelog_log::Kind;

use super::world::{WATCHED, World};
use crate::lab::insert;

#[test]
fn a_message_is_answered_and_logged_as_one_turn() {
    let mut world = World::new();
    let caller = Caller {
        source: "desk".to_owned(),
        ..Caller::default()
    };
    let reply = world
        .send_as("one", caller, "add", json!({"id": "a", "n": 3}))
        .unwrap();
    assert_eq!(reply.reply, json!({"total": 1}));
    assert_eq!(reply.offset.sequence.0, 1);
    let node = &world.nodes["one"];
    let request = tidelog_core::ChangesRequest {
        start: tidelog_log::StartAt::Beginning,
        filter: tidelog_log::EventFilter::default(),
        images: tidelog_core::Images::Changed,
        limit: 10,
    };
    let page = node.engine.view().changes(&node.sql, &request).unwrap();
    let event = &page.events[0];
    assert_eq!(event["turn"]["cause"], "message:add");
    assert_eq!(event["source"], "desk");
    assert_eq!(event["after"]["n"], 3);
}

#[test]
fn an_error_of_the_actor_takes_everything_back() {
    let mut world = World::new();
    world.send("one", "add", json!({"id": "a"})).unwrap();
    let error = world.refused("one", "take_back", json!({"id": "b"}));
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Conflict, "lab.taken_back")
    );
    assert_eq!(error.field(), Some("id"));
    let error = world.refused("one", "panic", json!({"id": "b"}));
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Internal, "actor_failed")
    );
    assert!(error.message().contains("panics on b"), "{error}");
    let error = world.refused("one", "go_on", json!({"id": "a"}));
    assert_eq!(
        error.code(),
        "duplicate_key",
        "a failed change fails the turn"
    );
    assert!(world.due("one").is_empty());
    world.send("one", "add", json!({"id": "b"})).unwrap();
    assert_eq!(world.keys("one", "notes"), ["a", "b"]);
}

#[test]
fn what_the_actor_does_not_take_is_refused_by_name_and_place() {
    let mut world = World::new();
    let error = world.refused("one", "ad", json!({}));
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::NotFound, "unknown_message")
    );
    assert!(error.message().contains("it takes add, alarm,"), "{error}");
    for (name, body, field) in [
        ("add", json!({"id": 7}), Some("id")),
        ("add", json!({"id": "a", "more": 1}), Some("more")),
        ("add", json!({}), None),
        ("add", json!(null), None),
        (
            "plan",
            json!({"days": [{"hour": 1}, {"hour": 700}]}),
            Some("days[1].hour"),
        ),
    ] {
        let error = world.refused("one", name, body);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Invalid, "invalid_message")
        );
        assert_eq!(error.field(), field, "{error}");
    }
    let long = "x".repeat(300_000);
    let error = world.refused("one", "add", json!({ "id": long }));
    assert_eq!(error.code(), "message_too_large");
    world.actors = Actors::new();
    world.reopen();
    let error = world.refused("one", "add", json!({"id": "a"}));
    assert_eq!(error.code(), "unknown_message");
    assert!(error.message().contains("has no actor"), "{error}");
}

#[test]
fn a_repeated_key_is_answered_and_not_done_again() {
    let mut world = World::new();
    let caller = Caller {
        idempotency_key: "k".to_owned(),
        ..Caller::default()
    };
    let mut ask =
        |name: &str, id: &str| world.send_as("one", caller.clone(), name, json!({ "id": id }));
    let first = ask("add", "a").unwrap();
    let again = ask("add", "a").unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!((again.reply, again.offset), (first.reply, first.offset));
    for (name, id) in [("add", "b"), ("later", "a")] {
        assert_eq!(ask(name, id).unwrap_err().code(), "idempotency_key_reused");
    }
    assert_eq!(world.keys("one", "notes"), ["a"]);
    // A write under the key of a message, and the other way round, is something else too.
    let schema = crate::lab::schema(None, crate::lab::notes()).unwrap();
    let write = tidelog_core::Command::Write {
        schema,
        caller,
        mutations: vec![insert("notes", json!({"id": "w"}))],
    };
    let error = world.turn("one", write).unwrap_err();
    assert_eq!(error.code(), "idempotency_key_reused");
}

#[test]
fn time_and_randomness_are_the_inputs() {
    let (mut one, mut two) = (World::new(), World::new());
    let first = one.send("one", "chance", json!(null)).unwrap();
    assert_eq!(first, two.send("one", "chance", json!(null)).unwrap());
    let second = one.send("one", "chance", json!(null)).unwrap();
    assert_ne!(first.reply[0], second.reply[0]);
    assert_ne!(first.reply[0], first.reply[1]);
    assert_eq!(first.reply[3], one.now);
}

#[test]
fn a_message_that_leaves_nothing_makes_no_object() {
    let mut world = World::new();
    let blank = |world: &World, id: &str| {
        let node = &world.nodes[id];
        node.engine.view().is_blank(&node.sql).unwrap()
    };
    world.send("one", "read", json!(null)).unwrap();
    assert!(blank(&world, "one"));
    world
        .send("two", "alarm", json!({"name": "x", "at": 1}))
        .unwrap();
    assert!(!blank(&world, "two"));
    world.send("three", "add", json!({"id": "a"})).unwrap();
    assert!(!blank(&world, "three"));
}

#[test]
fn a_deleted_object_lives_again_with_the_first_thing_its_actor_writes() {
    let mut world = World::new();
    world.send("one", "add", json!({"id": "a"})).unwrap();
    world
        .send("one", "alarm", json!({"name": "x", "at": 1}))
        .unwrap();
    let caller = Caller::default();
    world
        .turn("one", tidelog_core::Command::DeleteObject { caller })
        .unwrap();
    assert_eq!(world.state("one").status, "deleted");
    world.send("one", "read", json!(null)).unwrap();
    assert_eq!(world.state("one").status, "deleted");
    let reply = world.send("one", "add", json!({"id": "a"})).unwrap();
    assert_eq!(reply.reply, json!({"total": 1}));
    assert_eq!(world.state("one").status, "active");
    world.now += 1_000;
    world.wake("one");
    assert_eq!(world.keys("one", "notes"), ["a"], "its alarms went with it");
}

#[test]
fn names_are_checked_when_actors_are_registered() {
    use super::teller::Teller;
    assert!(Actors::new().with("lab", Teller).check().is_ok());
    for (actors, code) in [
        (Actors::new().with("Lab", Teller), "invalid_name"),
        (
            Actors::new().with("lab", Teller).with("lab", Teller),
            "duplicate_name",
        ),
    ] {
        assert_eq!(actors.check().unwrap_err().code(), code);
    }
}

#[test]
fn an_actor_reads_its_own_changes_of_folded_documents() {
    let mut world = World::new();
    for n in 0..1_000 {
        world.write("one", insert("notes", json!({"id": format!("{n:04}")})));
    }
    world.wake("one");
    let node = &world.nodes["one"];
    assert_eq!(
        node.engine.view().state(&node.sql).unwrap().folded[0].documents,
        1_000
    );
    let reply = world.send("one", "forget", json!({"id": "0500"})).unwrap();
    assert_eq!(reply.reply, json!({"total": 999}));
    assert_eq!(world.keys("one", "notes").len(), 999);
}

#[test]
fn a_host_knows_whose_code_runs() {
    let mut world = World::new();
    let watched = || WATCHED.take();
    world.send("one", "add", json!({"id": "a"})).unwrap();
    assert_eq!(watched(), [true, false]);
    world.refused("one", "take_back", json!({"id": "b"}));
    assert_eq!(watched(), [true, false], "an error is no panic");
    world.refused("one", "panic", json!({"id": "b"}));
    assert_eq!(watched(), [true], "it never ended");
    world.write("one", insert("notes", json!({"id": "c"})));
    world.refused("one", "unknown", json!(null));
    assert!(watched().is_empty(), "no code of the actor's");
    let at = world.now;
    world
        .send("one", "alarm", json!({"name": "rings", "at": at}))
        .unwrap();
    world.wake("one");
    assert_eq!(watched(), [true, false, true, false]);
}
