//! The changes of one turn: rows written, events appended to the record that is open.

use std::collections::BTreeSet;

use serde_json::json;
use tidelog_log::{ChangeRef, Error, OldValue, RecordHeader, RecordWriter, Result, Row, Sequence};

use crate::document::{Prepared, check_key};
use crate::folded::{Bulk, MainState, Place, Stored, Unique};
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
    /// What is folded, and what this turn masks of it.
    pub(crate) main: MainState,
    /// Ids of the collections whose documents changed.
    pub(crate) touched: BTreeSet<u32>,
    /// The turn's rows lie in blobs.
    pub(crate) bulk: Option<Bulk>,
}

/// Makes UUIDv7 ids from a turn's time and randomness.
pub(crate) struct IdMaker {
    pub(crate) now: i64,
    pub(crate) entropy: [u8; 16],
    pub(crate) made: u64,
}

impl IdMaker {
    pub(crate) fn next(&mut self) -> String {
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
    /// Applies mutations in order; an error says which one it is about.
    pub(crate) fn apply_all(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        mutations: Vec<Mutation>,
        ids: &mut IdMaker,
    ) -> Result<Vec<Written>> {
        let many = mutations.len() > 1;
        let mut written = Vec::with_capacity(mutations.len());
        for (at, mutation) in mutations.into_iter().enumerate() {
            let done = self.apply(sql, view, mutation, ids);
            written.push(done.map_err(|e| if many { e.within(format!("[{at}]")) } else { e })?);
        }
        Ok(written)
    }

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
                let before = self.main.stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                let row = prepared.patched(&before.document.row, patch)?;
                check_same_key(&key, &key_of(prepared, &row).unwrap_or_else(|| key.clone()))?;
                self.update(sql, view, prepared, before, row)
            }
            Mutation::Delete {
                collection,
                key,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let before = self.main.stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                check_unreferenced(self, sql, view, &collection, &key)?;
                self.delete(sql, prepared, &before.document, before.place)
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
        match check_unreferenced(self, sql, view, &prepared.collection.name, key) {
            Err(error) if error.code() == "document_referenced" => return Ok(false),
            other => other?,
        }
        if let Some(before) = self.main.stored(sql, prepared, key)? {
            self.delete(sql, prepared, &before.document, before.place)?;
        }
        Ok(true)
    }

    pub(crate) fn next_version(&self) -> Sequence {
        Sequence(self.header.first_sequence.0 + u64::from(self.writer.count()))
    }

    pub(crate) fn insert(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: String,
        row: &Row,
    ) -> Result<Written> {
        check_references(self, sql, view, prepared, row, None)?;
        if self.main.in_blobs(sql, prepared, &key)?.is_some() {
            return Err(duplicate_key(&prepared.collection.name, &key));
        }
        self.check_unique(sql, prepared, &key, row)?;
        let version = self.next_version();
        self.insert_row(sql, prepared, &key, version, row)?;
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        self.writer
            .push(collection, &key, ChangeRef::Insert { after: row });
        Ok(Written {
            key,
            version,
            operation: WrittenOperation::Insert,
        })
    }

    /// Writes a document that the row table does not have.
    pub(crate) fn insert_row(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        key: &str,
        version: Sequence,
        row: &Row,
    ) -> Result<()> {
        let table = &prepared.table;
        table
            .bind(key, version, row, |args| {
                sql.run(&table.insert, args, &mut |_| Ok(()))
            })
            .map_err(|e| constraint(e, &prepared.collection.name, key))?;
        self.main.delta_changed(prepared.collection.id, 1, 0);
        self.touched.insert(prepared.collection.id);
        Ok(())
    }

    /// Refuses values that a folded document has under a unique index; SQLite does for the others.
    fn check_unique(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        key: &str,
        row: &Row,
    ) -> Result<()> {
        let collection = &prepared.collection;
        for unique in Unique::all(collection)? {
            let Some(value) = unique.value(row) else {
                continue;
            };
            let holder = self.main.holder(sql, prepared, &unique, &value)?;
            if holder.is_some_and(|holder| holder != key) {
                return Err(unique_violation(&unique.columns(collection)));
            }
        }
        Ok(())
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
        let before = self.main.stored(sql, prepared, &key)?;
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
        Stored {
            document: before,
            place,
        }: Stored,
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
        check_references(self, sql, view, prepared, &row, Some(&old))?;
        self.check_unique(sql, prepared, &before.key, &row)?;
        let version = self.next_version();
        let after = Document {
            key: before.key,
            version,
            row,
        };
        let name = &prepared.collection.name;
        match place {
            Place::Row => prepared
                .table
                .update(sql, &after, &old)
                .map_err(|e| constraint(e, name, &after.key))?,
            Place::Blob(blob, at) => {
                self.main.hide(sql, blob, at)?;
                self.insert_row(sql, prepared, &after.key, version, &after.row)?;
            }
        }
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
        place: Place,
    ) -> Result<Written> {
        let version = self.next_version();
        let key = before.key.clone();
        self.take_out(sql, prepared, &key, place)?;
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

impl OpenTurn {
    /// Takes a document out of where it lies; what becomes of it is the caller's to say.
    pub(crate) fn take_out(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        key: &str,
        place: Place,
    ) -> Result<()> {
        match place {
            Place::Row => {
                let delete = &prepared.table.delete;
                sql.run(delete, &[SqlValue::Text(key)], &mut |_| Ok(()))?;
                self.main.delta_changed(prepared.collection.id, 0, 1);
            }
            Place::Blob(blob, at) => self.main.hide(sql, blob, at)?,
        }
        self.touched.insert(prepared.collection.id);
        Ok(())
    }
}

pub(crate) fn keyed_row(
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

fn check_version(before: Option<&Stored>, if_version: Option<Sequence>) -> Result<()> {
    let found = before.map_or(Sequence(0), |stored| stored.document.version);
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

pub(crate) fn check_references(
    turn: &mut OpenTurn,
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
        if turn
            .main
            .stored(sql, view.prepared(target)?, key)?
            .is_none()
        {
            return Err(Error::invalid(
                "check_failed",
                format!("{target} has no document {key:?}"),
            )
            .at(&field.name));
        }
    }
    Ok(())
}

fn check_unreferenced(
    turn: &mut OpenTurn,
    sql: &dyn Sql,
    view: &View,
    collection: &str,
    key: &str,
) -> Result<()> {
    for prepared in view.collections.iter() {
        for field in &prepared.collection.fields {
            if field.check.references.as_deref() != Some(collection) {
                continue;
            }
            let (table, column) = (quoted(&prepared.collection.name), quoted(&field.name));
            let text =
                format!("SELECT _key FROM {table} WHERE {column} = ?1 ORDER BY _key LIMIT 1");
            let hot = one(sql, &text, &[SqlValue::Text(key)], |row| {
                Ok(row[0].text()?.to_owned())
            })?;
            // The first by key, wherever it is: what is said must not depend on what was folded.
            let folded = turn.main.referrer(sql, prepared, field.id, key)?;
            if let Some(holder) = hot.into_iter().chain(folded).min() {
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
        return duplicate_key(collection, key);
    }
    let columns = error
        .message()
        .rsplit_once("failed: ")
        .map_or("", |(_, columns)| columns);
    unique_violation(columns)
}

fn duplicate_key(collection: &str, key: &str) -> Error {
    let shown: String = key.chars().take(80).collect();
    let message = format!("{collection} already has a document {shown:?}");
    Error::conflict("duplicate_key", message).at("key")
}

fn unique_violation(columns: &str) -> Error {
    let message = format!("another document has the same values of the unique index: {columns}");
    Error::conflict("unique_violation", message).at(columns)
}
