//! `_restore`: what a restore has found and staged so far. Empty when none runs.
//!
//! ```sql
//! CREATE TABLE _restore (
//!   kind       INTEGER NOT NULL,   -- below
//!   collection INTEGER NOT NULL,   -- its id; 0 where it is of none
//!   key        TEXT NOT NULL,      -- a document's key, or a number of 16 digits
//!   body       BLOB,               -- NULL: the document is not, or goes away
//!   PRIMARY KEY (kind, collection, key)
//! ) WITHOUT ROWID
//! ```

use tidelog_log::Result;

use crate::sql::{Sql, SqlValue, all, int, one};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS _restore (kind INTEGER NOT NULL, \
     collection INTEGER NOT NULL, key TEXT NOT NULL, body BLOB, \
     PRIMARY KEY (kind, collection, key)) WITHOUT ROWID";

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staged {
    /// A document of the state that is wanted, where that is not as in the full snapshot.
    Overlay = 1,
    /// A document that is to be otherwise: the row it gets.
    Change = 2,
    /// A record of the log, by its first sequence.
    Record = 3,
    /// A blob with changed documents: its entry of the manifest.
    Blob = 4,
    /// The mask that a live blob gets, by its id.
    Mask = 5,
    /// A row of the row table that goes away.
    Drop = 6,
    /// A document that is too large for a blob.
    Large = 7,
    /// A blob of the full snapshot that is adopted, by its id: the mask it gets.
    Adopt = 8,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) collection: u32,
    pub(crate) key: String,
    pub(crate) body: Option<Vec<u8>>,
}

/// A number as a key.
pub(crate) fn number(n: u64) -> String {
    format!("{n:016}")
}

/// Makes the table.
pub(crate) fn create(sql: &dyn Sql) -> Result<()> {
    sql.run(CREATE, &[], &mut |_| Ok(()))
}

/// Puts a row in the place of the one before.
pub(crate) fn put(
    sql: &dyn Sql,
    kind: Staged,
    collection: u32,
    key: &str,
    body: Option<&[u8]>,
) -> Result<()> {
    sql.run(
        "INSERT INTO _restore (kind, collection, key, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (kind, collection, key) DO UPDATE SET body = excluded.body",
        &[
            int(kind as u64),
            int(u64::from(collection)),
            SqlValue::Text(key),
            body.map_or(SqlValue::Null, SqlValue::Blob),
        ],
        &mut |_| Ok(()),
    )
}

/// Removes a row.
pub(crate) fn remove(sql: &dyn Sql, kind: Staged, collection: u32, key: &str) -> Result<()> {
    let text = "DELETE FROM _restore WHERE kind = ?1 AND collection = ?2 AND key = ?3";
    let args = [
        int(kind as u64),
        int(u64::from(collection)),
        SqlValue::Text(key),
    ];
    sql.run(text, &args, &mut |_| Ok(()))
}

/// A row's body; the outer `None` where there is no row.
pub(crate) fn get(
    sql: &dyn Sql,
    kind: Staged,
    collection: u32,
    key: &str,
) -> Result<Option<Option<Vec<u8>>>> {
    let text = "SELECT body FROM _restore WHERE kind = ?1 AND collection = ?2 AND key = ?3";
    let args = [
        int(kind as u64),
        int(u64::from(collection)),
        SqlValue::Text(key),
    ];
    one(sql, text, &args, body_of)
}

fn body_of(row: &[SqlValue<'_>]) -> Result<Option<Vec<u8>>> {
    let body = row.last().and_then(|body| body.optional());
    body.map(|body| Ok(body.blob()?.to_vec())).transpose()
}

/// True where a collection has rows of a kind.
pub(crate) fn any(sql: &dyn Sql, kind: Staged, collection: u32) -> Result<bool> {
    let text = "SELECT 1 FROM _restore WHERE kind = ?1 AND collection = ?2 LIMIT 1";
    let args = [int(kind as u64), int(u64::from(collection))];
    Ok(one(sql, text, &args, |_| Ok(()))?.is_some())
}

/// Keys of the overlay of a collection from the first to the last, so many at most.
pub(crate) fn keys_between(
    sql: &dyn Sql,
    collection: u32,
    (first, last): (&str, &str),
    most: usize,
) -> Result<Vec<String>> {
    let text = "SELECT key FROM _restore \
                WHERE kind = ?1 AND collection = ?2 AND key BETWEEN ?3 AND ?4 LIMIT ?5";
    let args = [
        int(Staged::Overlay as u64),
        int(u64::from(collection)),
        SqlValue::Text(first),
        SqlValue::Text(last),
        int(most as u64),
    ];
    all(sql, text, &args, |row| Ok(row[0].text()?.to_owned()))
}

/// The rows of a kind behind a place, by collection and key, so many at most. Stops once `bytes_max` of
/// bodies are read.
pub(crate) fn after(
    sql: &dyn Sql,
    kind: Staged,
    (collection, key): (u32, &str),
    (most, bytes_max): (usize, usize),
) -> Result<Vec<Row>> {
    let text = "SELECT collection, key, body FROM _restore \
                WHERE kind = ?1 AND (collection, key) > (?2, ?3) \
                ORDER BY collection, key LIMIT ?4";
    let (mut rows, mut bytes) = (Vec::<Row>::new(), 0);
    let (mut at, mut key) = (collection, key.to_owned());
    while rows.len() < most && bytes < bytes_max {
        let wanted = READ_ROWS.min(most - rows.len());
        let args = [
            int(kind as u64),
            int(u64::from(at)),
            SqlValue::Text(&key),
            int(wanted as u64),
        ];
        let page = all(sql, text, &args, |row| {
            Ok(Row {
                collection: u32::try_from(row[0].unsigned()?).unwrap_or(u32::MAX),
                key: row[1].text()?.to_owned(),
                body: body_of(row)?,
            })
        })?;
        let is_last = page.len() < wanted;
        bytes += page
            .iter()
            .map(|row| row.body.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
        if let Some(last) = page.last() {
            (at, key) = (last.collection, last.key.clone());
        }
        rows.extend(page);
        if is_last {
            break;
        }
    }
    Ok(rows)
}

/// Removes every row.
pub(crate) fn clear(sql: &dyn Sql) -> Result<()> {
    sql.run("DELETE FROM _restore", &[], &mut |_| Ok(()))
}

/// Rows read at once: a document may be 1.5 MB.
const READ_ROWS: usize = 128;
