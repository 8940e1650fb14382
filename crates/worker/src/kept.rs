//! What the host keeps of its own in an actor's database: a few rows of names and values.

use tidelog_core::{Sql, SqlValue, one};
use tidelog_log::Result;

/// Creates the table.
pub(crate) fn create(sql: &dyn Sql) -> Result<()> {
    let text = "CREATE TABLE IF NOT EXISTS _host (name TEXT PRIMARY KEY, value TEXT NOT NULL) \
                WITHOUT ROWID";
    sql.run(text, &[], &mut |_| Ok(()))
}

/// Reads a row.
pub(crate) fn get(sql: &dyn Sql, name: &str) -> Result<Option<String>> {
    let text = "SELECT value FROM _host WHERE name = ?1";
    one(sql, text, &[SqlValue::Text(name)], |row| {
        Ok(row[0].text()?.to_owned())
    })
}

/// Writes a row.
pub(crate) fn put(sql: &dyn Sql, name: &str, value: &str) -> Result<()> {
    let text = "INSERT INTO _host (name, value) VALUES (?1, ?2) \
                ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    let args = [SqlValue::Text(name), SqlValue::Text(value)];
    sql.run(text, &args, &mut |_| Ok(()))
}
