//! The newest change of one document, found by bounds.

use std::cell::Cell;
use std::ops::Range;

use bytes::Bytes;
use serde_json::json;
use tidelog_core::{Collection, Prepared};
use tidelog_lake::{BlobMeta, BlobStore, MemoryBlobs, PutMode};
use tidelog_log::{Operation, Result, Row, Value};

use crate::support::{ALL_TYPES, Source, Table, collection, document, now};

/// Counts the bytes that are read.
#[derive(Default)]
struct CountedBlobs {
    inner: MemoryBlobs,
    read: Cell<usize>,
}

impl BlobStore for CountedBlobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        let body = self.inner.get(key, range).await?;
        self.read.set(self.read.get() + body.len());
        Ok(body)
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        self.inner.put(key, body, mode).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.inner.delete(keys).await
    }
}

/// Adds a change of a document.
fn change(source: &mut Source, key: &str, before: Option<Row>, after: Option<Row>) {
    source.push(before, after);
    source.events.last_mut().unwrap().key = key.to_owned();
}

#[test]
fn the_newest_change_is_that_with_the_greatest_sequence() {
    let all_types = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(MemoryBlobs::new(), &all_types);
    let mut sources = ["JFK", "LGA", "EWR"].map(Source::new);
    let keys = ["a", "b", "a key of more than sixteen letters", "z"];
    for round in 0..7_usize {
        for (at, source) in sources.iter_mut().enumerate() {
            for step in 0..5 {
                let n = i64::try_from(round * 5 + step).unwrap();
                let key = keys[(round * 3 + at + step * step) % keys.len()];
                match (round + step) % 4 {
                    0 => change(source, key, Some(document(n)), None),
                    1 => change(source, key, Some(document(n)), Some(document(n + 1))),
                    _ => change(source, key, None, Some(document(n))),
                }
            }
            table.accept(&source.next());
        }
        table.flush();
    }
    let (scan, rows) = (table.scan(), table.rows(None));
    assert_eq!(scan.files().len(), 7);
    for object in ["JFK", "LGA", "EWR", "BOS"] {
        for key in keys
            .into_iter()
            .chain(["", "a key of more than sixteen lettert"])
        {
            let of_it = rows.iter().filter(|r| r.object == object && r.key == key);
            let expected = of_it.max_by_key(|row| row.sequence);
            let found = now(scan.newest(&table.blobs, &all_types, object, key)).unwrap();
            assert_eq!(found.as_ref(), expected, "{object} {key}");
        }
    }
    let deleted = rows.iter().filter(|r| r.operation == Operation::Delete);
    assert!(deleted.count() > 0);
}

/// Over more than one row group, each of several pages.
#[test]
fn pages_that_hold_nothing_of_a_document_are_not_read() {
    const ROWS: i64 = 140_000;
    let fields = collection(&[("value", "int")], &[]);
    let mut table = Table::new(CountedBlobs::default(), &fields);
    let mut source = Source::new("JFK");
    for n in 0..ROWS {
        // An undeclared member: its column has no dictionary, which would have to be read whole.
        let text = format!("{:x}", n.wrapping_mul(0x1e37_79b9_7f4a_7c15)).repeat(3);
        let mut row = Row {
            fields: vec![(1, Value::Int(n % 1_000))],
            ..Row::default()
        };
        row.extra.insert("text".to_owned(), text.into());
        change(&mut source, &format!("key {n:08}"), None, Some(row));
    }
    table.accept(&source.next());
    table.flush_all();
    let scan = table.scan();
    let all: u64 = scan.files().iter().map(|file| file.bytes).sum();
    for n in [0, 1, 70_000, 131_071, 131_072, ROWS - 1] {
        table.blobs.read.set(0);
        let found = now(scan.newest(&table.blobs, &fields, "JFK", &format!("key {n:08}")));
        let found = found.unwrap().unwrap();
        assert_eq!(found.row.get(1), Some(&Value::Int(n % 1_000)));
        assert!(
            table.blobs.read.get() as u64 * 2 < all,
            "{} of {all}",
            table.blobs.read.get()
        );
    }
    table.blobs.read.set(0);
    let outside = ["a", "key", "z"];
    for key in outside {
        assert_eq!(
            now(scan.newest(&table.blobs, &fields, "JFK", key)).unwrap(),
            None
        );
    }
    assert_eq!(
        now(scan.newest(&table.blobs, &fields, "LGA", "key 00000001")).unwrap(),
        None
    );
    assert_eq!(table.blobs.read.get(), 0, "bounds of files say enough");
    let between = now(scan.newest(&table.blobs, &fields, "JFK", "key 00000001x"));
    assert_eq!(between.unwrap(), None);
}

/// Keys in no order, but made of a time that is in order: bounds of that time are enough to skip by.
#[test]
fn what_the_key_says_of_its_fields_skips_files() {
    const STEPS: i64 = 1_000;
    const POINTS: [&str; 9] = ["z", "a", "k", "b", "~", "c", "y", "q", "%"];
    let keyed: Collection = serde_json::from_value(json!({
        "id": 1, "name": "flights", "key": [2, 1], "cold": {"enabled": true},
        "fields": [{"id": 1, "name": "at", "type": "timestamp", "required": true},
                   {"id": 2, "name": "point", "type": "string", "required": true}],
    }))
    .unwrap();
    let prepared = Prepared::new(keyed.clone()).unwrap();
    let mut table = Table::new(CountedBlobs::default(), &keyed);
    let mut source = Source::new("JFK");
    let mut keys = Vec::new();
    for (step, point) in (0..STEPS).flat_map(|step| POINTS.map(|point| (step, point))) {
        let at = Value::Timestamp(1_767_225_600_000_000 + step * 60_000_000);
        let row = Row {
            fields: vec![(1, at), (2, Value::Text(point.to_owned()))],
            ..Row::default()
        };
        keys.push(prepared.key_of(&row).unwrap());
        change(&mut source, keys.last().unwrap(), None, Some(row));
        if keys.len() % 1_800 == 0 {
            table.accept(&source.next());
            table.flush_all();
        }
    }
    let scan = table.scan();
    let keyless = collection(&[("at", "timestamp"), ("point", "string")], &[]);
    let (mut with_key, mut without) = (0, 0);
    for at in [0, 7, 4_444, keys.len() - 1] {
        let read = |collection: &Collection| {
            table.blobs.read.set(0);
            let found = now(scan.newest(&table.blobs, collection, "JFK", &keys[at])).unwrap();
            assert_eq!(found.unwrap().sequence.0, at as u64 + 1);
            table.blobs.read.get()
        };
        with_key += read(&keyed);
        without += read(&keyless);
    }
    assert_eq!(scan.files().len(), 5);
    assert!(with_key * 2 < without, "{with_key} of {without}");
    table.blobs.read.set(0);
    let later = now(scan.newest(&table.blobs, &keyed, "JFK", "b~2027-01-01T00:00:00Z"));
    assert_eq!((later.unwrap(), table.blobs.read.get()), (None, 0));
}

#[test]
fn a_damaged_file_is_an_error() {
    let all_types = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(MemoryBlobs::new(), &all_types);
    let mut source = Source::new("JFK");
    source.write(50);
    table.accept(&source.next());
    table.flush();
    let scan = table.scan();
    let file = &scan.files()[0];
    let whole = now(table.blobs.get(&file.key, None)).unwrap();
    for at in [4, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        bytes[at.saturating_sub(2)] ^= 0x55;
        now(table.blobs.put(&file.key, bytes.into(), PutMode::Overwrite)).unwrap();
        // Parquet has no checksum of every byte: what is not an error must at least not panic.
        drop(now(scan.newest(&table.blobs, &all_types, "JFK", "key-7")));
    }
    let cut = whole.slice(..whole.len() - 1);
    now(table.blobs.put(&file.key, cut, PutMode::Overwrite)).unwrap();
    assert!(now(scan.newest(&table.blobs, &all_types, "JFK", "key-7")).is_err());
}
