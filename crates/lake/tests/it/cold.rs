//! One document as the newest snapshot has it, for a host.

use std::cell::Cell;
use std::ops::Range;

use bytes::Bytes;
use tidelog_core::{Address, Collection, LakeImage};
use tidelog_lake::limits::COLD_READ_FILES_MAX;
use tidelog_lake::{BlobMeta, BlobStore, MemoryBlobs, PutMode, SnapshotScan};
use tidelog_log::{Result, Sequence};

use crate::support::{ALL_TYPES, Source, Table, collection, document, now};

/// Counts the manifests that are read.
#[derive(Default)]
struct CountedManifests {
    inner: MemoryBlobs,
    read: Cell<usize>,
}

impl BlobStore for CountedManifests {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        self.read
            .set(self.read.get() + usize::from(key.ends_with(".avro")));
        self.inner.get(key, range).await
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

fn write(source: &mut Source, key: &str, n: i64, there: bool) {
    let row = Some(document(n));
    match there {
        true => source.push(None, row),
        false => source.push(row, None),
    }
    key.clone_into(&mut source.events.last_mut().unwrap().key);
}

fn read(
    table: &Table<CountedManifests>,
    fields: &Collection,
    key: &str,
    remembered: &mut Option<SnapshotScan>,
) -> Result<LakeImage> {
    let object = Address::object("airport", "JFK").unwrap();
    let begun = table
        .actor
        .begin_cold_read(&table.sql, &object, remembered.as_ref())?;
    let (image, known) = now(begun.run(&table.blobs, fields, key))?;
    *remembered = known;
    Ok(image)
}

#[test]
fn an_image_is_of_the_newest_commit_and_its_mark() {
    let fields = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(CountedManifests::default(), &fields);
    let mut source = Source::new("JFK");
    let mut known = None;
    assert_eq!(
        read(&table, &fields, "a", &mut known).unwrap(),
        LakeImage::default()
    );
    for (n, there) in [(1, true), (2, true), (3, false), (4, true)] {
        write(&mut source, "a", n, there);
        table.accept(&source.next());
        let before = read(&table, &fields, "a", &mut known).unwrap();
        let n = n.unsigned_abs();
        assert_eq!(
            (before.accepted, before.committed),
            (Sequence(n), Sequence(n - 1))
        );
        table.flush_all();
        let after = read(&table, &fields, "a", &mut known).unwrap();
        assert_eq!(after.committed, Sequence(n));
        let change = after.change.unwrap();
        assert_eq!(
            (change.sequence, change.document.is_some()),
            (Sequence(n), there)
        );
        let other = read(&table, &fields, "b", &mut known).unwrap();
        assert_eq!((other.committed, other.change), (Sequence(n), None));
    }
}

#[test]
fn a_snapshot_that_is_remembered_is_not_opened_again() {
    let fields = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(CountedManifests::default(), &fields);
    let mut source = Source::new("JFK");
    let mut known = None;
    let manifests = |table: &Table<CountedManifests>, known: &mut Option<SnapshotScan>| {
        table.blobs.read.set(0);
        let image = read(table, &fields, "a", known).unwrap();
        (image.change.unwrap().sequence, table.blobs.read.get())
    };
    for n in 1..=3 {
        write(&mut source, "a", n, true);
        table.accept(&source.next());
        table.flush_all();
        let n = n.unsigned_abs();
        // The list and a manifest for each commit; then none.
        let opened = usize::try_from(n).unwrap() + 1;
        assert_eq!(manifests(&table, &mut known), (Sequence(n), opened));
        assert_eq!(manifests(&table, &mut known), (Sequence(n), 0));
    }
}

/// Every file's bounds hold "m", and none has it.
#[test]
fn a_read_looks_into_so_many_files_and_no_more() {
    let fields = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(CountedManifests::default(), &fields);
    let mut source = Source::new("JFK");
    let mut known = None;
    for n in 1..=COLD_READ_FILES_MAX {
        for key in ["a", "z"] {
            write(&mut source, key, 7, true);
        }
        table.accept(&source.next());
        table.flush_all();
        if n == COLD_READ_FILES_MAX {
            assert_eq!(read(&table, &fields, "m", &mut known).unwrap().change, None);
        }
    }
    for key in ["a", "z"] {
        write(&mut source, key, 7, true);
    }
    table.accept(&source.next());
    table.flush_all();
    let refused = read(&table, &fields, "m", &mut known).unwrap_err();
    assert_eq!(refused.code(), "cold_read_too_large");
    let newest = read(&table, &fields, "a", &mut known).unwrap();
    assert_eq!(
        newest.change.unwrap().sequence,
        Sequence(2 * COLD_READ_FILES_MAX as u64 + 1)
    );
}

/// Wherever a data file is damaged, a read answers or is refused.
#[test]
fn damaged_pages_are_no_panic() {
    let fields = collection(&ALL_TYPES, &[]);
    let mut table = Table::new(CountedManifests::default(), &fields);
    let mut source = Source::new("JFK");
    for n in 1..=40 {
        write(&mut source, if n % 7 == 0 { "b" } else { "a" }, n, true);
    }
    table.accept(&source.next());
    table.flush_all();
    let file = table.scan().files()[0].key.clone();
    let body = now(table.blobs.get(&file, None)).unwrap();
    let mut refused = 0;
    for at in (4..body.len() - 8).step_by(13) {
        let mut damaged = body.to_vec();
        damaged[at] ^= 0x55;
        now(table.blobs.put(&file, damaged.into(), PutMode::Overwrite)).unwrap();
        refused += usize::from(read(&table, &fields, "b", &mut None).is_err());
    }
    assert!(refused > 0);
    now(table.blobs.put(&file, body, PutMode::Overwrite)).unwrap();
    let whole = read(&table, &fields, "b", &mut None).unwrap();
    assert_eq!(whole.change.unwrap().sequence, Sequence(35));
}
