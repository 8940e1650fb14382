//! Making segments, step by step: each is one turn's savepoint, so a crash leaves the old or the new.

use tidelog_log::{Result, Sequence};

use super::encode::{Outcome, encode};
use crate::folded::threshold;
use crate::sql::Sql;
use crate::table::log::OldRow;
use crate::table::segments::{self, Segment};
use crate::table::{log, meta, wakes};
use crate::{Engine, LogPolicy};

/// Timer: the next segment of old records.
pub(crate) const SEGMENT: &str = "segment";

/// Bytes of records that one step reads at most. A record of more stays as it is.
const STEP_BYTES_MAX: u64 = 16_000_000;
/// Rows of `_log` that one segment takes at most.
const ROWS_MAX: u64 = 65_536;

/// What is known of the records that are in no segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfolded {
    /// From here on: after the newest segment, and after what was found not to fit one.
    from: Sequence,
    records: u64,
    bytes: u64,
    /// The timer was set.
    is_planned: bool,
}

impl Unfolded {
    /// What an object's database says.
    pub(crate) fn of(sql: &dyn Sql) -> Result<Self> {
        let mut unfolded = Self::default();
        if let Some(newest) = segments::newest(sql)? {
            unfolded.from = newest.last.next();
        }
        unfolded.count(sql)?;
        Ok(unfolded)
    }

    /// Counts the records again.
    pub(crate) fn count(&mut self, sql: &dyn Sql) -> Result<()> {
        (self.records, self.bytes) = log::count_from(sql, self.from)?;
        Ok(())
    }

    fn is_due(&self, policy: &LogPolicy) -> bool {
        let bytes = policy.segment_bytes.saturating_mul(2);
        let records = policy.segment_records.saturating_add(policy.segment_tail);
        policy.segment_records > 0 && (self.records >= records || self.bytes >= bytes)
    }
}

impl Engine {
    /// Notes a new record of so many bytes, and sets the timer if a segment is due.
    pub(crate) fn plan_segment(&mut self, sql: &dyn Sql, now: i64, bytes: u64) -> Result<()> {
        self.unfolded.records += 1;
        self.unfolded.bytes += bytes;
        if self.unfolded.is_planned || !self.unfolded.is_due(&self.policy) || !self.folds() {
            return Ok(());
        }
        self.unfolded.is_planned = true;
        wakes::set(sql, SEGMENT, now)
    }

    /// Makes one segment of the oldest records that are in none, and sets the timer again where
    /// another is due.
    pub(crate) fn fold_log(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        self.unfolded.is_planned = false;
        if self.policy.segment_records == 0 || !self.folds() {
            return Ok(());
        }
        let before = self.unfolded.from;
        let rows = self.old_rows(sql)?;
        let mut rows = rows.as_slice();
        let mut left = STEP_BYTES_MAX;
        while let Some((first, _)) = rows.first().copied() {
            let run = self.run_of(rows);
            let bytes: u64 = run.iter().map(|(_, bytes)| bytes).sum();
            if bytes <= STEP_BYTES_MAX {
                if bytes > left {
                    break;
                }
                left -= bytes;
                if let Some(segment) = self.make_segment(sql, run)? {
                    self.unfolded.from = segment.last.next();
                    break;
                }
            }
            // The first record does not fit a segment: it stays, and the next begins after it.
            rows = &rows[1..];
            self.unfolded.from = rows.first().map_or(first.next(), |(next, _)| *next);
        }
        self.unfolded.count(sql)?;
        if self.unfolded.from > before && self.unfolded.is_due(&self.policy) {
            self.unfolded.is_planned = true;
            wakes::set(sql, SEGMENT, now)?;
        }
        Ok(())
    }

    /// Off where no collection folds.
    fn folds(&self) -> bool {
        let collections = self.view.collections.iter();
        collections
            .into_iter()
            .any(|prepared| threshold(&prepared.collection).is_some())
    }

    fn old_rows(&self, sql: &dyn Sql) -> Result<Vec<OldRow>> {
        let (tail, bytes) = (self.policy.segment_tail, self.policy.segment_bytes);
        log::old_rows(sql, self.unfolded.from, ROWS_MAX, tail, bytes)
    }

    /// The first of these that one segment may take by their bytes, at least one.
    fn run_of<'r>(&self, rows: &'r [OldRow]) -> &'r [OldRow] {
        let mut bytes = 0;
        let fits = rows.iter().take_while(|(_, size)| {
            bytes += size;
            bytes <= self.policy.segment_bytes
        });
        &rows[..fits.count().clamp(1, rows.len())]
    }

    /// Puts as many of these records as fit into a segment, in the place of their rows; none where not
    /// even the first does.
    fn make_segment(&mut self, sql: &dyn Sql, run: &[OldRow]) -> Result<Option<Segment>> {
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else {
            return Ok(None);
        };
        let records = log::old_records(sql, *first, *last)?;
        let mut count = records.len();
        while count > 0 {
            match encode(&records[..count])? {
                Outcome::Fewer(fewer) => count = fewer.min(count - 1),
                Outcome::Made(segment, body) => {
                    meta::holds_blobs(sql)?;
                    segments::put(sql, &segment, &body)?;
                    log::delete(sql, segment.first, segment.last)?;
                    let gone: usize = records[..count].iter().map(Vec::len).sum();
                    let bytes = self.log_bytes + body.len() as u64;
                    self.log_bytes = bytes.saturating_sub(gone as u64);
                    return Ok(Some(segment));
                }
            }
        }
        Ok(None)
    }
}
