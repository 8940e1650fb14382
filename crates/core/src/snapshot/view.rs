//! Reading about snapshots.

use tidelog_log::{Epoch, Error, Result};

use super::sources::Sources;
use super::{
    Heal, Import, Restore, RestoreTarget, RetentionState, Schedule, ScheduleState, Snapshot,
    SnapshotPage, heal, import, restore, retain, sources,
};
use crate::sql::Sql;
use crate::table::{lineage, snapshots};
use crate::{Engine, View};

/// Snapshots of one page at most.
pub const SNAPSHOTS_PAGE_MAX: usize = 1_000;

impl View {
    /// One page of snapshots, newest first, before an id where one is given.
    ///
    /// # Errors
    /// `limit_out_of_range`.
    pub fn snapshots(
        &self,
        sql: &dyn Sql,
        before: Option<&str>,
        limit: usize,
    ) -> Result<SnapshotPage> {
        if !(1..=SNAPSHOTS_PAGE_MAX).contains(&limit) {
            let message = format!("limit is 1 to {SNAPSHOTS_PAGE_MAX}");
            return Err(Error::invalid("limit_out_of_range", message).at("limit"));
        }
        let mut found = snapshots::list(sql, before, limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.id.clone());
        Ok(SnapshotPage {
            snapshots: found,
            next,
        })
    }

    /// One snapshot.
    ///
    /// # Errors
    /// `unknown_snapshot`.
    pub fn snapshot(&self, sql: &dyn Sql, id: &str) -> Result<Snapshot> {
        sources::find(sql, id)
    }

    /// How long snapshots are kept, and how far the schedule is.
    ///
    /// # Errors
    /// Those of storage.
    pub fn snapshot_retention(&self, sql: &dyn Sql) -> Result<RetentionState> {
        let own = retain::own(sql)?;
        let rules = own.over(self.snapshots.retention)?.declared();
        let schedule = Schedule::load(sql)?.filter(|_| self.snapshots.is_scheduled());
        let schedule = schedule.map(|at| ScheduleState {
            last: at.last,
            sequence: at.sequence,
            failure: at.failure,
        });
        Ok(RetentionState {
            rules,
            own,
            schedule,
        })
    }

    /// The import of a file that is under way.
    ///
    /// # Errors
    /// `no_import`.
    pub fn import_under_way(&self, sql: &dyn Sql) -> Result<Import> {
        import::under_way(sql)?.ok_or_else(|| {
            let message = "no file is being imported into this object";
            Error::not_found("no_import", message)
        })
    }

    /// The healing under way, or the last one.
    ///
    /// # Errors
    /// `no_heal` where there never was one.
    pub fn last_heal(&self, sql: &dyn Sql) -> Result<Heal> {
        heal::last(sql)?.ok_or_else(|| {
            let message = "nothing was ever healed in this object";
            Error::not_found("no_heal", message)
        })
    }

    /// The restore under way, or the last one.
    ///
    /// # Errors
    /// `no_restore` where there never was one.
    pub fn last_restore(&self, sql: &dyn Sql) -> Result<Restore> {
        restore::last(sql)?.ok_or_else(|| {
            let message = "this object was never restored";
            Error::not_found("no_restore", message)
        })
    }
}

impl Engine {
    /// The epoch in which the event was written that a state ends with.
    pub(super) fn epoch_of(&self, sql: &dyn Sql, sources: &Sources) -> Result<Epoch> {
        if let Some(last) = sources.last_link() {
            return Ok(sources::find(sql, last)?.epoch);
        }
        let epochs = lineage::epochs(sql)?;
        let at = epochs
            .iter()
            .rfind(|opened| opened.first_sequence <= sources.to);
        Ok(at
            .or(epochs.first())
            .map(|opened| opened.epoch)
            .unwrap_or_default())
    }

    /// Refuses a state whose documents the present schema might not take.
    pub(super) fn check_schema(&self, sql: &dyn Sql, sources: &Sources) -> Result<()> {
        for id in &sources.links {
            let version = sources::find(sql, id)?.schema_version;
            if version > self.view.version {
                let message = format!(
                    "the snapshot is of schema version {version}, the object of {}; register that first",
                    self.view.version
                );
                return Err(Error::conflict("snapshot_schema_newer", message).at("snapshot"));
            }
        }
        Ok(())
    }
}

impl RestoreTarget {
    /// Exactly one of these is named.
    ///
    /// # Errors
    /// `invalid_target`.
    pub fn of(
        snapshot: Option<String>,
        sequence: Option<tidelog_log::Sequence>,
        time: Option<i64>,
    ) -> Result<Self> {
        match (snapshot, sequence, time) {
            (Some(id), None, None) => Ok(Self::Snapshot(id)),
            (None, Some(sequence), None) => Ok(Self::Sequence(sequence)),
            (None, None, Some(time)) => Ok(Self::Time(time)),
            _ => {
                let message = "name one of snapshot, sequence and time";
                Err(Error::invalid("invalid_target", message).at("snapshot"))
            }
        }
    }
}
