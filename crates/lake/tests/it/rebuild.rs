//! A table whose metadata is gone comes back with every event exactly once.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidelog_lake::{BlobStore as _, MemoryBlobs, PutMode, Rebuilt};
use tidelog_log::Sequence;

use crate::support::{ALL_TYPES, Source, Table, collection, now};

type Memory = Table<MemoryBlobs>;

/// Two sources, three flushes, the last of a file per object.
fn table() -> (Memory, [Source; 2]) {
    let collection = collection(&ALL_TYPES, &[("_object", "identity")]);
    let mut table = Table::new(MemoryBlobs::default(), &collection);
    let mut sources = [Source::new("JFK"), Source::new("Zürich ✈")];
    for _ in 0..3 {
        for source in &mut sources {
            source.write(20);
            table.accept(&source.next());
        }
        table.flush();
    }
    (table, sources)
}

fn keys(table: &Memory, part: &str) -> Vec<String> {
    let keys = table.blobs.keys().into_iter();
    keys.filter(|key| key.contains(part)).collect()
}

fn lose(table: &Memory, keys: &[String]) {
    assert!(!keys.is_empty());
    now(table.blobs.delete(keys)).unwrap();
}

/// The table's own database is lost, too.
fn forget(table: &mut Memory, partition_by: &str) {
    let blobs = std::mem::take(&mut table.blobs);
    let parts = [("_object", partition_by)];
    let parts = if partition_by.is_empty() {
        &parts[..0]
    } else {
        &parts[..]
    };
    *table = Table::new(blobs, &collection(&ALL_TYPES, parts));
}

/// Makes the table again, with these committed marks for those who ask; others are gone.
fn rebuild(table: &mut Memory, told: &[(&str, u64)], sources: &[&Source]) -> Rebuilt {
    let entropy = table.entropy();
    let begun = table
        .actor
        .begin_rebuild(&table.sql, &table.blobs, 5_000, entropy);
    let mut rebuild = now(begun).unwrap();
    let told: BTreeMap<&str, u64> = told.iter().copied().collect();
    let committed = |object: &str| told.get(object).copied().map(Sequence);
    rebuild.choose(committed).unwrap();
    let mut batches = Vec::new();
    for source in sources {
        let batch = source.range(Sequence(0), source.head()).pack().unwrap();
        batches.push((source.object.clone(), batch));
    }
    let rows: BTreeMap<String, _> = sources
        .iter()
        .map(|source| {
            (
                source.object.clone(),
                rebuild.rows_of(&source.object).unwrap(),
            )
        })
        .collect();
    let lacks = |object: &str, at: Sequence| {
        !rows[object].contains(at) && committed(object).is_some_and(|to| at <= to)
    };
    now(rebuild.refill(&table.blobs, &batches, lacks)).unwrap();
    now(rebuild.write(&table.sql, &table.blobs, &[])).unwrap()
}

#[test]
fn lost_metadata_comes_back_from_the_data_files() {
    let (mut table, [one, two]) = table();
    let before = table.metadata();
    lose(&table, &keys(&table, "/metadata/"));
    let made = rebuild(&mut table, &[("JFK", 60), ("Zürich ✈", 60)], &[]);
    assert_eq!((made.files, made.rows, made.refilled), (6, 120, 0));
    table.assert_holds(&[&one, &two]);
    let after = table.metadata();
    for same in ["table-uuid", "location", "properties"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    // And goes on as before.
    let (mut one, mut two) = (one, two);
    for source in [&mut one, &mut two] {
        source.write(7);
        table.accept(&source.next());
    }
    table.flush();
    table.assert_holds(&[&one, &two]);
    let garbage = table.actor.garbage(&table.sql, 1_000).unwrap();
    let held: Vec<String> = table
        .scan()
        .files()
        .iter()
        .map(|file| file.key.clone())
        .collect();
    assert!(garbage.iter().all(|key| !held.contains(key)));
}

#[test]
fn files_that_were_never_committed_make_no_row_twice() {
    let (mut table, [mut one, two]) = table();
    one.write(10);
    table.accept(&one.next());
    // Written, and then the host died: once as the actor's database says, once unknown to it.
    let entropy = table.entropy();
    let plan = table
        .actor
        .begin_flush(&table.sql, 6_000, entropy)
        .unwrap()
        .unwrap();
    now(plan.write(&table.blobs)).unwrap();
    let told = [("JFK", 60), ("Zürich ✈", 60)];
    // An earlier attempt that was given up has the same rows.
    let first = keys(&table, "/data/")[0].clone();
    let body = now(table.blobs.get(&first, None)).unwrap();
    let earlier = first.replace("-1-0.parquet", "-0-0.parquet");
    assert_ne!(first, earlier);
    now(table.blobs.put(&earlier, body, PutMode::Absent)).unwrap();
    lose(&table, &keys(&table, "/metadata/"));
    let made = rebuild(&mut table, &told, &[]);
    assert_eq!((made.rows, made.dropped), (120, vec![earlier]));
    table.flush();
    table.assert_holds(&[&one, &two]);

    lose(&table, &keys(&table, "/metadata/"));
    forget(&mut table, "identity");
    let made = rebuild(&mut table, &told, &[]);
    assert_eq!((made.rows, made.dropped.len()), (120, 3), "{made:?}");
}

#[test]
fn a_commit_that_only_some_objects_heard_of_stays() {
    let (mut table, [one, two]) = table();
    forget(&mut table, "identity");
    let made = rebuild(&mut table, &[("JFK", 60), ("Zürich ✈", 40)], &[]);
    assert_eq!((made.rows, made.dropped.len()), (120, 0));
    table.assert_holds(&[&one, &two]);
    // Of an object that is gone all rows stay.
    forget(&mut table, "identity");
    assert_eq!(rebuild(&mut table, &[("JFK", 0)], &[]).rows, 120);
}

#[test]
fn lost_and_damaged_data_files_come_again_from_the_logs() {
    let (mut table, [one, two]) = table();
    let data = keys(&table, "/data/");
    lose(&table, &data[..2]);
    now(table
        .blobs
        .put(&data[3], Bytes::from_static(b"PAR1"), PutMode::Overwrite))
    .unwrap();
    lose(&table, &keys(&table, "/metadata/"));
    forget(&mut table, "identity");
    let told = [("JFK", 60), ("Zürich ✈", 60)];
    let made = rebuild(&mut table, &told, &[&one, &two]);
    assert_eq!(
        (made.rows, made.refilled, made.damaged.len()),
        (120, 60, 1),
        "{made:?}"
    );
    table.assert_holds(&[&one, &two]);
    // What came again is there for the next time.
    lose(&table, &keys(&table, "/metadata/"));
    let made = rebuild(&mut table, &told, &[&one, &two]);
    assert_eq!((made.rows, made.refilled), (120, 0));
    table.assert_holds(&[&one, &two]);
}

#[test]
fn files_of_an_older_partition_spec_are_of_no_partition() {
    let (mut table, [one, two]) = table();
    lose(&table, &keys(&table, "/metadata/"));
    forget(&mut table, "bucket[4]");
    let told = [("JFK", 60), ("Zürich ✈", 60)];
    rebuild(&mut table, &told, &[]);
    table.assert_holds(&[&one, &two]);
    // Rows of several objects are in one file now, which is of no partition of the next spec.
    forget(&mut table, "");
    lose(&table, &keys(&table, "/data/"));
    let made = rebuild(&mut table, &told, &[&one, &two]);
    assert_eq!((made.files, made.refilled), (1, 120));
    forget(&mut table, "identity");
    let made = rebuild(&mut table, &told, &[]);
    assert_eq!((made.files, made.rows), (1, 120));
    table.assert_holds(&[&one, &two]);
    let snapshots = table.metadata()["snapshots"].as_array().unwrap().len();
    assert_eq!((snapshots, table.rows(Some("JFK")).len()), (1, 60));
}
