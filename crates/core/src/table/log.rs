//! `_log`: the records, one row per part, and nothing else: no secondary index, no head row.
//!
//! The row id is `first sequence * 256 + part`, so a record is one row written in the usual case
//! and the newest record is the newest row. Old records lie in [`segments`]; what reads the log here
//! reads both.

use tidelog_log::limits::RECORD_PARTS_MAX;
use tidelog_log::{
    Epoch, Error, Hash, Record, RecordHeader, Result, Sequence, join_parts, split_parts,
};

use super::segments;
use crate::sql::{Sql, SqlValue, all, int, one};
use crate::{folded, segment};

mod old;
pub(crate) use old::{OldRow, count_from, delete, old_records, old_rows};

mod read;
pub(crate) use read::{read, read_bytes};

mod trim;
pub(crate) use trim::trim;

pub(crate) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS _log (id INTEGER PRIMARY KEY, body BLOB NOT NULL)";

const PARTS: u64 = RECORD_PARTS_MAX as u64;

/// The newest record: what the next one continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// Its last event.
    pub(crate) sequence: Sequence,
    /// Its hash.
    pub(crate) hash: Hash,
    /// Its time, milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// Reads the head from the newest record; the default before the first.
pub(crate) fn head(sql: &dyn Sql) -> Result<Head> {
    // The hash may lie across the border of the last two parts.
    let newest = "SELECT id, substr(body, -32) FROM _log ORDER BY id DESC LIMIT 2";
    let tails = all(sql, newest, &[], |row| {
        Ok((row[0].unsigned()?, row[1].blob()?.to_vec()))
    })?;
    let Some(&(id, _)) = tails.first() else {
        return Ok(Head::default());
    };
    let parts = tails.iter().filter(|(part, _)| part / PARTS == id / PARTS);
    let tail = join_parts(parts.rev().map(|(_, tail)| tail.as_slice()));
    let hash = Record::hash_of_tail(&tail)?;
    let first_part = int(id / PARTS * PARTS);
    let (header, count) = one(
        sql,
        "SELECT substr(body, 1, 2048) FROM _log WHERE id = ?1",
        &[first_part],
        |row| Record::peek(row[0].blob()?),
    )?
    .ok_or_else(|| Error::corrupt("the newest record lacks its first part"))?;
    Ok(Head {
        epoch: header.epoch,
        sequence: Sequence((header.first_sequence.0 + u64::from(count)).saturating_sub(1)),
        hash,
        timestamp: header.timestamp,
    })
}

/// Stores an encoded record.
pub(crate) fn append(sql: &dyn Sql, first: Sequence, record: &[u8]) -> Result<()> {
    for (part, body) in (0..PARTS).zip(split_parts(record)) {
        sql.run(
            "INSERT INTO _log (id, body) VALUES (?1, ?2)",
            &[int(first.0 * PARTS + part), SqlValue::Blob(body)],
            &mut |_| Ok(()),
        )?;
    }
    Ok(())
}

/// The oldest event still there; `None` for an empty log.
pub(crate) fn earliest(sql: &dyn Sql) -> Result<Option<Sequence>> {
    let first = |text| {
        one(sql, text, &[], |row| {
            row[0].optional().map(SqlValue::unsigned).transpose()
        })
    };
    let row = first("SELECT min(id) FROM _log")?.flatten();
    let segment = first("SELECT min(id) FROM _segments")?.flatten();
    let found = row.map(|id| id / PARTS).into_iter().chain(segment).min();
    Ok(found.map(Sequence))
}

/// The hash of the record that ends at `at`: what the record after it names as its previous.
pub(crate) fn hash_at(sql: &dyn Sql, at: Sequence, head: &Head) -> Result<Hash> {
    if at == head.sequence {
        return Ok(head.hash);
    }
    let text = "SELECT substr(body, 1, 2048) FROM _log WHERE id = ?1";
    let next = one(sql, text, &[int(at.next().0 * PARTS)], |row| {
        Ok(Record::peek(row[0].blob()?)?.0)
    })?;
    let next = match next {
        Some(header) => Some(header),
        None => in_segment(sql, at.next())?.map(|(header, _)| header),
    };
    next.filter(|header| header.first_sequence == at.next())
        .map(|header| header.previous)
        .ok_or_else(|| Error::conflict("not_a_turn_boundary", format!("no turn ends at {at}")))
}

/// The time of the record that holds `sequence`.
pub(crate) fn time_of(sql: &dyn Sql, sequence: Sequence) -> Result<Option<i64>> {
    let holder = "SELECT substr(body, 1, 2048) FROM _log WHERE id <= ?1 AND id % 256 = 0 \
                  ORDER BY id DESC LIMIT 1";
    let found = one(sql, holder, &[int(sequence.0 * PARTS)], |row| {
        Record::peek(row[0].blob()?)
    })?;
    let holds = |(header, count): &(RecordHeader, u32)| {
        sequence.0 < header.first_sequence.0 + u64::from(*count)
    };
    let found = match found.filter(holds) {
        Some(found) => Some(found),
        None => in_segment(sql, sequence)?,
    };
    Ok(found.map(|(header, _)| header.timestamp))
}

/// What the record in a segment that holds this event says of itself.
fn in_segment(sql: &dyn Sql, sequence: Sequence) -> Result<Option<(RecordHeader, u32)>> {
    let Some(segment) = segments::holding(sql, sequence)? else {
        return Ok(None);
    };
    let records = segment::records(sql, &segment)?;
    let at = segment::place_of(&records, sequence)?;
    let record = folded::bytes_at(&records, at).unwrap_or_default();
    Record::peek(record).map(Some)
}

/// The first event of the first record of `_log` behind the one that holds an event.
pub(crate) fn next_record(sql: &dyn Sql, event: Sequence) -> Result<Option<Sequence>> {
    let text = "SELECT id FROM _log WHERE id > ?1 AND id % 256 = 0 ORDER BY id LIMIT 1";
    let next = one(sql, text, &[int(event.0 * PARTS)], |row| row[0].unsigned())?;
    Ok(next.map(|id| Sequence(id / PARTS)))
}

/// How large the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// All records.
    pub(crate) records: u64,
    /// The bytes of all, as they are stored.
    pub(crate) bytes: u64,
    /// Segments that hold the old ones.
    pub(crate) segments: u64,
    /// The bytes of the segments, of those above.
    pub(crate) segment_bytes: u64,
}

/// How many records and bytes there are.
pub(crate) fn size(sql: &dyn Sql) -> Result<Size> {
    let (records, bytes) = count_from(sql, Sequence(0))?;
    let (segments, old_records, segment_bytes) = segments::size(sql)?;
    Ok(Size {
        records: records + old_records,
        bytes: bytes + segment_bytes,
        segments,
        segment_bytes,
    })
}
