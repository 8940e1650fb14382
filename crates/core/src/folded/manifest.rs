//! Which blobs hold a collection's folded documents.
//!
//! `varint` version 1 · `varint` count · per blob, by ascending first key: `varint` id, 16 bytes tag, `varint` rows, bytes,
//! raw bytes; `bytes` first key and last key, cut after [`BOUND_BYTES`] · 8 bytes of BLAKE3 over all
//! before.

use std::sync::Arc;

use tidelog_log::{Error, Kind, Reader, Result, put_bytes, put_varint};

use super::cache::{CacheKey, Cached, Tag};
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};

/// Bytes of a key that a bound keeps.
const BOUND_BYTES: usize = 64;
/// Live blobs of one collection at most: the manifest stays one SQLite row.
pub(crate) const BLOBS_MAX: usize = 8_000;
const VERSION: u64 = 1;
const CHECK_BYTES: usize = 8;

/// The live blobs of one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) blobs: Vec<Entry>,
}

/// A manifest that was read, and the bytes that it is.
#[derive(Debug)]
pub struct KnownManifest {
    bytes: Vec<u8>,
    manifest: Arc<Manifest>,
}

impl KnownManifest {
    /// Bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() * 2 + self.manifest.blobs.len() * size_of::<Entry>()
    }
}

/// One live blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its row of `_blobs`.
    pub(crate) id: BlobId,
    /// The start of its bytes' BLAKE3: tells it from an earlier blob of the same id.
    pub(crate) tag: Tag,
    /// Its rows, masked ones included.
    pub(crate) rows: u32,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// The bytes of its documents in the log's encoding.
    pub(crate) raw_bytes: u64,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(
        (id, tag): (BlobId, Tag),
        rows: u32,
        (bytes, raw_bytes): (u64, u64),
        (first, last): (&str, &str),
    ) -> Self {
        Self {
            id,
            tag,
            rows,
            bytes,
            raw_bytes,
            first: bound(first).to_vec(),
            last: bound(last).to_vec(),
        }
    }

    /// True when a document of this key may be in the blob.
    pub(crate) fn may_hold(&self, key: &str) -> bool {
        let key = bound(key);
        self.first.as_slice() <= key && key <= self.last.as_slice()
    }

    /// True when every document of the blob comes after this key.
    pub(crate) fn starts_after(&self, key: &str) -> bool {
        self.first.as_slice() > bound(key)
    }

    /// True when every document of the blob comes before this key.
    pub(crate) fn ends_before(&self, key: &str) -> bool {
        self.last.as_slice() < bound(key)
    }

    /// True when a document whose key starts so may be in the blob.
    pub(crate) fn may_hold_prefix(&self, prefix: &str) -> bool {
        let prefix = bound(prefix);
        let first = &self.first[..self.first.len().min(prefix.len())];
        first <= prefix && prefix <= self.last.as_slice()
    }

    /// True when some key from `first` to `last` may be in the blob.
    pub(crate) fn may_overlap(&self, first: &str, last: &str) -> bool {
        self.first.as_slice() <= bound(last) && bound(first) <= self.last.as_slice()
    }
}

/// Keys compare as these do, except that long ones become equal.
fn bound(key: &str) -> &[u8] {
    &key.as_bytes()[..key.len().min(BOUND_BYTES)]
}

impl Manifest {
    /// The manifest of a collection; empty before its first blob. One that was read before is not
    /// checked and taken apart again.
    pub(crate) fn of(sql: &dyn Sql, collection: u32) -> Result<Arc<Self>> {
        let Some(bytes) = blobs::manifest(sql, collection)? else {
            return Ok(Arc::default());
        };
        let (cache, key) = (sql.blob_cache(), CacheKey::manifest(&bytes));
        if let Some(Cached::Manifest(known)) = cache.and_then(|cache| cache.get(&key))
            && known.bytes == bytes
        {
            return Ok(Arc::clone(&known.manifest));
        }
        let manifest = Arc::new(Self::decode(&bytes)?);
        if let Some(cache) = cache {
            let manifest = Arc::clone(&manifest);
            let known = KnownManifest { bytes, manifest };
            cache.put(key, Cached::Manifest(Arc::new(known)));
        }
        Ok(manifest)
    }

    /// Adds a blob in its place.
    pub(crate) fn add(&mut self, entry: Entry) {
        let at = self
            .blobs
            .partition_point(|known| (&known.first, known.id) < (&entry.first, entry.id));
        self.blobs.insert(at, entry);
    }

    /// Takes a blob out.
    pub(crate) fn remove(&mut self, id: BlobId) {
        self.blobs.retain(|entry| entry.id != id);
    }

    /// Stores it.
    pub(crate) fn store(&self, sql: &dyn Sql, collection: u32) -> Result<()> {
        blobs::set_manifest(sql, collection, &self.encode())
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, VERSION);
        put_varint(&mut out, self.blobs.len() as u64);
        for entry in &self.blobs {
            put_varint(&mut out, entry.id);
            out.extend_from_slice(&entry.tag);
            put_varint(&mut out, u64::from(entry.rows));
            put_varint(&mut out, entry.bytes);
            put_varint(&mut out, entry.raw_bytes);
            put_bytes(&mut out, &entry.first);
            put_bytes(&mut out, &entry.last);
        }
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
        out
    }

    /// Reads what [`Manifest::encode`] wrote.
    ///
    /// # Errors
    /// `corrupt`, `unsupported_format`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let odd = |what| Error::corrupt(format!("a manifest {what}"));
        let at = bytes.len().checked_sub(CHECK_BYTES);
        let (body, check) = bytes.split_at(at.ok_or_else(|| odd("is too short"))?);
        if blake3::hash(body).as_bytes()[..CHECK_BYTES] != *check {
            return Err(odd("does not match its checksum"));
        }
        let mut reader = Reader::new(body);
        let version = reader.varint()?;
        if version != VERSION {
            let message = format!("a manifest has version {version}; this version reads {VERSION}");
            return Err(Error::new(Kind::Unsupported, "unsupported_format", message));
        }
        let count = reader.count(22)?;
        let mut blobs = Vec::with_capacity(count);
        for _ in 0..count {
            blobs.push(Entry {
                id: reader.varint()?,
                tag: reader.array()?,
                rows: u32::try_from(reader.varint()?).map_err(|_| odd("counts too many rows"))?,
                bytes: reader.varint()?,
                raw_bytes: reader.varint()?,
                first: reader.bytes()?.to_vec(),
                last: reader.bytes()?.to_vec(),
            });
        }
        match reader.is_empty() {
            true => Ok(Self { blobs }),
            false => Err(odd("has bytes after its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_round_trip_and_every_flipped_bit_is_found() {
        let long = "x".repeat(100);
        let mut manifest = Manifest::default();
        manifest.add(Entry::new((7, [1; 16]), 3, (100, 900), ("m", &long)));
        manifest.add(Entry::new(
            (9, [2; 16]),
            65_536,
            (1_900_000, 9_000_000),
            ("a", "c"),
        ));
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        let ids: Vec<BlobId> = manifest.blobs.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [9, 7]);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Manifest::decode(&flipped).is_err());
        }
    }

    #[test]
    fn long_keys_are_never_missed() {
        let (long, longer) = ("x".repeat(100), "x".repeat(200));
        let entry = Entry::new((1, [0; 16]), 1, (1, 1), (&long, &long));
        assert!(entry.may_hold(&longer) && entry.may_hold(&long));
        assert!(!entry.may_hold("w") && !entry.may_hold("y"));
        assert!(entry.may_overlap("a", "z") && !entry.may_overlap("a", "b"));
        assert!(entry.may_hold_prefix(&longer) && entry.may_hold_prefix("x"));
        assert!(entry.ends_before("y") && !entry.ends_before(&longer));
    }

    #[test]
    fn prefixes_are_held_by_blobs_that_begin_end_or_lie_within_them() {
        let entry = Entry::new((1, [0; 16]), 9, (1, 1), ("b5", "d2"));
        for within in ["", "b", "b5", "b9", "c", "c77", "d", "d1", "d2"] {
            assert!(entry.may_hold_prefix(within), "{within}");
        }
        for outside in ["a", "b4", "d3", "e"] {
            assert!(!entry.may_hold_prefix(outside), "{outside}");
        }
        // A key that starts with "d2" may be after the last; one that starts with "b5" is not before.
        assert!(entry.ends_before("d3") && !entry.ends_before("d2"));
    }
}
