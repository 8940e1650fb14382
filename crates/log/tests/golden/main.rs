//! Bytes that were written once, by hand from `docs/format/log-record.md`, and are read for ever.
//!
//! `record-v1.bin` did not come from this crate and no test writes it. It holds every value type, a field id
//! of two bytes, undeclared fields, both absent markers, two collections and all five labels.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]

use serde_json::json;
use tidelog_log::{
    ChangeRef, Epoch, Hash, OldValue, Operation, Record, RecordHeader, RecordWriter, Row, Sequence,
    Value,
};

const RECORD_V1: &[u8] = include_bytes!("record-v1.bin");

fn header() -> RecordHeader {
    RecordHeader {
        epoch: Epoch(1_735_689_600_001),
        parent_epoch: Epoch(1_735_689_600_000),
        first_sequence: Sequence(130),
        timestamp: 1_735_689_600_123,
        schema_version: 3,
        previous: Hash(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        source: "tests".to_owned(),
        correlation_id: "correlation".to_owned(),
        trace_parent: "00-1-2-01".to_owned(),
        idempotency_key: "key".to_owned(),
        cause: "object-deleted".to_owned(),
    }
}

fn row(fields: &[(u32, Value)], extra: &[(&str, serde_json::Value)]) -> Row {
    Row {
        fields: fields.to_vec(),
        extra: extra
            .iter()
            .map(|(name, json)| ((*name).to_owned(), json.clone()))
            .collect(),
    }
}

fn every_type() -> Row {
    let fields = [
        (1, Value::Bool(false)),
        (2, Value::Bool(true)),
        (3, Value::Int(-9_007_199_254_740_991)),
        (4, Value::BigInt(i64::MIN)),
        (5, Value::Float(-1.5)),
        (6, Value::Text("Zürich ✈".to_owned())),
        (7, Value::Date(-1)),
        (8, Value::Timestamp(1_735_689_600_123_456)),
        (9, Value::Json(r#"{"a":[1,null]}"#.to_owned())),
        (10, Value::Binary(vec![0, 255, 128])),
        (
            300,
            Value::Uuid(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        ),
        (301, Value::Vector(vec![0.5, -2.0])),
    ];
    row(
        &fields,
        &[("free", json!({"x": 1.5})), ("null", json!(null))],
    )
}

/// The documents of the record: the one of every type, and `b` before, between and after.
fn documents() -> [Row; 4] {
    let before = [(1, Value::Int(-1)), (2, Value::Text("gone".to_owned()))];
    let after = [(1, Value::Int(200)), (3, Value::Bool(true))];
    [
        every_type(),
        row(&before, &[("was", json!("here"))]),
        row(&after[..1], &[("new", json!([]))]),
        row(&after, &[("new", json!([]))]),
    ]
}

#[test]
fn a_record_of_version_1_is_written_byte_for_byte() {
    let [full, before, between, after] = documents();
    let (flights, weather) = ((1, "flights"), (7, "weather"));
    let mut writer = RecordWriter::new(&header());
    writer.push(flights, "a~1", ChangeRef::Insert { after: &full });
    let old = between.changes_from(&before);
    assert!(old.contains(&OldValue::Extra("new".to_owned(), None)));
    let change = ChangeRef::Update {
        after: &between,
        old: &old,
    };
    writer.push(weather, "b", change);
    let old = after.changes_from(&between);
    let change = ChangeRef::Update {
        after: &after,
        old: &old,
    };
    writer.push(weather, "b", change);
    let empty = Row::default();
    writer.push(flights, "a~1", ChangeRef::Delete { before: &empty });
    let (bytes, hash) = writer.finish().unwrap();
    assert_eq!(bytes, RECORD_V1);
    assert_eq!(hash, Record::hash_of_tail(RECORD_V1).unwrap());
}

#[test]
fn a_record_of_version_1_is_read() {
    let record = Record::decode(RECORD_V1).unwrap();
    assert_eq!((record.header.clone(), 4), Record::peek(RECORD_V1).unwrap());
    assert_eq!(record.header, header());
    let events: Vec<_> = record.into_events().collect();
    let [full, before, between, after] = documents();
    let operations: Vec<Operation> = events.iter().map(|event| event.operation).collect();
    let (insert, update, delete) = (Operation::Insert, Operation::Update, Operation::Delete);
    assert_eq!(operations, [insert, update, update, delete]);
    let images: Vec<_> = events.into_iter().map(|e| (e.before, e.after)).collect();
    assert_eq!(images[0], (None, Some(full)));
    assert_eq!(images[1], (Some(before), Some(between.clone())));
    assert_eq!(images[2], (Some(between), Some(after)));
    assert_eq!(images[3], (Some(Row::default()), None));
}
