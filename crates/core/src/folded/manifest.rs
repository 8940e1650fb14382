//! Which blobs hold a collection's folded documents.
//!
//! `varint` version 1 to 3 · `varint` count · per blob, by ascending first key: `varint` id, 16 bytes tag, `varint` rows, bytes,
//! raw bytes; `bytes` first key and last key, cut after [`BOUND_BYTES`]; from version 2 on [`Adopted`]: `varint` first version,
//! 0 where it is not adopted, else `varint` id of the mask, 0 without one, else its 16 bytes of tag; of version 3 [`KeyBounds`]:
//! `varint` count, per field `varint` id, 8 bytes least, 8 bytes greatest · 8 bytes of BLAKE3 over all before. It has the lowest version that says what is in it.

use std::sync::Arc;

use tidelog_log::{Error, FieldId, Kind, Reader, Result, put_bytes, put_varint};

use super::adopted::Adopted;
use super::bounds::{FieldBounds, KeyBounds};
use super::cache::{CacheKey, Cached, Tag};
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};

/// Bytes of a key that a bound keeps.
const BOUND_BYTES: usize = 64;
/// Live blobs of one collection at most: the manifest stays one SQLite row.
pub(crate) const BLOBS_MAX: usize = 8_000;
const VERSION: u64 = 1;
/// Of manifests with adopted blobs.
const VERSION_ADOPTED: u64 = 2;
/// Of manifests with bounds of key fields.
const VERSION_BOUNDED: u64 = 3;
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
    /// Its rows' versions, where they are not those in it.
    pub(crate) adopted: Option<Adopted>,
    /// Between which values the key fields of its documents lie.
    pub(crate) bounds: KeyBounds,
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
            adopted: None,
            bounds: KeyBounds::default(),
            first: bound(first).to_vec(),
            last: bound(last).to_vec(),
        }
    }

    /// The same blob without versions of its rows: nobody asks a snapshot for them.
    pub(crate) fn unversioned(&self) -> Self {
        Self {
            adopted: None,
            ..self.clone()
        }
    }

    /// The same blob as its bytes alone tell it.
    pub(crate) fn plain(&self) -> Self {
        Self {
            bounds: KeyBounds::default(),
            ..self.unversioned()
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

    /// True when the keys of two blobs may lie between each other.
    pub(crate) fn overlaps(&self) -> bool {
        let mut last: Option<&[u8]> = None;
        self.blobs.iter().any(|entry| {
            let meets = last.is_some_and(|last| entry.first.as_slice() <= last);
            last = last.max(Some(entry.last.as_slice()));
            meets
        })
    }

    /// Stores it.
    pub(crate) fn store(&self, sql: &dyn Sql, collection: u32) -> Result<()> {
        blobs::set_manifest(sql, collection, &self.encode())
    }

    fn version(&self) -> u64 {
        if self.blobs.iter().any(|entry| !entry.bounds.0.is_empty()) {
            return VERSION_BOUNDED;
        }
        match self.blobs.iter().any(|entry| entry.adopted.is_some()) {
            true => VERSION_ADOPTED,
            false => VERSION,
        }
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let version = self.version();
        put_varint(&mut out, version);
        put_varint(&mut out, self.blobs.len() as u64);
        for entry in &self.blobs {
            put_varint(&mut out, entry.id);
            out.extend_from_slice(&entry.tag);
            put_varint(&mut out, u64::from(entry.rows));
            put_varint(&mut out, entry.bytes);
            put_varint(&mut out, entry.raw_bytes);
            put_bytes(&mut out, &entry.first);
            put_bytes(&mut out, &entry.last);
            if version >= VERSION_ADOPTED {
                put_adopted(&mut out, entry.adopted);
            }
            if version >= VERSION_BOUNDED {
                put_bounds(&mut out, &entry.bounds);
            }
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
        if !(VERSION..=VERSION_BOUNDED).contains(&version) {
            let message =
                format!("a manifest has version {version}; this version reads {VERSION_BOUNDED}");
            return Err(Error::new(Kind::Unsupported, "unsupported_format", message));
        }
        let count = reader.count(22)?;
        let mut blobs = Vec::with_capacity(count);
        for _ in 0..count {
            let mut entry = Entry {
                id: reader.varint()?,
                tag: reader.array()?,
                rows: u32::try_from(reader.varint()?).map_err(|_| odd("counts too many rows"))?,
                bytes: reader.varint()?,
                raw_bytes: reader.varint()?,
                adopted: None,
                bounds: KeyBounds::default(),
                first: reader.bytes()?.to_vec(),
                last: reader.bytes()?.to_vec(),
            };
            if version >= VERSION_ADOPTED {
                entry.adopted = take_adopted(&mut reader)?;
            }
            if version >= VERSION_BOUNDED {
                entry.bounds = take_bounds(&mut reader)?;
            }
            blobs.push(entry);
        }
        match reader.is_empty() {
            true => Ok(Self { blobs }),
            false => Err(odd("has bytes after its end")),
        }
    }
}

fn put_adopted(out: &mut Vec<u8>, adopted: Option<Adopted>) {
    put_varint(out, adopted.map_or(0, |adopted| adopted.first));
    if let Some(adopted) = adopted {
        let (id, tag) = adopted.mask.unwrap_or_default();
        put_varint(out, id);
        if id != 0 {
            out.extend_from_slice(&tag);
        }
    }
}

fn take_adopted(reader: &mut Reader<'_>) -> Result<Option<Adopted>> {
    let first = reader.varint()?;
    if first == 0 {
        return Ok(None);
    }
    let mask = match reader.varint()? {
        0 => None,
        id => Some((id, reader.array()?)),
    };
    Ok(Some(Adopted { first, mask }))
}

fn put_bounds(out: &mut Vec<u8>, bounds: &KeyBounds) {
    put_varint(out, bounds.0.len() as u64);
    for bounds in &bounds.0 {
        put_varint(out, u64::from(bounds.field));
        out.extend_from_slice(&bounds.least.to_le_bytes());
        out.extend_from_slice(&bounds.greatest.to_le_bytes());
    }
}

fn take_bounds(reader: &mut Reader<'_>) -> Result<KeyBounds> {
    let odd = || Error::corrupt("a manifest bounds a field of no collection");
    let count = reader.count(17)?;
    let mut bounds = Vec::with_capacity(count);
    for _ in 0..count {
        bounds.push(FieldBounds {
            field: FieldId::try_from(reader.varint()?).map_err(|_| odd())?,
            least: i64::from_le_bytes(reader.array()?),
            greatest: i64::from_le_bytes(reader.array()?),
        });
    }
    Ok(KeyBounds(bounds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folded::bounds::FIELDS_MAX;

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
        assert_eq!(bytes[0], 1);
        let ids: Vec<BlobId> = manifest.blobs.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [9, 7]);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Manifest::decode(&flipped).is_err());
        }
    }

    #[test]
    fn a_manifest_keeps_where_the_versions_of_adopted_blobs_begin() {
        let mut manifest = Manifest::default();
        for (id, adopted) in [(1, None), (2, Some((900, None))), (3, Some((7, Some(4))))] {
            let mut entry = Entry::new((id, [1; 16]), 3, (100, 900), ("m", "n"));
            entry.adopted = adopted.map(|(first, mask)| Adopted {
                first,
                mask: mask.map(|id| (id, [9; 16])),
            });
            manifest.add(entry);
        }
        let bytes = manifest.encode();
        assert_eq!(bytes[0], 2);
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Manifest::decode(&flipped).is_err());
        }
        let plain = manifest.blobs.iter().map(Entry::unversioned).collect();
        assert_eq!(Manifest { blobs: plain }.encode()[0], 1);
    }

    #[test]
    fn a_manifest_keeps_between_which_values_key_fields_lie() {
        let mut manifest = Manifest::default();
        for id in 1..4_i64 {
            let all = [(3, -id, i64::MAX), (9, i64::MIN, id)].into_iter();
            let all = all.skip(usize::try_from(id).unwrap() - 1);
            let mut entry = Entry::new((id.unsigned_abs(), [1; 16]), 3, (100, 900), ("m", "n"));
            entry.bounds = KeyBounds(
                all.map(|(field, least, greatest)| FieldBounds {
                    field,
                    least,
                    greatest,
                })
                .collect(),
            );
            manifest.add(entry);
        }
        let bytes = manifest.encode();
        assert_eq!(bytes[0], 3);
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Manifest::decode(&flipped).is_err());
        }
        let plain = manifest.blobs.iter().map(Entry::plain).collect();
        assert_eq!(Manifest { blobs: plain }.encode()[0], 1);
    }

    /// What earlier versions wrote, byte by byte.
    #[test]
    fn manifests_of_before_are_read() {
        let hex = |version: &str, tail: &str| {
            let text = format!("{version}0107{}03648407016d016e{tail}", "01".repeat(16));
            let bytes =
                (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16));
            let mut bytes: Vec<u8> = bytes.map(Result::unwrap).collect();
            let check = blake3::hash(&bytes);
            bytes.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
            bytes
        };
        let mut entry = Entry::new((7, [1; 16]), 3, (100, 900), ("m", "n"));
        let read = |bytes: &[u8]| Manifest::decode(bytes).unwrap().blobs;
        assert_eq!(read(&hex("01", "")), [entry.clone()]);
        entry.adopted = Some(Adopted {
            first: 5,
            mask: Some((4, [9; 16])),
        });
        let adopted = hex("02", &format!("0504{}", "09".repeat(16)));
        assert_eq!(read(&adopted), [entry.clone()]);
        let manifest = Manifest { blobs: vec![entry] };
        assert_eq!(
            manifest.encode(),
            adopted,
            "the lowest version that will do"
        );
    }

    #[test]
    fn the_largest_manifest_is_one_row() {
        let key = "k".repeat(100);
        let mut entry = Entry::new(
            (u64::from(u32::MAX), [1; 16]),
            65_536,
            (1_900_000, 90_000_000),
            (&key, &key),
        );
        let (id, tag) = (entry.id, entry.tag);
        entry.adopted = Some(Adopted {
            first: 1 << 48,
            mask: Some((id, tag)),
        });
        let bounds = FieldBounds {
            field: 10_000,
            least: 0,
            greatest: 0,
        };
        entry.bounds = KeyBounds(vec![bounds; FIELDS_MAX]);
        let manifest = Manifest {
            blobs: vec![entry; BLOBS_MAX],
        };
        assert!(manifest.encode().len() < 2_000_000);
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
    fn blobs_overlap_when_one_begins_before_another_ended() {
        let of = |bounds: &[(&str, &str)]| {
            let mut manifest = Manifest::default();
            for (id, keys) in (1..).zip(bounds) {
                manifest.add(Entry::new((id, [0; 16]), 9, (1, 1), *keys));
            }
            manifest.overlaps()
        };
        assert!(!of(&[]) && !of(&[("c", "d"), ("a", "b"), ("e", "e")]));
        assert!(of(&[("a", "b"), ("b", "c")]));
        assert!(of(&[("a", "z"), ("b", "c"), ("d", "e")]));
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
