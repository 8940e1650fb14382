//! `_audit`: what administrators had the object do, the newest calls of them. Made with the first one.
//!
//! ```sql
//! CREATE TABLE _audit (
//!   number INTEGER PRIMARY KEY,  -- counts up from 1, without a gap
//!   body   TEXT NOT NULL         -- JSON: `admin.rs`
//! );
//! ```

use tidelog_log::{Error, Result};

use crate::AuditEntry;
use crate::sql::{Sql, SqlValue, all, int, one};

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS _audit (number INTEGER PRIMARY KEY, body TEXT NOT NULL)";

/// Notes a call under the next number, and forgets those before the newest `kept`.
pub(crate) fn add(sql: &dyn Sql, entry: &AuditEntry, kept: u64) -> Result<()> {
    sql.run(CREATE, &[], &mut |_| Ok(()))?;
    let number = newest(sql)? + 1;
    let body = serde_json::to_string(entry).map_err(|e| Error::internal(e.to_string()))?;
    let args = [int(number), SqlValue::Text(&body)];
    let text = "INSERT INTO _audit (number, body) VALUES (?1, ?2)";
    sql.run(text, &args, &mut |_| Ok(()))?;
    let gone = [int(number.saturating_sub(kept))];
    let text = "DELETE FROM _audit WHERE number <= ?1";
    sql.run(text, &gone, &mut |_| Ok(()))
}

/// Calls with their numbers, newest first, those before a number where one is given.
pub(crate) fn list(
    sql: &dyn Sql,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<(u64, AuditEntry)>> {
    let made = "SELECT 1 FROM sqlite_master WHERE name = '_audit'";
    if one(sql, made, &[], |_| Ok(()))?.is_none() {
        return Ok(Vec::new());
    }
    let before = match before {
        Some(number) => number,
        None => newest(sql)? + 1,
    };
    let text = "SELECT number, body FROM _audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    all(sql, text, &[int(before), int(most as u64)], |row| {
        let odd = |e| Error::corrupt(format!("a call of the audit log does not read: {e}"));
        let entry = serde_json::from_str(row[1].text()?).map_err(odd)?;
        Ok((row[0].unsigned()?, entry))
    })
}

/// The number of the last call; 0 without any.
fn newest(sql: &dyn Sql) -> Result<u64> {
    let text = "SELECT max(number) FROM _audit";
    let newest = one(sql, text, &[], |row| {
        row[0].optional().map(SqlValue::unsigned).transpose()
    })?;
    Ok(newest.flatten().unwrap_or(0))
}
