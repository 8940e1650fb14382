//! `_transfers`: what the host is to bring to object storage, or from there. A row goes when it is done
//! or given up. Made when there is the first.

use tidelog_log::{Error, Result};

use crate::sql::{Sql, SqlValue, all, int, one};
use crate::transfer::Transfer;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS _transfers \
     (number INTEGER PRIMARY KEY, rank INTEGER NOT NULL, next INTEGER NOT NULL, \
      attempts INTEGER NOT NULL, step INTEGER NOT NULL, body TEXT NOT NULL)";

/// A transfer and how it stands.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) number: u64,
    /// Steps that are done: an outcome counts only for the step it is of.
    pub(crate) step: u64,
    /// Attempts at this step that failed.
    pub(crate) attempts: u32,
    pub(crate) body: Transfer,
}

/// Adds a transfer, due at once. Those of a lower rank go first.
pub(crate) fn add(sql: &dyn Sql, rank: u64, body: &Transfer, now: i64) -> Result<()> {
    sql.run(CREATE, &[], &mut |_| Ok(()))?;
    // A number is not given again while an earlier one's outcome may be on its way: `step` begins at
    // the time.
    sql.run(
        "INSERT INTO _transfers (rank, next, attempts, step, body) VALUES (?1, ?2, 0, ?2, ?3)",
        &[
            int(rank),
            SqlValue::Integer(now),
            SqlValue::Text(&json(body)?),
        ],
        &mut |_| Ok(()),
    )
}

/// The transfer to go on with: the first that is due, of at most this rank.
pub(crate) fn due(sql: &dyn Sql, rank_max: u64, now: i64) -> Result<Option<Row>> {
    let text = "SELECT number, step, attempts, body FROM _transfers \
                WHERE next <= ?1 AND rank <= ?2 ORDER BY rank, number LIMIT 1";
    read_one(sql, text, &[SqlValue::Integer(now), int(rank_max)])
}

/// One transfer.
pub(crate) fn find(sql: &dyn Sql, number: u64) -> Result<Option<Row>> {
    let text = "SELECT number, step, attempts, body FROM _transfers WHERE number = ?1";
    read_one(sql, text, &[int(number)])
}

/// All of them.
pub(crate) fn list(sql: &dyn Sql) -> Result<Vec<Row>> {
    if !exist(sql)? {
        return Ok(Vec::new());
    }
    let text = "SELECT number, step, attempts, body FROM _transfers ORDER BY number";
    all(sql, text, &[], read)
}

/// When the next one is due.
pub(crate) fn next(sql: &dyn Sql) -> Result<Option<i64>> {
    if !exist(sql)? {
        return Ok(None);
    }
    let found = one(sql, "SELECT min(next) FROM _transfers", &[], |row| {
        row[0].optional().map(SqlValue::integer).transpose()
    })?;
    Ok(found.flatten())
}

/// A step is done: what is left to do.
pub(crate) fn advance(sql: &dyn Sql, row: &Row) -> Result<()> {
    sql.run(
        "UPDATE _transfers SET step = step + 1, attempts = 0, body = ?2 WHERE number = ?1",
        &[int(row.number), SqlValue::Text(&json(&row.body)?)],
        &mut |_| Ok(()),
    )
}

/// A step failed: try again at this time.
pub(crate) fn put_off(sql: &dyn Sql, number: u64, next: i64) -> Result<()> {
    sql.run(
        "UPDATE _transfers SET attempts = attempts + 1, next = ?2 WHERE number = ?1",
        &[int(number), SqlValue::Integer(next)],
        &mut |_| Ok(()),
    )
}

/// A transfer is done, or given up.
pub(crate) fn remove(sql: &dyn Sql, number: u64) -> Result<()> {
    let text = "DELETE FROM _transfers WHERE number = ?1";
    sql.run(text, &[int(number)], &mut |_| Ok(()))
}

fn read_one(sql: &dyn Sql, text: &str, args: &[SqlValue<'_>]) -> Result<Option<Row>> {
    match exist(sql)? {
        true => one(sql, text, args, read),
        false => Ok(None),
    }
}

fn exist(sql: &dyn Sql) -> Result<bool> {
    let made = "SELECT 1 FROM sqlite_master WHERE name = '_transfers'";
    Ok(one(sql, made, &[], |_| Ok(()))?.is_some())
}

fn read(row: &[SqlValue<'_>]) -> Result<Row> {
    let odd = |e| Error::corrupt(format!("a transfer does not read: {e}"));
    Ok(Row {
        number: row[0].unsigned()?,
        step: row[1].unsigned()?,
        attempts: u32::try_from(row[2].unsigned()?).unwrap_or(u32::MAX),
        body: serde_json::from_str(row[3].text()?).map_err(odd)?,
    })
}

fn json(body: &Transfer) -> Result<String> {
    serde_json::to_string(body).map_err(|e| Error::internal(e.to_string()))
}
