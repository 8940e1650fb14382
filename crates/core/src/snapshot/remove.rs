//! Forgetting a snapshot, or giving up taking it.

use tidelog_log::{Error, Result};

use super::job::Job;
use super::{Snapshot, SnapshotStatus, copy, import, sources};
use crate::Engine;
use crate::sql::Sql;
use crate::table::snapshots::{self, PartKind};
use crate::table::{blobs, wakes};

impl Engine {
    /// Forgets a snapshot.
    pub(super) fn delete_snapshot(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        id: &str,
    ) -> Result<Snapshot> {
        let mut snapshot = sources::find(sql, id)?;
        if snapshot.status == SnapshotStatus::Importing {
            import::abandon(sql)?;
            return Ok(snapshot);
        }
        match &self.job {
            Some(Job::Taking(taking)) if taking.id == id => {
                self.set_job(sql, None)?;
                wakes::clear(sql, super::SNAPSHOT)?;
            }
            // The restore reads it, perhaps.
            Some(job @ (Job::Restoring(_) | Job::Healing(_))) => return Err(job.refusal()),
            _ => {}
        }
        if let Some(child) = sources::child(sql, id)? {
            let message = format!("snapshot {child} builds on it; delete that first");
            return Err(Error::conflict("snapshot_has_children", message).at("id"));
        }
        if !self.forget_cold(sql, now, &mut snapshot)? {
            forget(sql, &snapshot)?;
        }
        self.schedule_forgets(sql, id)?;
        Ok(snapshot)
    }

    /// Keeps a snapshot whatever its age and number, or no longer.
    pub(super) fn keep_snapshot(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        id: &str,
        keep: bool,
    ) -> Result<Snapshot> {
        let mut snapshot = sources::find(sql, id)?;
        snapshot.keep = keep;
        snapshots::put(sql, &snapshot)?;
        self.arm_retain(sql, now)?;
        Ok(snapshot)
    }
}

/// Lets go of all that a snapshot holds.
pub(super) fn forget(sql: &dyn Sql, snapshot: &Snapshot) -> Result<()> {
    drop_hot_parts(sql, &snapshot.id)?;
    snapshots::remove(sql, &snapshot.id)
}

/// Lets go of what a snapshot holds in the database.
pub(crate) fn drop_hot_parts(sql: &dyn Sql, id: &str) -> Result<()> {
    let mut at = None;
    while let Some(part) = snapshots::next_part(sql, id, PartKind::Manifest, at)? {
        for entry in copy::manifest(sql, id, part.collection)?.blobs {
            blobs::release(sql, entry.id)?;
        }
        at = Some((part.collection, part.number));
    }
    snapshots::remove_hot_parts(sql, id)
}

impl Snapshot {
    pub(super) fn is_complete(&self) -> bool {
        self.status == SnapshotStatus::Complete
    }
}
