//! `"<collection>"`: one row per document, a column per declared field.
//!
//! ```sql
//! CREATE TABLE "flights" (
//!   _key     TEXT NOT NULL PRIMARY KEY,
//!   _version INTEGER NOT NULL,     -- sequence of the document's last event
//!   "carrier" TEXT, …              -- the first 80 declared fields, by id
//!   _extra   BLOB                  -- CBOR: undeclared fields by name, further fields by id
//! ) WITHOUT ROWID
//! ```

use std::collections::BTreeMap;

use ciborium::Value as Cbor;
use tidelog_log::limits::ROW_BYTES_MAX;
use tidelog_log::{Error, FieldId, FieldType, OldValue, Result, Row, Sequence, Value};

use crate::document::row_bytes_at_least;
use crate::sql::{Sql, SqlValue, quoted};
use crate::{Collection, Field};

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its key.
    pub key: String,
    /// The sequence of its last event.
    pub version: Sequence,
    /// Its fields.
    pub row: Row,
}

/// The statements and the column order of one collection.
#[derive(Clone, Debug)]
pub struct RowTable {
    table: String,
    /// Declared fields with a column, by ascending id: name, id, type.
    columns: Vec<(String, FieldId, FieldType)>,
    /// `SELECT _key, _version, <columns>, _extra FROM "<collection>"`.
    pub select: String,
    /// `… WHERE _key = ?1`.
    pub select_one: String,
    /// Insert; arguments as [`RowTable::bind`] makes them.
    pub insert: String,
    /// Delete by key.
    pub delete: String,
    /// The table's DDL.
    pub create: String,
}

impl RowTable {
    /// Writes the statements of a collection.
    pub fn new(collection: &Collection) -> Self {
        let columns: Vec<_> = collection
            .columns()
            .map(|f| (f.name.clone(), f.id, f.field_type))
            .collect();
        let table = quoted(&collection.name);
        let names: String = columns
            .iter()
            .map(|(name, ..)| format!("{}, ", quoted(name)))
            .collect();
        let marks: Vec<String> = (1..=columns.len() + 3).map(|n| format!("?{n}")).collect();
        let marks = marks.join(", ");
        let declared: String = collection
            .columns()
            .map(|field| format!("{}, ", column_ddl(field)))
            .collect();
        let select = format!("SELECT _key, _version, {names}_extra FROM {table}");
        Self {
            select_one: format!("{select} WHERE _key = ?1"),
            select,
            insert: format!("INSERT INTO {table} (_key, _version, {names}_extra) VALUES ({marks})"),
            delete: format!("DELETE FROM {table} WHERE _key = ?1"),
            create: format!(
                "CREATE TABLE IF NOT EXISTS {table} (_key TEXT NOT NULL PRIMARY KEY, \
                 _version INTEGER NOT NULL, {declared}_extra BLOB) WITHOUT ROWID"
            ),
            table,
            columns,
        }
    }

    /// Reads a row of [`RowTable::select`].
    pub fn read(&self, row: &[SqlValue<'_>]) -> Result<Document> {
        let short = || Error::corrupt("a row has too few columns");
        let [key, version, rest @ ..] = row else {
            return Err(short());
        };
        let (extra, values) = rest.split_last().ok_or_else(short)?;
        let mut fields = Vec::with_capacity(values.len());
        for ((_, id, field_type), value) in self.columns.iter().zip(values) {
            if let Some(value) = from_sql(*field_type, *value)? {
                fields.push((*id, value));
            }
        }
        let mut document = Document {
            key: key.text()?.to_owned(),
            version: Sequence(version.unsigned()?),
            row: Row {
                fields,
                extra: BTreeMap::new(),
            },
        };
        if let Some(extra) = extra.optional() {
            decode_extra(extra.blob()?, &mut document.row)?;
        }
        Ok(document)
    }

    /// Hands the arguments of [`RowTable::insert`] to `run`.
    pub fn bind<T>(
        &self,
        key: &str,
        version: Sequence,
        row: &Row,
        run: impl FnOnce(&[SqlValue<'_>]) -> Result<T>,
    ) -> Result<T> {
        let extra = encode_extra(row, self.last_column())?;
        // Vectors and big integers change shape on their way in; the copies live here.
        let copies: Vec<(FieldId, Vec<u8>)> = row
            .fields
            .iter()
            .filter_map(|(id, value)| Some((*id, blob_form(value)?)))
            .collect();
        let mut copies = copies.iter().peekable();
        let mut fields = row.fields.iter().peekable();
        let mut args = Vec::with_capacity(self.columns.len() + 3);
        args.push(SqlValue::Text(key));
        args.push(crate::sql::int(version.0));
        // Columns, fields and copies are all ascending by id: one walk over them together.
        for (_, id, _) in &self.columns {
            while fields.next_if(|(field, _)| field < id).is_some() {}
            while copies.next_if(|(field, _)| field < id).is_some() {}
            let copy = copies.next_if(|(field, _)| field == id);
            let copy = copy.map_or(&[][..], |(_, bytes)| bytes.as_slice());
            let value = fields.next_if(|(field, _)| field == id);
            args.push(value.map_or(SqlValue::Null, |(_, value)| to_sql(value, copy)));
        }
        args.push(extra.as_deref().map_or(SqlValue::Null, SqlValue::Blob));
        check_bytes(&args)?;
        run(&args)
    }
}

impl RowTable {
    /// Writes a changed document: only the columns that differ, so that SQLite leaves the indexes
    /// of the others alone.
    pub fn update(&self, sql: &dyn Sql, document: &Document, old: &[OldValue]) -> Result<()> {
        let row = &document.row;
        if row_bytes_at_least(row) > ROW_BYTES_MAX / 8 {
            // What does not change counts too.
            self.bind(&document.key, document.version, row, |_| Ok(()))?;
        }
        let changed: Vec<&(String, FieldId, FieldType)> = self
            .columns
            .iter()
            .filter(|(_, id, _)| {
                old.iter()
                    .any(|o| matches!(o, OldValue::Field(f, _) if f == id))
            })
            .collect();
        let mut text = format!("UPDATE {} SET _version = ?2", self.table);
        let mut copies: Vec<Vec<u8>> = Vec::with_capacity(changed.len());
        for (at, (name, id, _)) in changed.iter().enumerate() {
            text.push_str(&format!(", {} = ?{}", quoted(name), at + 3));
            copies.push(row.get(*id).and_then(blob_form).unwrap_or_default());
        }
        let mut args = vec![
            SqlValue::Text(&document.key),
            crate::sql::int(document.version.0),
        ];
        for ((_, id, _), copy) in changed.iter().zip(&copies) {
            args.push(
                row.get(*id)
                    .map_or(SqlValue::Null, |value| to_sql(value, copy)),
            );
        }
        let extra;
        if changed.len() < old.len() {
            extra = encode_extra(row, self.last_column())?;
            text.push_str(&format!(", _extra = ?{}", args.len() + 1));
            args.push(extra.as_deref().map_or(SqlValue::Null, SqlValue::Blob));
        }
        text.push_str(" WHERE _key = ?1");
        sql.run(&text, &args, &mut |_| Ok(()))
    }

    fn last_column(&self) -> FieldId {
        self.columns.last().map_or(0, |(_, id, _)| *id)
    }
}

/// A field's column with its SQLite type. Nullability is the engine's to check.
/// Refuses a row that a Durable Object could not hold, on every host.
fn check_bytes(args: &[SqlValue<'_>]) -> Result<()> {
    let bytes: usize = args.iter().map(stored_bytes).sum();
    if bytes <= ROW_BYTES_MAX {
        return Ok(());
    }
    Err(Error::too_large(
        "row_too_large",
        format!("a document takes at most {ROW_BYTES_MAX} bytes as it is stored, this {bytes}"),
    ))
}

/// The most bytes that SQLite needs for a value and its type.
fn stored_bytes(value: &SqlValue<'_>) -> usize {
    match value {
        SqlValue::Null => 1,
        SqlValue::Integer(_) | SqlValue::Real(_) => 9,
        SqlValue::Text(text) => text.len() + 9,
        SqlValue::Blob(bytes) => bytes.len() + 9,
    }
}

pub(crate) fn column_ddl(field: &Field) -> String {
    let affinity = match field.field_type {
        FieldType::String | FieldType::Json => "TEXT",
        FieldType::Int | FieldType::Bool | FieldType::Date | FieldType::Timestamp => "INTEGER",
        FieldType::Float => "REAL",
        FieldType::BigInt | FieldType::Binary | FieldType::Uuid | FieldType::Vector => "BLOB",
    };
    format!("{} {affinity}", quoted(&field.name))
}

/// Bytes of values whose SQLite form is a blob; `None` for the others.
pub fn blob_form(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BigInt(i) => Some(ordered_bytes(*i).to_vec()),
        Value::Uuid(bytes) => Some(bytes.to_vec()),
        Value::Vector(items) => Some(items.iter().flat_map(|f| f.to_le_bytes()).collect()),
        _ => None,
    }
}

/// A value as it crosses the port; `blob` is its [`blob_form`].
pub fn to_sql<'a>(value: &'a Value, blob: &'a [u8]) -> SqlValue<'a> {
    match value {
        Value::Bool(b) => SqlValue::Integer(i64::from(*b)),
        Value::Int(i) | Value::Timestamp(i) => SqlValue::Integer(*i),
        Value::Date(days) => SqlValue::Integer(i64::from(*days)),
        Value::Float(f) => SqlValue::Real(*f),
        Value::Text(text) | Value::Json(text) => SqlValue::Text(text),
        Value::Binary(bytes) => SqlValue::Blob(bytes),
        Value::BigInt(_) | Value::Uuid(_) | Value::Vector(_) => SqlValue::Blob(blob),
    }
}

/// Reads a column of a declared type.
pub fn from_sql(field_type: FieldType, value: SqlValue<'_>) -> Result<Option<Value>> {
    if value == SqlValue::Null {
        return Ok(None);
    }
    let fixed = |bytes: &[u8]| Error::corrupt(format!("{} bytes in a fixed column", bytes.len()));
    Ok(Some(match field_type {
        FieldType::String => Value::Text(value.text()?.to_owned()),
        FieldType::Json => Value::Json(value.text()?.to_owned()),
        FieldType::Int => Value::Int(value.integer()?),
        FieldType::Timestamp => Value::Timestamp(value.integer()?),
        FieldType::Bool => Value::Bool(value.integer()? != 0),
        FieldType::Date => Value::Date(
            i32::try_from(value.integer()?).map_err(|_| Error::corrupt("a date is too far"))?,
        ),
        FieldType::Float => Value::Float(value.real()?),
        FieldType::Binary => Value::Binary(value.blob()?.to_vec()),
        FieldType::Uuid => {
            let bytes = value.blob()?;
            Value::Uuid(bytes.try_into().map_err(|_| fixed(bytes))?)
        }
        FieldType::BigInt => {
            let bytes = value.blob()?;
            Value::BigInt(ordered_i64(bytes.try_into().map_err(|_| fixed(bytes))?))
        }
        FieldType::Vector => {
            let bytes = value.blob()?;
            let (items, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(fixed(bytes));
            }
            Value::Vector(items.iter().map(|item| f32::from_le_bytes(*item)).collect())
        }
    }))
}

/// Eight bytes that sort as the number does.
fn ordered_bytes(i: i64) -> [u8; 8] {
    (i.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn ordered_i64(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// CBOR of what has no column: `{name: json}` for undeclared fields, `{id: bytes}` for the rest.
pub(crate) fn encode_extra(row: &Row, last_column: FieldId) -> Result<Option<Vec<u8>>> {
    let has_more = row.fields.last().is_some_and(|(id, _)| *id > last_column);
    if !has_more && row.extra.is_empty() {
        return Ok(None);
    }
    let mut members = Vec::new();
    for (id, value) in row.fields.iter().filter(|(id, _)| *id > last_column) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        members.push((Cbor::from(*id), Cbor::Bytes(bytes)));
    }
    for (name, json) in &row.extra {
        let value = Cbor::serialized(json).map_err(|e| Error::internal(e.to_string()))?;
        members.push((Cbor::Text(name.clone()), value));
    }
    let mut out = Vec::new();
    ciborium::into_writer(&Cbor::Map(members), &mut out)
        .map_err(|e| Error::internal(e.to_string()))?;
    Ok(Some(out))
}

pub(crate) fn decode_extra(bytes: &[u8], row: &mut Row) -> Result<()> {
    let odd = |what: &str| Error::corrupt(format!("_extra: {what}"));
    let map: Cbor = ciborium::from_reader(bytes).map_err(|e| odd(&e.to_string()))?;
    let Cbor::Map(members) = map else {
        return Err(odd("not a map"));
    };
    for (name, value) in members {
        match (name, value) {
            (Cbor::Text(name), value) => {
                let json = value.deserialized().map_err(|e| odd(&e.to_string()))?;
                row.extra.insert(name, json);
            }
            (Cbor::Integer(id), Cbor::Bytes(bytes)) => {
                let id = FieldId::try_from(id).map_err(|e| odd(&e.to_string()))?;
                row.set(id, Value::decode(&mut tidelog_log::Reader::new(&bytes))?);
            }
            _ => return Err(odd("an odd member")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_integers_sort_as_bytes() {
        let numbers = [i64::MIN, -5, -1, 0, 1, 7, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(ordered_bytes(pair[0]) < ordered_bytes(pair[1]));
            assert_eq!(ordered_i64(ordered_bytes(pair[0])), pair[0]);
        }
    }

    #[test]
    fn undeclared_and_overflowing_fields_round_trip() {
        let mut row = Row::default();
        row.set(81, Some(Value::BigInt(-3)));
        row.extra.insert(
            "tags".to_owned(),
            serde_json::json!({"a": [1, 2.5, null, "x"]}),
        );
        let bytes = encode_extra(&row, 80).unwrap().unwrap();
        let mut read = Row::default();
        decode_extra(&bytes, &mut read).unwrap();
        assert_eq!(read, row);
        for end in 0..bytes.len() {
            assert!(decode_extra(&bytes[..end], &mut Row::default()).is_err());
        }
    }
}
