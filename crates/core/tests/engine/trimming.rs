//! What may leave the log, and when.

use serde_json::json;
use tidelog_core::Command;
use tidelog_log::{Kind, Sequence, StartAt};

use crate::lab::{Lab, insert};

const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000;

fn two_tables() -> Lab {
    let mut lab = Lab::new(json!({
        "a": {}, "b": {}, "hot": {"cold": {"enabled": false}}
    }));
    for n in 0..10 {
        let rows = ["a", "b", "hot"].map(|c| insert(c, json!({"id": n.to_string()})));
        lab.write(rows.to_vec()).unwrap();
        lab.now += 1_000;
    }
    lab
}

fn earliest(lab: &Lab) -> u64 {
    lab.state().earliest.0
}

#[test]
fn only_what_every_cold_collection_committed_and_old_enough_is_trimmed() {
    let mut lab = two_tables();
    lab.now += WEEK;
    lab.committed("a", 30);
    assert_eq!(earliest(&lab), 1, "b has committed nothing");
    lab.committed("b", 10);
    assert_eq!(earliest(&lab), 10, "10 is in the middle of a turn");
    lab.committed("b", 12);
    assert_eq!(earliest(&lab), 13);
    lab.committed("b", 3);
    assert_eq!(
        lab.state().cursors[1].committed,
        Sequence(12),
        "a cursor never moves back"
    );
    assert_eq!(lab.check_log(), 18);
}

#[test]
fn young_records_stay_until_their_time_and_the_newest_stays_for_ever() {
    let mut lab = two_tables();
    lab.now = crate::lab::START + WEEK + 3_500;
    lab.committed("a", 30);
    lab.committed("b", 30);
    assert_eq!(earliest(&lab), 13);
    lab.turn(Command::Wake).unwrap();
    let at = lab
        .state()
        .wakes
        .iter()
        .find(|(name, ..)| name == "trim")
        .unwrap()
        .1;
    lab.now = at + 1;
    lab.turn(Command::Wake).unwrap();
    assert_eq!((earliest(&lab), lab.state().log_records), (28, 1));
    lab.reopen();
    assert_eq!(lab.engine.head(), Sequence(30));
    lab.write(vec![insert("a", json!({}))]).unwrap();
    assert_eq!(lab.check_log(), 4);
}

#[test]
fn a_cursor_beyond_the_head_counts_as_the_head() {
    let mut lab = two_tables();
    lab.committed("a", 1_000);
    assert_eq!(lab.state().cursors[0].committed, Sequence(30));
}

#[test]
fn a_trimmed_offset_is_gone_and_says_where_the_log_begins() {
    let mut lab = two_tables();
    let first = lab.page(StartAt::Beginning, 3).unwrap().next;
    lab.now += WEEK;
    lab.committed("a", 30);
    lab.committed("b", 12);
    for start in [StartAt::Beginning, StartAt::After(first)] {
        let error = lab.page(start, 100).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Gone, "offset_trimmed"));
        let earliest = error.details()["earliestOffset"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            lab.page(StartAt::After(earliest), 100)
                .unwrap()
                .events
                .len(),
            18
        );
    }
    for from in [0, 3] {
        let batch = lab.engine.view().batch(&lab.sql, "a", Sequence(from), 1);
        assert_eq!(batch.unwrap_err().code(), "offset_trimmed", "from {from}");
    }
    assert_eq!(
        lab.engine
            .view()
            .batch(&lab.sql, "a", Sequence(12), 1)
            .unwrap()
            .range
            .to,
        Sequence(15)
    );
}

#[test]
fn an_object_without_cold_collections_trims_by_time_alone() {
    let mut lab = Lab::new(json!({"hot": {"cold": {"enabled": false}}}));
    for _ in 0..5 {
        lab.write(vec![insert("hot", json!({}))]).unwrap();
        lab.now += 1_000;
    }
    let wake = lab
        .engine
        .view()
        .wake_at(&lab.sql)
        .unwrap()
        .expect("a timer");
    lab.now = wake.max(lab.now + WEEK);
    lab.turn(Command::Wake).unwrap();
    assert_eq!(lab.state().log_records, 1);
    // The timer goes on for what is written later.
    lab.write(vec![insert("hot", json!({}))]).unwrap();
    let wake = lab
        .engine
        .view()
        .wake_at(&lab.sql)
        .unwrap()
        .expect("a timer");
    lab.now = wake.max(lab.now + WEEK + 1);
    lab.turn(Command::Wake).unwrap();
    assert_eq!(lab.state().log_records, 1);
}

#[test]
fn trimming_many_records_goes_in_steps() {
    let mut lab = Lab::new(json!({"a": {}}));
    for _ in 0..2_500 {
        lab.write(vec![insert("a", json!({}))]).unwrap();
    }
    lab.now += WEEK + 1;
    lab.committed("a", 2_500);
    let mut left = vec![lab.state().log_records];
    while *left.last().unwrap() > 1 {
        lab.now += 1;
        lab.turn(Command::Wake).unwrap();
        left.push(lab.state().log_records);
    }
    assert_eq!(left, [1_500, 500, 1]);
}
