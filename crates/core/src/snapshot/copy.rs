//! The documents of a row table, copied into a snapshot step by step.

use tidelog_log::{Error, Reader, Result, Row, Sequence, put_bytes, put_varint};

use super::{Budget, stream};
use crate::Document;
use crate::document::Prepared;
use crate::folded::{DOCUMENT_BYTES_FOLDED, Manifest, raw_bytes, write_blobs};
use crate::sql::{Sql, SqlValue, all, int};
use crate::table::snapshots::{self, PartKind};

/// Rows of the row table read at once: a document may be 1.5 MB.
const READ_ROWS: usize = 128;

/// What one step copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The last key it looked at.
    pub(super) last: Option<String>,
    /// Nothing is behind it.
    pub(super) is_end: bool,
    /// Bytes it stored.
    pub(super) bytes: u64,
}

/// Copies documents behind a key: those that fit one into blobs that only the snapshot holds.
pub(super) fn step(
    sql: &dyn Sql,
    snapshot: &str,
    prepared: &Prepared,
    after: &str,
    budget: &mut Budget,
) -> Result<Copied> {
    let (documents, is_end) = read(sql, prepared, after, budget)?;
    let mut copied = Copied {
        last: documents.last().map(|document| document.key.clone()),
        is_end,
        bytes: 0,
    };
    let collection = prepared.collection.id;
    let fits = |document: &Document| raw_bytes(document) <= DOCUMENT_BYTES_FOLDED;
    let (folded, large): (Vec<_>, Vec<_>) = documents.into_iter().partition(fits);
    if !folded.is_empty() {
        let mut manifest = manifest(sql, snapshot, collection)?;
        for entry in write_blobs(sql, &prepared.collection, &folded, 1)? {
            copied.bytes += entry.bytes;
            manifest.add(entry);
        }
        put_manifest(sql, snapshot, collection, &manifest)?;
    }
    for document in &large {
        let item = items(sql, snapshot, collection)?;
        let bytes = encode(document);
        let place = (collection, item);
        copied.bytes += stream::put(sql, snapshot, PartKind::Documents, place, &bytes)?;
    }
    Ok(copied)
}

/// Documents of the row table behind a key, as many as the budget allows, and whether they are the last.
pub(super) fn read(
    sql: &dyn Sql,
    prepared: &Prepared,
    after: &str,
    budget: &mut Budget,
) -> Result<(Vec<Document>, bool)> {
    let table = &prepared.table;
    let text = format!("{} WHERE _key > ?1 ORDER BY _key LIMIT ?2", table.select);
    let (mut documents, mut after) = (Vec::<Document>::new(), after.to_owned());
    while !budget.is_spent() {
        let wanted = READ_ROWS.min(budget.rows);
        let args = [SqlValue::Text(&after), int(wanted as u64)];
        let page = all(sql, &text, &args, |row| table.read(row))?;
        let is_last = page.len() < wanted;
        budget.spend(page.len(), page.iter().map(raw_bytes).sum());
        if let Some(last) = page.last() {
            after.clone_from(&last.key);
        }
        documents.extend(page);
        if is_last {
            return Ok((documents, true));
        }
    }
    Ok((documents, false))
}

/// The blobs of a collection in a snapshot.
pub(super) fn manifest(sql: &dyn Sql, snapshot: &str, collection: u32) -> Result<Manifest> {
    let found = snapshots::part(sql, snapshot, PartKind::Manifest, (collection, 0))?;
    found.map_or_else(|| Ok(Manifest::default()), |bytes| Manifest::decode(&bytes))
}

pub(super) fn put_manifest(
    sql: &dyn Sql,
    snapshot: &str,
    collection: u32,
    manifest: &Manifest,
) -> Result<()> {
    let body = manifest.encode();
    snapshots::put_part(sql, snapshot, PartKind::Manifest, (collection, 0), &body)
}

/// How many documents of a collection are in no blob of a snapshot.
pub(super) fn items(sql: &dyn Sql, snapshot: &str, collection: u32) -> Result<u64> {
    let last = snapshots::last_number(sql, snapshot, PartKind::Documents, collection)?;
    Ok(last.map_or(0, |number| stream::item_of(number) + 1))
}

/// A document as bytes: `bytes` key, `varint` version, the row as in the log.
pub(super) fn encode(document: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, document.key.as_bytes());
    put_varint(&mut out, document.version.0);
    document.row.encode(&mut out);
    out
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Result<Document> {
    let mut reader = Reader::new(bytes);
    let document = Document {
        key: reader.text()?.to_owned(),
        version: Sequence(reader.varint()?),
        row: Row::decode(&mut reader)?,
    };
    match reader.is_empty() {
        true => Ok(document),
        false => Err(Error::corrupt("a document has bytes after its end")),
    }
}
