//! What leaves the log: the oldest records, and segments whose records all may go.

use tidelog_log::limits::INT_MAX;
use tidelog_log::{BlobReference, Record, Result, Sequence};

use super::PARTS;
use crate::sql::{Sql, SqlValue, all, int, one};
use crate::table::segments::{self, Segment};
use crate::{folded, segment};

/// Removing a segment counts as removing so many records: its row is as large as theirs.
const SEGMENT_COUNTS: u64 = 100;

/// Removes up to `records_max` of the oldest records that end at or before `floor` and are older
/// than `before` (milliseconds since 1970). A segment goes whole, and counts as [`SEGMENT_COUNTS`] of
/// them. The newest record always stays. Returns how many; `records_max` or more: there may be others.
pub(crate) fn trim(sql: &dyn Sql, floor: Sequence, before: i64, records_max: u64) -> Result<u64> {
    let mut gone = 0;
    while gone < records_max {
        let oldest = segments::after(sql, Sequence(0))?;
        let end = oldest.map(|segment| segment.first);
        gone += trim_rows(sql, floor, before, records_max - gone, end)?;
        match oldest {
            Some(segment)
                if gone < records_max
                    && segment.last <= floor
                    && segment.timestamp < before
                    && super::earliest(sql)? == end =>
            {
                remove(sql, &segment)?;
                gone += SEGMENT_COUNTS;
            }
            _ => break,
        }
    }
    Ok(gone)
}

fn remove(sql: &dyn Sql, segment: &Segment) -> Result<()> {
    if segment.references > 0 {
        for reference in segment::references(sql, segment)? {
            folded::release(sql, &reference)?;
        }
    }
    segments::remove(sql, segment.first)
}

/// Trims rows of `_log` that lie before the first segment.
fn trim_rows(
    sql: &dyn Sql,
    floor: Sequence,
    before: i64,
    records_max: u64,
    end: Option<Sequence>,
) -> Result<u64> {
    let oldest = "SELECT id, substr(body, 1, 2048) FROM _log WHERE id % 256 = 0 AND id < ?2 \
                  ORDER BY id LIMIT ?1";
    let before_segment = end.map_or(SqlValue::Integer(INT_MAX), |end| int(end.0 * PARTS));
    let args = [int(records_max + 1), before_segment];
    let headers = all(sql, oldest, &args, |row| {
        let (header, count) = Record::peek(row[1].blob()?)?;
        let last = (header.first_sequence.0 + u64::from(count)).saturating_sub(1);
        let refers = BlobReference::is(row[1].blob()?);
        Ok((row[0].unsigned()?, Sequence(last), header.timestamp, refers))
    })?;
    // What lies before a segment is not the newest record.
    let kept = headers.len().saturating_sub(usize::from(end.is_none()));
    let gone = headers[..kept]
        .iter()
        .zip(0..records_max)
        .take_while(|((_, last, time, _), _)| *last <= floor && *time < before)
        .count();
    if gone > 0 {
        for (id, ..) in headers[..gone].iter().filter(|(.., refers)| *refers) {
            let body = "SELECT body FROM _log WHERE id = ?1";
            let body = one(sql, body, &[int(*id)], |row| Ok(row[0].blob()?.to_vec()))?;
            folded::release(sql, &body.unwrap_or_default())?;
        }
        let limit = int(headers[gone - 1].1.next().0 * PARTS);
        sql.run("DELETE FROM _log WHERE id < ?1", &[limit], &mut |_| Ok(()))?;
    }
    Ok(gone as u64)
}
