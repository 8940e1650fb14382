//! The registry's tables, which both hosts keep: types, and the list of objects in shards.
//!
//! Types are all in shard 0; an object's shard is a hash of its address, and listing merges.

use serde_json::json;
use tidelog_core::{Sql, SqlValue, TypeSchema, TypeSpec, all, int, one};
use tidelog_log::{Error, Result};

use crate::{ObjectEntry, ObjectList, ObjectPage};

const CREATE: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS types (name TEXT NOT NULL, version INTEGER NOT NULL, \
     hash TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS objects (type TEXT NOT NULL, id TEXT NOT NULL, \
     status TEXT NOT NULL, PRIMARY KEY (type, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS meters (type TEXT NOT NULL, id TEXT NOT NULL, \
     body TEXT NOT NULL, PRIMARY KEY (type, id)) WITHOUT ROWID",
];

/// Creates what is missing in a shard's database.
pub fn create(sql: &dyn Sql) -> Result<()> {
    CREATE
        .iter()
        .try_for_each(|text| sql.run(text, &[], &mut |_| Ok(())))
}

/// Registers a declaration in shard 0; true when it made a new version.
///
/// # Errors
/// What [`TypeSchema::register`] refuses.
pub fn register(sql: &dyn Sql, spec: &TypeSpec) -> Result<(TypeSchema, bool)> {
    let before = match find(sql, &spec.name, None) {
        Ok(before) => Some(before),
        Err(error) if error.code() == "unknown_type" => None,
        Err(error) => return Err(error),
    };
    let schema = TypeSchema::register(before.as_ref(), spec)?;
    if let Some(before) = before.filter(|before| *before == schema) {
        return Ok((before, false));
    }
    let (hash, body) = (schema.hash()?, schema.to_json()?);
    sql.run(
        "INSERT INTO types (name, version, hash, body) VALUES (?1, ?2, ?3, ?4)",
        &[
            SqlValue::Text(&schema.name),
            int(u64::from(schema.version)),
            SqlValue::Text(&hash),
            SqlValue::Text(&body),
        ],
        &mut |_| Ok(()),
    )?;
    Ok((schema, true))
}

/// One version of a type, the newest when `version` is `None`; from shard 0.
///
/// # Errors
/// `unknown_type`.
pub fn find(sql: &dyn Sql, name: &str, version: Option<u32>) -> Result<TypeSchema> {
    let text = "SELECT body FROM types WHERE name = ?1 AND (?2 IS NULL OR version = ?2) \
                ORDER BY version DESC LIMIT 1";
    let wanted = version.map_or(SqlValue::Null, |version| int(u64::from(version)));
    let found = one(sql, text, &[SqlValue::Text(name), wanted], |row| {
        TypeSchema::from_json(row[0].text()?.as_bytes())
    })?;
    found.ok_or_else(|| match version {
        Some(version) => unknown_type(&format!("{name} version {version}")),
        None => unknown_type(name),
    })
}

/// The newest version of every type, by name; from shard 0.
pub fn newest(sql: &dyn Sql) -> Result<Vec<TypeSchema>> {
    let text = "SELECT body, max(version) FROM types GROUP BY name ORDER BY name";
    all(sql, text, &[], |row| {
        TypeSchema::from_json(row[0].text()?.as_bytes())
    })
}

/// The error for a type that was never registered.
pub fn unknown_type(name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::not_found("unknown_type", format!("no type {shown:?} is registered")).at("type")
}

/// Lists an object, or its new status, in its shard.
pub fn note(sql: &dyn Sql, type_name: &str, id: &str, status: &str) -> Result<()> {
    sql.run(
        "INSERT INTO objects (type, id, status) VALUES (?1, ?2, ?3) ON CONFLICT (type, id) \
         DO UPDATE SET status = excluded.status WHERE status <> excluded.status",
        &[
            SqlValue::Text(type_name),
            SqlValue::Text(id),
            SqlValue::Text(status),
        ],
        &mut |_| Ok(()),
    )
}

/// Keeps the counts that an object told, in place of those it told before.
pub fn note_meter(sql: &dyn Sql, type_name: &str, id: &str, meter: &str) -> Result<()> {
    let args = [
        SqlValue::Text(type_name),
        SqlValue::Text(id),
        SqlValue::Text(meter),
    ];
    let text = "INSERT INTO meters (type, id, body) VALUES (?1, ?2, ?3) \
                ON CONFLICT (type, id) DO UPDATE SET body = excluded.body";
    sql.run(text, &args, &mut |_| Ok(()))
}

/// Hands the counts of every object of this shard to `each`, with the object's type.
pub fn meters(sql: &dyn Sql, mut each: impl FnMut(&str, &str)) -> Result<()> {
    sql.run("SELECT type, body FROM meters", &[], &mut |row| {
        each(row[0].text()?, row[1].text()?);
        Ok(())
    })
}

/// Forgets an object that was never written.
pub fn forget(sql: &dyn Sql, type_name: &str, id: &str) -> Result<()> {
    let args = [SqlValue::Text(type_name), SqlValue::Text(id)];
    let text = "DELETE FROM objects WHERE type = ?1 AND id = ?2";
    sql.run(text, &args, &mut |_| Ok(()))
}

/// One shard's part of a page: one entry more than the page holds, to see whether there are more.
///
/// # Errors
/// `invalid_parameter` at `after` for a cursor that [`merge`] did not give.
pub fn page(sql: &dyn Sql, list: &ObjectList) -> Result<Vec<ObjectEntry>> {
    let after = cursor(list)?;
    let mut text = "SELECT type, id, status FROM objects WHERE (type, id) > (?1, ?2)".to_owned();
    let mut args = vec![SqlValue::Text(&after.0), SqlValue::Text(&after.1)];
    if let Some(name) = &list.type_name {
        args.push(SqlValue::Text(name));
        text.push_str(&format!(" AND type = ?{}", args.len()));
    }
    // Every text that starts with the prefix sorts below prefix + U+10FFFF.
    let end = format!("{}\u{10ffff}", list.prefix);
    if !list.prefix.is_empty() {
        args.push(SqlValue::Text(&list.prefix));
        args.push(SqlValue::Text(&end));
        let last = args.len();
        text.push_str(&format!(" AND id >= ?{} AND id < ?{last}", last - 1));
    }
    args.push(int(list.limit.max(1) as u64 + 1));
    text.push_str(&format!(" ORDER BY type, id LIMIT ?{}", args.len()));
    all(sql, &text, &args, |row| {
        Ok(ObjectEntry {
            type_name: row[0].text()?.to_owned(),
            id: row[1].text()?.to_owned(),
            status: row[2].text()?.to_owned(),
        })
    })
}

/// Merges the shards' parts into the page.
pub fn merge(mut found: Vec<ObjectEntry>, limit: usize) -> ObjectPage {
    let limit = limit.max(1);
    found.sort_by(|a, b| (&a.type_name, &a.id).cmp(&(&b.type_name, &b.id)));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| json!([last.type_name, last.id]).to_string());
    ObjectPage {
        objects: found,
        next,
    }
}

/// Where a page starts.
fn cursor(list: &ObjectList) -> Result<(String, String)> {
    let malformed =
        |_| Error::invalid("invalid_parameter", "not a cursor of this list").at("after");
    match &list.after {
        Some(after) => serde_json::from_str(after).map_err(malformed),
        None => Ok(Default::default()),
    }
}
