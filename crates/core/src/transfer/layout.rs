//! Where the files of snapshots are in object storage, and their manifests. `docs/format/snapshot.md`.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Kind, Result};

use super::ColdPart;
use crate::address::NAMESPACE;
use crate::{Address, Snapshot, SnapshotStatus};

/// The last segment of a manifest's key. It sorts behind those of the parts, which are digits.
pub const COLD_MANIFEST: &str = "manifest";
/// Longest manifest that is read.
pub const COLD_MANIFEST_BYTES_MAX: usize = 4_000_000;
/// Parts of one file at most.
pub(super) const PARTS_MAX: u64 = 20_000;
/// Longest id that stands in a key as it is.
const PLAIN_ID_BYTES_MAX: usize = 100;
const FORMAT: u32 = 1;

/// What says that the file of a snapshot is whole, and what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ColdManifest {
    format: u32,
    #[serde(rename = "type")]
    type_name: String,
    id: String,
    /// As in the file.
    pub(super) snapshot: Snapshot,
    pub(super) parts: Vec<ColdPart>,
}

impl ColdManifest {
    pub(super) fn new(object: &Address, snapshot: &Snapshot, parts: Vec<ColdPart>) -> Self {
        Self {
            format: FORMAT,
            type_name: object.type_name.clone(),
            id: object.id.clone(),
            snapshot: snapshot.as_written(),
            parts,
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(e.to_string()))
    }

    /// Reads one that was found below `object`.
    ///
    /// # Errors
    /// `snapshot_damaged`, `unsupported_format`, `snapshot_of_another_type`.
    pub(super) fn read(object: &Address, key: &str, body: &[u8]) -> Result<Self> {
        let odd = |what: String| damaged(format!("{key:?} {what}"));
        let read: Self =
            serde_json::from_slice(body).map_err(|e| odd(format!("does not read: {e}")))?;
        if read.format != FORMAT {
            let message = format!("{key:?} has format {}; this reads {FORMAT}", read.format);
            return Err(Error::new(Kind::Unsupported, "unsupported_format", message));
        }
        if (&read.type_name, &read.id) != (&object.type_name, &object.id) {
            let message = format!("{key:?} is of {}/{}", read.type_name, read.id);
            return Err(Error::conflict("snapshot_of_another_type", message));
        }
        let snapshot = &read.snapshot;
        let is_its = snapshot_prefix(object, &snapshot.id) + COLD_MANIFEST == key;
        let count = read.parts.len() as u64;
        let whole = snapshot.status == SnapshotStatus::Complete;
        if !is_its || !is_id(&snapshot.id) || !whole || count == 0 || count > PARTS_MAX {
            return Err(odd("is not of a whole snapshot of this name".to_owned()));
        }
        Ok(read)
    }
}

/// What is in object storage is not what was put there.
pub(super) fn damaged(message: String) -> Error {
    Error::new(Kind::Corrupt, "snapshot_damaged", message)
}

/// True for text as ids of snapshots are: nothing else of a manifest may become part of a key.
fn is_id(id: &str) -> bool {
    id.len() == 36
        && id
            .bytes()
            .all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The keys of an object's snapshots begin with this. No id can reach outside: one that is not plain is
/// named by its hash, and the manifests say which object they are of.
pub(super) fn object_prefix(object: &Address) -> String {
    let id = &object.id;
    let plain = id.len() <= PLAIN_ID_BYTES_MAX
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let named = match plain {
        true => id.clone(),
        false => {
            let hash = blake3::hash(object.to_string().as_bytes()).to_hex();
            format!("~{}", &hash[..32])
        }
    };
    format!("{NAMESPACE}/snapshots/{}/{named}/", object.type_name)
}

/// The keys of a snapshot begin with this.
pub(super) fn snapshot_prefix(object: &Address, snapshot: &str) -> String {
    format!("{}{snapshot}/", object_prefix(object))
}

/// The key of a part.
pub(super) fn part_key(object: &Address, snapshot: &str, part: u64) -> String {
    format!("{}{part:06}", snapshot_prefix(object, snapshot))
}

/// The key of a snapshot's manifest.
pub(super) fn manifest_key(object: &Address, snapshot: &str) -> String {
    snapshot_prefix(object, snapshot) + COLD_MANIFEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_reaches_outside_its_prefix_and_none_meets_another() {
        let ids = [
            "JFK",
            "~a",
            "a b",
            "..a",
            "Zürich ✈",
            "a%2Fb",
            "a*b",
            "con:",
            &"x".repeat(200),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for id in ids {
            let object = Address::object("airport", id).unwrap();
            let prefix = object_prefix(&object);
            let rest = prefix.strip_prefix("default/snapshots/airport/").unwrap();
            let name = rest.strip_suffix('/').unwrap();
            assert!(
                name.len() <= PLAIN_ID_BYTES_MAX && !name.contains('/') && !name.starts_with('.')
            );
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"~-_.".contains(&b))
            );
            assert!(seen.insert(prefix));
        }
        let object = Address::object("airport", "JFK").unwrap();
        assert_eq!(
            part_key(&object, "s", 7),
            "default/snapshots/airport/JFK/s/000007"
        );
        assert!(part_key(&object, "s", PARTS_MAX) < manifest_key(&object, "s"));
    }
}
