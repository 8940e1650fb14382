//! The old rows of `_log`, as the step takes them that makes segments.

use tidelog_log::{Result, Sequence, join_parts};

use super::PARTS;
use crate::sql::{Sql, SqlValue, all, int, one};

/// A stored record: its first event, and its bytes in all parts.
pub(crate) type OldRow = (Sequence, u64);

/// How many records begin at `from` or later, and their bytes. Segments do not count.
pub(crate) fn count_from(sql: &dyn Sql, from: Sequence) -> Result<(u64, u64)> {
    let text = "SELECT count(*) FILTER (WHERE id % 256 = 0), total(length(body)) FROM _log \
                WHERE id >= ?1";
    let found = one(sql, text, &[int(from.0 * PARTS)], |row| {
        Ok((row[0].unsigned()?, row[1].unsigned()?))
    })?;
    Ok(found.unwrap_or_default())
}

/// Records from `from` on, at most `rows_max` rows of them, without those that are among the newest
/// `kept` records and `kept_bytes` bytes. The newest record is never one of them.
pub(crate) fn old_rows(
    sql: &dyn Sql,
    from: Sequence,
    rows_max: u64,
    kept: u64,
    kept_bytes: u64,
) -> Result<Vec<OldRow>> {
    let newest = "SELECT id, length(body) FROM _log ORDER BY id DESC LIMIT ?1";
    let newest = all(sql, newest, &[int(kept.max(1))], size)?;
    let (mut end, mut bytes) = (0, 0);
    for (id, size) in newest {
        if end > 0 && bytes >= kept_bytes {
            break;
        }
        (end, bytes) = (id / PARTS * PARTS, bytes + size);
    }
    let text = "SELECT id, length(body) FROM _log WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    let rows = all(
        sql,
        text,
        &[int(from.0 * PARTS), int(end), int(rows_max)],
        size,
    )?;
    let records = rows.chunk_by(|a, b| a.0 / PARTS == b.0 / PARTS);
    let records = records.map(|parts| {
        let first = parts.first().map_or(0, |(id, _)| id / PARTS);
        (Sequence(first), parts.iter().map(|(_, size)| size).sum())
    });
    Ok(records.collect())
}

fn size(row: &[SqlValue<'_>]) -> Result<(u64, u64)> {
    Ok((row[0].unsigned()?, row[1].unsigned()?))
}

/// Records as they are stored, from the one that begins at `first` to the one that begins at `last`.
pub(crate) fn old_records(sql: &dyn Sql, first: Sequence, last: Sequence) -> Result<Vec<Vec<u8>>> {
    let text = "SELECT id, body FROM _log WHERE id >= ?1 AND id < ?2 ORDER BY id";
    let args = [int(first.0 * PARTS), int(last.next().0 * PARTS)];
    let mut parts = all(sql, text, &args, |row| {
        Ok((row[0].unsigned()?, row[1].blob()?.to_vec()))
    })?;
    let records = parts.chunk_by_mut(|a, b| a.0 / PARTS == b.0 / PARTS);
    let records = records.map(|parts| match parts {
        [(_, body)] => std::mem::take(body),
        parts => join_parts(parts.iter().map(|(_, body)| body.as_slice())),
    });
    Ok(records.collect())
}

/// Removes the records of these events.
pub(crate) fn delete(sql: &dyn Sql, first: Sequence, last: Sequence) -> Result<()> {
    let text = "DELETE FROM _log WHERE id >= ?1 AND id < ?2";
    let args = [int(first.0 * PARTS), int(last.next().0 * PARTS)];
    sql.run(text, &args, &mut |_| Ok(()))
}
