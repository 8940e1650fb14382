//! A crash anywhere leads to every event exactly once.

use tidelog_lake::BlobStore as _;

use crate::support::{ALL_TYPES, FailingBlobs, Source, Table, collection, now};

fn table() -> (Table<FailingBlobs>, Source, Source) {
    let collection = collection(&ALL_TYPES, &[("_object", "identity")]);
    let mut table = Table::new(FailingBlobs::default(), &collection);
    let (mut one, mut two) = (Source::new("JFK"), Source::new("Zürich ✈"));
    for source in [&mut one, &mut two] {
        source.write(20);
        table.accept(&source.next());
    }
    table.flush();
    for source in [&mut one, &mut two] {
        source.write(20);
        table.accept(&source.next());
    }
    (table, one, two)
}

/// Blobs that neither the table nor its garbage list knows are none.
fn assert_no_orphans(table: &mut Table<FailingBlobs>) {
    let garbage = table.actor.garbage(&table.sql, 1_000).unwrap();
    now(table.blobs.delete(&garbage)).unwrap();
    table.actor.garbage_deleted(&table.sql, &garbage).unwrap();
    let scan = table.scan();
    let data = table
        .blobs
        .inner
        .keys()
        .into_iter()
        .filter(|key| key.contains("/data/"));
    let held: Vec<String> = scan.files().iter().map(|file| file.key.clone()).collect();
    assert_eq!(data.collect::<Vec<_>>(), held);
}

#[test]
fn a_crash_before_the_write_is_run_again() {
    let (mut table, one, two) = table();
    table
        .actor
        .begin_flush(&table.sql, 3_000, [7; 16])
        .unwrap()
        .unwrap();
    table.reopen();
    assert!(table.actor.flush_due(&table.sql, 0).unwrap());
    assert_eq!(table.flush().len(), 2);
    table.assert_holds(&[&one, &two]);
    assert_no_orphans(&mut table);
}

#[test]
fn a_crash_after_any_put_is_run_again() {
    for write_then_fail in [false, true] {
        for puts in 0..6 {
            let (mut table, one, two) = table();
            table.blobs.write_then_fail.set(write_then_fail);
            table.blobs.puts_left.set(Some(puts));
            let failed = table.try_flush();
            table.blobs.puts_left.set(None);
            table.reopen();
            match failed {
                Err(error) => {
                    assert_eq!(error.code(), "store_down");
                    assert_eq!(table.actor.status(&table.sql).unwrap().attempts, 1);
                    assert_eq!(table.flush().len(), 2);
                }
                Ok(moved) => assert_eq!((moved.len(), puts), (2, 5)),
            }
            table.assert_holds(&[&one, &two]);
            assert_no_orphans(&mut table);
            assert_eq!(table.actor.status(&table.sql).unwrap().attempts, 0);
        }
    }
}

#[test]
fn a_crash_after_the_write_is_run_again_and_the_first_outcome_is_stale() {
    let (mut table, one, two) = table();
    let plan = table
        .actor
        .begin_flush(&table.sql, 3_000, [7; 16])
        .unwrap()
        .unwrap();
    let stale = now(plan.write(&table.blobs)).unwrap();
    table.reopen();
    let again = table
        .actor
        .begin_flush(&table.sql, 3_500, [8; 16])
        .unwrap()
        .unwrap();
    assert_eq!((plan.attempt(), again.attempt()), (1, 2));
    let error = table
        .actor
        .finish_flush(&table.sql, 3_600, &stale)
        .unwrap_err();
    assert_eq!(error.code(), "stale_attempt");
    let outcome = now(again.write(&table.blobs)).unwrap();
    table
        .actor
        .finish_flush(&table.sql, 3_600, &outcome)
        .unwrap();
    let error = table
        .actor
        .finish_flush(&table.sql, 3_700, &outcome)
        .unwrap_err();
    assert_eq!(error.code(), "stale_attempt");
    table.assert_holds(&[&one, &two]);
    assert_no_orphans(&mut table);
}

#[test]
fn a_plan_may_be_written_twice() {
    let (mut table, one, two) = table();
    let plan = table
        .actor
        .begin_flush(&table.sql, 3_000, [7; 16])
        .unwrap()
        .unwrap();
    now(plan.write(&table.blobs)).unwrap();
    let outcome = now(plan.write(&table.blobs)).unwrap();
    table
        .actor
        .finish_flush(&table.sql, 3_000, &outcome)
        .unwrap();
    table.assert_holds(&[&one, &two]);
    assert_no_orphans(&mut table);
}

#[test]
fn batches_accepted_between_attempts_wait_for_the_next_flush() {
    let (mut table, mut one, two) = table();
    table
        .actor
        .begin_flush(&table.sql, 3_000, [7; 16])
        .unwrap()
        .unwrap();
    one.write(3);
    table.accept(&one.next());
    let moved = table.flush();
    assert_eq!(moved[0].sequence.0, 40);
    assert_eq!(table.flush()[0].sequence.0, 43);
    table.assert_holds(&[&one, &two]);
}

#[test]
fn an_actor_on_disk_goes_on_where_it_was() {
    let folder = std::env::temp_dir().join(format!("tidelog-lake-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("table.sqlite");
    let (mut table, one, two) = table();
    table
        .actor
        .begin_flush(&table.sql, 3_000, [7; 16])
        .unwrap()
        .unwrap();
    table
        .sql
        .0
        .execute("VACUUM INTO ?", [path.to_str().unwrap()])
        .unwrap();
    table.sql.0 = rusqlite::Connection::open(&path).unwrap();
    table.reopen();
    table.flush();
    table.assert_holds(&[&one, &two]);
    drop(table);
    std::fs::remove_dir_all(folder).unwrap();
}
