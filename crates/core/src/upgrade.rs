//! A dormant object meets a newer schema: tables, columns and indexes follow on its next turn.

use serde_json::Value as Json;
use tidelog_log::{Error, Result, Value};

use crate::folded::no_duplicates;
use crate::sql::{Sql, SqlExt, all, quoted};
use crate::table::rows::column_ddl;
use crate::table::schema;
use crate::{Collection, Engine, RowTable, TypeSchema};

impl Engine {
    /// Brings the object's tables to `newest` if that is newer than what they have.
    ///
    /// # Errors
    /// `schema_upgrade_failed` when the documents there break a new unique index.
    pub(crate) fn upgrade(&mut self, sql: &dyn Sql, newest: &TypeSchema) -> Result<()> {
        if newest.version <= self.view.version {
            return Ok(());
        }
        let before = schema::newest(sql)?;
        for collection in &newest.collections {
            let known = before.iter().flat_map(|old| &old.collections);
            let old = known.into_iter().find(|old| old.id == collection.id);
            if let Some(old) = old {
                alter(sql, old, collection)?;
                if collection
                    .indexes
                    .iter()
                    .any(|index| index.unique && !old.indexes.contains(index))
                {
                    no_duplicates(sql, collection)?;
                }
            } else {
                sql.exec(&RowTable::new(collection).create, &[])?;
            }
            index(sql, collection)?;
        }
        schema::put(sql, newest)?;
        self.view.adopt(newest.clone())
    }
}

fn alter(sql: &dyn Sql, old: &Collection, new: &Collection) -> Result<()> {
    let table = quoted(&new.name);
    for field in new.columns() {
        match old.field_by_id(field.id) {
            None => {
                let column = column_ddl(field);
                sql.exec(&format!("ALTER TABLE {table} ADD COLUMN {column}"), &[])?;
            }
            Some(before) if before.name != field.name => {
                let (from, to) = (quoted(&before.name), quoted(&field.name));
                sql.exec(
                    &format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"),
                    &[],
                )?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Creates the indexes of a collection and drops those no longer declared. Reference fields are
/// indexed too, so that deleting a document can ask who refers to it.
fn index(sql: &dyn Sql, collection: &Collection) -> Result<()> {
    let prefix = format!("{}_by_", collection.name);
    let mut wanted: Vec<(String, String)> = Vec::new();
    for declared in &collection.indexes {
        let names: Vec<&str> = declared
            .fields
            .iter()
            .filter_map(|id| collection.field_name(*id))
            .collect();
        let only = partial(collection, &declared.only)?;
        let unique = if declared.unique { "UNIQUE " } else { "" };
        let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let hash = blake3::hash(format!("{unique}{columns:?}{only}").as_bytes()).to_hex();
        let name = format!("{prefix}{}_{}", names.join("_"), &hash[..8]);
        let text = format!(
            "CREATE {unique}INDEX IF NOT EXISTS {} ON {} ({}){only}",
            quoted(&name),
            quoted(&collection.name),
            columns.join(", ")
        );
        wanted.push((name, text));
    }
    for field in collection
        .fields
        .iter()
        .filter(|field| field.check.references.is_some())
    {
        let name = format!("{prefix}{}_reference", field.name);
        let (table, column) = (quoted(&collection.name), quoted(&field.name));
        let text = format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} ({column})",
            quoted(&name)
        );
        wanted.push((name, text));
    }
    let list = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?1 \
                AND sql IS NOT NULL";
    let args = [crate::SqlValue::Text(&collection.name)];
    for known in all(sql, list, &args, |row| Ok(row[0].text()?.to_owned()))? {
        if !wanted.iter().any(|(name, _)| *name == known) {
            sql.exec(&format!("DROP INDEX {}", quoted(&known)), &[])?;
        }
    }
    for (_, text) in &wanted {
        sql.exec(text, &[]).map_err(|e| match e.code() {
            "constraint" => Error::conflict(
                "schema_upgrade_failed",
                format!("documents break a new unique index: {}", e.message()),
            ),
            _ => e,
        })?;
    }
    Ok(())
}

fn partial(collection: &Collection, only: &[(u32, Json)]) -> Result<String> {
    let mut terms = Vec::new();
    for (id, json) in only {
        let Some(field) = collection.field_by_id(*id) else {
            continue;
        };
        let column = quoted(&field.name);
        terms.push(match Value::from_json(field.field_type, json.clone())? {
            None => format!("{column} IS NULL"),
            Some(value) => format!("{column} = {}", literal(&value)?),
        });
    }
    if terms.is_empty() {
        Ok(String::new())
    } else {
        Ok(format!(" WHERE {}", terms.join(" AND ")))
    }
}

/// A value as an SQL literal: index definitions take no parameters.
fn literal(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Int(i) | Value::Timestamp(i) => i.to_string(),
        Value::Date(days) => days.to_string(),
        Value::Float(f) => format!("{f:e}"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => {
            let blob = crate::blob_form(other).ok_or_else(|| {
                Error::invalid("invalid_schema", "an index condition has a simple value")
            })?;
            let hex: String = blob.iter().map(|b| format!("{b:02x}")).collect();
            format!("x'{hex}'")
        }
    })
}
