//! Columns come and are renamed; partitions are what their transforms say.

use tidelog_lake::MemoryBlobs;
use tidelog_log::{Row, Value};

use crate::support::{ALL_TYPES, Source, Table, collection};

#[test]
fn added_and_renamed_columns_are_read_by_id() {
    let first = collection(&[("name", "string"), ("seats", "int")], &[]);
    let mut table = Table::new(MemoryBlobs::new(), &first);
    let mut source = Source::new("JFK");
    let row = |fields: Vec<(u32, Value)>| Row {
        fields,
        ..Row::default()
    };
    let text = |text: &str| Value::Text(text.to_owned());
    source.push(None, Some(row(vec![(1, text("a")), (2, Value::Int(1))])));
    table.accept(&source.next());
    table.flush();

    source.schema_version = 2;
    source.push(
        None,
        Some(row(vec![(1, text("b")), (3, Value::Bool(true))])),
    );
    table.accept(&source.next());
    assert_eq!(table.actor.schema_wanted(&table.sql).unwrap(), Some(2));
    let error = table.try_flush().unwrap_err();
    assert_eq!(error.code(), "schema_behind");
    let second = [("title", "string"), ("seats", "int"), ("late", "bool")];
    let second = collection(&second, &[]);
    table
        .actor
        .set_schema(&table.sql, 1, [0; 16], &second, 2)
        .unwrap();
    table
        .actor
        .set_schema(&table.sql, 1, [0; 16], &first, 1)
        .unwrap();
    assert_eq!(table.actor.schema_wanted(&table.sql).unwrap(), None);
    let uuid = table.metadata()["table-uuid"].clone();
    table.flush();
    table.assert_holds(&[&source]);

    let metadata = table.metadata();
    assert_eq!(metadata["table-uuid"], uuid);
    assert_eq!(metadata["properties"]["tidelog.schema-version"], "2");
    let current = metadata["schemas"].as_array().unwrap().last().unwrap();
    assert_eq!(current["schema-id"], metadata["current-schema-id"]);
    let names: Vec<&str> = current["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["name"].as_str())
        .filter(|name| !name.starts_with('_'))
        .collect();
    assert_eq!(names, ["title", "seats", "late"]);
    assert!(metadata["last-updated-ms"].as_i64().unwrap() >= 1_000);
}

#[test]
fn a_new_schema_alone_writes_metadata_and_no_snapshot() {
    let mut table = Table::new(MemoryBlobs::new(), &collection(&ALL_TYPES, &[]));
    assert_eq!(table.actor.metadata(&table.sql).unwrap(), None);
    table.flush();
    let (location, _) = table.actor.metadata(&table.sql).unwrap().unwrap();
    let key = location.strip_prefix("s3://tidelog/").unwrap();
    assert_eq!(table.blobs.keys(), [key]);
    assert!(key.starts_with("data/default/table/airport/flights/0/changes/metadata/00001-"));
    let more: Vec<_> = ALL_TYPES.into_iter().chain([("more", "string")]).collect();
    let more = collection(&more, &[("_object", "bucket[4]")]);
    table
        .actor
        .set_schema(&table.sql, 1, [0; 16], &more, 2)
        .unwrap();
    assert!(table.actor.flush_due(&table.sql, 0).unwrap());
    table.flush();
    let metadata = table.metadata();
    assert_eq!(metadata["metadata-log"][0]["metadata-file"], location);
    assert_eq!(metadata["partition-specs"].as_array().unwrap().len(), 2);
    assert_eq!(metadata["current-schema-id"], 1);
    assert!(table.rows(None).is_empty());
}

#[test]
fn events_from_before_and_after_a_new_partitioning_are_all_there() {
    let mut table = Table::new(
        MemoryBlobs::new(),
        &collection(&ALL_TYPES, &[("day", "year")]),
    );
    let mut source = Source::new("JFK");
    for (version, transform) in [(2, "bucket[4]"), (3, "identity"), (4, "truncate[2]")] {
        source.write(30);
        table.accept(&source.next());
        table.flush();
        let changed = collection(&ALL_TYPES, &[("day", "year"), ("name", transform)]);
        table
            .actor
            .set_schema(&table.sql, 1, [0; 16], &changed, version)
            .unwrap();
    }
    source.write(30);
    table.accept(&source.next());
    table.flush();
    table.assert_holds(&[&source]);
    let metadata = table.metadata();
    assert_eq!(
        metadata["schemas"].as_array().unwrap().len(),
        1,
        "the columns are the same"
    );
    assert_eq!(metadata["partition-specs"].as_array().unwrap().len(), 4);
}

#[test]
fn every_transform_puts_rows_where_they_belong() {
    for (field, transform) in [
        ("_object", "identity"),
        ("_object", "bucket[4]"),
        ("_operation", "identity"),
        ("name", "truncate[9]"),
        ("seats", "truncate[10]"),
        ("big", "bucket[3]"),
        ("late", "identity"),
        ("day", "identity"),
        ("day", "year"),
        ("day", "month"),
        ("day", "day"),
        ("departed", "month"),
        ("departed", "day"),
        ("departed", "hour"),
        ("departed", "identity"),
        ("_timestamp", "day"),
    ] {
        let collection = collection(&ALL_TYPES, &[(field, transform)]);
        let mut table = Table::new(MemoryBlobs::new(), &collection);
        let (mut one, mut two) = (Source::new("JFK"), Source::new("LGA"));
        for source in [&mut one, &mut two] {
            source.write(25);
            table.accept(&source.next());
        }
        table.flush();
        table.assert_holds(&[&one, &two]);
        if (field, transform) == ("_object", "identity") {
            assert_eq!(table.scan().files().len(), 2);
            let ours = table.rows(Some("LGA"));
            assert_eq!(ours.len(), 25);
        }
        if (field, transform) == ("departed", "day") {
            // 25 hours from 10:00 touch two days; every third document has no such value.
            assert_eq!(table.scan().files().len(), 3);
        }
    }
}

#[test]
fn a_partitioning_that_does_not_fit_is_refused() {
    let table = Table::new(MemoryBlobs::new(), &collection(&ALL_TYPES, &[]));
    for (field, transform) in [
        ("none", "identity"),
        ("name", "month"),
        ("embedding", "identity"),
    ] {
        let odd = collection(&ALL_TYPES, &[(field, transform)]);
        let error = table
            .actor
            .set_schema(&table.sql, 1, [0; 16], &odd, 2)
            .unwrap_err();
        assert_eq!(
            error.code(),
            "invalid_partition",
            "{field} {transform}: {error}"
        );
    }
}
