//! Retention: what is too old goes, in bounded turns, with events; nothing else does.

use serde_json::{Value as Json, json};
use tidelog_core::Command;

use crate::lab::{Lab, START, insert, update};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn readings(field: &str) -> Json {
    json!({"readings": {
        "fields": {"at": {"type": "timestamp"}, "day": {"type": "date"}, "n": {"type": "int"}},
        "indexes": [{"fields": ["at"]}],
        "retention": {"field": field, "max_age": "10d"}
    }})
}

fn reading(id: &str, at: i64) -> tidelog_core::Mutation {
    insert("readings", json!({"id": id, "at": at}))
}

/// Rings the object's timers until none is due before `end`. Returns how often it woke.
fn run_until(lab: &mut Lab, end: i64) -> usize {
    let mut wakes = 0;
    loop {
        let next = lab
            .state()
            .wakes
            .into_iter()
            .filter(|(name, ..)| name == "expire");
        match next.map(|(_, at, _)| at).min() {
            Some(at) if at <= end => lab.now = at.max(lab.now),
            _ => break,
        }
        lab.turn(Command::Wake).unwrap();
        assert!(
            lab.state()
                .wakes
                .iter()
                .all(|(.., attempts)| *attempts == 0)
        );
        wakes += 1;
        assert!(wakes < 10_000, "the timer spins");
    }
    lab.now = end;
    wakes
}

fn keys(lab: &Lab) -> Vec<String> {
    let events = lab.events();
    let mut keys = std::collections::BTreeSet::new();
    for event in &events {
        let key = event["documentId"].as_str().unwrap().to_owned();
        match event["operation"].as_str().unwrap() {
            "DELETE" => assert!(keys.remove(&key)),
            _ => drop(keys.insert(key)),
        }
    }
    for key in &keys {
        lab.get("readings", key).unwrap();
    }
    assert_eq!(lab.state().documents[0].1, keys.len() as u64);
    keys.into_iter().collect()
}

#[test]
fn a_document_goes_when_its_time_is_past_its_age_and_not_before() {
    let mut lab = Lab::new(readings("at"));
    lab.write(vec![
        reading("old", START - 10 * DAY - 1),
        reading("edge", START - 9 * DAY),
        reading("new", START),
        reading("future", START + 100 * DAY),
        insert("readings", json!({"id": "timeless"})),
    ])
    .unwrap();
    run_until(&mut lab, START + 6 * HOUR);
    assert_eq!(keys(&lab), ["edge", "future", "new", "timeless"]);
    run_until(&mut lab, START + DAY);
    assert_eq!(
        keys(&lab),
        ["edge", "future", "new", "timeless"],
        "as old as allowed"
    );
    run_until(&mut lab, START + DAY + 4 * HOUR);
    assert_eq!(
        keys(&lab),
        ["future", "new", "timeless"],
        "a 64th of the age too late at most"
    );
    run_until(&mut lab, START + 109 * DAY);
    assert_eq!(keys(&lab), ["future", "timeless"]);
    run_until(&mut lab, START + 111 * DAY);
    assert_eq!(keys(&lab), ["timeless"], "what has no time never goes");
    assert_eq!(lab.check_log(), 9);
}

#[test]
fn the_deletes_are_events_with_their_cause() {
    let mut lab = Lab::new(readings("at"));
    lab.write(vec![reading("old", START - 11 * DAY)]).unwrap();
    run_until(&mut lab, START + DAY);
    let events = lab.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["operation"], "DELETE");
    assert_eq!(events[1]["turn"]["cause"], "retention");
    assert_eq!(events[1]["before"]["id"], "old");
}

#[test]
fn a_date_is_its_first_moment() {
    let mut lab = Lab::new(readings("day"));
    // START is 2023-11-14T22:13:20Z.
    lab.write(vec![
        insert("readings", json!({"id": "a", "day": "2023-11-04"})),
        insert("readings", json!({"id": "b", "day": "2023-11-06"})),
    ])
    .unwrap();
    run_until(&mut lab, START + DAY);
    assert_eq!(keys(&lab), ["b"]);
    run_until(&mut lab, START + DAY + 8 * HOUR);
    assert!(keys(&lab).is_empty());
}

#[test]
fn without_a_field_age_counts_from_the_last_change_also_when_the_log_is_trimmed() {
    let mut lab = Lab::new(readings("_written"));
    lab.policy.keep_millis = 0;
    lab.reopen();
    lab.write(vec![reading("a", 0), reading("b", 0)]).unwrap();
    run_until(&mut lab, START + 5 * DAY);
    lab.write(vec![update("readings", "b", json!({"n": 1}))])
        .unwrap();
    lab.committed("readings", 3);
    run_until(&mut lab, START + 10 * DAY);
    assert_eq!(
        lab.state().documents[0].1,
        2,
        "nothing is older than its age"
    );
    run_until(&mut lab, START + 10 * DAY + 8 * HOUR);
    assert!(lab.get("readings", "a").is_err());
    run_until(&mut lab, START + 15 * DAY);
    lab.get("readings", "b").unwrap();
    run_until(&mut lab, START + 15 * DAY + 8 * HOUR);
    assert_eq!(lab.state().documents[0].1, 0);
}

#[test]
fn an_object_without_old_documents_sleeps() {
    let mut lab = Lab::new(readings("_written"));
    lab.write(vec![reading("a", 0)]).unwrap();
    assert!(run_until(&mut lab, START + 9 * DAY) <= 2);
    assert_eq!(run_until(&mut lab, START + 30 * DAY), 1);
    assert_eq!(run_until(&mut lab, START + 3_000 * DAY), 0);
    // Without retention there is no timer at all.
    let mut plain = Lab::new(crate::lab::notes());
    plain.write(vec![insert("notes", json!({}))]).unwrap();
    assert!(
        plain
            .state()
            .wakes
            .iter()
            .all(|(name, ..)| name != "expire")
    );
}

#[test]
fn many_go_in_bounded_turns_and_a_restart_between_two_changes_nothing() {
    let mut runs = Vec::new();
    for reopen in [false, true] {
        let mut lab = Lab::new(readings("at"));
        let old = |n: i64| reading(&format!("{n:05}"), START - 11 * DAY - n % 7);
        lab.write((0..2_500).map(old).collect()).unwrap();
        lab.write(vec![reading("new", START)]).unwrap();
        lab.now = START + DAY;
        let mut turns = Vec::new();
        for _ in 0..4 {
            let before = lab.engine.head();
            lab.turn(Command::Wake).unwrap();
            turns.push(lab.engine.head().0 - before.0);
            let wakes = lab.state().wakes;
            let due = wakes
                .iter()
                .any(|(name, at, _)| name == "expire" && *at <= lab.now);
            assert_eq!(due, turns.len() < 3, "what is left is due at once");
            if reopen {
                lab.reopen();
            }
        }
        assert_eq!(turns, [1_000, 1_000, 500, 0]);
        assert_eq!(keys(&lab), ["new"]);
        runs.push(lab.dump());
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn what_is_referred_to_stays_and_does_not_keep_the_others() {
    let mut collections = readings("_written");
    collections["holders"] =
        json!({"fields": {"of": {"type": "string", "references": "readings"}}});
    let mut lab = Lab::new(collections);
    let held: Vec<_> = (0..1_500)
        .map(|n| reading(&format!("a{n:04}"), 0))
        .collect();
    let free = (0..700).map(|n| reading(&format!("b{n:04}"), 0));
    lab.write(held.into_iter().chain(free).collect()).unwrap();
    let hold = |n: u32| {
        insert(
            "holders",
            json!({"id": n.to_string(), "of": format!("a{n:04}")}),
        )
    };
    lab.write((0..1_500).map(hold).collect()).unwrap();
    run_until(&mut lab, START + 12 * DAY);
    assert_eq!(lab.state().documents[1], ("readings".to_owned(), 1_500));
    // Let go, they follow.
    let free = (0..1_500).map(|n| crate::lab::delete("holders", &n.to_string()));
    lab.write(free.collect()).unwrap();
    run_until(&mut lab, START + 13 * DAY);
    assert_eq!(lab.state().documents[1], ("readings".to_owned(), 0));
}

#[test]
fn an_upgrade_starts_changes_and_ends_retention() {
    let plain = |retention: Json| {
        let mut collections = readings("at");
        collections["readings"]["retention"] = retention;
        collections
    };
    let mut lab = Lab::new(plain(json!({})));
    lab.write(vec![
        reading("a", START - 300 * DAY),
        reading("b", START - 30 * DAY),
    ])
    .unwrap();
    run_until(&mut lab, START + 2 * DAY);
    assert_eq!(keys(&lab).len(), 2);
    lab.register(plain(json!({"field": "at", "max_age": "100d"})));
    lab.write(vec![reading("c", lab.now)]).unwrap();
    run_until(&mut lab, START + 4 * DAY);
    assert_eq!(keys(&lab), ["b", "c"]);
    lab.register(plain(json!({"max_age": 0})));
    lab.write(vec![reading("d", lab.now)]).unwrap();
    run_until(&mut lab, START + 1_000 * DAY);
    assert_eq!(keys(&lab), ["b", "c", "d"]);
}

#[test]
fn a_deleted_object_expires_nothing_and_a_new_life_does() {
    let mut lab = Lab::new(readings("at"));
    lab.write(vec![reading("a", START)]).unwrap();
    lab.delete_object().unwrap();
    let events = lab.events().len();
    run_until(&mut lab, START + 20 * DAY);
    assert_eq!(lab.events().len(), events);
    lab.write(vec![reading("b", START)]).unwrap();
    run_until(&mut lab, START + 21 * DAY);
    assert!(lab.get("readings", "b").is_err());
    assert_eq!(lab.check_log(), 4);
}
