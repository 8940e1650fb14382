//! `_meta`: what the file is, and whether the object lives.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidelog_log::{Error, Kind, Result};

use crate::Address;
use crate::sql::{Sql, SqlValue, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) \
     WITHOUT ROWID";

/// The layouts of the internal tables. `docs/format/object-database.md` lists every version. A file
/// has the lowest that says what is in it.
const FORMATS: [&str; 3] = ["1", FORMAT_WITH_BLOBS, FORMAT_WITH_SNAPSHOTS];
/// Since a document may be in a blob.
const FORMAT_WITH_BLOBS: &str = "2";
/// Since snapshots hold blobs, and a restore may be under way.
const FORMAT_WITH_SNAPSHOTS: &str = "3";

/// Whether an object takes writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does.
    #[default]
    Active,
    /// Its documents are being deleted, step by step.
    Deleting,
    /// Its documents are gone; the log and a tombstone remain. A write makes it anew.
    Deleted,
}

impl Status {
    /// The persisted and public name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

/// Writes the address and format of a new file, or checks those of an old one.
///
/// # Errors
/// `unsupported_format` for a file of a later version, `corrupt` for another object's file.
pub(crate) fn claim(sql: &dyn Sql, address: &Address) -> Result<()> {
    match get(sql, "format")?.as_deref() {
        None => {
            put(sql, "format", FORMATS[0])?;
            put(sql, "address", &address.to_string())
        }
        Some(format) if FORMATS.contains(&format) => match get(sql, "address")? {
            Some(found) if found == address.to_string() => Ok(()),
            found => Err(Error::corrupt(format!(
                "the file of {address} says it is {found:?}"
            ))),
        },
        Some(other) => Err(Error::new(
            Kind::Unsupported,
            "unsupported_format",
            format!("the object's file has format {other}; this version reads {FORMATS:?}"),
        )),
    }
}

/// The address of the object whose database this is; `None` where there is none yet.
pub fn stored_address(sql: &dyn Sql) -> Result<Option<String>> {
    let made = "SELECT 1 FROM sqlite_master WHERE name = '_meta'";
    match one(sql, made, &[], |_| Ok(()))? {
        Some(()) => get(sql, "address"),
        None => Ok(None),
    }
}

pub(crate) fn status(sql: &dyn Sql) -> Result<Status> {
    let name = get(sql, "status")?;
    let found = [Status::Active, Status::Deleting, Status::Deleted]
        .into_iter()
        .find(|status| name.as_deref().is_none_or(|name| name == status.name()));
    found.ok_or_else(|| Error::corrupt(format!("unknown object status {name:?}")))
}

pub(crate) fn set_status(sql: &dyn Sql, status: Status) -> Result<()> {
    put(sql, "status", status.name())
}

/// Notes that the file holds blobs: earlier versions would not find the documents in them.
pub(crate) fn holds_blobs(sql: &dyn Sql) -> Result<()> {
    match get(sql, "format")?.as_deref() {
        Some(FORMAT_WITH_BLOBS | FORMAT_WITH_SNAPSHOTS) => Ok(()),
        _ => put(sql, "format", FORMAT_WITH_BLOBS),
    }
}

/// Notes that the file holds snapshots: earlier versions would fold while one is taken.
pub(crate) fn holds_snapshots(sql: &dyn Sql) -> Result<()> {
    match get(sql, "format")?.as_deref() {
        Some(FORMAT_WITH_SNAPSHOTS) => Ok(()),
        _ => put(sql, "format", FORMAT_WITH_SNAPSHOTS),
    }
}

/// Reads a fact that is kept as JSON.
pub(crate) fn fact<T: DeserializeOwned>(sql: &dyn Sql, name: &str) -> Result<Option<T>> {
    let read = |text: String| {
        let odd = |e| Error::corrupt(format!("the fact {name:?} does not read: {e}"));
        serde_json::from_str(&text).map_err(odd)
    };
    get(sql, name)?.map(read).transpose()
}

/// Keeps a fact as JSON, or forgets it.
pub(crate) fn set_fact<T: Serialize>(sql: &dyn Sql, name: &str, fact: Option<&T>) -> Result<()> {
    match fact {
        Some(fact) => {
            let text = serde_json::to_string(fact).map_err(|e| Error::internal(e.to_string()))?;
            put(sql, name, &text)
        }
        None => sql.run(
            "DELETE FROM _meta WHERE name = ?1",
            &[SqlValue::Text(name)],
            &mut |_| Ok(()),
        ),
    }
}

fn get(sql: &dyn Sql, name: &str) -> Result<Option<String>> {
    one(
        sql,
        "SELECT value FROM _meta WHERE name = ?1",
        &[SqlValue::Text(name)],
        |row| Ok(row[0].text()?.to_owned()),
    )
}

fn put(sql: &dyn Sql, name: &str, value: &str) -> Result<()> {
    sql.run(
        "INSERT INTO _meta (name, value) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[SqlValue::Text(name), SqlValue::Text(value)],
        &mut |_| Ok(()),
    )
}
