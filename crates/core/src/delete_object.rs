//! Deleting an object: DELETE events for every document, then a closed log and a tombstone.

use tidelog_log::{Error, Result};

use crate::engine::DELETE;
use crate::folded::Stored;
use crate::sql::Sql;
use crate::table::{idempotency, meta, wakes};
use crate::{Caller, Engine};

/// Documents one turn deletes at most.
const STEP_ROWS: usize = 5_000;
/// Bytes of log one turn writes at most, give or take one document.
const STEP_BYTES: usize = 8_000_000;

impl Engine {
    /// Starts to delete the object: a first step now, the others by timer.
    pub(crate) fn delete_object(&mut self, sql: &dyn Sql, now: i64, caller: &Caller) -> Result<()> {
        match self.status {
            meta::Status::Deleted => {
                return Err(Error::not_found(
                    "object_deleted",
                    "the object was deleted already",
                ));
            }
            meta::Status::Deleting => return Ok(()),
            meta::Status::Active => {}
        }
        if let Some(job) = &self.job {
            return Err(job.refusal());
        }
        meta::set_status(sql, meta::Status::Deleting)?;
        self.status = meta::Status::Deleting;
        self.delete_step(sql, now, caller)
    }

    /// Deletes a bounded number of documents; the last step closes the log.
    pub(crate) fn delete_step(&mut self, sql: &dyn Sql, now: i64, caller: &Caller) -> Result<()> {
        let mut turn = self.begin(now, caller, "object-deleted")?;
        let collections = std::sync::Arc::clone(&self.view.collections);
        let mut left = STEP_ROWS;
        for prepared in collections.iter() {
            while left > 0 && turn.writer.bytes() < STEP_BYTES {
                let bytes = STEP_BYTES - turn.writer.bytes();
                let page = turn.main.first(sql, prepared, (left, bytes))?;
                if page.is_empty() {
                    break;
                }
                for Stored { document, place } in &page {
                    // Documents take more of the log than was reckoned where they have many members.
                    if turn.writer.bytes() >= STEP_BYTES {
                        break;
                    }
                    turn.delete(sql, prepared, document, *place)?;
                    left -= 1;
                }
            }
        }
        let done = left > 0 && turn.writer.bytes() < STEP_BYTES;
        self.finish(sql, turn)?;
        if done {
            idempotency::forget(sql)?;
            self.clear_alarms(sql)?;
            meta::set_status(sql, meta::Status::Deleted)?;
            self.status = meta::Status::Deleted;
            return Ok(());
        }
        wakes::set(sql, DELETE, now)
    }
}
