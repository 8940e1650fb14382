//! Records become a segment, which is read back before it counts.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, UInt8Array, UInt16Array};
use tidelog_log::{
    BlobReference, Error, Hash, Kind, RawRecord, Record, RecordHeader, Result, Sequence,
};
use tidelog_vortex::limits::PAGE_ROWS_MAX;
use tidelog_vortex::{ColumnSpec, EncodeOptions, Profile, VortexEncoder};

use super::images::Images;
use super::origin::Origin;
use super::records::{Head, columns_of};
use super::{COLLECTION, EVENTS_MAX, IMAGES_SECTION, KEY, OPERATION, RECORDS_SECTION};
use crate::folded::{foreign, tag_of};
use crate::table::segments::Segment;

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The segment and its bytes, from which the records come back byte for byte.
    Made(Segment, Vec<u8>),
    /// Only so many of the first records may go together; 0: the first one cannot be in a segment.
    Fewer(usize),
}

/// Makes a segment of records as they are stored, one after the other without a gap.
pub(crate) fn encode(records: &[Vec<u8>]) -> Result<Outcome> {
    let mut columns = Columns::default();
    for (at, record) in records.iter().enumerate() {
        if columns.push(record).is_err() || columns.events() > EVENTS_MAX {
            return Ok(Outcome::Fewer(at));
        }
    }
    let Some(segment) = columns.segment(records.len()) else {
        return Ok(Outcome::Fewer(0));
    };
    let body = match columns.finish() {
        Ok(body) => body,
        Err(error) if error.kind() == Kind::TooLarge => {
            return Ok(Outcome::Fewer(records.len() / 2));
        }
        Err(error) => return Err(error),
    };
    // What does not come back as it was stays as it is. A wrong record makes all after it wrong.
    let (read, _) = super::decode::rebuild(body.clone())?;
    let mut pairs = read.iter().zip(records);
    if let Some(wrong) = pairs.position(|(read, record)| read != Some(record)) {
        return Ok(Outcome::Fewer(wrong));
    }
    let tag = tag_of(&body);
    Ok(Outcome::Made(Segment { tag, ..segment }, body))
}

/// The columns of a segment as its records come.
#[derive(Default)]
struct Columns {
    first: Sequence,
    next: Sequence,
    previous: Hash,
    hash: Hash,
    timestamp: i64,
    references: u64,
    heads: Vec<Head>,
    operations: Vec<u8>,
    collections: Vec<u16>,
    keys: Vec<String>,
    images: Vec<((u32, String), Images)>,
}

impl Columns {
    fn events(&self) -> usize {
        self.operations.len()
    }

    /// Adds a record; after an error the columns are of no use.
    fn push(&mut self, record: &[u8]) -> Result<()> {
        let (mut header, count) = Record::peek(record)?;
        if self.heads.is_empty() {
            (self.first, self.previous) = (header.first_sequence, header.previous);
            self.next = self.first;
        }
        if count == 0 || header.first_sequence != self.next {
            return Err(Error::corrupt("records with a gap between them"));
        }
        let verbatim = BlobReference::is(record).then(|| record.to_vec());
        match &verbatim {
            Some(record) => {
                self.hash = BlobReference::decode(record)?.hash;
                self.references += 1;
                // The record says it all.
                header = RecordHeader::default();
            }
            None => self.push_events(record)?,
        }
        self.next = Sequence(self.next.0 + u64::from(count));
        self.timestamp = Record::peek(record)?.0.timestamp;
        self.heads.push(Head {
            header,
            count,
            verbatim,
        });
        Ok(())
    }

    fn push_events(&mut self, record: &[u8]) -> Result<()> {
        let record = RawRecord::read(record)?;
        self.hash = record.hash;
        let mut done = Ok(());
        record.for_each(|change| {
            if done.is_ok() {
                done = self.push_event(&change);
            }
        })?;
        done
    }

    fn push_event(&mut self, change: &tidelog_log::RawChange<'_>) -> Result<()> {
        let is_it =
            |(id, name): &(u32, String)| *id == change.collection_id && name == change.collection;
        let at = self.images.iter().position(|(of, _)| is_it(of));
        let at = at.unwrap_or_else(|| {
            let of = (change.collection_id, change.collection.to_owned());
            self.images.push((of, Images::default()));
            self.images.len() - 1
        });
        let odd = |_| Error::corrupt("a key is not UTF-8");
        let key = std::str::from_utf8(change.key).map_err(odd)?;
        self.images[at]
            .1
            .push(change.operation, key, change.image)?;
        let place = u16::try_from(at);
        self.collections
            .push(place.map_err(|_| Error::corrupt("too many collections"))?);
        self.operations.push(change.operation.to_byte());
        self.keys.push(key.to_owned());
        Ok(())
    }

    /// What its row will say, but for the tag; none without a record.
    fn segment(&self, records: usize) -> Option<Segment> {
        (records > 0).then(|| Segment {
            first: self.first,
            last: Sequence(self.next.0 - 1),
            timestamp: self.timestamp,
            records: records as u64,
            references: self.references,
            tag: [0; 16],
        })
    }

    fn finish(self) -> Result<Vec<u8>> {
        let (collections, images): (Vec<_>, Vec<_>) = self.images.into_iter().unzip();
        let origin = Origin {
            first: self.first,
            previous: self.previous,
            hash: self.hash,
            collections,
        };
        let (specs, arrays) = columns_of(&self.heads)?;
        let records = blob().encode(&specs, &arrays).map_err(foreign)?;
        let mut encoder = blob()
            .with_metadata(origin.encode())
            .with_section(RECORDS_SECTION, records);
        for (id, images) in (IMAGES_SECTION..).zip(images) {
            let (specs, arrays) = images.finish()?;
            let images = blob().encode(&specs, &arrays).map_err(foreign)?;
            encoder = encoder.with_section(id, images);
        }
        let mut specs = vec![ColumnSpec::plain(OPERATION, "operation")];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt8Array::from(self.operations))];
        if self.collections.iter().any(|place| *place > 0) {
            specs.push(ColumnSpec::plain(COLLECTION, "collection"));
            arrays.push(Arc::new(UInt16Array::from(self.collections)));
        }
        specs.push(ColumnSpec::plain(KEY, "key"));
        arrays.push(Arc::new(StringArray::from(self.keys)));
        encoder.encode(&specs, &arrays).map_err(foreign)
    }
}

/// A segment is always read whole: long pages, few bytes.
fn blob() -> VortexEncoder {
    VortexEncoder::new(EncodeOptions {
        page_rows: PAGE_ROWS_MAX,
        profile: Profile::Small,
        ..EncodeOptions::default()
    })
}
