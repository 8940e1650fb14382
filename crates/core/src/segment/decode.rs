//! A segment becomes the records it was made of.

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt16Type};
use arrow_array::{Array, ArrayRef, BinaryArray};
use tidelog_log::{Error, Operation, Reader, Record, RecordWriter, Result, Sequence};
use tidelog_vortex::VortexDecoder;

use super::images::Decoded;
use super::origin::Origin;
use super::records::{Head, column, heads_of};
use super::{COLLECTION, IMAGES_SECTION, KEY, OPERATION, RECORDS_BYTES_MAX, RECORDS_SECTION};
use crate::folded::{CacheKey, Cached, bytes_at, foreign, tag_of, wrong_column};
use crate::sql::Sql;
use crate::table::segments::{self, Segment};

/// The records of a segment as they were stored, from the host's memory if it has them there.
///
/// # Errors
/// `corrupt` when a byte is not what was written.
pub(crate) fn records(sql: &dyn Sql, segment: &Segment) -> Result<ArrayRef> {
    let key = CacheKey::records(segment.tag);
    let cache = sql.blob_cache();
    if let Some(Cached::Page(records)) = cache.and_then(|cache| cache.get(&key)) {
        return Ok(records);
    }
    let records = decode(checked_body(sql, segment)?)?;
    let first = span(records.value(0))?.0;
    let last = span(records.value(records.len() - 1))?.1;
    if (first, last) != (segment.first, segment.last) {
        return Err(Error::corrupt(format!(
            "the log's segment at {} holds other events",
            segment.first
        )));
    }
    let records: ArrayRef = std::sync::Arc::new(records);
    if let Some(cache) = cache {
        cache.put(key, Cached::Page(records.clone()));
    }
    Ok(records)
}

/// The blob references among the records of a segment.
pub(crate) fn references(sql: &dyn Sql, segment: &Segment) -> Result<Vec<Vec<u8>>> {
    let blob = VortexDecoder::open(checked_body(sql, segment)?).map_err(foreign)?;
    let heads = heads_of(&section(&blob, RECORDS_SECTION)?)?;
    Ok(heads.into_iter().filter_map(|head| head.verbatim).collect())
}

/// The place of the record that holds an event, among the records of its segment, and the bytes.
pub(crate) fn place_of(records: &ArrayRef, sequence: Sequence) -> Result<usize> {
    let (mut low, mut high) = (0, records.len());
    while low < high {
        let middle = low.midpoint(high);
        let (first, last) = span(bytes_at(records, middle).unwrap_or_default())?;
        if last < sequence {
            low = middle + 1;
        } else if first > sequence {
            high = middle;
        } else {
            return Ok(middle);
        }
    }
    Err(Error::corrupt(format!("no record holds {sequence}")))
}

fn checked_body(sql: &dyn Sql, segment: &Segment) -> Result<Vec<u8>> {
    let body = segments::body(sql, segment.first)?;
    match tag_of(&body) == segment.tag {
        true => Ok(body),
        false => Err(Error::corrupt(format!(
            "the log's segment at {} is not what was written",
            segment.first
        ))),
    }
}

/// The first and the last event of a record.
pub(crate) fn span(record: &[u8]) -> Result<(Sequence, Sequence)> {
    let mut reader = Reader::new(record);
    reader.take(24)?;
    let first = reader.u64()?;
    reader.take(8)?;
    let count = u64::from(u32::from_le_bytes(reader.array()?));
    let last = first.checked_add(count).and_then(|end| end.checked_sub(1));
    let last = last.ok_or_else(|| Error::corrupt("a sequence is out of range"))?;
    Ok((Sequence(first), Sequence(last)))
}

/// The records that the bytes of a segment stand for: the last hash must be the one that was noted.
pub(crate) fn decode(body: Vec<u8>) -> Result<BinaryArray> {
    let (records, holds) = rebuild(body)?;
    match holds {
        true => Ok(records),
        false => Err(Error::corrupt("a log segment does not match its hash")),
    }
}

/// The records as they come out, each hash computed again, and whether the last one is the one that
/// was noted.
pub(super) fn rebuild(body: Vec<u8>) -> Result<(BinaryArray, bool)> {
    let blob = VortexDecoder::open(body).map_err(foreign)?;
    let origin = Origin::decode(blob.metadata())?;
    let heads = heads_of(&section(&blob, RECORDS_SECTION)?)?;
    let mut events = Events::read(&blob, &origin)?;
    let (mut at, mut previous) = (origin.first, origin.previous);
    let (mut records, mut bytes) = (BinaryBuilder::new(), 0_usize);
    for mut head in heads {
        let verbatim = head.verbatim.take();
        head.header.first_sequence = at;
        head.header.previous = previous;
        at = Sequence(at.0.saturating_add(u64::from(head.count)));
        let record = match verbatim {
            Some(record) => record,
            None => events.record(&head, &origin)?,
        };
        if head.count == 0 || span(&record)? != (head.header.first_sequence, Sequence(at.0 - 1)) {
            return Err(Error::corrupt("a record that is not the next one"));
        }
        previous = Record::hash_of_tail(&record)?;
        bytes = bytes.saturating_add(record.len());
        if bytes > RECORDS_BYTES_MAX {
            return Err(Error::corrupt("a log segment of too many bytes"));
        }
        records.append_value(&record);
    }
    if events.next < events.operations.len() || at == origin.first {
        return Err(Error::corrupt("a log segment has more events than it says"));
    }
    Ok((records.finish(), previous == origin.hash))
}

fn section(blob: &VortexDecoder, id: u32) -> Result<VortexDecoder> {
    let bytes = blob.section(id).map_err(foreign)?;
    let bytes = bytes.ok_or_else(|| Error::corrupt("a log segment lacks a section"))?;
    VortexDecoder::open(bytes).map_err(foreign)
}

/// The events of a segment, one after the other.
struct Events {
    operations: arrow_array::UInt8Array,
    /// None: all are of the first collection.
    collections: Option<arrow_array::UInt16Array>,
    keys: arrow_array::StringArray,
    /// Per collection its images, and how many were taken.
    images: Vec<(Decoded, usize)>,
    next: usize,
}

impl Events {
    fn read(blob: &VortexDecoder, origin: &Origin) -> Result<Self> {
        let there = |id| column(blob, id)?.ok_or_else(|| wrong_column("there"));
        let (operations, keys) = (there(OPERATION)?, there(KEY)?);
        let collections = column(blob, COLLECTION)?;
        let operations = operations.as_primitive_opt::<UInt8Type>().cloned();
        let keys = keys.as_string_opt::<i32>().cloned();
        let collections = match collections {
            Some(places) => {
                let places = places.as_primitive_opt::<UInt16Type>().cloned();
                Some(places.ok_or_else(|| wrong_column("places"))?)
            }
            None => None,
        };
        let (Some(operations), Some(keys)) = (operations, keys) else {
            return Err(wrong_column("operations and keys"));
        };
        let images = (IMAGES_SECTION..).zip(&origin.collections);
        let images = images.map(|(id, _)| Ok((Decoded::read(&section(blob, id)?)?, 0)));
        Ok(Self {
            operations,
            collections,
            keys,
            images: images.collect::<Result<_>>()?,
            next: 0,
        })
    }

    /// The record that the next events make.
    fn record(&mut self, head: &Head, origin: &Origin) -> Result<Vec<u8>> {
        let end = self.next.saturating_add(head.count as usize);
        if end > self.operations.len() {
            return Err(Error::corrupt(
                "a log segment has fewer events than it says",
            ));
        }
        let mut writer = RecordWriter::new(&head.header);
        for at in self.next..end {
            let operation = Operation::from_byte(self.operations.value(at))?;
            let place = self.collections.as_ref().map_or(0, |all| all.value(at));
            let place = usize::from(place);
            let (Some((images, taken)), Some((id, name))) =
                (self.images.get_mut(place), origin.collections.get(place))
            else {
                return Err(Error::corrupt("an event of an unknown collection"));
            };
            let row = *taken;
            *taken += 1;
            let key = self.keys.value(at);
            let put = |out: &mut Vec<u8>| images.put(row, (operation, key), out);
            writer.push_image(operation, (*id, name), key, put)?;
        }
        self.next = end;
        Ok(writer.finish()?.0)
    }
}
