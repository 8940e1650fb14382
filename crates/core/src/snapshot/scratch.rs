//! Scratch forks: objects that end by themselves. None of them goes into the lake.

use serde_json::json;
use tidelog_log::{Error, Result};

use super::{SNAPSHOTS_MAX, import, remove};
use crate::sql::Sql;
use crate::table::{log, meta, snapshots, wakes};
use crate::{Caller, Engine};

/// Timer: the object ends. Also the fact of `_meta` that says when, milliseconds since 1970.
pub(crate) const SCRATCH: &str = "scratch";
/// Shortest and longest life of one, milliseconds.
const LIFE_MILLIS: std::ops::RangeInclusive<i64> = 60_000..=30 * 24 * 60 * 60 * 1_000;
/// Snapshots that one turn forgets at most.
const STEP: usize = 4;
/// Records of the log that one turn forgets at most.
const STEP_RECORDS: u64 = 1_000;
/// Between two looks whether all documents are gone.
const LOOK_MILLIS: i64 = 1_000;

/// When the object ends, if it is a scratch fork: its log is nobody's but its own.
pub(crate) fn ends_at(sql: &dyn Sql) -> Result<Option<i64>> {
    meta::fact(sql, SCRATCH)
}

/// Refuses a life that is too short or too long.
pub(super) fn check_life(life: Option<i64>) -> Result<()> {
    if life.is_none_or(|life| LIFE_MILLIS.contains(&life)) {
        return Ok(());
    }
    let message = "expires is a time of 1 minute to 30 days";
    Err(Error::invalid("invalid_body", message).at("expires"))
}

impl Engine {
    /// The object ends then.
    pub(super) fn make_scratch(&self, sql: &dyn Sql, at: i64) -> Result<()> {
        meta::set_fact(sql, SCRATCH, Some(&at))?;
        wakes::set(sql, SCRATCH, at)
    }

    /// The timer: documents go first, as they do when an object is deleted; then snapshots and log.
    pub(crate) fn scratch_wake(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        match ends_at(sql)? {
            Some(at) if at > now => return wakes::set(sql, SCRATCH, at),
            Some(_) => {}
            None => return Ok(()),
        }
        if self.status == meta::Status::Active {
            let caller = Caller {
                source: SCRATCH.to_owned(),
                ..Caller::default()
            };
            self.note(sql, now, (SCRATCH, "fork.expire"), "", json!({}))?;
            self.delete_object(sql, now, &caller)?;
        }
        if self.status == meta::Status::Deleting {
            return wakes::set(sql, SCRATCH, now + LOOK_MILLIS);
        }
        import::abandon(sql)?;
        let all = match snapshots::exist(sql)? {
            true => snapshots::list(sql, None, SNAPSHOTS_MAX + 1)?,
            false => Vec::new(),
        };
        for snapshot in all.iter().take(STEP) {
            let mut snapshot = snapshot.clone();
            if !self.forget_cold(sql, now, &mut snapshot)? {
                remove::forget(sql, &snapshot)?;
            }
        }
        let gone = log::trim(sql, self.head.sequence, i64::MAX, STEP_RECORDS)?;
        self.log_bytes = log::size(sql)?.bytes;
        self.unfolded.count(sql)?;
        match all.is_empty() && gone < STEP_RECORDS {
            true => Ok(()),
            false => wakes::set(sql, SCRATCH, now + 1),
        }
    }
}
