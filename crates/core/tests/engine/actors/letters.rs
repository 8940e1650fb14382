//! Messages between objects: each is handled once, in order, or kept with the reason.

use serde_json::{Value as Json, json};
use tidelog_core::{ActorCommand, Effect, Outcome};
use tidelog_log::Error;

use super::world::World;

fn tell(id: &str, to: &[&str]) -> Json {
    json!({ "id": id, "to": to })
}

#[test]
fn messages_arrive_in_order_and_are_gone_then() {
    let mut world = World::new();
    world
        .send("a", "tell", tell("1", &["b", "c", "b"]))
        .unwrap();
    world.send("a", "tell", tell("2", &["b"])).unwrap();
    assert_eq!(world.due("a").len(), 2, "one for each receiver");
    world.pump().unwrap();
    assert_eq!(world.history("b"), ["1 0", "1 2", "2 0"]);
    assert_eq!(world.history("c"), ["1 1"]);
    let node = &world.nodes["b"];
    let note = node.engine.view().get(&node.sql, "notes", "1 0").unwrap();
    assert_eq!(note.document["from"], "lab/a");
    assert_eq!(world.actor_state("a").waiting, 0);
    let timers: Vec<String> = world.state("a").wakes.into_iter().map(|w| w.0).collect();
    assert!(!timers.contains(&"outbox".to_owned()), "{timers:?}");
}

#[test]
fn a_turn_that_sends_tells_the_host() {
    let mut world = World::new();
    let schema = crate::lab::schema(None, json!({"notes": {}})).unwrap();
    let command = ActorCommand::Message {
        schema,
        caller: tidelog_core::Caller::default(),
        name: "tell".to_owned(),
        body: tell("1", &["b"]),
    };
    let effects = world.act("a", command).unwrap();
    assert!(effects.contains(&Effect::Posted), "{effects:?}");
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::WakeAt(_)))
    );
}

#[test]
fn a_letter_that_comes_again_is_taken_once() {
    let mut world = World::new();
    world.send("a", "tell", tell("1", &["b"])).unwrap();
    let letter = world.due("a").remove(0);
    for _ in 0..3 {
        world.deliver(&letter).unwrap();
    }
    world.reopen();
    world.deliver(&letter).unwrap();
    assert_eq!(world.keys("b", "notes"), ["1 0"]);
    world.delivered(&letter, Outcome::Taken);
    world.delivered(&letter, Outcome::Failed(Error::internal("late news")));
    assert_eq!(world.actor_state("a").failed, []);
}

#[test]
fn a_refused_letter_is_kept_and_those_behind_it_go_on() {
    let mut world = World::new();
    world.send("b", "add", json!({"id": "1 0"})).unwrap();
    world.send("a", "tell", tell("1", &["b"])).unwrap();
    let nonsense = json!({"id": "2", "to": ["b"], "message": "nonsense"});
    world.send("a", "tell", nonsense).unwrap();
    world.send("a", "tell", tell("3", &["b"])).unwrap();
    world.pump().unwrap();
    assert_eq!(world.keys("b", "notes"), ["1 0", "3 0"]);
    let failed = world.actor_state("a").failed;
    let codes: Vec<&str> = failed.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["unknown_message", "duplicate_key"]);
    assert_eq!(failed[0].to, "lab/b");
    assert_eq!(failed[0].body, r#"{"id":"2 0"}"#);
}

#[test]
fn a_receiver_that_cannot_now_is_asked_later_and_order_holds() {
    let mut world = World::new();
    let later = json!({"id": "1", "to": ["b"], "message": "later"});
    world.send("a", "tell", later).unwrap();
    world.send("a", "tell", tell("2", &["b", "c"])).unwrap();
    world.pump().unwrap();
    assert_eq!(world.history("c"), ["2 1"], "others do not wait");
    assert_eq!(world.actor_state("a").waiting, 2);
    world.wake("a"); // what is left in `wakes` is the outbox's
    let start = world.now;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let next = world.nodes["a"]
            .engine
            .view()
            .wake_at(&world.nodes["a"].sql);
        world.now = next.unwrap().unwrap();
        waits.push((world.now - start) / 1_000);
        world.wake("a");
        world.pump().unwrap();
    }
    assert_eq!(waits, [1, 3, 7, 15, 31, 63, 127, 255, 511, 811]);
    world.send("b", "add", json!({"id": "ready"})).unwrap();
    world.now += 300_000;
    world.pump().unwrap();
    assert_eq!(world.history("b"), ["ready", "1 0", "2 0"]);
}

#[test]
fn a_receiver_that_breaks_or_never_comes_is_given_up_in_the_end() {
    let mut world = World::new();
    let panics = json!({"id": "1", "to": ["b"], "message": "panic"});
    world.send("a", "tell", panics).unwrap();
    let later = json!({"id": "2", "to": ["c"], "message": "later"});
    world.send("a", "tell", later).unwrap();
    for _ in 0..9 {
        world.pump().unwrap();
        world.now += 300_000;
    }
    assert_eq!(world.actor_state("a").failed, []);
    world.pump().unwrap();
    assert_eq!(world.actor_state("a").failed[0].code, "actor_failed");
    world.now += 7 * 24 * 60 * 60 * 1_000;
    world.pump().unwrap();
    assert_eq!(world.actor_state("a").failed[0].code, "lab.later");
    assert_eq!(world.actor_state("a").waiting, 0);
}

#[test]
fn what_is_sent_has_limits() {
    let mut world = World::new();
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let error = world.refused("a", "tell", json!({"id": "x", "to": many}));
    assert_eq!(error.code(), "too_many_messages");
    let error = world.refused("a", "tell", json!({"id": "x", "to": ["a/b"]}));
    assert_eq!(error.code(), "invalid_object_id");
    for turn in 0..100 {
        let hundred: Vec<String> = (0..100).map(|n| format!("{turn}-{n}")).collect();
        world
            .send("a", "tell", json!({"id": turn.to_string(), "to": hundred}))
            .unwrap();
    }
    let error = world.refused("a", "tell", tell("one more", &["b"]));
    assert_eq!(error.code(), "outbox_full");
    assert_eq!(world.due("a").len(), 16);
}

#[test]
fn what_a_deleted_object_sent_is_delivered_still() {
    let mut world = World::new();
    world.send("a", "tell", tell("1", &["b"])).unwrap();
    let caller = tidelog_core::Caller::default();
    world
        .turn("a", tidelog_core::Command::DeleteObject { caller })
        .unwrap();
    world.pump().unwrap();
    assert_eq!(world.keys("b", "notes"), ["1 0"]);
    // In its next life it counts on: nothing is taken for a repeat.
    world.now += 1;
    world.send("a", "tell", tell("2", &["b"])).unwrap();
    world.pump().unwrap();
    assert_eq!(world.keys("b", "notes"), ["1 0", "2 0"]);
}

#[test]
fn silent_senders_are_forgotten_after_a_month() {
    let mut world = World::new();
    world.send("a", "tell", tell("1", &["b"])).unwrap();
    world.pump().unwrap();
    let senders = |world: &World| world.strings("b", "SELECT sender FROM _senders").len();
    for _ in 0..29 {
        world.now += 24 * 60 * 60 * 1_000;
        world.wake("b");
    }
    assert_eq!(senders(&world), 1);
    world.now += 2 * 24 * 60 * 60 * 1_000;
    world.wake("b");
    assert_eq!(senders(&world), 0);
}
