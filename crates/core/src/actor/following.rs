//! `on_change`: the log read behind a cursor, in bounded turns of its own.
//!
//! A write only sets a timer. So a failing `on_change` fails no write, and the cursor, which moves
//! in the same savepoint as what `on_change` does, makes it see every change exactly once.

use tidelog_log::{Result, Sequence};

use super::Change;
use super::limits::{CHANGES_BYTES, CHANGES_MAX};
use super::timers::FOLLOW;
use super::turn::Occasion;
use crate::sql::Sql;
use crate::table::{actor, log, meta, wakes};
use crate::{Caller, Engine};

/// The cause of turns that `on_change` makes; their changes are not given to it.
const CAUSE: &str = "changes";
/// How much later to look while the object is being deleted.
const DELETING_MILLIS: i64 = 1_000;

/// A turn made events from `first` on: `on_change` looks at them soon. The first one of all is
/// where the cursor begins.
pub(super) fn begin(sql: &dyn Sql, first: Sequence, now: i64) -> Result<()> {
    actor::begin_number(sql, actor::FOLLOWED, first.0.saturating_sub(1))?;
    wakes::set(sql, FOLLOW, now)
}

impl Engine {
    /// The last event `on_change` was given; the log is kept from there on.
    pub(crate) fn followed(&self, sql: &dyn Sql) -> Result<Option<Sequence>> {
        match &self.behaviour {
            Some(behaviour) if !behaviour.follows().is_empty() => {
                Ok(actor::number(sql, actor::FOLLOWED)?.map(Sequence))
            }
            _ => Ok(None),
        }
    }

    /// Gives `on_change` the next changes, a bounded number of them.
    pub(super) fn follow(&mut self, sql: &dyn Sql, now: i64, entropy: [u8; 16]) -> Result<()> {
        let Some(behaviour) = self.behaviour.clone() else {
            return Err(super::timers::no_actor());
        };
        let cursor = Sequence(actor::number(sql, actor::FOLLOWED)?.unwrap_or(0));
        match self.status {
            meta::Status::Active => {}
            meta::Status::Deleting => return wakes::set(sql, FOLLOW, now + DELETING_MILLIS),
            // What a deleted object's actor would still do could make the object anew.
            meta::Status::Deleted => return self.followed_to(sql, self.head.sequence),
        }
        let follows = behaviour.follows();
        let records = log::read(sql, cursor.next(), CHANGES_BYTES, CHANGES_MAX as u64)?;
        let events = records.into_iter().flat_map(|record| record.into_events());
        let (mut last, mut changes) = (cursor, Vec::new());
        for event in events
            .filter(|event| event.sequence > cursor)
            .take(CHANGES_MAX)
        {
            last = event.sequence;
            if event.turn.cause != CAUSE && follows.contains(&&*event.collection) {
                changes.push(Change::of(&self.view, &event));
            }
        }
        if last == cursor {
            return Ok(());
        }
        self.followed_to(sql, last)?;
        if !changes.is_empty() {
            let occasion = Occasion {
                now,
                entropy,
                caller: &Caller::default(),
                sender: None,
                cause: CAUSE,
            };
            self.check_room()?;
            self.acting(sql, &occasion, |ctx| behaviour.changed(ctx, &changes))?;
        }
        if last < self.head.sequence {
            wakes::set(sql, FOLLOW, now)?;
        }
        Ok(())
    }

    fn followed_to(&self, sql: &dyn Sql, last: Sequence) -> Result<()> {
        actor::set_number(sql, actor::FOLLOWED, last.0)?;
        self.trim_later(sql)
    }
}
