//! A record's changes as the bytes they are, for those who only pass them on.

use super::{Hash, RecordHeader, decode_collection, decode_header, verified_body};
use crate::{Error, OldValue, Operation, Reader, Result, Row, Sequence};

/// A record whose length and hash were checked, its changes still bytes.
#[derive(Clone, Debug)]
pub struct RawRecord<'a> {
    /// What stands before the events.
    pub header: RecordHeader,
    /// The record's own hash.
    pub hash: Hash,
    count: u32,
    changes: Reader<'a>,
}

/// One change of a [`RawRecord`].
#[derive(Clone, Copy, Debug)]
pub struct RawChange<'a> {
    /// What happened to the document.
    pub operation: Operation,
    /// The collection's id.
    pub collection_id: u32,
    /// The collection's name.
    pub collection: &'a str,
    /// The document's key.
    pub key: &'a [u8],
    /// The row, and for an UPDATE the old values after it.
    pub image: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// Reads a whole record's header and checks its length and hash.
    ///
    /// # Errors
    /// As [`Record::decode`](crate::Record::decode).
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let body = verified_body(bytes)?;
        let mut changes = Reader::new(body);
        let (header, count) = decode_header(&mut changes)?;
        Ok(Self {
            header,
            hash: Hash::try_from(&bytes[body.len()..])?,
            count,
            changes,
        })
    }

    /// How many events it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The sequence of its last event.
    pub fn last_sequence(&self) -> Sequence {
        Sequence((self.header.first_sequence.0 + u64::from(self.count)).saturating_sub(1))
    }

    /// Hands every change to `each`, in order.
    ///
    /// # Errors
    /// `corrupt` where the bytes are no changes.
    pub fn for_each(&self, mut each: impl FnMut(RawChange<'a>)) -> Result<()> {
        let (mut reader, mut collections) = (self.changes, Vec::<(u32, &'a str)>::new());
        for _ in 0..self.count {
            let operation = Operation::from_byte(reader.byte()?)?;
            let (collection_id, collection) = *decode_collection(&mut reader, &mut collections)?;
            let key = reader.bytes()?;
            each(RawChange {
                operation,
                collection_id,
                collection,
                key,
                image: take_image(&mut reader, operation)?,
            });
        }
        match reader.is_empty() {
            true => Ok(()),
            false => Err(Error::corrupt("bytes after the last change of a record")),
        }
    }
}

/// Takes a row, and for an UPDATE the old values after it, as bytes.
pub(crate) fn take_image<'a>(reader: &mut Reader<'a>, operation: Operation) -> Result<&'a [u8]> {
    let mut end = *reader;
    Row::skip(&mut end)?;
    if operation == Operation::Update {
        OldValue::decode_all(&mut end)?;
    }
    reader.take(reader.remaining() - end.remaining())
}
