//! `_log`: the records, one row per part, and nothing else: no secondary index, no head row.
//!
//! The row id is `first sequence * 256 + part`, so a record is one row written in the usual case
//! and the newest record is the newest row.

use tidelog_log::limits::RECORD_PARTS_MAX;
use tidelog_log::{
    BlobReference, Epoch, Error, Hash, Record, Result, Sequence, join_parts, split_parts,
};

use crate::folded;
use crate::sql::{Sql, SqlValue, all, int, one};

pub(crate) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS _log (id INTEGER PRIMARY KEY, body BLOB NOT NULL)";

const PARTS: u64 = RECORD_PARTS_MAX as u64;
/// The bytes of a record's length are among so many.
const LENGTH_BYTES: usize = 64;

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
    let found = one(sql, "SELECT min(id) FROM _log", &[], |row| {
        row[0].optional().map(SqlValue::unsigned).transpose()
    })?;
    Ok(found.flatten().map(|id| Sequence(id / PARTS)))
}

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
    let records = records.iter().map(|bytes| Record::decode(bytes));
    let mut records = records.collect::<Result<Vec<_>>>()?;
    records.retain(|record| record.last_sequence() >= from);
    Ok(records)
}

/// What [`read`] decodes; the first record may end before `from`.
pub(crate) fn read_bytes(
    sql: &dyn Sql,
    from: Sequence,
    bytes_max: usize,
    events_max: u64,
) -> Result<Vec<Vec<u8>>> {
    let at = "SELECT id FROM _log WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    let holder = one(sql, at, &[int(from.0 * PARTS)], |row| row[0].unsigned())?;
    let start = holder.map_or(0, |id| id / PARTS * PARTS);
    let sizes = sizes(sql, start)?;
    let beyond = from.0.saturating_add(events_max);
    let Some(end) = whole_records(&sizes, bytes_max, beyond) else {
        return Ok(Vec::new());
    };
    let mut parts = all(
        sql,
        "SELECT id, body FROM _log WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        &[int(start), int(end)],
        |row| Ok((row[0].unsigned()?, row[1].blob()?.to_vec())),
    )?;
    let records = parts
        .chunk_by_mut(|a, b| a.0 / PARTS == b.0 / PARTS)
        .map(|parts| match parts {
            [(_, body)] if BlobReference::is(body) => folded::inline(sql, body),
            [(_, body)] => Ok(std::mem::take(body)),
            parts => Ok(join_parts(parts.iter().map(|(_, body)| body.as_slice()))),
        });
    records.collect()
}

/// Row ids from `start` on with the bytes that their parts come to when they are read.
fn sizes(sql: &dyn Sql, start: u64) -> Result<Vec<(u64, usize)>> {
    // A reference is short; of a longer body only the length is fetched.
    let text = "SELECT id, length(body), CASE WHEN length(body) < 4096 THEN substr(body, 1, ?2) END \
                FROM _log WHERE id >= ?1 ORDER BY id LIMIT 1024";
    all(sql, text, &[int(start), int(LENGTH_BYTES as u64)], |row| {
        let bytes = match row[2].optional() {
            Some(first) if BlobReference::is(first.blob()?) && row[0].unsigned()? % PARTS == 0 => {
                BlobReference::record_bytes(first.blob()?)?
            }
            _ => usize::try_from(row[1].unsigned()?).unwrap_or(usize::MAX),
        };
        Ok((row[0].unsigned()?, bytes))
    })
}

/// The last row id of as many whole records as fit and start before `beyond`, at least the first.
fn whole_records(sizes: &[(u64, usize)], bytes_max: usize, beyond: u64) -> Option<u64> {
    let (mut bytes, mut end) = (0_usize, None);
    for record in sizes.chunk_by(|a, b| a.0 / PARTS == b.0 / PARTS) {
        bytes = record
            .iter()
            .fold(bytes, |sum, (_, size)| sum.saturating_add(*size));
        let starts = record.first().map_or(0, |(id, _)| id / PARTS);
        if end.is_some() && (bytes > bytes_max || starts >= beyond) {
            break;
        }
        // A record of many parts may be cut by the LIMIT above: take all parts it can have.
        end = record.last().map(|(id, _)| id / PARTS * PARTS + PARTS - 1);
    }
    end
}

/// The hash of the record that ends at `at`: what the record after it names as its previous.
pub(crate) fn hash_at(sql: &dyn Sql, at: Sequence, head: &Head) -> Result<Hash> {
    if at == head.sequence {
        return Ok(head.hash);
    }
    let next = int(at.next().0 * PARTS);
    one(
        sql,
        "SELECT substr(body, 1, 2048) FROM _log WHERE id = ?1",
        &[next],
        |row| Ok(Record::peek(row[0].blob()?)?.0.previous),
    )?
    .ok_or_else(|| Error::conflict("not_a_turn_boundary", format!("no turn ends at {at}")))
}

/// The time of the record that holds `sequence`.
pub(crate) fn time_of(sql: &dyn Sql, sequence: Sequence) -> Result<Option<i64>> {
    let holder = "SELECT substr(body, 1, 2048) FROM _log WHERE id <= ?1 AND id % 256 = 0 \
                  ORDER BY id DESC LIMIT 1";
    let found = one(sql, holder, &[int(sequence.0 * PARTS)], |row| {
        Record::peek(row[0].blob()?)
    })?;
    Ok(found.and_then(|(header, count)| {
        let holds = sequence.0 < header.first_sequence.0 + u64::from(count);
        holds.then_some(header.timestamp)
    }))
}

/// How many records and bytes there are.
pub(crate) fn size(sql: &dyn Sql) -> Result<(u64, u64)> {
    let counts = "SELECT count(*) FILTER (WHERE id % 256 = 0), total(length(body)) FROM _log";
    let found = one(sql, counts, &[], |row| {
        Ok((row[0].unsigned()?, row[1].unsigned()?))
    })?;
    Ok(found.unwrap_or_default())
}

/// Removes up to `records_max` of the oldest records that end at or before `floor` and are older
/// than `before` (milliseconds since 1970). The newest record always stays. Returns how many.
pub(crate) fn trim(sql: &dyn Sql, floor: Sequence, before: i64, records_max: u64) -> Result<u64> {
    let oldest =
        "SELECT id, substr(body, 1, 2048) FROM _log WHERE id % 256 = 0 ORDER BY id LIMIT ?1";
    let headers = all(sql, oldest, &[int(records_max + 1)], |row| {
        let (header, count) = Record::peek(row[1].blob()?)?;
        let last = (header.first_sequence.0 + u64::from(count)).saturating_sub(1);
        let refers = BlobReference::is(row[1].blob()?);
        Ok((row[0].unsigned()?, Sequence(last), header.timestamp, refers))
    })?;
    let kept = headers.len().saturating_sub(1);
    let gone = headers[..kept]
        .iter()
        .take_while(|(_, last, time, _)| *last <= floor && *time < before)
        .count();
    if gone > 0 {
        for (id, ..) in headers[..gone].iter().filter(|(.., refers)| *refers) {
            let body = "SELECT body FROM _log WHERE id = ?1";
            let body = one(sql, body, &[int(*id)], |row| Ok(row[0].blob()?.to_vec()))?;
            folded::release(sql, &body.unwrap_or_default())?;
        }
        let limit = int(headers[gone].0);
        sql.run("DELETE FROM _log WHERE id < ?1", &[limit], &mut |_| Ok(()))?;
    }
    Ok(gone as u64)
}
