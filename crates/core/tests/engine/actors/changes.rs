//! `on_change`: every change once and in order, whatever fails.

use serde_json::json;

use super::world::World;
use crate::lab::{delete, insert, update};

#[test]
fn every_change_is_seen_once_in_order_whoever_made_it() {
    let mut world = World::new();
    world.write("one", insert("watched", json!({"id": "a"})));
    world.write("one", insert("notes", json!({"id": "unseen"})));
    world.write("one", update("watched", "a", json!({"n": 1})));
    world.wake("one");
    world.write("one", delete("watched", "a"));
    world.reopen();
    world.wake("one");
    world.wake("one");
    let seen = world.keys("one", "seen");
    assert_eq!(seen.len(), 3, "{seen:?}");
    let what: Vec<&str> = seen.iter().map(|key| &key[7..]).collect();
    assert_eq!(what, ["Insert a", "Update a", "Delete a"]);
    let (state, head) = (world.actor_state("one"), world.state("one").head);
    assert_eq!(state.followed, Some(head), "its own changes are behind it");
}

#[test]
fn a_failing_on_change_fails_no_write_and_loses_no_change() {
    let mut world = World::new();
    world.write("one", insert("watched", json!({"id": "good"})));
    world.write("one", insert("watched", json!({"id": "bad"})));
    world.wake("one");
    assert!(world.keys("one", "seen").is_empty(), "one turn, taken back");
    assert_eq!(
        world.actor_state("one").errors[0].1,
        "lab.bad: a change it cannot bear"
    );
    world.write("one", insert("watched", json!({"id": "more"})));
    world.write("one", insert("notes", json!({"id": "mended"})));
    world.now += 1_000;
    world.wake("one");
    world.wake("one");
    let seen = world.keys("one", "seen");
    let what: Vec<&str> = seen.iter().map(|key| &key[7..]).collect();
    assert_eq!(what, ["Insert good", "Insert bad", "Insert more"]);
    assert_eq!(world.actor_state("one").errors, []);
}

#[test]
fn the_log_is_kept_until_on_change_has_seen_it() {
    let mut world = World::new();
    world.write("one", insert("watched", json!({"id": "bad"})));
    world.wake("one");
    world.write("one", insert("notes", json!({"id": "x"})));
    world.now += 30 * 24 * 60 * 60 * 1_000;
    world.write("one", insert("notes", json!({"id": "mended"})));
    // The trimming timer and the failing one ring together, in either order.
    world.wake("one");
    assert_eq!(world.keys("one", "seen").len(), 1);
}

#[test]
fn a_deleted_object_is_not_made_anew_by_what_was_left_to_see() {
    let mut world = World::new();
    world.write("one", insert("watched", json!({"id": "a"})));
    let caller = tidelog_core::Caller::default();
    world
        .turn("one", tidelog_core::Command::DeleteObject { caller })
        .unwrap();
    world.wake("one");
    let state = world.state("one");
    assert_eq!(state.status, "deleted");
    assert_eq!(state.actor.unwrap().followed, Some(state.head));
}

#[test]
fn many_changes_are_given_in_bounded_turns() {
    let mut world = World::new();
    for n in 0..1_100 {
        world.write("one", insert("watched", json!({"id": format!("{n:04}")})));
    }
    for turns in 1..=3 {
        world.wake("one");
        let seen = world.keys("one", "seen").len();
        assert_eq!(seen, (turns * 500).min(1_100), "after {turns}");
    }
}
