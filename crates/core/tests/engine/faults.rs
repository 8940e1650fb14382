//! A fold, and every other turn over folded documents, breaks at each of its steps in turn: what it
//! leaves is what was there before, and the same turn done again leaves what it leaves undisturbed.

use serde_json::{Value as Json, json};
use tidelog_core::{Command, Mutation, SqlExt as _};
use tidelog_log::{Result, Sequence};

use crate::lab::{Lab, START, delete, insert, schema, update, upsert};
use crate::model::{replayed, stored};
use crate::sqlite::Fault;

/// Rows past which books fold.
const THRESHOLD: u64 = 4;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Books fold, shelves never do.
fn library(indexes: Json) -> Json {
    json!({
        "books": {
            "fields": {"isbn": {"type": "string"}, "n": {"type": "int"},
                       "shelf": {"type": "string", "references": "shelves"}},
            "indexes": indexes, "hot": {"vortex_threshold": THRESHOLD}
        },
        "shelves": {"fields": {}, "hot": {"vortex_threshold": 0}}
    })
}

fn unique() -> Json {
    json!([{"fields": ["isbn"], "unique": true}])
}

fn book(n: u64) -> Mutation {
    let key = format!("b{:03}", n * 37 % 101);
    let isbn = format!("isbn {n}");
    insert(
        "books",
        json!({"id": key, "isbn": isbn, "n": n, "shelf": "s", "free": {"of": [n]}}),
    )
}

pub(crate) fn key(n: u64) -> String {
    format!("b{:03}", n * 37 % 101)
}

pub(crate) fn shelved() -> Lab {
    let mut lab = Lab::new(library(unique()));
    lab.write(vec![insert("shelves", json!({"id": "s"}))])
        .unwrap();
    lab
}

/// So many books, each written alone: rows until they are folded.
pub(crate) fn one_by_one(lab: &mut Lab, numbers: std::ops::Range<u64>) {
    for n in numbers {
        lab.write(vec![book(n)]).unwrap();
    }
}

/// So many books at once: they go straight into a blob.
pub(crate) fn at_once(lab: &mut Lab, numbers: std::ops::Range<u64>) {
    lab.write(numbers.map(book).collect()).unwrap();
}

/// Takes every step of folding that is due.
pub(crate) fn fold(lab: &mut Lab) {
    while lab.wake_is_due() {
        lab.turn(Command::Wake).unwrap();
    }
}

/// Everything in the database but its timers.
pub(crate) fn state(lab: &Lab) -> Vec<String> {
    let mut lines = lab.dump();
    lines.retain(|line| !line.starts_with(r#"[Text("_wakes")"#));
    lines
}

fn blobs(lab: &Lab) -> u64 {
    let count = "SELECT count(*) FROM _blobs";
    let found = lab.sql.first(count, &[], |row| row[0].unsigned());
    found.unwrap().unwrap()
}

/// Documents, log, counts and unique values are as they must be.
fn check_whole(lab: &Lab) {
    let documents = stored(lab, "books");
    let in_log = lab.state().earliest == Sequence(1);
    if in_log {
        assert_eq!(documents, replayed(lab, "books"));
    }
    let events = lab.engine.head().0 + 1 - lab.state().earliest.0;
    assert_eq!(lab.check_log(), events);
    let mut isbns: Vec<String> = documents
        .values()
        .map(|(_, document)| document["isbn"].to_string())
        .collect();
    let count = isbns.len();
    isbns.sort();
    isbns.dedup();
    assert_eq!(isbns.len(), count, "one document per unique value");
}

/// What comes after, the same in every lab: it shows that the engine remembers nothing wrong.
fn sequel(lab: &mut Lab) -> Vec<String> {
    lab.now = lab.now.max(START + 10_000_000);
    fold(lab);
    check_whole(lab);
    let documents = stored(lab, "books");
    lab.write(vec![upsert("shelves", json!({"id": "s"}))])
        .unwrap();
    if let Some((taken, _)) = documents.first_key_value() {
        let isbn = documents[taken].1["isbn"].clone();
        let twice = insert("books", json!({"id": "twice", "isbn": isbn}));
        assert_eq!(lab.refused(vec![twice]).code(), "unique_violation");
        let again = insert("books", json!({"id": taken, "isbn": "other"}));
        assert_eq!(lab.refused(vec![again]).code(), "duplicate_key");
        let gone = delete("shelves", "s");
        assert_eq!(lab.refused(vec![gone]).code(), "document_referenced");
        lab.write(vec![update("books", taken, json!({"n": 1_000}))])
            .unwrap();
    }
    at_once(lab, 80..86);
    fold(lab);
    check_whole(lab);
    state(lab)
}

/// Breaks a turn at every step, in every way. Returns how many steps it has.
pub(crate) fn survives(prepare: impl Fn() -> Lab, act: impl Fn(&mut Lab) -> Result<()>) -> u32 {
    let mut twin = prepare();
    check_whole(&twin);
    let before = state(&twin);
    act(&mut twin).unwrap();
    let after = state(&twin);
    assert_ne!(before, after, "the turn does something");
    let ended = sequel(&mut twin);
    let mut steps = 0;
    for fault in [Fault::Fails, Fault::Undoes, Fault::Dies] {
        for step in 1.. {
            let mut lab = prepare();
            lab.sql.break_at(step, fault);
            let done = act(&mut lab);
            if !lab.sql.mend() {
                assert_eq!(state(&lab), after, "undisturbed");
                steps = step - 1;
                break;
            }
            let place = format!("{fault:?} at step {step}, {done:?}");
            if fault == Fault::Dies {
                lab.reopen();
            }
            assert!(state(&lab) == before, "{place}: half of a turn is there");
            if lab.schema.version == lab.state().schema_version {
                check_whole(&lab);
            }
            // A timer that failed waits; a turn that was refused is asked for again at once.
            let waits = lab.state().wakes;
            let waits = waits.iter().filter(|(_, _, attempts)| *attempts > 0);
            lab.now = waits.map(|(_, at, _)| *at).fold(lab.now, i64::max);
            act(&mut lab).unwrap();
            assert!(state(&lab) == after, "{place}: it cannot be done again");
            assert!(sequel(&mut lab) == ended, "{place}: it goes on wrongly");
        }
    }
    steps
}

pub(crate) fn wake(lab: &mut Lab) -> Result<()> {
    lab.turn(Command::Wake).map(drop)
}

fn write(mutations: impl Fn() -> Vec<Mutation>) -> impl Fn(&mut Lab) -> Result<()> {
    move |lab| lab.write(mutations()).map(drop)
}

#[test]
fn rows_fold_whole_or_not_at_all() {
    let first = || {
        let mut lab = shelved();
        one_by_one(&mut lab, 0..6);
        lab
    };
    let steps = survives(first, wake);
    assert!(steps > 12, "{steps} steps");
    let next = || {
        let mut lab = first();
        fold(&mut lab);
        lab.write(vec![update("books", &key(3), json!({"n": 30}))])
            .unwrap();
        one_by_one(&mut lab, 6..9);
        assert_eq!(blobs(&lab), 1);
        lab
    };
    let steps = survives(next, wake);
    assert!(steps > 9, "{steps} steps");
}

#[test]
fn blobs_merge_whole_or_not_at_all() {
    let four = || {
        let mut lab = shelved();
        (0..4).for_each(|n| at_once(&mut lab, n * 5..n * 5 + 5));
        assert_eq!(blobs(&lab), 4);
        lab
    };
    let steps = survives(four, wake);
    assert!(steps > 20, "{steps} steps");
    let folded_rows = || {
        let mut lab = shelved();
        for n in 0..3 {
            one_by_one(&mut lab, n * 5..n * 5 + 5);
            fold(&mut lab);
        }
        one_by_one(&mut lab, 15..20);
        wake(&mut lab).unwrap();
        assert_eq!(blobs(&lab), 4);
        lab
    };
    let steps = survives(folded_rows, wake);
    assert!(steps > 20, "{steps} steps");
}

#[test]
fn a_blob_with_masked_rows_is_written_anew_whole_or_not_at_all() {
    let worn = || {
        let mut lab = shelved();
        at_once(&mut lab, 0..8);
        lab.write(vec![
            delete("books", &key(1)),
            delete("books", &key(5)),
            update("books", &key(2), json!({"isbn": "new"})),
        ])
        .unwrap();
        lab
    };
    let steps = survives(worn, wake);
    assert!(steps > 12, "{steps} steps");
}

#[test]
fn a_bulk_insert_is_there_whole_or_not_at_all() {
    let steps = survives(shelved, write(|| (0..7).map(book).collect()));
    assert!(steps > 10, "{steps} steps");
    let some = || {
        let mut lab = shelved();
        at_once(&mut lab, 0..5);
        one_by_one(&mut lab, 5..7);
        lab
    };
    let steps = survives(some, write(|| (10..30).map(book).collect()));
    assert!(steps > 20, "{steps} steps");
}

#[test]
fn changes_of_folded_documents_are_there_whole_or_not_at_all() {
    let folded = || {
        let mut lab = shelved();
        at_once(&mut lab, 0..8);
        one_by_one(&mut lab, 8..10);
        lab
    };
    let changes = || {
        vec![
            delete("books", &key(1)),
            update("books", &key(2), json!({"n": null, "free": 1})),
            upsert("books", json!({"id": key(3), "isbn": "isbn 1"})),
            insert("books", json!({"id": key(1), "isbn": "back"})),
            delete("books", &key(8)),
        ]
    };
    let steps = survives(folded, write(changes));
    assert!(steps > 20, "{steps} steps");
}

#[test]
fn trimming_lets_go_of_blobs_whole_or_not_at_all() {
    let old = || {
        let mut lab = shelved();
        (0..4).for_each(|n| at_once(&mut lab, n * 5..n * 5 + 5));
        fold(&mut lab);
        assert_eq!(blobs(&lab), 5, "the log holds four");
        lab.now += WEEK + 1_000;
        lab.write(vec![delete("books", &key(0))]).unwrap();
        lab.committed("shelves", 22);
        lab
    };
    let trim = |lab: &mut Lab| {
        let destination = tidelog_core::Address::table("lab", "books").unwrap();
        let command = Command::Committed {
            destination: destination.to_string(),
            sequence: Sequence(22),
        };
        lab.turn(command).map(drop)
    };
    let steps = survives(old, trim);
    assert!(steps > 10, "{steps} steps");
    let mut lab = old();
    trim(&mut lab).unwrap();
    assert_eq!(blobs(&lab), 1);
}

#[test]
fn an_upgrade_over_folded_documents_is_there_whole_or_not_at_all() {
    let without = || {
        let mut lab = Lab::new(library(json!([])));
        lab.write(vec![insert("shelves", json!({"id": "s"}))])
            .unwrap();
        at_once(&mut lab, 0..8);
        one_by_one(&mut lab, 8..10);
        lab.schema = schema(Some(&lab.schema), library(unique())).unwrap();
        lab
    };
    let steps = survives(without, write(|| vec![book(11)]));
    assert!(steps > 15, "{steps} steps");
}

#[test]
fn an_object_with_folded_documents_is_deleted_whole_or_not_at_all() {
    let folded = || {
        let mut lab = shelved();
        at_once(&mut lab, 0..8);
        one_by_one(&mut lab, 8..11);
        lab
    };
    let steps = survives(folded, |lab| lab.delete_object().map(drop));
    assert!(steps > 15, "{steps} steps");
}
