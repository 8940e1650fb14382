//! A contiguous range of one object's log on its way to a subscriber.

use std::sync::Arc;

mod packed;
pub use packed::{BatchWriter, PackedBatch, RawEvent};

use crate::{
    Epoch, Error, Event, FieldRef, Hash, OldValue, Operation, Reader, Result, Row, Sequence, Turn,
    put_bytes, put_varint,
};

const MAGIC: [u8; 4] = *b"TLB\x01";

/// The events of `(from, to]` that a subscriber wants, and the range itself: events that were
/// filtered out are part of it, and it may hold none.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The object's permanent address.
    pub source: String,
    /// The source's epoch at `to`.
    pub epoch: Epoch,
    /// Where the range starts; not included.
    pub from: Sequence,
    /// The record hash at `from`; zero at 0.
    pub from_hash: Hash,
    /// Where the range ends, the last event of a turn; included.
    pub to: Sequence,
    /// The record hash at `to`.
    pub to_hash: Hash,
    /// The events, ascending by sequence.
    pub events: Vec<Event>,
}

/// Which part of which log a batch is.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchRange {
    /// The object's permanent address.
    pub source: String,
    /// The source's epoch at `to`.
    pub epoch: Epoch,
    /// Where the range starts; not included.
    pub from: Sequence,
    /// The record hash at `from`; zero at 0.
    pub from_hash: Hash,
    /// Where the range ends, the last event of a turn; included.
    pub to: Sequence,
    /// The record hash at `to`.
    pub to_hash: Hash,
}

impl Batch {
    /// The batch as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.range().encode(self.events.len() as u64);
        let mut last: Option<&Turn> = None;
        for event in &self.events {
            let same = last.is_some_and(|turn| turn.first_sequence == event.turn.first_sequence);
            out.push(event.operation.to_byte() | if same { 0 } else { 0x80 });
            if !same {
                encode_turn(&mut out, &event.turn);
                last = Some(&event.turn);
            }
            encode_event(&mut out, event);
        }
        out
    }

    /// The batch as bytes that know what they are.
    ///
    /// # Errors
    /// As [`PackedBatch::read`].
    pub fn pack(&self) -> Result<PackedBatch> {
        PackedBatch::read(self.encode())
    }

    fn range(&self) -> BatchRange {
        BatchRange {
            source: self.source.clone(),
            epoch: self.epoch,
            from: self.from,
            from_hash: self.from_hash,
            to: self.to,
            to_hash: self.to_hash,
        }
    }

    /// Reads what [`Batch::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let (range, count) = BatchRange::decode(&mut reader)?;
        let mut events: Vec<Event> = Vec::with_capacity(count);
        for _ in 0..count {
            let byte = reader.byte()?;
            let turn = match (byte & 0x80 != 0, events.last()) {
                (true, _) => Arc::new(decode_turn(&mut reader)?),
                (false, Some(last)) => Arc::clone(&last.turn),
                (false, None) => return Err(Error::corrupt("an event without its turn")),
            };
            events.push(decode_event(
                &mut reader,
                Operation::from_byte(byte & 0x7f)?,
                turn,
            )?);
        }
        if !reader.is_empty() {
            return Err(Error::corrupt("bytes after the last event of a batch"));
        }
        let BatchRange {
            source,
            epoch,
            from,
            from_hash,
            to,
            to_hash,
        } = range;
        Ok(Self {
            source,
            epoch,
            from,
            from_hash,
            to,
            to_hash,
            events,
        })
    }
}

impl BatchRange {
    /// The bytes that stand before so many events.
    fn encode(&self, events: u64) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_bytes(&mut out, self.source.as_bytes());
        for n in [self.epoch.0, self.from.0, self.to.0] {
            put_varint(&mut out, n);
        }
        out.extend_from_slice(&self.from_hash.0);
        out.extend_from_slice(&self.to_hash.0);
        put_varint(&mut out, events);
        out
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(Self, usize)> {
        if reader.array()? != MAGIC {
            return Err(Error::corrupt("not a batch of this version"));
        }
        let source = reader.text()?.to_owned();
        let (epoch, from, to) = (
            Epoch(reader.varint()?),
            Sequence(reader.varint()?),
            Sequence(reader.varint()?),
        );
        let (from_hash, to_hash) = (Hash(reader.array()?), Hash(reader.array()?));
        let range = Self {
            source,
            epoch,
            from,
            from_hash,
            to,
            to_hash,
        };
        Ok((range, reader.count(4)?))
    }
}

fn encode_turn(out: &mut Vec<u8>, turn: &Turn) {
    put_varint(out, turn.epoch.0);
    put_varint(out, turn.first_sequence.0);
    put_varint(out, u64::from(turn.count));
    out.extend_from_slice(&turn.timestamp.to_le_bytes());
    put_varint(out, u64::from(turn.schema_version));
    for label in [
        &turn.source,
        &turn.correlation_id,
        &turn.trace_parent,
        &turn.cause,
    ] {
        put_bytes(out, label.as_bytes());
    }
}

fn decode_turn(reader: &mut Reader<'_>) -> Result<Turn> {
    let narrow = |n: u64| u32::try_from(n).map_err(|_| Error::corrupt("a count is too large"));
    Ok(Turn {
        epoch: Epoch(reader.varint()?),
        first_sequence: Sequence(reader.varint()?),
        count: narrow(reader.varint()?)?,
        timestamp: i64::from_le_bytes(reader.array()?),
        schema_version: narrow(reader.varint()?)?,
        source: reader.text()?.to_owned(),
        correlation_id: reader.text()?.to_owned(),
        trace_parent: reader.text()?.to_owned(),
        cause: reader.text()?.to_owned(),
    })
}

fn encode_event(out: &mut Vec<u8>, event: &Event) {
    put_varint(out, event.index());
    put_bytes(out, event.collection.as_bytes());
    put_bytes(out, event.key.as_bytes());
    match (&event.before, &event.after) {
        (Some(before), Some(after)) => {
            after.encode(out);
            let old = after.changes_from(before);
            put_varint(out, old.len() as u64);
            for value in &old {
                value.encode(out);
            }
        }
        (before, after) => {
            before
                .as_ref()
                .or(after.as_ref())
                .unwrap_or(&Row::default())
                .encode(out);
        }
    }
}

fn decode_event(reader: &mut Reader<'_>, operation: Operation, turn: Arc<Turn>) -> Result<Event> {
    let sequence = Sequence(turn.first_sequence.0.saturating_add(reader.varint()?));
    let collection = Arc::from(reader.text()?);
    let key = reader.text()?.to_owned();
    let row = Row::decode(reader)?;
    let mut changed: Vec<FieldRef> = Vec::new();
    let (before, after) = match operation {
        Operation::Insert => (None, Some(row)),
        Operation::Delete => (Some(row), None),
        Operation::Update => {
            let old = OldValue::decode_all(reader)?;
            changed = old.iter().map(OldValue::field).collect();
            (Some(row.with_old(&old)), Some(row))
        }
    };
    Ok(Event {
        turn,
        sequence,
        operation,
        collection,
        key,
        before,
        after,
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChangeRef, Record, RecordHeader, RecordWriter, Value};

    #[test]
    fn batches_round_trip_and_truncations_are_errors() {
        let row = |n| Row {
            fields: vec![(1, Value::Int(n))],
            ..Row::default()
        };
        let header = RecordHeader {
            first_sequence: Sequence(5),
            ..RecordHeader::default()
        };
        let mut writer = RecordWriter::new(&header);
        writer.push((1, "c"), "a", ChangeRef::Insert { after: &row(1) });
        let old = row(2).changes_from(&row(1));
        writer.push(
            (1, "c"),
            "a",
            ChangeRef::Update {
                after: &row(2),
                old: &old,
            },
        );
        writer.push((1, "c"), "a", ChangeRef::Delete { before: &row(2) });
        let (bytes, hash) = writer.finish().unwrap();
        let batch = Batch {
            source: "default/object/t/1/0".to_owned(),
            epoch: Epoch(0),
            from: Sequence(4),
            from_hash: Hash::default(),
            to: Sequence(7),
            to_hash: hash,
            events: Record::decode(&bytes)
                .unwrap()
                .into_events()
                .skip(1)
                .collect(),
        };
        let bytes = batch.encode();
        assert_eq!(Batch::decode(&bytes).unwrap(), batch);
        for end in 0..bytes.len() {
            assert!(Batch::decode(&bytes[..end]).is_err());
        }
    }
}
