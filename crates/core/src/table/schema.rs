//! `_schema`: every schema version this object has used; the newest is in force.

use tidelog_log::{Error, Result};

use crate::TypeSchema;
use crate::sql::{Sql, SqlValue, int, one};

pub(crate) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS _schema (version INTEGER PRIMARY KEY, body TEXT NOT NULL)";

/// The version in force; 0 before the first.
pub(crate) fn version(sql: &dyn Sql) -> Result<u32> {
    let found = one(sql, "SELECT max(version) FROM _schema", &[], |row| {
        row[0].optional().map_or(Ok(0), SqlValue::unsigned)
    })?;
    Ok(u32::try_from(found.unwrap_or(0)).unwrap_or(u32::MAX))
}

pub(crate) fn newest(sql: &dyn Sql) -> Result<Option<TypeSchema>> {
    one(
        sql,
        "SELECT body FROM _schema ORDER BY version DESC LIMIT 1",
        &[],
        |row| TypeSchema::from_json(row[0].text()?.as_bytes()),
    )
}

/// True while the object has used one version only.
pub(crate) fn is_first(sql: &dyn Sql) -> Result<bool> {
    let found = one(sql, "SELECT count(*) FROM _schema", &[], |row| {
        row[0].unsigned()
    })?;
    Ok(found.unwrap_or(0) <= 1)
}

/// A version as it is stored, or the next later one that the object used: all fields are in that too.
///
/// # Errors
/// `corrupt` when it used none.
pub(crate) fn of_version(sql: &dyn Sql, version: u32) -> Result<String> {
    let text = "SELECT body FROM _schema WHERE version >= ?1 ORDER BY version LIMIT 1";
    let found = one(sql, text, &[int(u64::from(version))], |row| {
        Ok(row[0].text()?.to_owned())
    })?;
    found.ok_or_else(|| Error::corrupt(format!("schema version {version} is missing")))
}

pub(crate) fn put(sql: &dyn Sql, schema: &TypeSchema) -> Result<()> {
    let body = schema.to_json()?;
    sql.run(
        "INSERT OR REPLACE INTO _schema (version, body) VALUES (?1, ?2)",
        &[int(u64::from(schema.version)), SqlValue::Text(&body)],
        &mut |_| Ok(()),
    )
}
