//! The timers of actors: alarms, `on_change`, and what looks after messages.

use tidelog_log::{Error, Kind, Result};

use super::context::ALARM;
use super::turn::Occasion;
use crate::sql::Sql;
use crate::table::{actor, wakes};
use crate::{Caller, Engine, View};

/// Timer: there are messages to deliver.
pub(super) const OUTBOX: &str = "outbox";
/// Timer: forget senders that are silent.
pub(super) const SENDERS: &str = "senders";
/// Timer: give `on_change` what is new.
pub(super) const FOLLOW: &str = "changes";
/// How often silent senders are looked for.
pub(super) const SENDERS_PRUNE_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// True for the names of timers that run here.
pub(crate) fn is_timer(name: &str) -> bool {
    matches!(name, OUTBOX | SENDERS) || runs_actor(name)
}

/// True for the timers that run the actor's own code.
fn runs_actor(name: &str) -> bool {
    name == FOLLOW || name.starts_with(ALARM)
}

impl View {
    /// The timers that are due and run the actor's own code, for [`ActorCommand::Timer`].
    ///
    /// [`ActorCommand::Timer`]: super::ActorCommand::Timer
    ///
    /// # Errors
    /// What the database says.
    pub fn actor_timers_due(&self, sql: &dyn Sql, now: i64) -> Result<Vec<String>> {
        let mut due = wakes::due(sql, now)?;
        due.retain(|name| runs_actor(name));
        Ok(due)
    }
}

impl Engine {
    /// Runs one timer; it is cleared already, and set again by who wants it again.
    pub(crate) fn actor_wake(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        name: &str,
    ) -> Result<()> {
        if !actor::exists(sql)? {
            return Err(no_actor());
        }
        // Timers that ring together have numbers and ids of their own.
        let mut own = blake3::Hasher::new();
        own.update(&entropy).update(name.as_bytes());
        let mut entropy = [0; 16];
        entropy.copy_from_slice(&own.finalize().as_bytes()[..16]);
        match name {
            OUTBOX => self.outbox_timer(sql, now),
            SENDERS => self.senders_timer(sql, now),
            FOLLOW => self.follow(sql, now, entropy),
            alarm => self.alarm(sql, now, entropy, alarm),
        }?;
        actor::forget_error(sql, name)
    }

    fn alarm(&mut self, sql: &dyn Sql, now: i64, entropy: [u8; 16], timer: &str) -> Result<()> {
        let behaviour = self.behaviour.clone().ok_or_else(no_actor)?;
        self.check_writable()?;
        let occasion = Occasion {
            now,
            entropy,
            caller: &Caller::default(),
            sender: None,
            cause: timer,
        };
        let name = timer.strip_prefix(ALARM).unwrap_or(timer);
        self.acting(sql, &occasion, |ctx| behaviour.alarm(ctx, name))
    }

    /// Runs one timer on its own, if it is due.
    pub(super) fn actor_timer(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        name: &str,
    ) -> Result<()> {
        match wakes::at(sql, name)? {
            Some(at) if at <= now && is_timer(name) => self.wake(sql, now, entropy, name),
            _ => Ok(()),
        }
    }

    /// Puts a timer off that ended its instance.
    pub(super) fn actor_timer_lost(&mut self, sql: &dyn Sql, now: i64, name: &str) -> Result<()> {
        if wakes::at(sql, name)?.is_none() || !is_timer(name) {
            return Ok(());
        }
        let message = "the actor panicked, or ran out of memory or time";
        let error = Error::new(Kind::Internal, "actor_failed", message);
        wakes::back_off(sql, name, now)?;
        actor::note_error(sql, name, &error)
    }

    /// A deleted object has no alarms.
    pub(crate) fn clear_alarms(&self, sql: &dyn Sql) -> Result<()> {
        wakes::clear_all(sql, ALARM)
    }
}

/// Keeps why a timer of an actor failed.
pub(crate) fn note_failure(sql: &dyn Sql, name: &str, error: &Error) -> Result<()> {
    match is_timer(name) && actor::exists(sql)? {
        true => actor::note_error(sql, name, error),
        false => Ok(()),
    }
}

pub(super) fn no_actor() -> Error {
    Error::unavailable("no_actor", "the object's type has no actor here")
}
