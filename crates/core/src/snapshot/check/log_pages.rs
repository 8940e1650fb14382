//! Some of the log, as far as it reads.

use tidelog_log::{Record, Result, Sequence};

use super::damage_of;
use crate::sql::Sql;
use crate::table::{log, segments};

/// Records behind an event, up to the first that does not read.
pub(in crate::snapshot) struct LogPage {
    pub(in crate::snapshot) records: Vec<Record>,
    /// About how much was read.
    pub(in crate::snapshot) bytes: usize,
    /// What is wrong behind them.
    pub(in crate::snapshot) damaged: Option<String>,
    /// The first event behind what is damaged; none: there is none.
    pub(in crate::snapshot) next: Option<Sequence>,
}

impl LogPage {
    /// Reads about so many bytes of records.
    pub(in crate::snapshot) fn read(
        sql: &dyn Sql,
        after: Sequence,
        bytes_max: usize,
    ) -> Result<Self> {
        let from = after.next();
        let read = |bytes_max| damage_of(log::read(sql, from, bytes_max, u64::MAX));
        // Something in so many does not read: one after the other, then.
        let found = match read(bytes_max)? {
            Ok(records) => return Ok(Self::of(records, bytes_max)),
            Err(_) => read(0)?,
        };
        match found {
            Ok(records) => Ok(Self::of(records, bytes_max / 64)),
            Err(what) => Ok(Self {
                records: Vec::new(),
                bytes: bytes_max / 64,
                damaged: Some(what),
                next: behind(sql, from)?,
            }),
        }
    }

    fn of(records: Vec<Record>, bytes: usize) -> Self {
        let damaged = records
            .is_empty()
            .then(|| "the log ends before its last event".to_owned());
        Self {
            records,
            bytes,
            damaged,
            next: None,
        }
    }
}

/// The first event behind the record or the segment in which this one lies.
fn behind(sql: &dyn Sql, event: Sequence) -> Result<Option<Sequence>> {
    match segments::holding(sql, event)? {
        Some(segment) => Ok(Some(segment.last.next())),
        None => log::next_record(sql, event),
    }
}
