//! `_segments`: old records of the log, many to one row.
//!
//! ```sql
//! CREATE TABLE _segments (
//!   id      INTEGER PRIMARY KEY,   -- the sequence of its first event
//!   last    INTEGER NOT NULL,      -- the sequence of its last event
//!   time    INTEGER NOT NULL,      -- of its newest record, milliseconds since 1970
//!   records INTEGER NOT NULL,
//!   refers  INTEGER NOT NULL,      -- how many of them are blob references
//!   tag     BLOB NOT NULL,         -- the start of the BLAKE3 of its body
//!   body    BLOB NOT NULL          -- docs/format/log-segment.md
//! );
//! ```
//!
//! A record is in `_log` or in one segment, never in both; together they have no gap.

use tidelog_log::{Error, Result, Sequence};

use crate::sql::{Sql, SqlValue, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _segments (id INTEGER PRIMARY KEY, \
     last INTEGER NOT NULL, time INTEGER NOT NULL, records INTEGER NOT NULL, \
     refers INTEGER NOT NULL, tag BLOB NOT NULL, body BLOB NOT NULL)";

const COLUMNS: &str = "SELECT id, last, time, records, refers, tag FROM _segments";

/// What a row says of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its first event.
    pub(crate) first: Sequence,
    /// Its last event.
    pub(crate) last: Sequence,
    /// The time of its newest record, milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// How many records it holds.
    pub(crate) records: u64,
    /// How many of them are blob references.
    pub(crate) references: u64,
    /// The start of the BLAKE3 of its bytes.
    pub(crate) tag: [u8; 16],
}

/// Stores a segment.
pub(crate) fn put(sql: &dyn Sql, segment: &Segment, body: &[u8]) -> Result<()> {
    sql.run(
        "INSERT INTO _segments (id, last, time, records, refers, tag, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            int(segment.first.0),
            int(segment.last.0),
            SqlValue::Integer(segment.timestamp),
            int(segment.records),
            int(segment.references),
            SqlValue::Blob(&segment.tag),
            SqlValue::Blob(body),
        ],
        &mut |_| Ok(()),
    )
}

/// The segment that holds this event.
pub(crate) fn holding(sql: &dyn Sql, sequence: Sequence) -> Result<Option<Segment>> {
    let text = format!("{COLUMNS} WHERE id <= ?1 ORDER BY id DESC LIMIT 1");
    let before = one(sql, &text, &[int(sequence.0)], read)?;
    Ok(before.filter(|segment| sequence <= segment.last))
}

/// The first segment that begins after this event.
pub(crate) fn after(sql: &dyn Sql, sequence: Sequence) -> Result<Option<Segment>> {
    let text = format!("{COLUMNS} WHERE id > ?1 ORDER BY id LIMIT 1");
    one(sql, &text, &[int(sequence.0)], read)
}

/// The newest segment.
pub(crate) fn newest(sql: &dyn Sql) -> Result<Option<Segment>> {
    let text = format!("{COLUMNS} ORDER BY id DESC LIMIT 1");
    one(sql, &text, &[], read)
}

/// The bytes of a segment.
///
/// # Errors
/// `corrupt` when they are gone.
pub(crate) fn body(sql: &dyn Sql, first: Sequence) -> Result<Vec<u8>> {
    let text = "SELECT body FROM _segments WHERE id = ?1";
    let found = one(sql, text, &[int(first.0)], |row| {
        Ok(row[0].blob()?.to_vec())
    })?;
    found.ok_or_else(|| Error::corrupt(format!("the log's segment at {first} is missing")))
}

/// Removes a segment.
pub(crate) fn remove(sql: &dyn Sql, first: Sequence) -> Result<()> {
    let text = "DELETE FROM _segments WHERE id = ?1";
    sql.run(text, &[int(first.0)], &mut |_| Ok(()))
}

/// How many segments there are, their records, and their bytes.
pub(crate) fn size(sql: &dyn Sql) -> Result<(u64, u64, u64)> {
    let text = "SELECT count(*), total(records), total(length(body)) FROM _segments";
    let found = one(sql, text, &[], |row| {
        Ok((row[0].unsigned()?, row[1].unsigned()?, row[2].unsigned()?))
    })?;
    Ok(found.unwrap_or_default())
}

fn read(row: &[SqlValue<'_>]) -> Result<Segment> {
    let odd = |_| Error::corrupt("a segment's tag is not 16 bytes");
    let segment = Segment {
        first: Sequence(row[0].unsigned()?),
        last: Sequence(row[1].unsigned()?),
        timestamp: row[2].integer()?,
        records: row[3].unsigned()?,
        references: row[4].unsigned()?,
        tag: row[5].blob()?.try_into().map_err(odd)?,
    };
    match segment.first <= segment.last {
        true => Ok(segment),
        false => Err(Error::corrupt("a segment ends before it begins")),
    }
}
