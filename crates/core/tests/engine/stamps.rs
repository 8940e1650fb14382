//! Which state an answer is of, and how much a reader has seen of which history.

use serde_json::json;
use tidelog_core::{Command, Stamp};
use tidelog_log::{Epoch, Offset, Sequence};

use crate::lab::{Lab, insert, town};

/// The name of a collection's state: what a stamp says but for its offset.
fn name(lab: &Lab, collection: &str) -> (Epoch, Sequence, u64, u32) {
    let touched = Some(lab.engine.touched());
    let stamp = lab.engine.view().stamp(&lab.sql, touched, collection);
    let Stamp {
        offset,
        touched,
        mark,
        schema_version,
    } = stamp.unwrap();
    (offset.epoch, touched, mark, schema_version)
}

fn person(id: &str) -> Vec<tidelog_core::Mutation> {
    vec![insert("people", json!({"id": id, "name": "A"}))]
}

#[test]
fn a_state_keeps_its_name_until_its_collection_is_written() {
    let mut lab = Lab::new(town());
    lab.write(person("a")).unwrap();
    let (people, airports) = (name(&lab, "people"), name(&lab, "airports"));
    assert_eq!((people.1, airports.1), (Sequence(1), Sequence(0)));
    lab.write(vec![insert("airports", json!({"code": "JFK"}))])
        .unwrap();
    assert_eq!(name(&lab, "people"), people);
    assert_ne!(name(&lab, "airports"), airports);
    assert!(lab.write(person("a")).is_err(), "a refused turn");
    assert_eq!(name(&lab, "people"), people);
    lab.write(person("b")).unwrap();
    assert_eq!(name(&lab, "people").1, Sequence(3));
    // An engine that was just opened does not know when airports were written.
    lab.reopen();
    assert_eq!(name(&lab, "airports").1, Sequence(3));
    assert_eq!(name(&lab, "people").1, Sequence(3));
    lab.delete_object().unwrap();
    assert_eq!(name(&lab, "people").1, Sequence(6));
}

#[test]
fn what_changed_is_told_once_and_within_bounds() {
    let mut lab = Lab::new(town());
    for id in ["a", "b", "c"] {
        lab.write(person(id)).unwrap();
    }
    let patch = json!({"age": 4}).as_object().cloned().unwrap();
    lab.write(vec![tidelog_core::Mutation::Update {
        collection: "people".to_owned(),
        key: "b".to_owned(),
        patch,
        if_version: None,
    }])
    .unwrap();
    lab.write(vec![insert("airports", json!({"code": "JFK"}))])
        .unwrap();
    let people = std::iter::once("people".to_owned()).collect();
    let changed = |after, most| {
        let view = lab.engine.view();
        let changed = view
            .changed_keys(&lab.sql, Sequence(after), &people, most)
            .unwrap();
        let keys: Vec<String> = changed.keys.into_iter().map(|(_, key)| key).collect();
        (keys.join(""), changed.more)
    };
    assert_eq!(changed(0, 9), ("abc".to_owned(), false));
    assert_eq!(changed(2, 9), ("bc".to_owned(), false));
    assert_eq!(changed(5, 9), (String::new(), false));
    assert_eq!(changed(0, 2), ("ab".to_owned(), true));
}

#[test]
fn a_reader_of_another_history_is_told_so() {
    let mut lab = Lab::new(town());
    lab.write(person("a")).unwrap();
    let code = |lab: &Lab, epoch: Epoch, sequence| {
        let wanted = Offset {
            epoch,
            sequence: Sequence(sequence),
        };
        let checked = lab.engine.view().check_at_least(&lab.sql, wanted);
        checked.map_or_else(|e| e.code().to_owned(), |()| String::new())
    };
    let first = name(&lab, "people").0;
    assert_eq!(code(&lab, first, 1), "");
    assert_eq!(code(&lab, first, 2), "not_caught_up");
    assert_eq!(code(&lab, Epoch(0), 0), "", "a reader who has seen nothing");
    assert_eq!(code(&lab, Epoch(0), 1), "offset_outside_lineage");
    assert_eq!(code(&lab, Epoch(first.0 - 1), 1), "offset_outside_lineage");
    assert_eq!(code(&lab, Epoch(first.0 + 1), 1), "offset_outside_lineage");
    lab.turn(Command::Fenced).unwrap();
    lab.now += 1_000;
    lab.write(person("b")).unwrap();
    let second = name(&lab, "people").0;
    assert!(second > first);
    assert_eq!(code(&lab, first, 1) + &code(&lab, second, 2), "");
    assert_eq!(
        code(&lab, first, 2),
        "offset_outside_lineage",
        "seen elsewhere"
    );
    assert_eq!(code(&lab, second, 1), "offset_outside_lineage");
    assert_eq!(code(&lab, second, 3), "not_caught_up");
}
