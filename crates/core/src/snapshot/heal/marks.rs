//! Snapshots of which a part is damaged are not to be restored; those that are whole again may be.

use tidelog_log::Result;

use super::super::check::{Damage, Place, damage_of};
use super::super::info::Failure;
use super::super::{Budget, Snapshot, SnapshotStatus, copy};
use super::{Healing, Step};
use crate::Engine;
use crate::sql::Sql;
use crate::table::blobs::BlobId;
use crate::table::snapshots;

/// Why a snapshot is failed that was complete.
const DAMAGED: &str = "snapshot_damaged";

/// Where looking at snapshots begins.
pub(super) fn first() -> Step {
    Step::Snapshots {
        after: Place::of_snapshots().to_string(),
    }
}

impl Engine {
    /// Looks at a page of the snapshots' parts; true once all were, and they are marked.
    pub(super) fn mark_snapshots(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        after: &str,
        budget: &mut Budget,
    ) -> Result<bool> {
        let page = self.view.check_from(sql, after.parse()?)?;
        budget.spend(0, usize::MAX);
        healing.found.extend(page.damaged);
        if let Some(after) = page.next {
            healing.step = Step::Snapshots { after };
            return Ok(false);
        }
        // A blob is looked at once, whichever snapshots have it.
        let lost = healing.heal.lost.iter().chain(&healing.found);
        let blobs: Vec<BlobId> = lost.filter_map(|damage| damage.blob).collect();
        let mut before = None;
        while let Some(snapshot) = snapshots::list(sql, before.as_deref(), 1)?.pop() {
            before = Some(snapshot.id.clone());
            let what = damage_in(sql, &snapshot, &healing.found, &blobs)?;
            if what.is_some() {
                healing.heal.snapshots.push(snapshot.id.clone());
            }
            mark(sql, snapshot, what)?;
        }
        Ok(true)
    }
}

/// What is damaged of a snapshot.
fn damage_in(
    sql: &dyn Sql,
    snapshot: &Snapshot,
    found: &[Damage],
    blobs: &[BlobId],
) -> Result<Option<String>> {
    let mut own = found
        .iter()
        .filter(|damage| damage.snapshot.as_ref() == Some(&snapshot.id));
    if let Some(damage) = own.next() {
        return Ok(Some(damage.what.clone()));
    }
    for (collection, _, _) in snapshots::lengths(sql, &snapshot.id, snapshots::PartKind::Manifest)?
    {
        let Ok(manifest) = damage_of(copy::manifest(sql, &snapshot.id, collection))? else {
            continue;
        };
        let damaged = manifest
            .blobs
            .iter()
            .find(|entry| blobs.contains(&entry.id));
        if let Some(entry) = damaged {
            return Ok(Some(format!("blob {} is not what was written", entry.id)));
        }
    }
    Ok(None)
}

fn mark(sql: &dyn Sql, mut snapshot: Snapshot, what: Option<String>) -> Result<()> {
    let is_failed = snapshot.status == SnapshotStatus::Failed;
    let why = snapshot.failure.as_ref().filter(|_| is_failed);
    let is_marked = why.is_some_and(|failure| failure.code == DAMAGED);
    match what {
        Some(message) if snapshot.is_complete() => {
            snapshot.status = SnapshotStatus::Failed;
            snapshot.failure = Some(Failure {
                code: DAMAGED.to_owned(),
                message,
            });
        }
        None if is_marked => {
            snapshot.status = SnapshotStatus::Complete;
            snapshot.failure = None;
        }
        _ => return Ok(()),
    }
    snapshots::put(sql, &snapshot)
}
