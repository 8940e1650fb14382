//! Documents as Arrow columns, and back: how a blob holds a collection.
//!
//! Rows are ascending by key. The columns are `_key` (id 0), `_version`, `_extra` (CBOR of the
//! undeclared members) and every declared field that has a value in the blob, by its field id.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, FixedSizeBinaryBuilder, Float64Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use tidelog_log::{Error, FieldId, FieldType, Reader, Result, Value, put_bytes, put_varint};
use tidelog_vortex::{ColumnKind, ColumnSpec};

use crate::table::rows::encode_extra;
use crate::{Collection, Document};

/// The column of keys.
pub(crate) const KEY: u32 = 0;
/// The column of versions.
pub(crate) const VERSION: u32 = u32::MAX;
/// The column of undeclared members.
pub(crate) const EXTRA: u32 = u32::MAX - 1;

/// The columns of documents that are ascending by key.
pub(crate) fn columns_of(
    collection: &Collection,
    documents: &[Document],
) -> Result<(Vec<ColumnSpec>, Vec<ArrayRef>)> {
    let mut specs = vec![
        spec(KEY, "_key", FieldType::String),
        spec(VERSION, "_version", FieldType::Int),
    ];
    let keys = documents.iter().map(|document| Some(document.key.as_str()));
    let versions = documents.iter().map(|document| {
        let version = i64::try_from(document.version.0);
        version.map_err(|_| Error::internal("a version is too large"))
    });
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(keys.collect::<arrow_array::StringArray>()),
        Arc::new(arrow_array::Int64Array::from(
            versions.collect::<Result<Vec<i64>>>()?,
        )),
    ];
    // Fields and rows are both ascending by id: a place per row walks along.
    let mut places = vec![0_usize; documents.len()];
    for field in &collection.fields {
        let mut builder = Column::new(field.field_type, documents.len());
        for (document, place) in documents.iter().zip(&mut places) {
            match document.row.fields.get(*place) {
                Some((id, value)) if *id == field.id => {
                    builder.push(Some(value))?;
                    *place += 1;
                }
                _ => builder.push(None)?,
            }
        }
        if let Some(array) = builder.finish() {
            specs.push(spec(field.id, &field.name, field.field_type));
            arrays.push(array);
        }
    }
    let left = documents.iter().zip(&places);
    if left
        .into_iter()
        .any(|(d, place)| d.row.fields.len() > *place)
    {
        return Err(Error::internal(
            "a document has a field that its collection lacks",
        ));
    }
    if documents
        .iter()
        .any(|document| !document.row.extra.is_empty())
    {
        let mut builder = BinaryBuilder::new();
        for document in documents {
            builder.append_option(encode_extra(&document.row, u32::MAX)?);
        }
        specs.push(spec(EXTRA, "_extra", FieldType::Binary));
        arrays.push(Arc::new(builder.finish()));
    }
    Ok((specs, arrays))
}

fn spec(id: u32, name: &str, field_type: FieldType) -> ColumnSpec {
    ColumnSpec {
        id,
        name: name.to_owned(),
        kind: match field_type {
            FieldType::Json => ColumnKind::Json,
            _ => ColumnKind::Plain,
        },
    }
}

/// One declared field's values as they come.
pub(crate) struct Column {
    values: Values,
    any: bool,
}

enum Values {
    Text(StringBuilder),
    Whole(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
}

impl Column {
    pub(crate) fn new(field_type: FieldType, rows: usize) -> Self {
        let values = match field_type {
            FieldType::String | FieldType::Json => Values::Text(StringBuilder::new()),
            FieldType::Int | FieldType::BigInt => Values::Whole(Int64Builder::with_capacity(rows)),
            FieldType::Float => Values::Float(Float64Builder::with_capacity(rows)),
            FieldType::Bool => Values::Bool(BooleanBuilder::with_capacity(rows)),
            FieldType::Date => Values::Date(Date32Builder::with_capacity(rows)),
            FieldType::Timestamp => {
                let builder = TimestampMicrosecondBuilder::with_capacity(rows);
                Values::Timestamp(builder.with_timezone("UTC"))
            }
            FieldType::Binary | FieldType::Vector => Values::Bytes(BinaryBuilder::new()),
            FieldType::Uuid => {
                Values::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, UUID_BYTES))
            }
        };
        Self { values, any: false }
    }

    pub(crate) fn push(&mut self, value: Option<&Value>) -> Result<()> {
        self.any |= value.is_some();
        match (&mut self.values, value) {
            (Values::Text(b), Some(Value::Text(text) | Value::Json(text))) => b.append_value(text),
            (Values::Text(b), None) => b.append_null(),
            (Values::Whole(b), Some(Value::Int(i) | Value::BigInt(i))) => b.append_value(*i),
            (Values::Whole(b), None) => b.append_null(),
            (Values::Float(b), Some(Value::Float(f))) => b.append_value(*f),
            (Values::Float(b), None) => b.append_null(),
            (Values::Bool(b), Some(Value::Bool(v))) => b.append_value(*v),
            (Values::Bool(b), None) => b.append_null(),
            (Values::Date(b), Some(Value::Date(days))) => b.append_value(*days),
            (Values::Date(b), None) => b.append_null(),
            (Values::Timestamp(b), Some(Value::Timestamp(t))) => b.append_value(*t),
            (Values::Timestamp(b), None) => b.append_null(),
            (Values::Bytes(b), Some(Value::Binary(bytes))) => b.append_value(bytes),
            (Values::Bytes(b), Some(Value::Vector(items))) => {
                let bytes: Vec<u8> = items.iter().flat_map(|f| f.to_le_bytes()).collect();
                b.append_value(bytes);
            }
            (Values::Bytes(b), None) => b.append_null(),
            (Values::Uuid(b), Some(Value::Uuid(bytes))) => {
                let odd = |e: arrow_schema::ArrowError| Error::internal(e.to_string());
                b.append_value(bytes).map_err(odd)?;
            }
            (Values::Uuid(b), None) => b.append_null(),
            (_, Some(value)) => {
                let message = format!("a {} in a column", value.field_type().name());
                return Err(Error::internal(message));
            }
        }
        Ok(())
    }

    /// The array; none without a value.
    pub(crate) fn finish(self) -> Option<ArrayRef> {
        self.any.then(|| match self.values {
            Values::Text(mut b) => Arc::new(b.finish()) as ArrayRef,
            Values::Whole(mut b) => Arc::new(b.finish()),
            Values::Float(mut b) => Arc::new(b.finish()),
            Values::Bool(mut b) => Arc::new(b.finish()),
            Values::Date(mut b) => Arc::new(b.finish()),
            Values::Timestamp(mut b) => Arc::new(b.finish()),
            Values::Bytes(mut b) => Arc::new(b.finish()),
            Values::Uuid(mut b) => Arc::new(b.finish()),
        })
    }
}

const UUID_BYTES: i32 = 16;

/// Reads one value of a declared field; none where the column has none.
///
/// # Errors
/// `corrupt` when the column is of another type.
pub(crate) fn value_at(
    array: &dyn Array,
    at: usize,
    field_type: FieldType,
) -> Result<Option<Value>> {
    if at >= array.len() {
        return Err(Error::corrupt("a blob's column is too short"));
    }
    if array.is_null(at) {
        return Ok(None);
    }
    let value = match field_type {
        FieldType::String => text_at(array, at).map(Value::Text),
        FieldType::Json => text_at(array, at).map(Value::Json),
        FieldType::Int => whole_at(array, at).map(Value::Int),
        FieldType::BigInt => whole_at(array, at).map(Value::BigInt),
        FieldType::Float => array
            .as_primitive_opt::<Float64Type>()
            .map(|a| Value::Float(a.value(at))),
        FieldType::Bool => array.as_boolean_opt().map(|a| Value::Bool(a.value(at))),
        FieldType::Date => array
            .as_primitive_opt::<Date32Type>()
            .map(|a| Value::Date(a.value(at))),
        FieldType::Timestamp => array
            .as_primitive_opt::<TimestampMicrosecondType>()
            .map(|a| Value::Timestamp(a.value(at))),
        FieldType::Binary => bytes_at(array, at).map(|bytes| Value::Binary(bytes.to_vec())),
        FieldType::Vector => bytes_at(array, at).map(|bytes| {
            let (items, _) = bytes.as_chunks::<4>();
            Value::Vector(items.iter().map(|item| f32::from_le_bytes(*item)).collect())
        }),
        FieldType::Uuid => array
            .as_fixed_size_binary_opt()
            .and_then(|a| a.value(at).try_into().ok().map(Value::Uuid)),
    };
    value
        .map(Some)
        .ok_or_else(|| wrong_column(field_type.name()))
}

fn text_at(array: &dyn Array, at: usize) -> Option<String> {
    array.as_string_opt::<i32>().map(|a| a.value(at).to_owned())
}

fn whole_at(array: &dyn Array, at: usize) -> Option<i64> {
    array.as_primitive_opt::<Int64Type>().map(|a| a.value(at))
}

pub(crate) fn bytes_at(array: &dyn Array, at: usize) -> Option<&[u8]> {
    array.as_binary_opt::<i32>().map(|a| a.value(at))
}

/// The error of a column that is not of the type it should be.
pub(crate) fn wrong_column(wanted: &str) -> Error {
    Error::corrupt(format!("a blob's column is not {wanted}"))
}

/// The declared field that a column of a blob holds; none for the engine's own columns.
pub(crate) fn field_of(id: u32) -> Option<FieldId> {
    (!matches!(id, KEY | VERSION | EXTRA)).then_some(id)
}

/// What a blob says of the documents in it: its metadata.
///
/// `varint` version 1 · `varint` collection id · `text` name · `varint` count · per field `varint`
/// id and a byte, its type's [`type_byte`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The collection's id and name when the blob was written.
    pub(crate) collection: (u32, String),
    /// Declared fields by ascending id.
    pub(crate) fields: Vec<(FieldId, FieldType)>,
}

impl Origin {
    pub(crate) fn of(collection: &Collection, specs: &[ColumnSpec]) -> Self {
        let fields = specs.iter().filter_map(|spec| field_of(spec.id));
        let fields = fields.filter_map(|id| Some((id, collection.field_by_id(id)?.field_type)));
        Self {
            collection: (collection.id, collection.name.clone()),
            fields: fields.collect(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, ORIGIN_VERSION);
        put_varint(&mut out, u64::from(self.collection.0));
        put_bytes(&mut out, self.collection.1.as_bytes());
        put_varint(&mut out, self.fields.len() as u64);
        for (id, field_type) in &self.fields {
            put_varint(&mut out, u64::from(*id));
            out.push(type_byte(*field_type));
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        if reader.varint()? != ORIGIN_VERSION {
            return Err(Error::corrupt("a blob of an unknown origin"));
        }
        let small = |n: u64| u32::try_from(n).map_err(|_| Error::corrupt("an id is too large"));
        let collection = (small(reader.varint()?)?, reader.text()?.to_owned());
        let mut fields = Vec::new();
        for _ in 0..reader.count(2)? {
            fields.push((small(reader.varint()?)?, type_of_byte(reader.byte()?)?));
        }
        Ok(Self { collection, fields })
    }
}

const ORIGIN_VERSION: u64 = 1;

/// The persisted byte of a field type: the tag of its values in the log. Never renumber.
pub(crate) fn type_byte(field_type: FieldType) -> u8 {
    match field_type {
        FieldType::Bool => 1,
        FieldType::Int => 3,
        FieldType::BigInt => 4,
        FieldType::Float => 5,
        FieldType::String => 6,
        FieldType::Date => 7,
        FieldType::Timestamp => 8,
        FieldType::Json => 9,
        FieldType::Binary => 10,
        FieldType::Uuid => 11,
        FieldType::Vector => 12,
    }
}

pub(crate) fn type_of_byte(byte: u8) -> Result<FieldType> {
    let known = FieldType::ALL.into_iter().find(|t| type_byte(*t) == byte);
    known.ok_or_else(|| Error::corrupt(format!("unknown field type {byte}")))
}
