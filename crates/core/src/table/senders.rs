//! `_senders`: how far this object has taken what each sender sends. What is at or before the mark
//! was taken, and is not taken again.

use tidelog_log::{Epoch, Result};

use crate::sql::{Sql, SqlValue, all, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _senders \
     (sender TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL, \
      at INTEGER NOT NULL) WITHOUT ROWID";

/// The last letter taken from a sender.
pub(crate) fn mark(sql: &dyn Sql, sender: &str) -> Result<Option<(Epoch, u64)>> {
    one(
        sql,
        "SELECT epoch, number FROM _senders WHERE sender = ?1",
        &[SqlValue::Text(sender)],
        |row| Ok((Epoch(row[0].unsigned()?), row[1].unsigned()?)),
    )
}

/// Moves a sender's mark.
pub(crate) fn put(sql: &dyn Sql, sender: &str, place: (Epoch, u64), now: i64) -> Result<()> {
    sql.run(
        "INSERT INTO _senders (sender, epoch, number, at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (sender) DO UPDATE SET epoch = excluded.epoch, number = excluded.number, \
         at = excluded.at",
        &[
            SqlValue::Text(sender),
            int(place.0.0),
            int(place.1),
            SqlValue::Integer(now),
        ],
        &mut |_| Ok(()),
    )
}

/// Forgets up to `limit` senders that were silent since `before`; true when there may be more.
pub(crate) fn prune(sql: &dyn Sql, before: i64, limit: u64) -> Result<bool> {
    let args = [SqlValue::Integer(before), int(limit)];
    let silent = "SELECT sender FROM _senders WHERE at <= ?1 LIMIT ?2";
    let found = all(sql, silent, &args, |_| Ok(()))?.len() as u64;
    if found > 0 {
        let text = format!("DELETE FROM _senders WHERE sender IN ({silent})");
        sql.run(&text, &args, &mut |_| Ok(()))?;
    }
    Ok(found == limit)
}

/// True when there is none.
pub(crate) fn is_empty(sql: &dyn Sql) -> Result<bool> {
    Ok(one(sql, "SELECT 1 FROM _senders LIMIT 1", &[], |_| Ok(()))?.is_none())
}
