//! What a source hears, and what its marks are.

use tidelog_lake::{Committed, MemoryBlobs, PushReply};
use tidelog_log::Sequence;

use crate::support::{ALL_TYPES, Source, Table, collection};

fn table() -> Table<MemoryBlobs> {
    Table::new(MemoryBlobs::new(), &collection(&ALL_TYPES, &[]))
}

#[test]
fn a_repeat_is_answered_with_the_mark_and_changes_nothing() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    source.write(10);
    let batch = source.next();
    let (mark, committed) = (Sequence(10), Sequence(0));
    assert_eq!(
        table.accept(&batch),
        PushReply::Accepted { mark, committed }
    );
    assert_eq!(table.accept(&batch), PushReply::Behind { mark, committed });
    let moved = table.flush();
    assert_eq!(
        moved,
        [Committed {
            source: source.address(),
            sequence: mark
        }]
    );
    assert_eq!(
        table.accept(&batch),
        PushReply::Behind {
            mark,
            committed: mark
        }
    );
    assert!(table.flush().is_empty());
    table.assert_holds(&[&source]);
}

#[test]
fn a_range_that_skips_ahead_is_refused_until_the_gap_is_filled() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    source.write(9);
    let (mark, committed) = (Sequence(0), Sequence(0));
    let late = source.range(Sequence(4), Sequence(9));
    assert_eq!(table.accept(&late), PushReply::Behind { mark, committed });
    table.accept(&source.range(Sequence(0), Sequence(4)));
    let overlapping = source.range(Sequence(2), Sequence(9));
    let mark = Sequence(4);
    assert_eq!(
        table.accept(&overlapping),
        PushReply::Behind { mark, committed }
    );
    table.accept(&late);
    table.flush();
    table.assert_holds(&[&source]);
}

#[test]
fn another_history_is_fenced() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    source.write(4);
    table.accept(&source.next());
    source.write(3);
    let mut other = Source::new("JFK").diverged();
    other.write(7);
    let reply = table.accept(&other.range(Sequence(4), Sequence(7)));
    assert_eq!(reply, PushReply::Fenced { mark: Sequence(4) });
    table.accept(&source.next());
    table.flush();
    table.assert_holds(&[&source]);
}

#[test]
fn empty_ranges_move_the_marks_without_a_commit() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    table.flush();
    let mut batch = source.next();
    (batch.to, batch.to_hash) = (Sequence(5), source.hash_at(Sequence(5)));
    let mark = Sequence(5);
    assert_eq!(
        table.accept(&batch),
        PushReply::Accepted {
            mark,
            committed: mark
        }
    );
    assert!(table.flush().is_empty());
    assert_eq!(table.actor.status(&table.sql).unwrap().commits, 0);
    source.write(8);
    table.accept(&source.range(Sequence(5), Sequence(8)));
    let mut empty = source.range(Sequence(8), Sequence(8));
    (empty.to, empty.to_hash) = (Sequence(20), source.hash_at(Sequence(20)));
    let reply = table.accept(&empty);
    let mark = Sequence(20);
    assert_eq!(
        reply,
        PushReply::Accepted {
            mark,
            committed: Sequence(5)
        }
    );
    assert_eq!(
        table.flush(),
        [Committed {
            source: source.address(),
            sequence: mark
        }]
    );
    let mark = table
        .actor
        .mark(&table.sql, &source.address())
        .unwrap()
        .unwrap();
    assert_eq!(
        (mark.accepted, mark.committed),
        (Sequence(20), Sequence(20))
    );
}

#[test]
fn a_batch_that_came_during_a_flush_is_not_committed_by_it() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    source.write(5);
    table.accept(&source.next());
    let plan = table
        .actor
        .begin_flush(&table.sql, 2_000, [1; 16])
        .unwrap()
        .unwrap();
    source.write(5);
    table.accept(&source.next());
    let outcome = crate::support::now(plan.write(&table.blobs)).unwrap();
    let moved = table
        .actor
        .finish_flush(&table.sql, 2_000, &outcome)
        .unwrap();
    assert_eq!(moved[0].sequence, Sequence(5));
    assert_eq!(table.actor.status(&table.sql).unwrap().inbox_events, 5);
    table.flush();
    table.assert_holds(&[&source]);
}

#[test]
fn a_flush_is_due_by_size_count_age_and_for_a_new_schema() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    assert!(
        table.actor.flush_due(&table.sql, 1_000).unwrap(),
        "the schema is new"
    );
    table.flush();
    assert_eq!(table.actor.next_due(&table.sql).unwrap(), None);
    source.write(1);
    table.accept(&source.next());
    let due = table.clock + 5_000;
    assert_eq!(table.actor.next_due(&table.sql).unwrap(), Some(due));
    assert!(!table.actor.flush_due(&table.sql, due - 1).unwrap());
    assert!(table.actor.flush_due(&table.sql, due).unwrap());
    let mut settings = crate::support::settings();
    settings.flush_events = 1;
    let address = tidelog_core::Address::table("airport", "flights").unwrap();
    let eager = tidelog_lake::TableActor::open(&table.sql, &address, settings).unwrap();
    assert!(eager.flush_due(&table.sql, table.clock).unwrap());
    table
        .actor
        .begin_flush(&table.sql, table.clock, [3; 16])
        .unwrap();
    assert!(
        table.actor.flush_due(&table.sql, table.clock).unwrap(),
        "one is unfinished"
    );
}

#[test]
fn batches_that_make_no_sense_are_refused() {
    let (table, mut source) = (table(), Source::new("JFK"));
    source.write(3);
    let refused = |change: &dyn Fn(&mut tidelog_log::Batch)| {
        let mut batch = source.range(Sequence(0), Sequence(3));
        change(&mut batch);
        let taken = batch
            .pack()
            .and_then(|batch| table.actor.accept(&table.sql, 0, &batch));
        taken.unwrap_err().code().to_owned()
    };
    assert_eq!(
        refused(&|b| b.source = "default/object/car/1/0".to_owned()),
        "malformed_batch"
    );
    assert_eq!(refused(&|b| b.to = Sequence(2)), "malformed_batch");
    assert_eq!(refused(&|b| b.events.swap(0, 1)), "malformed_batch");
    assert_eq!(
        refused(&|b| b.events[0].collection = "x".into()),
        "malformed_batch"
    );
}

#[test]
fn a_batch_of_many_parts_comes_through() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    for n in 0..5 {
        let mut row = crate::support::document(n * 3 + 1);
        row.set(1, Some(tidelog_log::Value::Text("✈".repeat(400_000))));
        source.push(None, Some(row));
    }
    table.accept(&source.next());
    assert!(table.actor.status(&table.sql).unwrap().inbox_bytes > 5_000_000);
    table.flush();
    table.assert_holds(&[&source]);
}
