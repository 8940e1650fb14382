//! A batch as bytes: made of the log's own bytes and taken apart without a row in between.

use std::sync::Arc;

use super::{Batch, BatchRange, decode_turn, encode_turn};
use crate::record::take_image;
use crate::{
    Epoch, Error, Hash, Operation, RawRecord, Reader, Result, Sequence, Turn, put_bytes, put_varint,
};

/// A [`Batch`] whose events are bytes. They ascend within the range and are of one collection.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedBatch {
    /// Which part of which log it is.
    pub range: BatchRange,
    /// How many events it holds.
    pub events: u64,
    /// Their collection; empty when there are none.
    pub collection: String,
    /// The highest schema version of their turns; 0 when there are none.
    pub schema_version: u32,
    body: Vec<u8>,
}

/// One event of a [`PackedBatch`].
#[derive(Clone, Debug)]
pub struct RawEvent<'a> {
    /// The turn it belongs to.
    pub turn: Arc<Turn>,
    /// Its position in the object's log.
    pub sequence: Sequence,
    /// What happened.
    pub operation: Operation,
    /// The collection's name.
    pub collection: &'a str,
    /// The document's key.
    pub key: &'a str,
    /// The bytes of the row, and for an UPDATE of the old values after it.
    pub image: &'a [u8],
}

impl PackedBatch {
    /// Looks over what [`Batch::encode`] wrote.
    ///
    /// # Errors
    /// `corrupt`; `malformed_batch` when the events do not ascend within the range or are not all
    /// of one collection.
    pub fn read(body: Vec<u8>) -> Result<Self> {
        let (range, _) = BatchRange::decode(&mut Reader::new(&body))?;
        let (mut events, mut version, mut last) = (0, 0, range.from);
        let mut collection: Option<String> = None;
        Self::walk(&body, |event| {
            if event.sequence <= last || event.sequence > range.to {
                return Err(malformed(format!(
                    "event {} follows {last}",
                    event.sequence
                )));
            }
            let of = collection.get_or_insert_with(|| event.collection.to_owned());
            if of != event.collection {
                let message = format!("events of {of} and of {}", event.collection);
                return Err(malformed(message));
            }
            last = event.sequence;
            events += 1;
            version = version.max(event.turn.schema_version);
            Ok(())
        })?;
        Ok(Self {
            range,
            events,
            collection: collection.unwrap_or_default(),
            schema_version: version,
            body,
        })
    }

    /// The batch as [`Batch::encode`] writes it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The batch with its events as values.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn unpack(&self) -> Result<Batch> {
        Batch::decode(&self.body)
    }

    /// Hands the events in the bytes of a batch to `each`, in order, and returns the range.
    ///
    /// # Errors
    /// `corrupt`, and those of `each`.
    pub fn walk<'a>(
        body: &'a [u8],
        mut each: impl FnMut(&RawEvent<'a>) -> Result<()>,
    ) -> Result<BatchRange> {
        let mut reader = Reader::new(body);
        let (range, count) = BatchRange::decode(&mut reader)?;
        let mut turn: Option<Arc<Turn>> = None;
        for _ in 0..count {
            let byte = reader.byte()?;
            if byte & 0x80 != 0 {
                turn = Some(Arc::new(decode_turn(&mut reader)?));
            }
            let turn = turn.as_ref().map(Arc::clone);
            let turn = turn.ok_or_else(|| Error::corrupt("an event without its turn"))?;
            let operation = Operation::from_byte(byte & 0x7f)?;
            let index = reader.varint()?;
            each(&RawEvent {
                sequence: Sequence(turn.first_sequence.0.saturating_add(index)),
                turn,
                operation,
                collection: reader.text()?,
                key: reader.text()?,
                image: take_image(&mut reader, operation)?,
            })?;
        }
        match reader.is_empty() {
            true => Ok(range),
            false => Err(Error::corrupt("bytes after the last event of a batch")),
        }
    }
}

fn malformed(message: String) -> Error {
    Error::invalid("malformed_batch", message)
}

/// Makes a batch of whole records, without decoding their rows.
#[derive(Debug)]
pub struct BatchWriter {
    range: BatchRange,
    collection: String,
    events: u64,
    schema_version: u32,
    out: Vec<u8>,
}

impl BatchWriter {
    /// Starts a batch of one collection's events after `from`.
    pub fn new(source: String, epoch: Epoch, from: (Sequence, Hash), collection: &str) -> Self {
        let (from, from_hash) = from;
        Self {
            range: BatchRange {
                source,
                epoch,
                from,
                from_hash,
                to: from,
                to_hash: from_hash,
            },
            collection: collection.to_owned(),
            events: 0,
            schema_version: 0,
            out: Vec::new(),
        }
    }

    /// The range so far.
    pub fn range(&self) -> &BatchRange {
        &self.range
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn push(&mut self, record: &RawRecord<'_>) -> Result<()> {
        let header = &record.header;
        let turn = Turn {
            epoch: header.epoch,
            first_sequence: header.first_sequence,
            count: record.count(),
            timestamp: header.timestamp,
            schema_version: header.schema_version,
            source: header.source.clone(),
            correlation_id: header.correlation_id.clone(),
            trace_parent: header.trace_parent.clone(),
            cause: header.cause.clone(),
        };
        let (mut index, before) = (0, self.events);
        record.for_each(|change| {
            if change.collection == self.collection {
                let first = self.events == before;
                let out = &mut self.out;
                out.push(change.operation.to_byte() | if first { 0x80 } else { 0 });
                if first {
                    encode_turn(out, &turn);
                }
                put_varint(out, index);
                put_bytes(out, change.collection.as_bytes());
                put_bytes(out, change.key);
                out.extend_from_slice(change.image);
                self.events += 1;
            }
            index += 1;
        })?;
        if self.events > before {
            self.schema_version = self.schema_version.max(header.schema_version);
        }
        self.range.epoch = header.epoch;
        self.range.to = record.last_sequence();
        self.range.to_hash = record.hash;
        Ok(())
    }

    /// The batch.
    pub fn finish(self) -> PackedBatch {
        let mut body = self.range.encode(self.events);
        body.extend_from_slice(&self.out);
        PackedBatch {
            range: self.range,
            events: self.events,
            collection: match self.events {
                0 => String::new(),
                _ => self.collection,
            },
            schema_version: self.schema_version,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChangeRef, Record, RecordHeader, RecordWriter, Row, Value};

    fn row(n: i64) -> Row {
        let mut row = Row {
            fields: vec![
                (1, Value::Int(n)),
                (3, Value::Text("x".repeat(20))),
                (4, Value::Vector(vec![1.5, -2.0])),
            ],
            ..Row::default()
        };
        row.extra.insert("free".to_owned(), serde_json::json!([n]));
        row
    }

    /// Two records of two collections: their bytes, in the order of the log.
    fn records() -> [Vec<u8>; 2] {
        let mut header = RecordHeader {
            epoch: Epoch(9),
            first_sequence: Sequence(1),
            schema_version: 3,
            source: "tests".to_owned(),
            ..RecordHeader::default()
        };
        let mut writer = RecordWriter::new(&header);
        writer.push((1, "c"), "a", ChangeRef::Insert { after: &row(1) });
        writer.push((2, "d"), "a", ChangeRef::Insert { after: &row(1) });
        let old = row(2).changes_from(&row(1));
        let (after, old) = (&row(2), old.as_slice());
        writer.push((1, "c"), "a", ChangeRef::Update { after, old });
        let (first, hash) = writer.finish().unwrap();
        header.first_sequence = Sequence(4);
        header.previous = hash;
        let mut writer = RecordWriter::new(&header);
        writer.push((1, "c"), "a", ChangeRef::Delete { before: &row(2) });
        [first, writer.finish().unwrap().0]
    }

    fn packed(collection: &str) -> PackedBatch {
        let start = (Sequence(0), Hash::default());
        let mut writer = BatchWriter::new("o".to_owned(), Epoch(9), start, collection);
        for record in records() {
            writer.push(&RawRecord::read(&record).unwrap()).unwrap();
        }
        writer.finish()
    }

    #[test]
    fn the_bytes_of_records_make_the_batch_that_their_events_make() {
        for (collection, count) in [("c", 3), ("d", 1), ("e", 0)] {
            let batch = packed(collection);
            let records = records().map(|bytes| Record::decode(&bytes).unwrap());
            let events = records.into_iter().flat_map(Record::into_events);
            let events: Vec<_> = events.filter(|e| *e.collection == *collection).collect();
            assert_eq!((batch.events, events.len() as u64), (count, count));
            assert_eq!(batch.range.to, Sequence(4));
            let unpacked = batch.unpack().unwrap();
            assert_eq!(unpacked.events, events);
            assert_eq!(unpacked.pack().unwrap(), batch);
        }
    }

    #[test]
    fn events_out_of_order_or_of_two_collections_are_malformed() {
        let code = |change: &dyn Fn(&mut Batch)| {
            let mut batch = packed("c").unpack().unwrap();
            change(&mut batch);
            batch.pack().map_err(|e| e.code().to_owned())
        };
        assert!(code(&|_| {}).is_ok());
        let malformed = || Err("malformed_batch".to_owned());
        assert_eq!(code(&|b| b.to = Sequence(3)), malformed());
        assert_eq!(code(&|b| b.events.swap(0, 1)), malformed());
        let other = |b: &mut Batch| b.events[2].collection = "d".into();
        assert_eq!(code(&other), malformed());
    }

    #[test]
    fn truncations_are_errors() {
        let bytes = packed("c").as_bytes().to_vec();
        for end in 0..bytes.len() {
            assert!(PackedBatch::read(bytes[..end].to_vec()).is_err());
        }
    }
}
