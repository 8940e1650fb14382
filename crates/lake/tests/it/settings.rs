//! What a collection declares of its tables: when they commit, how, and where.

use tidelog_core::{Collection, CompressionCodec};
use tidelog_lake::{BlobStore as _, MemoryBlobs, TableSettings};
use tidelog_log::Sequence;

use crate::support::{ALL_TYPES, Source, Table, collection, now, settings};

fn declared(declare: impl FnOnce(&mut Collection)) -> Table<MemoryBlobs> {
    let mut collection = collection(&ALL_TYPES, &[]);
    declare(&mut collection);
    let mut table = Table::new(MemoryBlobs::new(), &collection);
    // The table itself is made first, at once.
    table.flush();
    table
}

fn data_files(table: &Table<MemoryBlobs>) -> Vec<String> {
    let keys = table.blobs.keys();
    keys.into_iter()
        .filter(|key| key.ends_with(".parquet"))
        .collect()
}

#[test]
fn every_codec_is_in_the_file_and_read_back() {
    let mut sizes = Vec::new();
    for (codec, name) in [
        (CompressionCodec::Zstd, "zstd"),
        (CompressionCodec::Snappy, "snappy"),
        (CompressionCodec::None, "uncompressed"),
    ] {
        let mut table = declared(|collection| collection.cold.compression_codec = codec);
        let mut source = Source::new("JFK");
        source.write(3_000);
        table.accept(&source.next());
        table.flush();
        table.assert_holds(&[&source]);
        let metadata = table.metadata();
        let property = &metadata["properties"]["write.parquet.compression-codec"];
        assert_eq!(property, name);
        let files = data_files(&table);
        let body = now(table.blobs.get(&files[0], None)).unwrap();
        sizes.push(body.len());
    }
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
}

#[test]
fn a_schedule_takes_the_place_of_the_hosts_wait() {
    let mut table = declared(|collection| collection.cold.schedule_millis = Some(3_600_000));
    let mut source = Source::new("JFK");
    source.write(1);
    table.accept(&source.next());
    let came = table.clock;
    let due = table.actor.next_due(&table.sql).unwrap();
    assert_eq!(due, Some(came + 3_600_000));
    table.clock = came + 3_600_000;
    assert!(table.actor.flush_due(&table.sql, table.clock).unwrap());
    table.flush();
    assert_eq!(table.actor.next_due(&table.sql).unwrap(), None);
    // Without one the host's wait holds.
    let table = declared(|_| {});
    source = Source::new("LGA");
    source.write(1);
    table.accept(&source.next());
    let due = table.actor.next_due(&table.sql).unwrap();
    assert_eq!(due, Some(table.clock + settings().flush_millis));
}

#[test]
fn a_schedule_does_not_let_the_inbox_overflow() {
    let mut collection = collection(&ALL_TYPES, &[]);
    collection.cold.schedule_millis = Some(3_600_000);
    let few = TableSettings {
        flush_events: 10,
        ..settings()
    };
    let mut table = Table::with(MemoryBlobs::new(), &collection, few);
    table.flush();
    let mut source = Source::new("JFK");
    source.write(10);
    table.accept(&source.next());
    assert_eq!(table.actor.next_due(&table.sql).unwrap(), Some(0));
}

#[test]
fn events_wait_for_their_age_unless_everything_is_asked_for() {
    let mut table = declared(|collection| collection.cold.min_age_millis = 60_000);
    let (mut one, mut two) = (Source::new("JFK"), Source::new("LGA"));
    one.write(3);
    table.accept(&one.next());
    let came = table.clock;
    table.clock += 30_000;
    two.write(2);
    table.accept(&two.next());
    assert_eq!(
        table.actor.next_due(&table.sql).unwrap(),
        Some(came + 60_000)
    );
    assert!(table.flush().is_empty(), "all are too young");
    table.clock = came + 60_000;
    let committed = table.flush();
    assert_eq!(committed.len(), 1);
    assert_eq!(
        (committed[0].source.clone(), committed[0].sequence),
        (one.address(), Sequence(3))
    );
    table.assert_holds(&[&one]);
    assert_eq!(
        table.actor.next_due(&table.sql).unwrap(),
        Some(came + 90_000)
    );
    table.flush_all();
    table.assert_holds(&[&one, &two]);
    assert_eq!(table.actor.next_due(&table.sql).unwrap(), None);
}

#[test]
fn a_flush_that_began_goes_on_whatever_the_age() {
    let mut table = declared(|collection| collection.cold.min_age_millis = 60_000);
    let mut source = Source::new("JFK");
    source.write(3);
    table.accept(&source.next());
    table.clock += 60_000;
    let entropy = table.entropy();
    let begun = table.actor.begin_flush(&table.sql, table.clock, entropy);
    assert!(begun.unwrap().is_some());
    table.reopen();
    table.clock -= 50_000;
    table.flush();
    table.assert_holds(&[&source]);
}

#[test]
fn a_bucket_and_a_prefix_of_its_own_are_in_every_location_and_key() {
    let mut table = declared(|collection| {
        collection.cold.bucket = "elsewhere".to_owned();
        collection.cold.prefix = "flights/raw/".to_owned();
    });
    let mut source = Source::new("JFK");
    for _ in 0..3 {
        source.write(2);
        table.accept(&source.next());
        table.flush();
        table.reopen();
    }
    table.assert_holds(&[&source]);
    assert_eq!(table.actor.bucket(&table.sql).unwrap(), "elsewhere");
    let metadata = table.metadata();
    let location = metadata["location"].as_str().unwrap();
    assert!(
        location.starts_with("s3://elsewhere/data/flights/raw/"),
        "{location}"
    );
    let keys = table.blobs.keys();
    assert!(
        keys.iter().all(|key| key.starts_with("data/flights/raw/")),
        "{keys:?}"
    );
}

#[test]
fn a_new_version_of_the_type_changes_the_settings() {
    let mut table = declared(|_| {});
    let mut source = Source::new("JFK");
    source.write(2);
    table.accept(&source.next());
    table.flush();
    let mut slower = collection(&ALL_TYPES, &[]);
    slower.cold.compression_codec = CompressionCodec::None;
    slower.cold.schedule_millis = Some(600_000);
    let done = table
        .actor
        .set_schema(&table.sql, table.clock, [1; 16], &slower, 2);
    done.unwrap();
    table.flush();
    source.schema_version = 2;
    source.write(2);
    table.accept(&source.next());
    let due = table.actor.next_due(&table.sql).unwrap();
    assert_eq!(due, Some(table.clock + 600_000));
    table.flush();
    table.assert_holds(&[&source]);
    let property = &table.metadata()["properties"]["write.parquet.compression-codec"];
    assert_eq!(property, "uncompressed");
}
