//! `_outbox`: messages to other objects that wait for delivery. A row goes when its receiver has
//! taken the message, or when it is given up. Made when the object first has an actor.

use serde_json::Value as Json;
use tidelog_log::{Epoch, Error, Result};

use crate::Address;
use crate::actor::Letter;
use crate::sql::{Sql, SqlValue, all, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _outbox \
     (receiver TEXT NOT NULL, number INTEGER NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL, \
      attempts INTEGER NOT NULL, next INTEGER NOT NULL, bytes INTEGER NOT NULL, message TEXT NOT NULL, \
      correlation_id TEXT NOT NULL, trace_parent TEXT NOT NULL, body TEXT NOT NULL, \
      PRIMARY KEY (receiver, number)) WITHOUT ROWID";

/// The first letter of every receiver, found receiver by receiver: letters behind it are not read.
const HEADS: &str = "WITH RECURSIVE receivers (receiver) AS \
     (SELECT min(receiver) FROM _outbox UNION ALL \
      SELECT (SELECT min(receiver) FROM _outbox WHERE receiver > receivers.receiver) \
      FROM receivers WHERE receivers.receiver IS NOT NULL), \
     heads (receiver, number) AS \
     (SELECT receiver, (SELECT min(number) FROM _outbox WHERE receiver = receivers.receiver) \
      FROM receivers WHERE receiver IS NOT NULL) ";

/// How a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it was sent, milliseconds since 1970.
    pub(crate) at: i64,
    /// Attempts that failed.
    pub(crate) attempts: u32,
}

/// Adds a letter, due at once.
pub(crate) fn put(sql: &dyn Sql, letter: &Letter, body: &str, now: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _outbox (receiver, number, epoch, at, attempts, next, bytes, message, \
         correlation_id, trace_parent, body) VALUES (?1, ?2, ?3, ?4, 0, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            SqlValue::Text(&letter.to.to_string()),
            int(letter.number),
            int(letter.epoch.0),
            SqlValue::Integer(now),
            int(body.len() as u64),
            SqlValue::Text(&letter.message),
            SqlValue::Text(&letter.correlation_id),
            SqlValue::Text(&letter.trace_parent),
            SqlValue::Text(body),
        ],
        &mut |_| Ok(()),
    )
}

/// The first letter of each receiver, where it is due, the oldest first.
pub(crate) fn due(sql: &dyn Sql, from: &Address, now: i64, limit: u64) -> Result<Vec<Letter>> {
    let text = format!(
        "{HEADS} SELECT o.receiver, o.number, o.epoch, o.message, o.correlation_id, o.trace_parent, \
         o.body FROM heads JOIN _outbox o ON o.receiver = heads.receiver \
         AND o.number = heads.number WHERE o.next <= ?1 ORDER BY o.number LIMIT ?2"
    );
    all(sql, &text, &[SqlValue::Integer(now), int(limit)], |row| {
        let odd = |_| Error::corrupt("a message in the outbox does not read");
        let body: Json = serde_json::from_str(row[6].text()?).map_err(odd)?;
        Ok(Letter {
            from: from.clone(),
            epoch: Epoch(row[2].unsigned()?),
            number: row[1].unsigned()?,
            to: Address::parse(row[0].text()?)?,
            message: row[3].text()?.to_owned(),
            body,
            correlation_id: row[4].text()?.to_owned(),
            trace_parent: row[5].text()?.to_owned(),
        })
    })
}

/// When the next letter is due, milliseconds since 1970.
pub(crate) fn next(sql: &dyn Sql) -> Result<Option<i64>> {
    let text = format!(
        "{HEADS} SELECT min(o.next) FROM heads JOIN _outbox o ON o.receiver = heads.receiver \
         AND o.number = heads.number"
    );
    let found = one(sql, &text, &[], |row| {
        row[0].optional().map(SqlValue::integer).transpose()
    })?;
    Ok(found.flatten())
}

/// How a letter stands, if it waits still; its message and body.
pub(crate) fn find(
    sql: &dyn Sql,
    receiver: &str,
    number: u64,
) -> Result<Option<(Standing, String, String)>> {
    one(
        sql,
        "SELECT at, attempts, message, body FROM _outbox WHERE receiver = ?1 AND number = ?2",
        &[SqlValue::Text(receiver), int(number)],
        |row| {
            let standing = Standing {
                at: row[0].integer()?,
                attempts: u32::try_from(row[1].unsigned()?).unwrap_or(u32::MAX),
            };
            Ok((
                standing,
                row[2].text()?.to_owned(),
                row[3].text()?.to_owned(),
            ))
        },
    )
}

/// Puts a letter off.
pub(crate) fn put_off(sql: &dyn Sql, receiver: &str, number: u64, next: i64) -> Result<()> {
    sql.run(
        "UPDATE _outbox SET attempts = attempts + 1, next = ?3 WHERE receiver = ?1 AND number = ?2",
        &[
            SqlValue::Text(receiver),
            int(number),
            SqlValue::Integer(next),
        ],
        &mut |_| Ok(()),
    )
}

/// Removes a letter.
pub(crate) fn remove(sql: &dyn Sql, receiver: &str, number: u64) -> Result<()> {
    sql.run(
        "DELETE FROM _outbox WHERE receiver = ?1 AND number = ?2",
        &[SqlValue::Text(receiver), int(number)],
        &mut |_| Ok(()),
    )
}

/// How many letters wait, and the bytes of their bodies.
pub(crate) fn size(sql: &dyn Sql) -> Result<(u64, u64)> {
    let found = one(
        sql,
        "SELECT count(*), total(bytes) FROM _outbox",
        &[],
        |row| Ok((row[0].unsigned()?, row[1].unsigned()?)),
    )?;
    Ok(found.unwrap_or_default())
}
