//! Reading records, wherever they lie: in `_log`, in segments, their rows in blobs.

use arrow_array::Array as _;
use tidelog_log::{BlobReference, Hash, Record, Result, Sequence, join_parts};

use super::PARTS;
use crate::sql::{Sql, SqlValue, all, int, one};
use crate::table::segments::{self, Segment};
use crate::{folded, segment};

/// The bytes of a record's length are among so many.
const LENGTH_BYTES: usize = 64;
/// Rows of `_log` looked at by one read.
const ROWS_MAX: u64 = 1_024;

/// Whole records from the one that holds `from` (or the first after it), decoded, at least one
/// where there is one, and no more once `bytes_max` is reached or `events_max` events from `from`
/// on are in them.
pub(crate) fn read(
    sql: &dyn Sql,
    from: Sequence,
    bytes_max: usize,
    events_max: u64,
) -> Result<Vec<Record>> {
    let records = read_bytes(sql, from, bytes_max, events_max)?;
    let records = records.iter().map(|found| {
        let mut record = Record::decode(&found.bytes)?;
        record.hash = found.hash.unwrap_or(record.hash);
        Ok(record)
    });
    let mut records = records.collect::<Result<Vec<_>>>()?;
    records.retain(|record| record.last_sequence() >= from);
    Ok(records)
}

/// A record as it was read.
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    /// What the chain goes on with, where that may not be the hash in the bytes.
    pub(crate) hash: Option<Hash>,
}

impl Found {
    fn of(sql: &dyn Sql, record: Vec<u8>) -> Result<Self> {
        if !BlobReference::is(&record) {
            return Ok(Self {
                bytes: record,
                hash: None,
            });
        }
        let (bytes, hash) = folded::inline(sql, &record)?;
        Ok(Self {
            bytes,
            hash: Some(hash),
        })
    }
}

/// What [`read`] decodes; the first record may end before `from`.
pub(crate) fn read_bytes(
    sql: &dyn Sql,
    from: Sequence,
    bytes_max: usize,
    events_max: u64,
) -> Result<Vec<Found>> {
    let mut reading = Reading {
        bytes: 0,
        bytes_max,
        beyond: Sequence(from.0.saturating_add(events_max)),
        records: Vec::new(),
        full: false,
    };
    let mut at = Some(from);
    while let Some(from) = at.filter(|_| !reading.full) {
        at = match segments::holding(sql, from)? {
            Some(segment) => reading.segment(sql, &segment, from)?,
            None => reading.rows(sql, from)?,
        };
    }
    Ok(reading.records)
}

/// The records read so far, and what bounds them.
struct Reading {
    bytes: usize,
    bytes_max: usize,
    beyond: Sequence,
    records: Vec<Found>,
    full: bool,
}

impl Reading {
    /// True if a record that begins here and has so many bytes is to be read too.
    fn takes(&mut self, first: Sequence, bytes: usize, is_first: bool) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.full = !is_first && (self.bytes > self.bytes_max || first >= self.beyond);
        !self.full
    }

    /// Reads on in a segment. Returns where to read after it.
    fn segment(
        &mut self,
        sql: &dyn Sql,
        segment: &Segment,
        from: Sequence,
    ) -> Result<Option<Sequence>> {
        let records = segment::records(sql, segment)?;
        for at in segment::place_of(&records, from)?..records.len() {
            let record = folded::bytes_at(&records, at).unwrap_or_default();
            let bytes = match BlobReference::is(record) {
                true => BlobReference::record_bytes(record)?,
                false => record.len(),
            };
            let first = segment::span(record)?.0;
            if !self.takes(first, bytes, self.records.is_empty()) {
                return Ok(None);
            }
            self.records.push(Found::of(sql, record.to_vec())?);
        }
        Ok(Some(segment.last.next()))
    }

    /// Reads on in the rows of `_log`, up to the next segment. Returns where that begins.
    fn rows(&mut self, sql: &dyn Sql, from: Sequence) -> Result<Option<Sequence>> {
        let next = segments::after(sql, from)?.map(|segment| segment.first);
        let end = next.map_or(u64::MAX, |next| next.0 * PARTS);
        let at = "SELECT id FROM _log WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
        let holder = one(sql, at, &[int(from.0 * PARTS)], |row| row[0].unsigned())?;
        let start = holder.map_or(0, |id| id / PARTS * PARTS);
        let sizes = sizes(sql, start, end)?;
        let Some(last) = self.whole_records(&sizes) else {
            return Ok(next);
        };
        let mut parts = all(
            sql,
            "SELECT id, body FROM _log WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
            &[int(start), int(last)],
            |row| Ok((row[0].unsigned()?, row[1].blob()?.to_vec())),
        )?;
        for parts in parts.chunk_by_mut(|a, b| a.0 / PARTS == b.0 / PARTS) {
            let record = match parts {
                [(_, body)] => std::mem::take(body),
                parts => join_parts(parts.iter().map(|(_, body)| body.as_slice())),
            };
            self.records.push(Found::of(sql, record)?);
        }
        // More rows than were looked at: who reads on asks again.
        Ok(next.filter(|_| (sizes.len() as u64) < ROWS_MAX))
    }

    /// The last row id of as many whole records as are to be read.
    fn whole_records(&mut self, sizes: &[(u64, usize)]) -> Option<u64> {
        let mut end = None;
        for record in sizes.chunk_by(|a, b| a.0 / PARTS == b.0 / PARTS) {
            let bytes = record
                .iter()
                .fold(0, |sum: usize, (_, size)| sum.saturating_add(*size));
            let first = record.first().map_or(0, |(id, _)| id / PARTS);
            let is_first = end.is_none() && self.records.is_empty();
            if !self.takes(Sequence(first), bytes, is_first) {
                break;
            }
            // A record of many parts may be cut by ROWS_MAX: take all parts it can have.
            end = record.last().map(|(id, _)| id / PARTS * PARTS + PARTS - 1);
        }
        end
    }
}

/// Row ids from `start` on and before `end`, with the bytes that their parts come to when they are read.
fn sizes(sql: &dyn Sql, start: u64, end: u64) -> Result<Vec<(u64, usize)>> {
    // A reference is short; of a longer body only the length is fetched.
    let text = "SELECT id, length(body), CASE WHEN length(body) < 4096 THEN substr(body, 1, ?3) END \
                FROM _log WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?4";
    let end = end.min(tidelog_log::limits::INT_MAX.unsigned_abs());
    let args: [SqlValue<'_>; 4] = [start, end, LENGTH_BYTES as u64, ROWS_MAX].map(int);
    all(sql, text, &args, |row| {
        let bytes = match row[2].optional() {
            Some(first) if BlobReference::is(first.blob()?) && row[0].unsigned()? % PARTS == 0 => {
                BlobReference::record_bytes(first.blob()?)?
            }
            _ => usize::try_from(row[1].unsigned()?).unwrap_or(usize::MAX),
        };
        Ok((row[0].unsigned()?, bytes))
    })
}
