//! What is under way in an object: at most one snapshot being taken, or one restore.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result, Sequence};

use super::heal::Healing;
use super::restore::Restoring;
use super::take::Taking;
use crate::sql::Sql;
use crate::table::meta;

/// The fact of `_meta` that keeps it.
const JOB: &str = "snapshot";

/// What is under way, and how far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Job {
    /// A snapshot is being taken.
    Taking(Taking),
    /// A state is being brought back.
    Restoring(Box<Restoring>),
    /// What is damaged is healed.
    Healing(Box<Healing>),
}

impl Job {
    pub(crate) fn load(sql: &dyn Sql) -> Result<Option<Self>> {
        meta::fact(sql, JOB)
    }

    pub(crate) fn store(sql: &dyn Sql, job: Option<&Self>) -> Result<()> {
        meta::set_fact(sql, JOB, job)
    }

    /// True when documents must not change until it is done.
    pub(crate) fn keeps_writes_out(&self) -> bool {
        matches!(self, Self::Restoring(restoring) if !restoring.restore.dry_run && !restoring.waits())
    }

    /// True while nothing is read yet.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Restoring(restoring) if restoring.waits())
    }

    /// It needs the log from after this event on.
    pub(crate) fn needs_log_after(&self) -> Option<Sequence> {
        match self {
            Self::Taking(taking) => Some(taking.needs_log_after()),
            Self::Restoring(restoring) => restoring.needs_log_after(),
            Self::Healing(healing) => healing.needs_log_after(),
        }
    }

    pub(crate) fn refusal(&self) -> Error {
        match self {
            Self::Taking(_) => Error::conflict(
                "snapshot_running",
                "a snapshot of this object is being taken; wait for it, or delete it",
            ),
            Self::Restoring(_) => Error::conflict(
                "restore_running",
                "a restore of this object is under way; wait for it, or cancel it",
            ),
            Self::Healing(_) => Error::conflict(
                "heal_running",
                "what is damaged in this object is being healed; wait for it",
            ),
        }
    }
}

/// The refusal of a write while a restore runs.
pub(crate) fn object_restoring() -> Error {
    Error::unavailable(
        "object_restoring",
        "the object is being restored and takes no writes until that is done",
    )
}
