//! What cannot go on is given up: the old state stays, and the reason is kept.

use tidelog_log::{Error, Kind, Result};

use super::SnapshotStatus;
use super::info::Failure;
use super::job::Job;
use super::restore::Phase;
use super::take::Purpose;
use super::{RestoreStatus, sources};
use crate::Engine;
use crate::sql::Sql;
use crate::table::{snapshots, wakes};

impl Engine {
    /// True for an error that another attempt would meet again.
    pub(crate) fn is_lost(error: &Error) -> bool {
        !matches!(error.kind(), Kind::Unavailable | Kind::Internal)
    }

    /// Gives up what is under way, for this reason.
    pub(crate) fn give_up(&mut self, sql: &dyn Sql, now: i64, error: &Error) -> Result<()> {
        let failure = Failure::of(error);
        wakes::clear(sql, super::SNAPSHOT)?;
        match self.job.take() {
            None => Ok(()),
            // Another one is taken in its place: failed ones would only pile up.
            Some(Job::Taking(taking)) if taking.purpose != Purpose::Asked => {
                let snapshot = sources::find(sql, &taking.id)?;
                super::remove::forget(sql, &snapshot)?;
                self.set_job(sql, None)?;
                match taking.purpose {
                    Purpose::Fork => self.fork_failed(sql, failure, true),
                    _ => self.schedule_failed(sql, now, error),
                }
            }
            Some(Job::Taking(taking)) => {
                let mut snapshot = sources::find(sql, &taking.id)?;
                snapshot.status = SnapshotStatus::Failed;
                snapshot.failure = Some(failure);
                snapshots::put(sql, &snapshot)?;
                self.set_job(sql, None)
            }
            Some(Job::Healing(healing)) => self.give_up_healing(sql, *healing, failure),
            Some(Job::Restoring(restoring)) => {
                if let Phase::Undo(taking) = &restoring.phase {
                    let undo = sources::find(sql, &taking.id)?;
                    super::remove::forget(sql, &undo)?;
                }
                self.unstage(sql)?;
                self.drop_recalls(sql)?;
                let mut restore = restoring.restore;
                restore.failure = Some(failure);
                self.end_restore(sql, restore, RestoreStatus::Failed)
                    .map(drop)
            }
        }
    }
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
        }
    }
}
