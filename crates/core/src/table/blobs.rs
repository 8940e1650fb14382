//! `_blobs`: folded documents as Vortex blobs, and `_main`: per collection, which of them are live.
//!
//! ```sql
//! CREATE TABLE _blobs (
//!   id      INTEGER PRIMARY KEY,   -- given again once nobody needs it
//!   holders INTEGER NOT NULL,      -- who needs it: its collection, a log record, snapshots
//!   body    BLOB NOT NULL          -- docs/format/vortex-blob.md
//! );
//! CREATE TABLE _main (
//!   collection INTEGER PRIMARY KEY,
//!   body       BLOB NOT NULL       -- the manifest: `folded/manifest.rs`
//! );
//! ```

use tidelog_log::{Error, Result};

use crate::sql::{Sql, SqlValue, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _blobs \
     (id INTEGER PRIMARY KEY, holders INTEGER NOT NULL, body BLOB NOT NULL)";

pub(crate) const CREATE_MAIN: &str = "CREATE TABLE IF NOT EXISTS _main \
     (collection INTEGER PRIMARY KEY, body BLOB NOT NULL)";

/// The name of a blob in its object's database.
pub(crate) type BlobId = u64;

/// Stores a blob that so many need.
pub(crate) fn put(sql: &dyn Sql, body: &[u8], holders: u32) -> Result<BlobId> {
    let insert = "INSERT INTO _blobs (holders, body) VALUES (?1, ?2) RETURNING id";
    let args = [int(u64::from(holders)), SqlValue::Blob(body)];
    let id = one(sql, insert, &args, |row| row[0].unsigned())?;
    id.ok_or_else(|| Error::internal("a stored blob has no id"))
}

/// One more needs the blob.
pub(crate) fn hold(sql: &dyn Sql, id: BlobId) -> Result<()> {
    let more = "UPDATE _blobs SET holders = holders + 1 WHERE id = ?1";
    sql.run(more, &[int(id)], &mut |_| Ok(()))
}

/// One less needs the blob; the last one removes it.
pub(crate) fn release(sql: &dyn Sql, id: BlobId) -> Result<()> {
    let holders = "SELECT holders FROM _blobs WHERE id = ?1";
    let held = one(sql, holders, &[int(id)], |row| row[0].unsigned())?;
    let text = match held.unwrap_or(0) {
        0 | 1 => "DELETE FROM _blobs WHERE id = ?1",
        _ => "UPDATE _blobs SET holders = holders - 1 WHERE id = ?1",
    };
    sql.run(text, &[int(id)], &mut |_| Ok(()))
}

/// The bytes of a blob.
///
/// # Errors
/// `corrupt` when it is gone.
pub(crate) fn body(sql: &dyn Sql, id: BlobId) -> Result<Vec<u8>> {
    let body = "SELECT body FROM _blobs WHERE id = ?1";
    let found = one(sql, body, &[int(id)], |row| Ok(row[0].blob()?.to_vec()))?;
    found.ok_or_else(|| Error::corrupt(format!("blob {id} is missing")))
}

/// Puts bytes in the place of those that were damaged. A blob that is missing comes back, held by more
/// than can be: who needed it is not known, and too few holders would lose it again.
pub(crate) fn replace(sql: &dyn Sql, id: BlobId, body: &[u8]) -> Result<()> {
    let text = "INSERT INTO _blobs (id, holders, body) VALUES (?1, 1000000, ?2) \
                ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    sql.run(text, &[int(id), SqlValue::Blob(body)], &mut |_| Ok(()))
}

/// How many blobs there are, and their bytes.
pub(crate) fn size(sql: &dyn Sql) -> Result<(u64, u64)> {
    let sums = "SELECT count(*), total(length(body)) FROM _blobs";
    let found = one(sql, sums, &[], |row| {
        Ok((row[0].unsigned()?, row[1].unsigned()?))
    })?;
    Ok(found.unwrap_or_default())
}

/// A collection's manifest as bytes; none before its first blob.
pub(crate) fn manifest(sql: &dyn Sql, collection: u32) -> Result<Option<Vec<u8>>> {
    let body = "SELECT body FROM _main WHERE collection = ?1";
    one(sql, body, &[int(u64::from(collection))], |row| {
        Ok(row[0].blob()?.to_vec())
    })
}

/// Puts a collection's manifest in the place of the one before.
pub(crate) fn set_manifest(sql: &dyn Sql, collection: u32, body: &[u8]) -> Result<()> {
    sql.run(
        "INSERT INTO _main (collection, body) VALUES (?1, ?2) \
         ON CONFLICT (collection) DO UPDATE SET body = excluded.body",
        &[int(u64::from(collection)), SqlValue::Blob(body)],
        &mut |_| Ok(()),
    )
}
