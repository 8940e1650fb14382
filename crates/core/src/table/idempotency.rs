//! `_idempotency`: what was answered to requests that may be repeated.

use tidelog_log::Result;
use tidelog_log::limits::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_MILLIS};

use crate::sql::{Sql, SqlValue, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _idempotency \
     (key TEXT NOT NULL PRIMARY KEY, fingerprint BLOB NOT NULL, reply TEXT NOT NULL, \
      at INTEGER NOT NULL) WITHOUT ROWID";

/// A remembered answer.
pub(crate) struct Remembered {
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) reply: String,
}

/// The answer under `key`, unless it is older than 24 hours.
pub(crate) fn find(sql: &dyn Sql, key: &str, now: i64) -> Result<Option<Remembered>> {
    one(
        sql,
        "SELECT fingerprint, reply FROM _idempotency WHERE key = ?1 AND at > ?2",
        &[
            SqlValue::Text(key),
            SqlValue::Integer(now - IDEMPOTENCY_MILLIS),
        ],
        |row| {
            Ok(Remembered {
                fingerprint: row[0].blob()?.to_vec(),
                reply: row[1].text()?.to_owned(),
            })
        },
    )
}

pub(crate) fn remember(
    sql: &dyn Sql,
    key: &str,
    fingerprint: &[u8],
    reply: &str,
    now: i64,
) -> Result<()> {
    sql.run(
        "INSERT OR REPLACE INTO _idempotency (key, fingerprint, reply, at) VALUES (?1, ?2, ?3, ?4)",
        &[
            SqlValue::Text(key),
            SqlValue::Blob(fingerprint),
            SqlValue::Text(reply),
            SqlValue::Integer(now),
        ],
        &mut |_| Ok(()),
    )
}

/// Forgets expired keys, and the oldest beyond the limit.
pub(crate) fn prune(sql: &dyn Sql, now: i64) -> Result<()> {
    sql.run(
        "DELETE FROM _idempotency WHERE at <= ?1",
        &[SqlValue::Integer(now - IDEMPOTENCY_MILLIS)],
        &mut |_| Ok(()),
    )?;
    sql.run(
        "DELETE FROM _idempotency WHERE key IN \
         (SELECT key FROM _idempotency ORDER BY at DESC, key LIMIT -1 OFFSET ?1)",
        &[crate::sql::int(IDEMPOTENCY_KEYS_MAX as u64)],
        &mut |_| Ok(()),
    )
}

pub(crate) fn count(sql: &dyn Sql) -> Result<u64> {
    Ok(one(sql, "SELECT count(*) FROM _idempotency", &[], |row| {
        row[0].unsigned()
    })?
    .unwrap_or(0))
}

/// Forgets every key.
pub(crate) fn forget(sql: &dyn Sql) -> Result<()> {
    sql.run("DELETE FROM _idempotency", &[], &mut |_| Ok(()))
}
