//! `_cursors`: how far each destination has *committed* this object's log. With the log itself,
//! these are the outbox.

use tidelog_log::{Result, Sequence};

use crate::Cursor;
use crate::sql::{Sql, SqlValue, all, int};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _cursors \
     (destination TEXT NOT NULL PRIMARY KEY, committed INTEGER NOT NULL, \
      updated INTEGER NOT NULL) WITHOUT ROWID";

/// Moves a cursor forward; never back.
pub(crate) fn advance(sql: &dyn Sql, destination: &str, to: Sequence, now: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _cursors (destination, committed, updated) VALUES (?1, ?2, ?3) \
         ON CONFLICT (destination) DO UPDATE SET committed = excluded.committed, \
         updated = excluded.updated WHERE excluded.committed > committed",
        &[
            SqlValue::Text(destination),
            int(to.0),
            SqlValue::Integer(now),
        ],
        &mut |_| Ok(()),
    )
}

pub(crate) fn list(sql: &dyn Sql) -> Result<Vec<Cursor>> {
    all(
        sql,
        "SELECT destination, committed, updated FROM _cursors ORDER BY destination",
        &[],
        |row| {
            Ok(Cursor {
                destination: row[0].text()?.to_owned(),
                committed: Sequence(row[1].unsigned()?),
                updated: row[2].integer()?,
            })
        },
    )
}
