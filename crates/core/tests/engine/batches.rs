//! Several changes in one turn: all or none.

use serde_json::json;

use crate::lab::{Lab, delete, insert, notes, town, update, upsert};

#[test]
fn one_bad_row_changes_nothing_and_the_error_names_it() {
    let mut lab = Lab::new(town());
    lab.write(vec![insert("people", json!({"id": "a", "name": "A"}))])
        .unwrap();
    let good = |n: u32| insert("people", json!({"id": format!("n{n}"), "name": "N"}));
    for (bad, field) in [
        (insert("people", json!({"id": "x"})), "[2].name"),
        (insert("people", json!({"id": "a", "name": "B"})), "[2].key"),
        (
            insert("people", json!({"name": "B", "age": 200})),
            "[2].age",
        ),
        (delete("people", "nobody"), "[2].key"),
        (insert("nothing", json!({})), "[2].collection"),
    ] {
        let batch = vec![good(1), good(2), bad, good(3)];
        assert_eq!(lab.refused(batch).field(), Some(field));
    }
    assert_eq!(lab.state().documents[2], ("people".to_owned(), 1));
}

#[test]
fn a_turn_sees_its_own_earlier_changes_and_makes_one_record() {
    let mut lab = Lab::new(notes());
    let reply = lab.write(vec![
        insert("notes", json!({"id": "a", "n": 1})),
        update("notes", "a", json!({"n": 2})),
        delete("notes", "a"),
        insert("notes", json!({"id": "a", "n": 3})),
    ]);
    let versions: Vec<u64> = reply.unwrap().written.iter().map(|w| w.version.0).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!((lab.state().log_records, lab.check_log()), (1, 4));
    let turns: Vec<_> = lab.events().iter().map(|e| e["turn"].clone()).collect();
    assert_eq!(turns[3], json!({"id": 1, "index": 3, "count": 4}));
}

#[test]
fn a_turn_has_at_most_10_000_rows() {
    let mut lab = Lab::new(notes());
    let rows = |count: u32| {
        (0..count)
            .map(|n| upsert("notes", json!({"id": n.to_string()})))
            .collect()
    };
    assert_eq!(lab.refused(rows(10_001)).code(), "too_many_rows");
    assert_eq!(lab.write(rows(10_000)).unwrap().offset.sequence.0, 10_000);
}
