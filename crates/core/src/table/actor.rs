//! `_actor`: two numbers (`sent`, `followed`), and `_timer_errors`: why timers fail. With the tables
//! of messages they are made when the object first has an actor.

use tidelog_log::{Error, Result};

use super::{failed_letters, outbox, senders};
use crate::sql::{Sql, SqlValue, all, int, one};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS _actor \
     (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID";
const CREATE_ERRORS: &str = "CREATE TABLE IF NOT EXISTS _timer_errors \
     (name TEXT NOT NULL PRIMARY KEY, error TEXT NOT NULL) WITHOUT ROWID";

/// The number of the last letter sent.
pub(crate) const SENT: &str = "sent";
/// The last event that `on_change` was given.
pub(crate) const FOLLOWED: &str = "followed";

/// Longest error kept, characters.
const ERROR_CHARS_MAX: usize = 1_000;

/// Creates the tables of actors where they are missing.
pub(crate) fn create(sql: &dyn Sql) -> Result<()> {
    for statement in [
        CREATE,
        CREATE_ERRORS,
        outbox::CREATE,
        senders::CREATE,
        failed_letters::CREATE,
    ] {
        sql.run(statement, &[], &mut |_| Ok(()))?;
    }
    Ok(())
}

/// True when the object has, or had, an actor.
pub(crate) fn exists(sql: &dyn Sql) -> Result<bool> {
    let text = "SELECT 1 FROM sqlite_master WHERE name = '_actor'";
    Ok(one(sql, text, &[], |_| Ok(()))?.is_some())
}

pub(crate) fn number(sql: &dyn Sql, name: &str) -> Result<Option<u64>> {
    let text = "SELECT value FROM _actor WHERE name = ?1";
    one(sql, text, &[SqlValue::Text(name)], |row| row[0].unsigned())
}

pub(crate) fn set_number(sql: &dyn Sql, name: &str, value: u64) -> Result<()> {
    sql.run(
        "INSERT INTO _actor (name, value) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[SqlValue::Text(name), int(value)],
        &mut |_| Ok(()),
    )
}

/// Sets a number that is not set yet.
pub(crate) fn begin_number(sql: &dyn Sql, name: &str, value: u64) -> Result<()> {
    sql.run(
        "INSERT OR IGNORE INTO _actor (name, value) VALUES (?1, ?2)",
        &[SqlValue::Text(name), int(value)],
        &mut |_| Ok(()),
    )
}

/// Keeps why a timer failed.
pub(crate) fn note_error(sql: &dyn Sql, timer: &str, error: &Error) -> Result<()> {
    let shown: String = error.to_string().chars().take(ERROR_CHARS_MAX).collect();
    sql.run(
        "INSERT OR REPLACE INTO _timer_errors (name, error) VALUES (?1, ?2)",
        &[SqlValue::Text(timer), SqlValue::Text(&shown)],
        &mut |_| Ok(()),
    )
}

/// Forgets why a timer failed.
pub(crate) fn forget_error(sql: &dyn Sql, timer: &str) -> Result<()> {
    sql.run(
        "DELETE FROM _timer_errors WHERE name = ?1",
        &[SqlValue::Text(timer)],
        &mut |_| Ok(()),
    )
}

/// Why timers fail: name and error.
pub(crate) fn errors(sql: &dyn Sql) -> Result<Vec<(String, String)>> {
    let text = "SELECT name, error FROM _timer_errors ORDER BY name LIMIT 100";
    all(sql, text, &[], |row| {
        Ok((row[0].text()?.to_owned(), row[1].text()?.to_owned()))
    })
}
