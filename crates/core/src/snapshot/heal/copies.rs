//! The same bytes elsewhere in the object: in a snapshot that came from a file.

use tidelog_log::Result;

use super::super::check::damage_of;
use crate::folded::{Entry, Manifest, tag_of};
use crate::sql::Sql;
use crate::table::blobs;
use crate::table::snapshots::{self, PartKind};

/// The bytes of a blob as they were written, from another blob that has them.
pub(super) fn find(sql: &dyn Sql, entry: &Entry) -> Result<Option<Vec<u8>>> {
    let mut before = None;
    while let Some(snapshot) = snapshots::list(sql, before.as_deref(), 1)?.pop() {
        let mut after = None;
        while let Some(part) = snapshots::next_part(sql, &snapshot.id, PartKind::Manifest, after)? {
            after = Some((part.collection, part.number));
            let Ok(manifest) = Manifest::decode(&part.body) else {
                continue;
            };
            let same = |other: &&Entry| other.tag == entry.tag && other.id != entry.id;
            let Some(other) = manifest.blobs.iter().find(same) else {
                continue;
            };
            if let Ok(body) = damage_of(blobs::body(sql, other.id))?
                && tag_of(&body) == entry.tag
            {
                return Ok(Some(body));
            }
        }
        before = Some(snapshot.id);
    }
    Ok(None)
}
