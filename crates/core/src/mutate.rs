//! The changes of one turn: rows written, events appended to the record that is open.

use serde_json::json;
use tidelog_log::{ChangeRef, Error, OldValue, RecordHeader, RecordWriter, Result, Row, Sequence};

use crate::document::{Prepared, check_key};
use crate::sql::{Sql, SqlValue, one, quoted};
use crate::view::unknown_document;
use crate::{Document, Mutation, NewDocument, View, Written, WrittenOperation};

/// A record being written.
pub(crate) struct OpenTurn {
    pub(crate) writer: RecordWriter,
    pub(crate) header: RecordHeader,
    /// The record opens its epoch.
    pub(crate) opens: bool,
    /// The object was deleted and lives again with this record.
    pub(crate) reborn: bool,
}

/// Makes UUIDv7 ids from a turn's time and randomness.
pub(crate) struct IdMaker {
    pub(crate) now: i64,
    pub(crate) entropy: [u8; 16],
    pub(crate) made: u64,
}

impl IdMaker {
    fn next(&mut self) -> String {
        self.made += 1;
        let mut seed = blake3::Hasher::new();
        seed.update(&self.entropy).update(&self.made.to_le_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&seed.finalize().as_bytes()[..10]);
        let millis = u64::try_from(self.now).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .to_string()
    }
}

impl OpenTurn {
    pub(crate) fn apply(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        mutation: Mutation,
        ids: &mut IdMaker,
    ) -> Result<Written> {
        match mutation {
            Mutation::Insert {
                collection,
                document,
            } => {
                let prepared = view.prepared(&collection)?;
                let (key, row) = keyed_row(prepared, document, ids)?;
                self.insert(sql, view, prepared, key, &row)
            }
            Mutation::Upsert {
                collection,
                document,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let (key, row) = keyed_row(prepared, document, ids)?;
                self.put(sql, view, prepared, key, row, if_version)
            }
            Mutation::Put {
                collection,
                key,
                mut document,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                check_key(&key)?;
                prepared.fill_key(&mut document, &key);
                let (own, row) = keyed_row(prepared, document.into(), ids)?;
                check_same_key(&key, &own)?;
                self.put(sql, view, prepared, key, row, if_version)
            }
            Mutation::Update {
                collection,
                key,
                patch,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let before = stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                let row = prepared.patched(&before.row, patch)?;
                check_same_key(&key, &key_of(prepared, &row).unwrap_or_else(|| key.clone()))?;
                self.update(sql, view, prepared, before, row)
            }
            Mutation::Delete {
                collection,
                key,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let before = stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                check_unreferenced(sql, view, &collection, &key)?;
                self.delete(sql, prepared, &before)
            }
        }
    }

    /// Removes a document; false when another one refers to it, which keeps it.
    pub(crate) fn delete_unreferenced(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: &str,
    ) -> Result<bool> {
        match check_unreferenced(sql, view, &prepared.collection.name, key) {
            Err(error) if error.code() == "document_referenced" => return Ok(false),
            other => other?,
        }
        if let Some(before) = stored(sql, prepared, key)? {
            self.delete(sql, prepared, &before)?;
        }
        Ok(true)
    }

    fn next_version(&self) -> Sequence {
        Sequence(self.header.first_sequence.0 + u64::from(self.writer.count()))
    }

    fn insert(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: String,
        row: &Row,
    ) -> Result<Written> {
        check_references(sql, view, prepared, row, None)?;
        let version = self.next_version();
        let table = &prepared.table;
        table
            .bind(&key, version, row, |args| {
                sql.run(&table.insert, args, &mut |_| Ok(()))
            })
            .map_err(|e| constraint(e, &prepared.collection.name, &key))?;
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        self.writer
            .push(collection, &key, ChangeRef::Insert { after: row });
        Ok(Written {
            key,
            version,
            operation: WrittenOperation::Insert,
        })
    }

    fn put(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: String,
        row: Row,
        if_version: Option<Sequence>,
    ) -> Result<Written> {
        let before = stored(sql, prepared, &key)?;
        check_version(before.as_ref(), if_version)?;
        match before {
            Some(before) => self.update(sql, view, prepared, before, row),
            None => self.insert(sql, view, prepared, key, &row),
        }
    }

    fn update(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        before: Document,
        row: Row,
    ) -> Result<Written> {
        let old = row.changes_from(&before.row);
        if old.is_empty() {
            let Document { key, version, .. } = before;
            return Ok(Written {
                key,
                version,
                operation: WrittenOperation::None,
            });
        }
        check_references(sql, view, prepared, &row, Some(&old))?;
        let version = self.next_version();
        let after = Document {
            key: before.key,
            version,
            row,
        };
        let name = &prepared.collection.name;
        prepared
            .table
            .update(sql, &after, &old)
            .map_err(|e| constraint(e, name, &after.key))?;
        let change = ChangeRef::Update {
            after: &after.row,
            old: &old,
        };
        self.writer
            .push((prepared.collection.id, name), &after.key, change);
        Ok(Written {
            key: after.key,
            version,
            operation: WrittenOperation::Update,
        })
    }

    pub(crate) fn delete(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        before: &Document,
    ) -> Result<Written> {
        let version = self.next_version();
        let key = before.key.clone();
        sql.run(&prepared.table.delete, &[SqlValue::Text(&key)], &mut |_| {
            Ok(())
        })?;
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        self.writer.push(
            collection,
            &key,
            ChangeRef::Delete {
                before: &before.row,
            },
        );
        Ok(Written {
            key,
            version,
            operation: WrittenOperation::Delete,
        })
    }
}

fn stored(sql: &dyn Sql, prepared: &Prepared, key: &str) -> Result<Option<Document>> {
    let table = &prepared.table;
    one(sql, &table.select_one, &[SqlValue::Text(key)], |row| {
        table.read(row)
    })
}

fn keyed_row(
    prepared: &Prepared,
    document: NewDocument,
    ids: &mut IdMaker,
) -> Result<(String, Row)> {
    let row = checked_row(prepared, document, ids)?;
    let key = key_of(prepared, &row).ok_or_else(|| {
        Error::invalid(
            "wrong_type",
            "the member id, the document's key, is a string",
        )
        .at("id")
    })?;
    check_key(&key)?;
    Ok((key, row))
}

fn checked_row(prepared: &Prepared, document: NewDocument, ids: &mut IdMaker) -> Result<Row> {
    // Text that is right in every way takes the short way; of anything else, the long way through
    // the members says what is wrong, in the order of their names.
    if let NewDocument::Text(text) = &document
        && let Some(row) = prepared.row_of_text(text, || ids.next())
    {
        return Ok(row);
    }
    let mut members = document.into_members()?;
    if prepared.collection.key.is_empty() && !members.contains_key("id") {
        members.insert("id".to_owned(), json!(ids.next()));
    }
    prepared.row(members)
}

/// The key that a row's key fields, or its member `id`, make.
fn key_of(prepared: &Prepared, row: &Row) -> Option<String> {
    prepared.key_of(row).or_else(|| {
        let declared = prepared
            .collection
            .field("id")
            .and_then(|field| row.get(field.id));
        match (declared, row.extra.get("id")) {
            (Some(tidelog_log::Value::Text(id)), _) => Some(id.clone()),
            (_, Some(serde_json::Value::String(id))) => Some(id.clone()),
            _ => None,
        }
    })
}

fn check_same_key(key: &str, own: &str) -> Result<()> {
    if key == own {
        return Ok(());
    }
    Err(Error::invalid(
        "key_mismatch",
        format!("the document's key fields say {own:?}, not {key:?}"),
    )
    .at("key"))
}

fn check_version(before: Option<&Document>, if_version: Option<Sequence>) -> Result<()> {
    let found = before.map_or(Sequence(0), |document| document.version);
    match if_version {
        Some(wanted) if wanted != found => Err(Error::conflict(
            "version_mismatch",
            format!("the document has version {found}, not {wanted}"),
        )
        .at("ifVersion")
        .with("version", found.0)),
        _ => Ok(()),
    }
}

fn check_references(
    sql: &dyn Sql,
    view: &View,
    prepared: &Prepared,
    row: &Row,
    old: Option<&[OldValue]>,
) -> Result<()> {
    for field in &prepared.collection.fields {
        let Some(target) = &field.check.references else {
            continue;
        };
        let unchanged = old.is_some_and(|old| {
            !old.iter()
                .any(|o| matches!(o, OldValue::Field(id, _) if *id == field.id))
        });
        let (false, Some(tidelog_log::Value::Text(key))) = (unchanged, row.get(field.id)) else {
            continue;
        };
        if stored(sql, view.prepared(target)?, key)?.is_none() {
            return Err(Error::invalid(
                "check_failed",
                format!("{target} has no document {key:?}"),
            )
            .at(&field.name));
        }
    }
    Ok(())
}

fn check_unreferenced(sql: &dyn Sql, view: &View, collection: &str, key: &str) -> Result<()> {
    for prepared in view.collections.iter() {
        for field in &prepared.collection.fields {
            if field.check.references.as_deref() != Some(collection) {
                continue;
            }
            let (table, column) = (quoted(&prepared.collection.name), quoted(&field.name));
            let text = format!("SELECT _key FROM {table} WHERE {column} = ?1 LIMIT 1");
            let held = one(sql, &text, &[SqlValue::Text(key)], |row| {
                Ok(row[0].text()?.to_owned())
            })?;
            if let Some(holder) = held {
                let name = &prepared.collection.name;
                let message = format!("{name} document {holder:?} refers to it in {}", field.name);
                return Err(Error::conflict("document_referenced", message).at("key"));
            }
        }
    }
    Ok(())
}

/// Says which key or which unique index a violated constraint is about.
fn constraint(error: Error, collection: &str, key: &str) -> Error {
    if error.code() != "constraint" {
        return error;
    }
    if error.message().ends_with("._key") {
        let shown: String = key.chars().take(80).collect();
        let message = format!("{collection} already has a document {shown:?}");
        return Error::conflict("duplicate_key", message).at("key");
    }
    let columns = error
        .message()
        .rsplit_once("failed: ")
        .map_or("", |(_, columns)| columns);
    let message = format!("another document has the same values of the unique index: {columns}");
    Error::conflict("unique_violation", message).at(columns)
}
