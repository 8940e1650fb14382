//! One turn's events as one record: encoded, hashed over the record before it, cut into parts.
//!
//! The layout is in `docs/format/log-record.md`; encode and decode stand side by side here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

mod image;
mod raw;
mod reference;
pub use image::RawImage;
pub(crate) use raw::take_image;
pub use raw::{RawChange, RawRecord};
pub use reference::{AdoptedRows, BlobName, BlobReference};

use crate::limits::{PART_BYTES_MAX, RECORD_PARTS_MAX};
use crate::{
    Epoch, Error, Event, Kind, OldValue, Operation, Reader, Result, Row, Sequence, Turn, put_bytes,
    put_varint,
};

const MAGIC: [u8; 4] = *b"TLR\x01";
const KIND_AT: usize = 4;
const KIND_EVENTS: u8 = 1;
const KIND_REFERENCE: u8 = 2;
const KIND_ADOPTED: u8 = 3;
const COUNT_AT: usize = 40;
const LENGTH_AT: usize = 52;
const HASH_BYTES: usize = 32;

/// The BLAKE3 hash of one record, which covers the hash of the record before it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let odd = || Error::corrupt("a hash is not 64 hex digits");
        let mut bytes = [0; HASH_BYTES];
        if text.len() != 2 * HASH_BYTES || !text.is_ascii() {
            return Err(odd());
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| odd())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Error::corrupt("a hash is not 32 bytes"))
    }
}

/// What stands before the events of a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordHeader {
    /// The epoch it is written in.
    pub epoch: Epoch,
    /// The epoch before, when this record opens its epoch; else 0.
    pub parent_epoch: Epoch,
    /// The sequence of its first event.
    pub first_sequence: Sequence,
    /// Milliseconds since 1970, not before the previous record's.
    pub timestamp: i64,
    /// The schema version its rows were checked against.
    pub schema_version: u32,
    /// The hash of the record before; zero for the first.
    pub previous: Hash,
    /// Who asked; empty when not said.
    pub source: String,
    /// The caller's correlation id; empty when not said.
    pub correlation_id: String,
    /// The W3C trace parent; empty when not said.
    pub trace_parent: String,
    /// The caller's idempotency key; empty when not said.
    pub idempotency_key: String,
    /// Why the engine itself did it; empty for a caller's turn.
    pub cause: String,
}

/// One change as it is handed to a [`RecordWriter`].
#[derive(Clone, Copy, Debug)]
pub enum ChangeRef<'a> {
    /// A document that came to be.
    Insert {
        /// The whole document.
        after: &'a Row,
    },
    /// A document that changed.
    Update {
        /// The whole document after.
        after: &'a Row,
        /// The changed fields as they were before.
        old: &'a [OldValue],
    },
    /// A document that went away.
    Delete {
        /// The whole document before.
        before: &'a Row,
    },
}

/// Encodes one record, change by change.
#[derive(Debug)]
pub struct RecordWriter {
    out: Vec<u8>,
    collections: Vec<u32>,
    count: u32,
}

impl RecordWriter {
    /// Starts a record.
    pub fn new(header: &RecordHeader) -> Self {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[KIND_EVENTS, 0, 0, 0]);
        out.extend_from_slice(&header.epoch.0.to_le_bytes());
        out.extend_from_slice(&header.parent_epoch.0.to_le_bytes());
        out.extend_from_slice(&header.first_sequence.0.to_le_bytes());
        out.extend_from_slice(&header.timestamp.to_le_bytes());
        out.extend_from_slice(&[0; 4]); // the count, set at the end
        out.extend_from_slice(&header.schema_version.to_le_bytes());
        out.extend_from_slice(&[0; 4]); // the encryption key id, reserved
        out.extend_from_slice(&[0; 4]); // the length, set at the end
        out.extend_from_slice(&header.previous.0);
        for label in [
            &header.source,
            &header.correlation_id,
            &header.trace_parent,
            &header.idempotency_key,
            &header.cause,
        ] {
            put_bytes(&mut out, label.as_bytes());
        }
        Self {
            out,
            collections: Vec::new(),
            count: 0,
        }
    }

    /// Appends one change of the document `key` in the collection with this id and name.
    pub fn push(&mut self, collection: (u32, &str), key: &str, change: ChangeRef<'_>) {
        let operation = match change {
            ChangeRef::Insert { .. } => Operation::Insert,
            ChangeRef::Update { .. } => Operation::Update,
            ChangeRef::Delete { .. } => Operation::Delete,
        };
        self.start(operation, collection, key);
        match change {
            ChangeRef::Insert { after: row } | ChangeRef::Delete { before: row } => {
                row.encode(&mut self.out);
            }
            ChangeRef::Update { after, old } => {
                after.encode(&mut self.out);
                put_varint(&mut self.out, old.len() as u64);
                for value in old {
                    value.encode(&mut self.out);
                }
            }
        }
        self.count += 1;
    }

    /// The ids of the collections that the changes are of.
    pub fn collections(&self) -> &[u32] {
        &self.collections
    }

    /// Appends one change whose image `put_image` appends as bytes: the row, and for an UPDATE the old
    /// values after it.
    pub fn push_image(
        &mut self,
        operation: Operation,
        collection: (u32, &str),
        key: &str,
        put_image: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.start(operation, collection, key);
        put_image(&mut self.out)?;
        self.count += 1;
        Ok(())
    }

    fn start(&mut self, operation: Operation, (id, name): (u32, &str), key: &str) {
        self.out.push(operation.to_byte());
        match self.collections.iter().position(|known| *known == id) {
            Some(at) => put_varint(&mut self.out, at as u64 + 1),
            None => {
                self.collections.push(id);
                put_varint(&mut self.out, 0);
                put_varint(&mut self.out, u64::from(id));
                put_bytes(&mut self.out, name.as_bytes());
            }
        }
        put_bytes(&mut self.out, key.as_bytes());
    }

    /// How many changes were appended.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    /// Completes the record: its bytes, and the hash that the next record names.
    ///
    /// # Errors
    /// `record_too_large` when it would need more than [`RECORD_PARTS_MAX`] parts.
    pub fn finish(mut self) -> Result<(Vec<u8>, Hash)> {
        let total = self.out.len() + HASH_BYTES;
        let length = u32::try_from(total)
            .ok()
            .filter(|_| total <= PART_BYTES_MAX * RECORD_PARTS_MAX)
            .ok_or_else(|| {
                Error::too_large(
                    "record_too_large",
                    format!("the changes of one turn take {total} bytes in the log"),
                )
            })?;
        self.out[COUNT_AT..COUNT_AT + 4].copy_from_slice(&self.count.to_le_bytes());
        self.out[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_le_bytes());
        let hash = Hash(*blake3::hash(&self.out).as_bytes());
        self.out.extend_from_slice(&hash.0);
        Ok((self.out, hash))
    }
}

/// One change of a decoded record.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    operation: Operation,
    collection: Arc<str>,
    key: String,
    row: Row,
    old: Vec<OldValue>,
}

/// A decoded record, its own hash verified.
#[derive(Clone, Debug)]
pub struct Record {
    /// What stands before the events.
    pub header: RecordHeader,
    /// The record's own hash.
    pub hash: Hash,
    changes: Vec<Change>,
}

impl Record {
    /// Reads a whole record and checks its length and hash.
    ///
    /// # Errors
    /// `corrupt` when a byte is not what was written; `unsupported_record` for a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let body = verified_body(bytes)?;
        let hash = Hash::try_from(&bytes[body.len()..])?;
        let mut reader = Reader::new(body);
        let (header, count) = decode_header(&mut reader)?;
        let mut collections: Vec<(u32, Arc<str>)> = Vec::new();
        let mut changes = Vec::with_capacity((count as usize).min(body.len()));
        for _ in 0..count {
            changes.push(decode_change(&mut reader, &mut collections)?);
        }
        if !reader.is_empty() {
            return Err(Error::corrupt("bytes after the last change of a record"));
        }
        Ok(Self {
            header,
            hash,
            changes,
        })
    }

    /// How many events it holds.
    pub fn count(&self) -> u64 {
        self.changes.len() as u64
    }

    /// The sequence of its last event.
    pub fn last_sequence(&self) -> Sequence {
        Sequence((self.header.first_sequence.0 + self.count()).saturating_sub(1))
    }

    /// Its events, in order, with `before` images derived.
    pub fn into_events(self) -> impl Iterator<Item = Event> {
        let first = self.header.first_sequence.0;
        let turn = Arc::new(Turn {
            epoch: self.header.epoch,
            first_sequence: self.header.first_sequence,
            count: u32::try_from(self.changes.len()).unwrap_or(u32::MAX),
            timestamp: self.header.timestamp,
            schema_version: self.header.schema_version,
            source: self.header.source,
            correlation_id: self.header.correlation_id,
            trace_parent: self.header.trace_parent,
            cause: self.header.cause,
        });
        (first..).zip(self.changes).map(move |(sequence, change)| {
            let changed = change.old.iter().map(OldValue::field).collect();
            let (before, after) = match change.operation {
                Operation::Insert => (None, Some(change.row)),
                Operation::Update => (Some(change.row.with_old(&change.old)), Some(change.row)),
                Operation::Delete => (Some(change.row), None),
            };
            Event {
                turn: Arc::clone(&turn),
                sequence: Sequence(sequence),
                operation: change.operation,
                collection: change.collection,
                key: change.key,
                before,
                after,
                changed,
            }
        })
    }

    /// The hash at the end of a record's last part, without decoding it.
    pub fn hash_of_tail(part: &[u8]) -> Result<Hash> {
        let at = part.len().checked_sub(HASH_BYTES);
        let tail = at.and_then(|at| part.get(at..));
        Hash::try_from(tail.ok_or_else(|| Error::corrupt("a record part is too short"))?)
    }

    /// The header and the number of events, from a record's first part.
    pub fn peek(first_part: &[u8]) -> Result<(RecordHeader, u32)> {
        decode_header(&mut Reader::new(first_part))
    }
}

fn verified_body(bytes: &[u8]) -> Result<&[u8]> {
    let declared: Option<[u8; 4]> = bytes
        .get(LENGTH_AT..LENGTH_AT + 4)
        .and_then(|at| at.try_into().ok());
    let declared = declared.map(u32::from_le_bytes);
    if declared.and_then(|n| usize::try_from(n).ok()) != Some(bytes.len())
        || bytes.len() < LENGTH_AT + HASH_BYTES
    {
        return Err(Error::corrupt(format!(
            "a log record declares {declared:?} bytes and has {}",
            bytes.len()
        )));
    }
    let (body, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
    if blake3::hash(body).as_bytes() != hash {
        return Err(Error::corrupt("a log record does not match its hash"));
    }
    if body[KIND_AT] != KIND_EVENTS {
        return Err(Error::corrupt("a log record whose events are elsewhere"));
    }
    Ok(body)
}

fn decode_header(reader: &mut Reader<'_>) -> Result<(RecordHeader, u32)> {
    let magic: [u8; 4] = reader.array()?;
    if magic[..3] != MAGIC[..3] {
        return Err(Error::corrupt("not a log record"));
    }
    let [kind, reserved, low, high] = reader.array()?;
    let known = matches!(kind, KIND_EVENTS | KIND_REFERENCE | KIND_ADOPTED);
    if magic != MAGIC || !known || reserved != 0 || low != 0 || high != 0 {
        return Err(Error::new(
            Kind::Unsupported,
            "unsupported_record",
            format!(
                "log record version {} kind {kind} features {low:#x}",
                magic[3]
            ),
        ));
    }
    let mut header = RecordHeader {
        epoch: Epoch(reader.u64()?),
        parent_epoch: Epoch(reader.u64()?),
        first_sequence: Sequence(reader.u64()?),
        timestamp: i64::from_le_bytes(reader.array()?),
        ..RecordHeader::default()
    };
    let count = u32::from_le_bytes(reader.array()?);
    header.schema_version = u32::from_le_bytes(reader.array()?);
    reader.take(8)?; // the key id and the length
    header.previous = Hash(reader.array()?);
    header.source = reader.text()?.to_owned();
    header.correlation_id = reader.text()?.to_owned();
    header.trace_parent = reader.text()?.to_owned();
    header.idempotency_key = reader.text()?.to_owned();
    header.cause = reader.text()?.to_owned();
    Ok((header, count))
}

fn decode_change(
    reader: &mut Reader<'_>,
    collections: &mut Vec<(u32, Arc<str>)>,
) -> Result<Change> {
    let operation = Operation::from_byte(reader.byte()?)?;
    let collection = Arc::clone(&decode_collection(reader, collections)?.1);
    let key = reader.text()?.to_owned();
    let row = Row::decode(reader)?;
    let old = match operation {
        Operation::Update => OldValue::decode_all(reader)?,
        _ => Vec::new(),
    };
    Ok(Change {
        operation,
        collection,
        key,
        row,
        old,
    })
}

/// The collection of a change, named where it is met for the first time in a record.
fn decode_collection<'c, 'a, N: From<&'a str>>(
    reader: &mut Reader<'a>,
    collections: &'c mut Vec<(u32, N)>,
) -> Result<&'c (u32, N)> {
    let ordinal = reader.varint()?;
    if ordinal == 0 {
        let id = u32::try_from(reader.varint()?)
            .map_err(|_| Error::corrupt("a collection id is too large"))?;
        collections.push((id, N::from(reader.text()?)));
    }
    let at = match ordinal {
        0 => collections.len() - 1,
        n => usize::try_from(n - 1).unwrap_or(usize::MAX),
    };
    let found = collections.get(at);
    found.ok_or_else(|| Error::corrupt("a change of an unnamed collection"))
}

/// Cuts a record into parts of at most [`PART_BYTES_MAX`] bytes.
pub fn split_parts(record: &[u8]) -> impl Iterator<Item = &[u8]> {
    record.chunks(PART_BYTES_MAX)
}

/// Puts the parts of one record together again.
pub fn join_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    parts.into_iter().collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FieldRef, Value};

    fn row(n: i64) -> Row {
        Row {
            fields: vec![(1, Value::Int(n)), (3, Value::Text("x".repeat(20)))],
            ..Row::default()
        }
    }

    fn record() -> (Vec<u8>, Hash) {
        let header = RecordHeader {
            epoch: Epoch(7),
            first_sequence: Sequence(41),
            timestamp: 1_000,
            schema_version: 2,
            previous: Hash([9; 32]),
            source: "tests".to_owned(),
            ..RecordHeader::default()
        };
        let mut writer = RecordWriter::new(&header);
        writer.push((1, "flights"), "a", ChangeRef::Insert { after: &row(1) });
        let old = row(2).changes_from(&row(1));
        writer.push(
            (2, "weather"),
            "b",
            ChangeRef::Update {
                after: &row(2),
                old: &old,
            },
        );
        writer.push((1, "flights"), "a", ChangeRef::Delete { before: &row(1) });
        writer.finish().unwrap()
    }

    #[test]
    fn events_come_back_with_before_images() {
        let (bytes, hash) = record();
        assert_eq!(Record::hash_of_tail(&bytes).unwrap(), hash);
        let record = Record::decode(&bytes).unwrap();
        assert_eq!((record.hash, record.last_sequence()), (hash, Sequence(43)));
        assert_eq!(Record::peek(&bytes).unwrap(), (record.header.clone(), 3));
        let events: Vec<Event> = record.into_events().collect();
        assert_eq!(events[0].after, Some(row(1)));
        assert_eq!(events[1].before, Some(row(1)));
        assert_eq!(events[1].changed, [FieldRef::Id(1)]);
        assert_eq!((&*events[2].collection, events[2].index()), ("flights", 2));
        assert_eq!(events[2].before, Some(row(1)));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_an_error() {
        let (bytes, _) = record();
        for at in 0..bytes.len() {
            assert!(Record::decode(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(Record::decode(&flipped).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn parts_join_to_the_same_record() {
        let bytes = vec![5; PART_BYTES_MAX * 2 + 1];
        let parts: Vec<&[u8]> = split_parts(&bytes).collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(join_parts(parts), bytes);
    }
}
