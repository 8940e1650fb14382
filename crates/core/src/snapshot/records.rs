//! Records of the log in a snapshot: as segments where they fit, else as they are.
//!
//! The number of a part is that of the first event in it, times 256: so is the row's in `_log`.

use arrow_array::Array;
use tidelog_log::{Error, Record, Result, Sequence};

use super::stream;
use crate::segment::{self, Outcome};
use crate::sql::Sql;
use crate::table::log;
use crate::table::snapshots::{self, PartKind};

/// Puts records of the log into a snapshot: those after `from` and up to `to`, about `bytes_max` of them. Returns the last event and the bytes stored.
pub(super) fn pack(
    sql: &dyn Sql,
    snapshot: &str,
    (from, to): (Sequence, Sequence),
    bytes_max: usize,
) -> Result<(Sequence, u64)> {
    let records = log::read_bytes(sql, from.next(), bytes_max, u64::MAX)?;
    let mut records: Vec<Vec<u8>> = records.into_iter().map(|found| found.bytes).collect();
    let mut spans = Vec::with_capacity(records.len());
    for record in &records {
        spans.push(segment::span(record)?);
    }
    let within = |(first, last): &(Sequence, Sequence)| *first > from && *last <= to;
    let (start, end) = (
        spans.iter().take_while(|span| span.1 <= from).count(),
        spans.iter().take_while(|span| span.1 <= to).count(),
    );
    records.truncate(end);
    let mut left = records.get(start..).unwrap_or_default();
    spans.truncate(end);
    let Some((_, last)) = spans.last().filter(|_| spans[start..].iter().all(within)) else {
        return Err(Error::corrupt(format!(
            "the log has no records after {from}"
        )));
    };
    let mut stored = 0;
    while !left.is_empty() {
        let (taken, bytes) = pack_first(sql, snapshot, left)?;
        stored += bytes;
        left = &left[taken..];
    }
    Ok((*last, stored))
}

/// Stores the first of these records: how many, and in how many bytes.
fn pack_first(sql: &dyn Sql, snapshot: &str, records: &[Vec<u8>]) -> Result<(usize, u64)> {
    let mut count = records.len();
    while count > 0 {
        match segment::encode(&records[..count])? {
            Outcome::Fewer(fewer) => count = fewer.min(count - 1),
            Outcome::Made(made, body) => {
                let place = (0, stream::first_part(made.first.0));
                snapshots::put_part(sql, snapshot, PartKind::Segment, place, &body)?;
                return Ok((count, body.len() as u64));
            }
        }
    }
    let record = records.first().map(Vec::as_slice).unwrap_or_default();
    let (first, _) = segment::span(record)?;
    let bytes = stream::put(sql, snapshot, PartKind::Records, (0, first.0), record)?;
    Ok((1, bytes))
}

/// The records in the first part behind a number, and the number to read on behind.
pub(super) fn next(
    sql: &dyn Sql,
    snapshot: &str,
    after: u64,
) -> Result<Option<(Vec<Record>, u64)>> {
    let Some((is_segment, part)) = snapshots::next_records(sql, snapshot, after)? else {
        return Ok(None);
    };
    let number = part.number;
    let (kind, behind) = match is_segment {
        true => (PartKind::Segment, number),
        false => (PartKind::Records, number + stream::first_part(1) - 1),
    };
    Ok(Some((of_part(sql, snapshot, kind, part)?, behind)))
}

/// The records in a part.
pub(super) fn of_part(
    sql: &dyn Sql,
    snapshot: &str,
    kind: PartKind,
    part: snapshots::Part,
) -> Result<Vec<Record>> {
    if kind == PartKind::Records {
        let bytes = stream::join(sql, snapshot, kind, &part)?;
        return Ok(vec![Record::decode(&bytes)?]);
    }
    let records = segment::decode(part.body)?;
    let each = (0..records.len()).map(|at| Record::decode(records.value(at)));
    each.collect()
}
