//! Metadata stays bounded however long a table is fed.

use tidelog_lake::{BlobStore as _, MemoryBlobs, limits};

use crate::support::{Source, Table, collection, now};

fn table() -> Table<MemoryBlobs> {
    Table::new(
        MemoryBlobs::new(),
        &collection(&crate::support::ALL_TYPES, &[]),
    )
}

fn delete_garbage(table: &Table<MemoryBlobs>) -> usize {
    let garbage = table.actor.garbage(&table.sql, 10_000).unwrap();
    now(table.blobs.delete(&garbage)).unwrap();
    table.actor.garbage_deleted(&table.sql, &garbage).unwrap();
    garbage.len()
}

#[test]
fn many_commits_keep_every_row_and_few_files_of_metadata() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    let mut deleted = 0;
    for _ in 0..220 {
        source.write(2);
        table.accept(&source.next());
        table.flush();
        deleted += delete_garbage(&table);
    }
    table.assert_holds(&[&source]);
    let metadata = table.metadata();
    let snapshots = metadata["snapshots"].as_array().unwrap();
    assert!(
        snapshots.len() <= limits::SNAPSHOTS_MAX,
        "{}",
        snapshots.len()
    );
    assert!(metadata["metadata-log"].as_array().unwrap().len() <= limits::METADATA_LOG_MAX);
    let times: Vec<i64> = snapshots
        .iter()
        .map(|s| s["timestamp-ms"].as_i64().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b));
    assert!(deleted > 150, "{deleted}");
    let summary = &snapshots.last().unwrap()["summary"];
    assert_eq!(summary["total-records"], "440");
    assert_eq!(summary["total-data-files"], "220");
    let blobs = table.blobs.keys();
    let named = |ending: &str| blobs.iter().filter(|key| key.ends_with(ending)).count();
    assert!(named("metadata.json") <= limits::METADATA_LOG_MAX + 1);
    assert_eq!(named("list.avro"), snapshots.len());
    let status = table.actor.status(&table.sql).unwrap();
    assert_eq!(
        (status.rows, status.data_files, status.commits),
        (440, 220, 220)
    );
    assert_eq!(status.snapshot_id, metadata["current-snapshot-id"].as_i64());
}

#[test]
fn every_kept_snapshot_stays_readable() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    for _ in 0..170 {
        source.write(1);
        table.accept(&source.next());
        table.flush();
        delete_garbage(&table);
    }
    let mut metadata = table.metadata();
    for snapshot in metadata["snapshots"].as_array().unwrap().clone() {
        metadata["current-snapshot-id"] = snapshot["snapshot-id"].clone();
        metadata["refs"]["main"]["snapshot-id"] = snapshot["snapshot-id"].clone();
        metadata["snapshot-log"] = serde_json::json!([]);
        let json = metadata.to_string();
        let scan = now(tidelog_lake::ChangesScan::open(&table.blobs, &json)).unwrap();
        let rows: u64 = scan.files().iter().map(|file| file.rows).sum();
        assert_eq!(snapshot["summary"]["total-records"], rows.to_string());
    }
}

#[test]
fn snapshot_times_never_go_back_with_the_clock() {
    let (mut table, mut source) = (table(), Source::new("JFK"));
    for clock in [50_000_000, 10, 5, 60_000_000] {
        table.clock = clock;
        source.write(1);
        table.accept(&source.next());
        table.flush();
    }
    let metadata = table.metadata();
    let snapshots = metadata["snapshots"].as_array().unwrap();
    let times: Vec<i64> = snapshots
        .iter()
        .map(|s| s["timestamp-ms"].as_i64().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert_eq!(metadata["last-updated-ms"].as_i64(), times.last().copied());
}

#[test]
fn a_large_partition_is_cut_at_the_target_size() {
    let mut settings = crate::support::settings();
    settings.target_file_bytes = 20_000;
    let collection = collection(&crate::support::ALL_TYPES, &[]);
    let mut table = Table::with(MemoryBlobs::new(), &collection, settings);
    let mut source = Source::new("JFK");
    source.write(1_000);
    table.accept(&source.next());
    table.flush();
    assert!(table.scan().files().len() > 4);
    table.assert_holds(&[&source]);
}
