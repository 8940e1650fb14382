//! `_snapshots`: the snapshots of an object, and `_snapshot_parts`: what they hold.
//!
//! ```sql
//! CREATE TABLE _snapshots (
//!   id   TEXT NOT NULL PRIMARY KEY,  -- a UUIDv7
//!   body TEXT NOT NULL               -- JSON: `snapshot/info.rs`
//! ) WITHOUT ROWID;
//! CREATE TABLE _snapshot_parts (
//!   snapshot   TEXT NOT NULL,
//!   kind       INTEGER NOT NULL,     -- below
//!   collection INTEGER NOT NULL,     -- its id; 0 where it is of none
//!   number     INTEGER NOT NULL,     -- of a mask the blob's id, else counted from 0
//!   body       BLOB NOT NULL,
//!   PRIMARY KEY (snapshot, kind, collection, number)
//! ) WITHOUT ROWID;
//! ```

use tidelog_log::{Error, Result};

use crate::Snapshot;
use crate::sql::{Sql, SqlValue, all, int, one};

const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS _snapshots (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL) \
     WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _snapshot_parts (snapshot TEXT NOT NULL, kind INTEGER NOT NULL, \
     collection INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, \
     PRIMARY KEY (snapshot, kind, collection, number)) WITHOUT ROWID",
];

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PartKind {
    /// A collection's manifest: its blobs, each held by the snapshot.
    Manifest = 1,
    /// The masked rows of a blob, as in `_masks`.
    Mask = 2,
    /// Documents that are in no blob: a part of a stream.
    Documents = 3,
    /// Records of the log as a segment.
    Segment = 4,
    /// Records of the log as they are: a part of a stream.
    Records = 5,
    /// A part of its file in object storage: JSON, its bytes, frames and hash.
    Cold = 6,
}

impl PartKind {
    /// The kind with this number; the last for others.
    pub(crate) fn of(number: u64) -> Self {
        match number {
            1 => Self::Manifest,
            2 => Self::Mask,
            3 => Self::Documents,
            4 => Self::Segment,
            _ => Self::Records,
        }
    }
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) collection: u32,
    pub(crate) number: u64,
    pub(crate) body: Vec<u8>,
}

/// Makes the tables.
pub(crate) fn create(sql: &dyn Sql) -> Result<()> {
    CREATE
        .into_iter()
        .try_for_each(|text| sql.run(text, &[], &mut |_| Ok(())))
}

/// True where there are the tables.
pub(crate) fn exist(sql: &dyn Sql) -> Result<bool> {
    let made = "SELECT 1 FROM sqlite_master WHERE name = '_snapshots'";
    Ok(one(sql, made, &[], |_| Ok(()))?.is_some())
}

/// One snapshot.
pub(crate) fn find(sql: &dyn Sql, id: &str) -> Result<Option<Snapshot>> {
    if !exist(sql)? {
        return Ok(None);
    }
    let text = "SELECT body FROM _snapshots WHERE id = ?1";
    one(sql, text, &[SqlValue::Text(id)], read)
}

/// Snapshots, newest first, before an id where one is given.
pub(crate) fn list(sql: &dyn Sql, before: Option<&str>, most: usize) -> Result<Vec<Snapshot>> {
    if !exist(sql)? {
        return Ok(Vec::new());
    }
    let text = "SELECT body FROM _snapshots WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    // Ids are of hex digits and dashes, and "g" is after all of them.
    let args = [SqlValue::Text(before.unwrap_or("g")), int(most as u64)];
    all(sql, text, &args, read)
}

/// The id of the next newer snapshot.
pub(crate) fn newer(sql: &dyn Sql, id: &str) -> Result<Option<String>> {
    let text = "SELECT id FROM _snapshots WHERE id > ?1 ORDER BY id LIMIT 1";
    one(sql, text, &[SqlValue::Text(id)], |row| {
        Ok(row[0].text()?.to_owned())
    })
}

/// How many there are.
pub(crate) fn count(sql: &dyn Sql) -> Result<u64> {
    let text = "SELECT count(*) FROM _snapshots";
    Ok(one(sql, text, &[], |row| row[0].unsigned())?.unwrap_or(0))
}

/// Stores what is said of a snapshot.
pub(crate) fn put(sql: &dyn Sql, snapshot: &Snapshot) -> Result<()> {
    let body = serde_json::to_string(snapshot).map_err(|e| Error::internal(e.to_string()))?;
    sql.run(
        "INSERT INTO _snapshots (id, body) VALUES (?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        &[SqlValue::Text(&snapshot.id), SqlValue::Text(&body)],
        &mut |_| Ok(()),
    )
}

/// Forgets a snapshot, its parts included.
pub(crate) fn remove(sql: &dyn Sql, id: &str) -> Result<()> {
    for text in [
        "DELETE FROM _snapshot_parts WHERE snapshot = ?1",
        "DELETE FROM _snapshots WHERE id = ?1",
    ] {
        sql.run(text, &[SqlValue::Text(id)], &mut |_| Ok(()))?;
    }
    Ok(())
}

/// Forgets the parts that are in the database.
pub(crate) fn remove_hot_parts(sql: &dyn Sql, id: &str) -> Result<()> {
    let text = "DELETE FROM _snapshot_parts WHERE snapshot = ?1 AND kind < ?2";
    let args = [SqlValue::Text(id), int(PartKind::Cold as u64)];
    sql.run(text, &args, &mut |_| Ok(()))
}

/// Forgets the parts of a kind from this number on.
pub(crate) fn trim_parts(sql: &dyn Sql, id: &str, kind: PartKind, from: u64) -> Result<()> {
    let text = "DELETE FROM _snapshot_parts WHERE snapshot = ?1 AND kind = ?2 AND number >= ?3";
    let args = [SqlValue::Text(id), int(kind as u64), int(from)];
    sql.run(text, &args, &mut |_| Ok(()))
}

/// Stores a part.
pub(crate) fn put_part(
    sql: &dyn Sql,
    id: &str,
    kind: PartKind,
    (collection, number): (u32, u64),
    body: &[u8],
) -> Result<()> {
    sql.run(
        "INSERT INTO _snapshot_parts (snapshot, kind, collection, number, body) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (snapshot, kind, collection, number) DO UPDATE SET body = excluded.body",
        &[
            SqlValue::Text(id),
            int(kind as u64),
            int(u64::from(collection)),
            int(number),
            SqlValue::Blob(body),
        ],
        &mut |_| Ok(()),
    )
}

/// The body of a part.
pub(crate) fn part(
    sql: &dyn Sql,
    id: &str,
    kind: PartKind,
    (collection, number): (u32, u64),
) -> Result<Option<Vec<u8>>> {
    let text = "SELECT body FROM _snapshot_parts \
                WHERE snapshot = ?1 AND kind = ?2 AND collection = ?3 AND number = ?4";
    let args = [
        SqlValue::Text(id),
        int(kind as u64),
        int(u64::from(collection)),
        int(number),
    ];
    one(sql, text, &args, |row| Ok(row[0].blob()?.to_vec()))
}

/// The first part of a kind behind a place.
pub(crate) fn next_part(
    sql: &dyn Sql,
    id: &str,
    kind: PartKind,
    after: Option<(u32, u64)>,
) -> Result<Option<Part>> {
    let text = "SELECT collection, number, body FROM _snapshot_parts \
                WHERE snapshot = ?1 AND kind = ?2 AND (collection, number) > (?3, ?4) \
                ORDER BY collection, number LIMIT 1";
    let after = after.map_or((SqlValue::Integer(-1), SqlValue::Integer(-1)), |(c, n)| {
        (int(u64::from(c)), int(n))
    });
    let args = [SqlValue::Text(id), int(kind as u64), after.0, after.1];
    one(sql, text, &args, |row| {
        let collection = u32::try_from(row[0].unsigned()?);
        Ok(Part {
            collection: collection.map_err(|_| Error::corrupt("a collection's id is too large"))?,
            number: row[1].unsigned()?,
            body: row[2].blob()?.to_vec(),
        })
    })
}

/// The parts of a kind: collection, number, and how long the body is.
pub(crate) fn lengths(sql: &dyn Sql, id: &str, kind: PartKind) -> Result<Vec<(u32, u64, usize)>> {
    let text = "SELECT collection, number, length(body) FROM _snapshot_parts \
                WHERE snapshot = ?1 AND kind = ?2 ORDER BY collection, number";
    let args = [SqlValue::Text(id), int(kind as u64)];
    all(sql, text, &args, |row| {
        let collection = u32::try_from(row[0].unsigned()?).unwrap_or(u32::MAX);
        let length = usize::try_from(row[2].unsigned()?).unwrap_or(usize::MAX);
        Ok((collection, row[1].unsigned()?, length))
    })
}

/// The number of a collection's last part of a kind.
pub(crate) fn last_number(
    sql: &dyn Sql,
    id: &str,
    kind: PartKind,
    collection: u32,
) -> Result<Option<u64>> {
    let text = "SELECT number FROM _snapshot_parts \
                WHERE snapshot = ?1 AND kind = ?2 AND collection = ?3 ORDER BY number DESC LIMIT 1";
    let args = [
        SqlValue::Text(id),
        int(kind as u64),
        int(u64::from(collection)),
    ];
    one(sql, text, &args, |row| row[0].unsigned())
}

/// The first part with records behind a number: whether it is a segment, and the part.
pub(crate) fn next_records(sql: &dyn Sql, id: &str, after: u64) -> Result<Option<(bool, Part)>> {
    let of = |kind| next_part(sql, id, kind, Some((0, after)));
    let (segment, records) = (of(PartKind::Segment)?, of(PartKind::Records)?);
    Ok(match (segment, records) {
        (Some(a), Some(b)) if a.number < b.number => Some((true, a)),
        (_, Some(b)) => Some((false, b)),
        (a, None) => a.map(|a| (true, a)),
    })
}

fn read(row: &[SqlValue<'_>]) -> Result<Snapshot> {
    serde_json::from_str(row[0].text()?)
        .map_err(|e| Error::corrupt(format!("a snapshot does not read: {e}")))
}
