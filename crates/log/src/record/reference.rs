//! A record whose rows lie in blobs: they are stored once.
//!
//! Kind 2, a bulk insert, stands for the record of kind 1 that its rows make again, byte for byte, and
//! carries that one's hash. Kind 3, rows that a restore adopted, was never written out: its hash is of
//! itself, and so, by the tags of the blobs it names, of its rows.

use super::{
    COUNT_AT, HASH_BYTES, Hash, KIND_ADOPTED, KIND_AT, KIND_REFERENCE, LENGTH_AT, Record,
    RecordWriter, decode_header,
};
use crate::{Error, Reader, RecordHeader, Result, put_bytes, put_varint};

const CHECK_BYTES: usize = 8;
/// The start of the BLAKE3 hash of a blob.
const TAG_BYTES: usize = 16;

/// A blob as a record names it: its id, and the start of its bytes' BLAKE3.
pub type BlobName = (u64, [u8; TAG_BYTES]);

/// Which rows of its one blob a record of kind 3 inserts: a run without the masked ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedRows {
    /// The first row of the run.
    pub start: u32,
    /// Rows of the run, masked ones included.
    pub rows: u32,
    /// What holds the mask of the whole blob, one bit per row; none: no row is masked.
    pub mask: Option<BlobName>,
}

/// A record of kind 2 or 3.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobReference {
    /// What stands before the events.
    pub header: RecordHeader,
    /// How many events it stands for.
    pub count: u32,
    /// The collection's id and name.
    pub collection: (u32, String),
    /// The blobs that together hold the inserted rows: id, and the start of the bytes' BLAKE3.
    pub blobs: Vec<BlobName>,
    /// Kind 3: the rows of the one blob; none: kind 2, all rows of all.
    pub adopted: Option<AdoptedRows>,
    /// The hash that the chain goes on with: of the record it stands for, or of itself.
    pub hash: Hash,
}

impl BlobReference {
    /// True for the first part of such a record.
    pub fn is(first_part: &[u8]) -> bool {
        matches!(
            first_part.get(KIND_AT),
            Some(&(KIND_REFERENCE | KIND_ADOPTED))
        )
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
    pub fn encode(record: &[u8], collection: (u32, &str), blobs: &[BlobName]) -> Result<Vec<u8>> {
        let mut reader = Reader::new(record);
        decode_header(&mut reader)?;
        let hash = Record::hash_of_tail(record)?;
        let mut out = record[..record.len() - reader.remaining()].to_vec();
        out[KIND_AT] = KIND_REFERENCE;
        put_names(&mut out, collection, blobs);
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
        out.extend_from_slice(&hash.0);
        Ok(out)
    }

    /// A record of `count` INSERTs whose rows lie in `blob`, about `bytes` when they are written out:
    /// its bytes and its hash.
    pub fn adopt(
        header: &RecordHeader,
        (count, bytes): (u32, u32),
        collection: (u32, &str),
        blob: BlobName,
        adopted: AdoptedRows,
    ) -> (Vec<u8>, Hash) {
        let mut out = RecordWriter::new(header).out;
        out[KIND_AT] = KIND_ADOPTED;
        out[COUNT_AT..COUNT_AT + 4].copy_from_slice(&count.to_le_bytes());
        out[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&bytes.to_le_bytes());
        put_names(&mut out, collection, &[blob]);
        put_varint(&mut out, u64::from(adopted.start));
        put_varint(&mut out, u64::from(adopted.rows));
        let (mask, tag) = adopted.mask.unwrap_or_default();
        put_varint(&mut out, mask);
        out.extend_from_slice(&tag);
        let hash = Hash(*blake3::hash(&out).as_bytes());
        out.extend_from_slice(&hash.0);
        (out, hash)
    }

    fn decode_adopted(bytes: &[u8]) -> Result<Self> {
        let hash = Record::hash_of_tail(bytes)?;
        let body = &bytes[..bytes.len() - HASH_BYTES];
        if *blake3::hash(body).as_bytes() != hash.0 {
            return Err(Error::corrupt("a log record does not match its hash"));
        }
        let mut reader = Reader::new(body);
        let (header, count) = decode_header(&mut reader)?;
        let (collection, blobs) = take_names(&mut reader)?;
        let (start, rows) = (small(&mut reader)?, small(&mut reader)?);
        let mask = (reader.varint()?, reader.array()?);
        match reader.is_empty() && blobs.len() == 1 {
            true => Ok(Self {
                header,
                count,
                collection,
                blobs,
                adopted: Some(AdoptedRows {
                    start,
                    rows,
                    mask: (mask.0 != 0).then_some(mask),
                }),
                hash,
            }),
            false => Err(Error::corrupt("not a record of adopted rows")),
        }
    }

    /// Reads what [`BlobReference::encode`] or [`BlobReference::adopt`] made.
    ///
    /// # Errors
    /// `corrupt` when a byte is not what was written.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.get(KIND_AT) == Some(&KIND_ADOPTED) {
            return Self::decode_adopted(bytes);
        }
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
        let (collection, blobs) = take_names(&mut reader)?;
        match Self::is(bytes) && reader.is_empty() {
            true => Ok(Self {
                header,
                count,
                collection,
                blobs,
                adopted: None,
                hash: Hash::try_from(hash)?,
            }),
            false => Err(Error::corrupt("not a blob reference")),
        }
    }
}

fn put_names(out: &mut Vec<u8>, collection: (u32, &str), blobs: &[BlobName]) {
    put_varint(out, u64::from(collection.0));
    put_bytes(out, collection.1.as_bytes());
    put_varint(out, blobs.len() as u64);
    for (id, tag) in blobs {
        put_varint(out, *id);
        out.extend_from_slice(tag);
    }
}

fn take_names(reader: &mut Reader<'_>) -> Result<((u32, String), Vec<BlobName>)> {
    let collection = (small(reader)?, reader.text()?.to_owned());
    let blobs = (0..reader.count(TAG_BYTES + 1)?)
        .map(|_| Ok((reader.varint()?, reader.array()?)))
        .collect::<Result<_>>()?;
    Ok((collection, blobs))
}

fn small(reader: &mut Reader<'_>) -> Result<u32> {
    let number = u32::try_from(reader.varint()?);
    number.map_err(|_| Error::corrupt("a number of a blob reference is too large"))
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

    #[test]
    fn a_record_of_adopted_rows_carries_its_own_hash_and_every_flip_is_found() {
        let header = RecordHeader {
            first_sequence: Sequence(5),
            cause: "restore:x".to_owned(),
            ..RecordHeader::default()
        };
        for mask in [None, Some((11, [6; 16]))] {
            let adopted = AdoptedRows {
                start: 8_192,
                rows: 300,
                mask,
            };
            let (of, blob) = ((3, "notes"), (9, [4; 16]));
            let (bytes, hash) = BlobReference::adopt(&header, (2, 77), of, blob, adopted);
            assert!(BlobReference::is(&bytes));
            assert_eq!(BlobReference::record_bytes(&bytes).unwrap(), 77);
            assert_eq!(Record::hash_of_tail(&bytes).unwrap(), hash);
            assert_eq!(Record::peek(&bytes).unwrap(), (header.clone(), 2));
            let whole = u32::try_from(bytes.len()).unwrap();
            let (odd, _) = BlobReference::adopt(&header, (2, whole), of, blob, adopted);
            assert!(Record::decode(&odd).is_err());
            let read = BlobReference::decode(&bytes).unwrap();
            assert_eq!((read.header, read.count), (header.clone(), 2));
            assert_eq!((read.hash, read.adopted), (hash, Some(adopted)));
            assert_eq!(read.collection, (3, "notes".to_owned()));
            assert_eq!(read.blobs, [blob]);
            for at in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                assert!(BlobReference::decode(&flipped).is_err(), "bit {at}");
            }
            for end in 0..bytes.len() {
                assert!(BlobReference::decode(&bytes[..end]).is_err());
            }
        }
    }
}
