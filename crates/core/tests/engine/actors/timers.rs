//! Alarms: they ring in their time, fail alone, and come again.

use serde_json::json;
use tidelog_core::ActorCommand;

use super::world::World;

fn set(world: &mut World, name: &str, at: i64) {
    world
        .send("one", "alarm", json!({"name": name, "at": at}))
        .unwrap();
}

#[test]
fn an_alarm_rings_once_in_its_time() {
    let mut world = World::new();
    let at = world.now + 5_000;
    set(&mut world, "rings", at);
    world.wake("one");
    assert!(
        world
            .state("one")
            .documents
            .iter()
            .all(|(_, count)| *count == 0)
    );
    world.now = at;
    world.reopen();
    world.wake("one");
    world.wake("one");
    assert_eq!(world.keys("one", "notes"), ["rings rang"]);
}

#[test]
fn an_alarm_is_moved_and_cleared() {
    let mut world = World::new();
    let start = world.now;
    set(&mut world, "later", start + 1_000);
    set(&mut world, "later", start + 9_000);
    set(&mut world, "never", start + 1_000);
    world.send("one", "clear", json!("never")).unwrap();
    world.now += 5_000;
    world.wake("one");
    assert_eq!(world.state("one").head.0, 0);
    world.now += 5_000;
    world.wake("one");
    assert_eq!(world.keys("one", "notes"), ["later rang"]);
}

#[test]
fn a_failing_alarm_backs_off_says_why_and_disturbs_no_other() {
    let mut world = World::new();
    let now = world.now;
    for name in ["fails", "panics", "rings"] {
        set(&mut world, name, now);
    }
    let mut waits = Vec::new();
    for _ in 0..11 {
        let before = world.now;
        world.wake("one");
        let wakes = world.state("one").wakes;
        let (_, at, _) = wakes.iter().find(|wake| wake.0 == "alarm:fails").unwrap();
        waits.push((at - before) / 1_000);
        world.now = *at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(world.keys("one", "notes"), ["rings rang"]);
    let errors = world.actor_state("one").errors;
    assert_eq!(
        errors[0],
        (
            "alarm:fails".to_owned(),
            "lab.no: it never works".to_owned()
        )
    );
    assert!(
        errors[1].1.starts_with("actor_failed: the actor panicked"),
        "{errors:?}"
    );
    world.send("one", "clear", json!("fails")).unwrap();
}

#[test]
fn an_alarm_sets_itself_again() {
    let mut world = World::new();
    let now = world.now;
    set(&mut world, "again", now);
    world.wake("one");
    world.send("one", "add", json!({"id": "between"})).unwrap();
    let wakes = world.state("one").wakes;
    assert!(
        wakes.contains(&("alarm:again".to_owned(), now + 1_000, 0)),
        "{wakes:?}"
    );
}

#[test]
fn a_host_that_cannot_catch_panics_runs_timers_one_by_one() {
    let mut world = World::new();
    let now = world.now;
    for name in ["a", "b"] {
        set(&mut world, name, now);
    }
    let node = &world.nodes["one"];
    let due = node.engine.view().actor_timers_due(&node.sql, now).unwrap();
    assert_eq!(due, ["alarm:a", "alarm:b"]);
    world
        .act("one", ActorCommand::TimerLost("alarm:a".to_owned()))
        .unwrap();
    world
        .act("one", ActorCommand::Timer("alarm:b".to_owned()))
        .unwrap();
    world
        .act("one", ActorCommand::Timer("trim".to_owned()))
        .unwrap();
    assert_eq!(world.keys("one", "notes"), ["b rang"]);
    assert!(
        world.actor_state("one").errors[0]
            .1
            .contains("actor_failed")
    );
    world.now += 1_000;
    world.wake("one");
    assert_eq!(world.keys("one", "notes"), ["a rang", "b rang"]);
    assert_eq!(world.actor_state("one").errors, []);
}

#[test]
fn alarms_have_limits() {
    let mut world = World::new();
    for name in ["", "a\nb", &"x".repeat(129)] {
        let error = world.refused("one", "alarm", json!({"name": name, "at": 1}));
        assert_eq!(error.code(), "invalid_name");
    }
    for n in 0..1_000 {
        set(&mut world, &n.to_string(), n);
    }
    let error = world.refused("one", "alarm", json!({"name": "more", "at": 1}));
    assert_eq!(error.code(), "too_many_alarms");
    set(&mut world, "7", 8);
}
