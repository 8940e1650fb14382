//! What is asked about snapshots goes to who does it; so does the timer.

use tidelog_log::{Error, Result};

use super::job::Job;
use super::restore::{Phase, Wanted};
use super::{Snapshot, SnapshotCommand, SnapshotReply};
use crate::Engine;
use crate::engine::Reply;
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::meta;

impl Engine {
    /// Handles what is asked about snapshots.
    pub(crate) fn snapshot(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        command: SnapshotCommand,
    ) -> Result<Reply> {
        let made = 0;
        let mut ids = IdMaker { now, entropy, made };
        let reply = match command {
            SnapshotCommand::SetRetention(retention) => {
                self.set_retention(sql, now, &retention)?;
                SnapshotReply::Retention(Box::new(self.view.snapshot_retention(sql)?))
            }
            SnapshotCommand::Restore {
                schema,
                caller,
                target,
                collections,
                dry_run,
            } => {
                let wanted = Wanted {
                    target,
                    collections,
                    dry_run,
                    to: None,
                };
                let restore = self.restore(sql, &mut ids, &schema, &caller, wanted)?;
                SnapshotReply::Restore(Box::new(restore))
            }
            SnapshotCommand::Import { schema, frames } => {
                let import = self.import(sql, &mut ids, &schema, frames)?;
                SnapshotReply::Import(Box::new(import))
            }
            SnapshotCommand::Discover { schema } => {
                let discovery = self.discover_snapshots(sql, &mut ids, &schema)?;
                SnapshotReply::Discovery(Box::new(discovery))
            }
            SnapshotCommand::LakePage { restore, page } => {
                let restore = self.lake_page(sql, &mut ids, &restore, page)?;
                SnapshotReply::Restore(Box::new(restore))
            }
            SnapshotCommand::Fork { to, target, life } => {
                let fork = self.begin_fork(sql, &mut ids, &to, target.as_ref(), life)?;
                SnapshotReply::Fork(Box::new(fork))
            }
            SnapshotCommand::CancelFork => SnapshotReply::Fork(Box::new(self.cancel_fork(sql)?)),
            SnapshotCommand::TakeFork {
                schema,
                order,
                bytes,
            } => {
                let place = self.take_fork(sql, &mut ids, &schema, &order, &bytes)?;
                SnapshotReply::Place(Box::new(place))
            }
            SnapshotCommand::CancelRestore => {
                SnapshotReply::Restore(Box::new(self.cancel_restore(sql)?))
            }
            SnapshotCommand::Heal => SnapshotReply::Heal(Box::new(self.heal(sql, &mut ids)?)),
            one => SnapshotReply::Snapshot(Box::new(self.of_one(sql, &mut ids, one)?)),
        };
        Ok(Reply::Snapshot(reply))
    }

    /// What is asked of one snapshot, and answered with it.
    fn of_one(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        command: SnapshotCommand,
    ) -> Result<Snapshot> {
        let now = ids.now;
        match command {
            SnapshotCommand::Create { kind, parent, note } => {
                self.take_snapshot(sql, ids, kind, parent.as_deref(), &note)
            }
            SnapshotCommand::Delete { id } => self.delete_snapshot(sql, now, &id),
            SnapshotCommand::Keep { id, keep } => self.keep_snapshot(sql, now, &id, keep),
            SnapshotCommand::Promote { id } => self.promote_snapshot(sql, now, &id),
            SnapshotCommand::Recall { id } => self.recall_snapshot(sql, now, &id),
            other => Err(Error::internal(format!("{other:?} is of no one snapshot"))),
        }
    }

    /// The timer: the next steps of what is under way.
    pub(crate) fn snapshot_wake(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
    ) -> Result<()> {
        let made = 0;
        match &self.job {
            None => Ok(()),
            Some(Job::Taking(_)) => self.take_steps(sql, now).map(drop),
            Some(Job::Healing(_)) => self.heal_steps(sql, now).map(drop),
            Some(Job::Restoring(restoring)) if matches!(restoring.phase, Phase::Lake { .. }) => {
                Err(Self::lake_is_late())
            }
            Some(Job::Restoring(_)) => {
                let mut ids = IdMaker { now, entropy, made };
                self.restore_steps(sql, &mut ids).map(drop)
            }
        }
    }

    /// Refuses to begin something while something is under way.
    pub(super) fn check_idle(&self) -> Result<()> {
        match &self.job {
            Some(job) => Err(job.refusal()),
            None if self.status == meta::Status::Deleting => Err(Error::conflict(
                "object_deleting",
                "the object is being deleted; try later",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn set_job(&mut self, sql: &dyn Sql, job: Option<Job>) -> Result<()> {
        Job::store(sql, job.as_ref())?;
        self.job = job;
        Ok(())
    }
}
