//! A host that is torn down at every step between sending and handling: nothing is lost, nothing is
//! done twice, and the order stays.

use serde_json::json;

use super::world::{Torn, World};

/// Turns of the script; each sends to two receivers, one of them twice.
const TURNS: usize = 3;

fn script(world: &mut World) -> Result<(), Torn> {
    for turn in 0..TURNS {
        let id = format!("t{turn}");
        // What a client does whose answer was lost: it asks again under its key.
        let caller = tidelog_core::Caller {
            idempotency_key: id.clone(),
            ..tidelog_core::Caller::default()
        };
        world.step()?;
        world
            .send_as(
                "a",
                caller,
                "tell",
                json!({"id": id, "to": ["b", "c", "b"]}),
            )
            .unwrap();
        world.step()?;
        if turn == 1 {
            world.pump()?;
        }
    }
    world.pump()
}

/// Runs the script with a tear after `left` steps; says how many steps it had.
fn torn_after(left: u64) -> (World, u64) {
    let mut world = World::new();
    world.left = Some(left);
    let torn = script(&mut world).is_err();
    let steps = world.steps;
    world.left = None;
    if torn {
        // All that was in memory is gone; timers find what is left to do.
        world.reopen();
        script(&mut world).unwrap();
        world.now += 60_000;
        let ids: Vec<String> = world.nodes.keys().cloned().collect();
        ids.iter().for_each(|id| world.wake(id));
        world.pump().unwrap();
    }
    (world, steps)
}

#[test]
fn torn_down_between_any_two_steps_nothing_is_lost_or_doubled() {
    let (whole, steps) = torn_after(u64::MAX);
    assert!(steps > 20, "{steps}");
    let wanted: Vec<String> = (0..TURNS)
        .flat_map(|turn| [format!("t{turn} 0"), format!("t{turn} 2")])
        .collect();
    assert_eq!(whole.history("b"), wanted);
    for left in 0..steps {
        let (world, _) = torn_after(left);
        for id in ["a", "b", "c"] {
            assert_eq!(
                world.history(id),
                whole.history(id),
                "{id}, torn after {left}"
            );
        }
        let state = world.actor_state("a");
        assert_eq!(
            (state.waiting, state.failed.len()),
            (0, 0),
            "torn after {left}"
        );
    }
}
