//! `_wakes`: the object's timers. The host's one alarm is the earliest of them.

use tidelog_log::Result;

use crate::sql::{Sql, SqlValue, all, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _wakes \
     (name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL, attempts INTEGER NOT NULL) WITHOUT ROWID";

/// First retry of a failing timer, doubled up to [`BACKOFF_MILLIS_MAX`].
pub(crate) const BACKOFF_MILLIS: i64 = 1_000;
/// Longest wait between two attempts of a failing timer.
pub(crate) const BACKOFF_MILLIS_MAX: i64 = 300_000;

/// Sets a timer; an earlier time that is already set stays.
pub(crate) fn set(sql: &dyn Sql, name: &str, at: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _wakes (name, at, attempts) VALUES (?1, ?2, 0) \
         ON CONFLICT (name) DO UPDATE SET at = min(at, excluded.at) WHERE at > excluded.at",
        &[SqlValue::Text(name), SqlValue::Integer(at)],
        &mut |_| Ok(()),
    )
}

/// Sets a timer to this time, whatever it was set to.
pub(crate) fn reset(sql: &dyn Sql, name: &str, at: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _wakes (name, at, attempts) VALUES (?1, ?2, 0) \
         ON CONFLICT (name) DO UPDATE SET at = excluded.at, attempts = 0",
        &[SqlValue::Text(name), SqlValue::Integer(at)],
        &mut |_| Ok(()),
    )
}

/// When a timer is due.
pub(crate) fn at(sql: &dyn Sql, name: &str) -> Result<Option<i64>> {
    let text = "SELECT at FROM _wakes WHERE name = ?1";
    one(sql, text, &[SqlValue::Text(name)], |row| row[0].integer())
}

/// Sets a timer unless it is set: one that failed keeps its wait.
pub(crate) fn arm(sql: &dyn Sql, name: &str, at: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _wakes (name, at, attempts) VALUES (?1, ?2, 0) ON CONFLICT (name) DO NOTHING",
        &[SqlValue::Text(name), SqlValue::Integer(at)],
        &mut |_| Ok(()),
    )
}

/// Puts a failing timer off.
pub(crate) fn back_off(sql: &dyn Sql, name: &str, now: i64) -> Result<()> {
    let attempts = attempts(sql, name)?;
    let wait = backoff(attempts);
    sql.run(
        "UPDATE _wakes SET at = ?2, attempts = ?3 WHERE name = ?1",
        &[
            SqlValue::Text(name),
            SqlValue::Integer(now + wait),
            int(u64::from(attempts) + 1),
        ],
        &mut |_| Ok(()),
    )
}

/// How long to wait after so many failed attempts.
pub(crate) fn backoff(attempts: u32) -> i64 {
    BACKOFF_MILLIS
        .saturating_mul(1 << attempts.min(20))
        .min(BACKOFF_MILLIS_MAX)
}

fn attempts(sql: &dyn Sql, name: &str) -> Result<u32> {
    let found = one(
        sql,
        "SELECT attempts FROM _wakes WHERE name = ?1",
        &[SqlValue::Text(name)],
        |row| row[0].unsigned(),
    )?;
    Ok(u32::try_from(found.unwrap_or(0)).unwrap_or(u32::MAX))
}

pub(crate) fn clear(sql: &dyn Sql, name: &str) -> Result<()> {
    sql.run(
        "DELETE FROM _wakes WHERE name = ?1",
        &[SqlValue::Text(name)],
        &mut |_| Ok(()),
    )
}

/// The earliest timer.
pub(crate) fn earliest(sql: &dyn Sql) -> Result<Option<i64>> {
    let found = one(sql, "SELECT min(at) FROM _wakes", &[], |row| {
        row[0].optional().map(SqlValue::integer).transpose()
    })?;
    Ok(found.flatten())
}

/// Names of the timers that are due.
pub(crate) fn due(sql: &dyn Sql, now: i64) -> Result<Vec<String>> {
    all(
        sql,
        "SELECT name FROM _wakes WHERE at <= ?1 ORDER BY at, name LIMIT 16",
        &[SqlValue::Integer(now)],
        |row| Ok(row[0].text()?.to_owned()),
    )
}

/// Every timer: name, time, failed attempts.
pub(crate) fn list(sql: &dyn Sql) -> Result<Vec<(String, i64, u32)>> {
    all(
        sql,
        "SELECT name, at, attempts FROM _wakes ORDER BY name LIMIT 100",
        &[],
        |row| {
            let attempts = u32::try_from(row[2].unsigned()?).unwrap_or(u32::MAX);
            Ok((row[0].text()?.to_owned(), row[1].integer()?, attempts))
        },
    )
}

/// How many timers have a name that starts with `prefix`, which is ASCII.
pub(crate) fn count(sql: &dyn Sql, prefix: &str) -> Result<u64> {
    let text = "SELECT count(*) FROM _wakes WHERE name >= ?1 AND name < ?2";
    let (from, to) = bounds(prefix);
    let args = [SqlValue::Text(&from), SqlValue::Text(&to)];
    Ok(one(sql, text, &args, |row| row[0].unsigned())?.unwrap_or(0))
}

/// Clears the timers whose names start with `prefix`, which is ASCII.
pub(crate) fn clear_all(sql: &dyn Sql, prefix: &str) -> Result<()> {
    let text = "DELETE FROM _wakes WHERE name >= ?1 AND name < ?2";
    let (from, to) = bounds(prefix);
    sql.run(
        text,
        &[SqlValue::Text(&from), SqlValue::Text(&to)],
        &mut |_| Ok(()),
    )
}

/// Every name that starts with `prefix` is from the first on and before the second.
fn bounds(prefix: &str) -> (String, String) {
    (prefix.to_owned(), format!("{prefix}\u{10ffff}"))
}
