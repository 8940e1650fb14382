//! What a segment says of the records in it: its metadata.

use tidelog_log::{Error, Hash, Reader, Result, Sequence, put_bytes, put_varint};

const VERSION: u64 = 1;

/// The metadata of a segment.
///
/// `varint` version 1 · `varint` first sequence · 32 bytes hash of the record before · 32 bytes hash
/// of the last record · `varint` count · per collection `varint` id and `text` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The first event.
    pub(super) first: Sequence,
    /// What the first record names as its previous.
    pub(super) previous: Hash,
    /// The hash of the last record.
    pub(super) hash: Hash,
    /// Ids and names of the collections, as the events count them.
    pub(super) collections: Vec<(u32, String)>,
}

impl Origin {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, VERSION);
        put_varint(&mut out, self.first.0);
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&self.hash.0);
        put_varint(&mut out, self.collections.len() as u64);
        for (id, name) in &self.collections {
            put_varint(&mut out, u64::from(*id));
            put_bytes(&mut out, name.as_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.varint()? != VERSION {
            return Err(Error::corrupt("a log segment of an unknown origin"));
        }
        let mut origin = Self {
            first: Sequence(reader.varint()?),
            previous: Hash(reader.array()?),
            hash: Hash(reader.array()?),
            collections: Vec::new(),
        };
        for _ in 0..reader.count(2)? {
            let id = u32::try_from(reader.varint()?);
            let id = id.map_err(|_| Error::corrupt("a collection id is too large"))?;
            origin.collections.push((id, reader.text()?.to_owned()));
        }
        match reader.is_empty() {
            true => Ok(origin),
            false => Err(Error::corrupt("bytes after the origin of a log segment")),
        }
    }
}
