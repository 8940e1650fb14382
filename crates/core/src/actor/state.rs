//! What `state` shows of an actor, and whether an object holds anything at all.

use tidelog_log::{Result, Sequence};

use super::FailedLetter;
use crate::View;
use crate::sql::{Sql, one};
use crate::table::{actor, failed_letters, log, outbox, senders, snapshots, wakes};

/// What `state` shows of an object with an actor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActorState {
    /// Messages that wait for delivery.
    pub waiting: u64,
    /// Messages given up, the newest first.
    pub failed: Vec<FailedLetter>,
    /// The last error of each failing timer.
    pub errors: Vec<(String, String)>,
    /// The last change that `on_change` was given, if it is given any.
    pub followed: Option<Sequence>,
}

impl View {
    pub(crate) fn actor_state(&self, sql: &dyn Sql) -> Result<Option<ActorState>> {
        if !actor::exists(sql)? {
            return Ok(None);
        }
        Ok(Some(ActorState {
            waiting: outbox::size(sql)?.0,
            failed: failed_letters::list(sql)?,
            errors: actor::errors(sql)?,
            followed: actor::number(sql, actor::FOLLOWED)?.map(Sequence),
        }))
    }

    /// True when the object holds nothing: no event, no timer, no message, no remembered answer,
    /// no snapshot. A turn that leaves an object so has not made it.
    ///
    /// # Errors
    /// What the database says.
    pub fn is_blank(&self, sql: &dyn Sql) -> Result<bool> {
        if log::head(sql)?.sequence.0 > 0 || wakes::earliest(sql)?.is_some() {
            return Ok(false);
        }
        let remembered = one(sql, "SELECT 1 FROM _idempotency LIMIT 1", &[], |_| Ok(()))?;
        let knows_senders = actor::exists(sql)? && !senders::is_empty(sql)?;
        let has_snapshots = !snapshots::list(sql, None, 1)?.is_empty();
        Ok(remembered.is_none() && !knows_senders && !has_snapshots)
    }
}
