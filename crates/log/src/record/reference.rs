//! A record whose rows lie in blobs: a bulk insert is stored once.
//!
//! It stands for the record of kind 1 that its rows make again, byte for byte, and carries that one's
//! hash; so the chain and every reader of records are as if it were stored whole.

use super::{HASH_BYTES, Hash, KIND_AT, KIND_REFERENCE, LENGTH_AT, Record, decode_header};
use crate::{Error, Reader, RecordHeader, Result, put_bytes, put_varint};

const CHECK_BYTES: usize = 8;
/// The start of the BLAKE3 hash of a blob.
const TAG_BYTES: usize = 16;

/// A record of kind 2.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobReference {
    /// What stands before the events.
    pub header: RecordHeader,
    /// How many events it stands for.
    pub count: u32,
    /// The collection's id and name.
    pub collection: (u32, String),
    /// The blobs that together hold the inserted rows: id, and the start of the bytes' BLAKE3.
    pub blobs: Vec<(u64, [u8; TAG_BYTES])>,
    /// The hash of the record it stands for.
    pub hash: Hash,
}

impl BlobReference {
    /// True for the first part of such a record.
    pub fn is(first_part: &[u8]) -> bool {
        first_part.get(KIND_AT) == Some(&KIND_REFERENCE)
    }

    /// The bytes of the record that a first part stands for or begins.
    pub fn record_bytes(first_part: &[u8]) -> Result<usize> {
        let mut reader = Reader::new(first_part);
        reader.take(LENGTH_AT)?;
        let length = u32::from_le_bytes(reader.array()?);
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The bytes to store in the place of `record`, whose rows lie in `blobs`.
    ///
    /// # Errors
    /// `corrupt` when `record` is none of kind 1.
    pub fn encode(
        record: &[u8],
        collection: (u32, &str),
        blobs: &[(u64, [u8; TAG_BYTES])],
    ) -> Result<Vec<u8>> {
        let mut reader = Reader::new(record);
        decode_header(&mut reader)?;
        let hash = Record::hash_of_tail(record)?;
        let mut out = record[..record.len() - reader.remaining()].to_vec();
        out[KIND_AT] = KIND_REFERENCE;
        put_varint(&mut out, u64::from(collection.0));
        put_bytes(&mut out, collection.1.as_bytes());
        put_varint(&mut out, blobs.len() as u64);
        for (id, tag) in blobs {
            put_varint(&mut out, *id);
            out.extend_from_slice(tag);
        }
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
        out.extend_from_slice(&hash.0);
        Ok(out)
    }

    /// Reads what [`BlobReference::encode`] made.
    ///
    /// # Errors
    /// `corrupt` when a byte is not what was written.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let end = bytes.len().checked_sub(HASH_BYTES + CHECK_BYTES);
        let end = end.ok_or_else(|| Error::corrupt("a blob reference is too short"))?;
        let (body, tail) = bytes.split_at(end);
        let (check, hash) = tail.split_at(CHECK_BYTES);
        if blake3::hash(body).as_bytes()[..CHECK_BYTES] != *check {
            return Err(Error::corrupt(
                "a blob reference does not match its checksum",
            ));
        }
        let mut reader = Reader::new(body);
        let (header, count) = decode_header(&mut reader)?;
        let id = u32::try_from(reader.varint()?);
        let id = id.map_err(|_| Error::corrupt("a collection id is too large"))?;
        let name = reader.text()?.to_owned();
        let blobs = (0..reader.count(TAG_BYTES + 1)?)
            .map(|_| Ok((reader.varint()?, reader.array()?)))
            .collect::<Result<_>>()?;
        match Self::is(bytes) && reader.is_empty() {
            true => Ok(Self {
                header,
                count,
                collection: (id, name),
                blobs,
                hash: Hash::try_from(hash)?,
            }),
            false => Err(Error::corrupt("not a blob reference")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChangeRef, RecordWriter, Row, Sequence, Value};

    #[test]
    fn a_reference_reads_as_the_record_it_stands_for_and_every_flip_is_found() {
        let header = RecordHeader {
            first_sequence: Sequence(5),
            source: "tests".to_owned(),
            ..RecordHeader::default()
        };
        let mut writer = RecordWriter::new(&header);
        let row = Row {
            fields: vec![(1, Value::Int(7))],
            ..Row::default()
        };
        for key in ["a", "b"] {
            writer.push((3, "notes"), key, ChangeRef::Insert { after: &row });
        }
        let (record, hash) = writer.finish().unwrap();
        let bytes = BlobReference::encode(&record, (3, "notes"), &[(9, [4; 16])]).unwrap();
        assert!(BlobReference::is(&bytes) && !BlobReference::is(&record));
        assert_eq!(BlobReference::record_bytes(&bytes).unwrap(), record.len());
        assert_eq!(
            Record::peek(&bytes).unwrap(),
            Record::peek(&record).unwrap()
        );
        assert_eq!(Record::hash_of_tail(&bytes).unwrap(), hash);
        assert!(Record::decode(&bytes).is_err());
        let read = BlobReference::decode(&bytes).unwrap();
        assert_eq!((read.count, read.hash), (2, hash));
        assert_eq!(read.collection, (3, "notes".to_owned()));
        assert_eq!(read.blobs, [(9, [4; 16])]);
        let body_bits = (bytes.len() - HASH_BYTES) * 8;
        for at in 0..body_bits {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(BlobReference::decode(&flipped).is_err(), "bit {at}");
        }
        for end in 0..bytes.len() {
            assert!(BlobReference::decode(&bytes[..end]).is_err());
        }
    }
}
