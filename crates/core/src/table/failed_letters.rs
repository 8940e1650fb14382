//! `_failed_letters`: messages that were given up, the newest [`FAILED_MAX`] of them.

use tidelog_log::{Error, Result};

use crate::actor::FailedLetter;
use crate::actor::limits::FAILED_MAX;
use crate::sql::{Sql, SqlValue, all, int};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _failed_letters \
     (number INTEGER PRIMARY KEY, receiver TEXT NOT NULL, message TEXT NOT NULL, body TEXT NOT NULL, \
      code TEXT NOT NULL, detail TEXT NOT NULL, at INTEGER NOT NULL)";

/// Longest refusal kept, characters.
const DETAIL_CHARS_MAX: usize = 1_000;

/// Keeps a letter that was given up, and lets the oldest go.
pub(crate) fn put(
    sql: &dyn Sql,
    (receiver, number): (&str, u64),
    (message, body): (&str, &str),
    error: &Error,
    now: i64,
) -> Result<()> {
    let detail: String = error.message().chars().take(DETAIL_CHARS_MAX).collect();
    sql.run(
        "INSERT OR REPLACE INTO _failed_letters (number, receiver, message, body, code, detail, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            int(number),
            SqlValue::Text(receiver),
            SqlValue::Text(message),
            SqlValue::Text(body),
            SqlValue::Text(error.code()),
            SqlValue::Text(&detail),
            SqlValue::Integer(now),
        ],
        &mut |_| Ok(()),
    )?;
    sql.run(
        "DELETE FROM _failed_letters WHERE number IN \
         (SELECT number FROM _failed_letters ORDER BY number DESC LIMIT -1 OFFSET ?1)",
        &[int(FAILED_MAX)],
        &mut |_| Ok(()),
    )
}

/// All of them, the newest first.
pub(crate) fn list(sql: &dyn Sql) -> Result<Vec<FailedLetter>> {
    all(
        sql,
        "SELECT number, receiver, message, body, code, detail, at FROM _failed_letters \
         ORDER BY number DESC",
        &[],
        |row| {
            let receiver = row[1].text()?;
            let short = crate::Address::parse(receiver).map(|receiver| receiver.short());
            Ok(FailedLetter {
                number: row[0].unsigned()?,
                to: short.unwrap_or_else(|_| receiver.to_owned()),
                message: row[2].text()?.to_owned(),
                body: row[3].text()?.to_owned(),
                code: row[4].text()?.to_owned(),
                detail: row[5].text()?.to_owned(),
                at: row[6].integer()?,
            })
        },
    )
}
