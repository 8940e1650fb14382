//! The columns of a changes table: Iceberg ids, names and types, and their Arrow forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Schema as ArrowSchema, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidelog_core::{Collection, CompressionCodec, PartitionSpec};
use tidelog_log::{Error, FieldId, FieldType, Result};

use crate::limits::{COMMENT_CHARS_MAX, SYSTEM_COLUMN_ID_MIN};

/// A vector's element is column `ELEMENT_ID_BASE + field id`.
pub(crate) const ELEMENT_ID_BASE: u32 = 20_000;

/// The type of a system column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemType {
    Text,
    Long,
    Int,
    Time,
}

/// A column that every changes table has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemColumn {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    pub(crate) column_type: SystemType,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

// Persisted: an id is never given another meaning.
pub(crate) const OBJECT: u32 = 10_001;
pub(crate) const EPOCH: u32 = 10_002;
pub(crate) const SEQUENCE: u32 = 10_003;
pub(crate) const OPERATION: u32 = 10_004;
pub(crate) const KEY: u32 = 10_005;
pub(crate) const TIMESTAMP: u32 = 10_006;
pub(crate) const TURN: u32 = 10_007;
pub(crate) const SCHEMA_VERSION: u32 = 10_008;
pub(crate) const SOURCE: u32 = 10_009;
pub(crate) const CORRELATION_ID: u32 = 10_010;
pub(crate) const CAUSE: u32 = 10_011;
pub(crate) const CHANGED_FIELDS: u32 = 10_012;
pub(crate) const BEFORE: u32 = 10_013;
pub(crate) const EXTRA: u32 = 10_014;

/// The system columns, in the order of the table.
pub(crate) const SYSTEM: [SystemColumn; 14] = [
    required(OBJECT, "_object", SystemType::Text, "id of the object"),
    required(EPOCH, "_epoch", SystemType::Long, "epoch of the turn"),
    required(
        SEQUENCE,
        "_sequence",
        SystemType::Long,
        "position in the object's log, from 1",
    ),
    required(
        OPERATION,
        "_operation",
        SystemType::Text,
        "INSERT, UPDATE or DELETE",
    ),
    required(KEY, "_key", SystemType::Text, "key of the document"),
    required(
        TIMESTAMP,
        "_timestamp",
        SystemType::Time,
        "when the turn happened",
    ),
    required(
        TURN,
        "_turn",
        SystemType::Long,
        "first sequence of the turn",
    ),
    required(
        SCHEMA_VERSION,
        "_schema_version",
        SystemType::Int,
        "schema version of the turn",
    ),
    optional(SOURCE, "_source", SystemType::Text, "who asked for it"),
    optional(
        CORRELATION_ID,
        "_correlation_id",
        SystemType::Text,
        "the caller's correlation id",
    ),
    optional(
        CAUSE,
        "_cause",
        SystemType::Text,
        "why the engine itself did it",
    ),
    optional(
        CHANGED_FIELDS,
        "_changed_fields",
        SystemType::Text,
        "UPDATE: names of changed fields, a JSON list",
    ),
    optional(
        BEFORE,
        "_before",
        SystemType::Text,
        "UPDATE: old values of changed fields, a JSON object",
    ),
    optional(
        EXTRA,
        "_extra",
        SystemType::Text,
        "undeclared fields, a JSON object",
    ),
];

const fn required(
    id: u32,
    name: &'static str,
    column_type: SystemType,
    doc: &'static str,
) -> SystemColumn {
    SystemColumn {
        id,
        name,
        column_type,
        required: true,
        doc,
    }
}

const fn optional(
    id: u32,
    name: &'static str,
    column_type: SystemType,
    doc: &'static str,
) -> SystemColumn {
    SystemColumn {
        required: false,
        ..required(id, name, column_type, doc)
    }
}

/// A declared field as a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) id: FieldId,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) field_type: FieldType,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) doc: String,
}

/// What a table actor knows of its collection's schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableSchema {
    pub(crate) version: u32,
    pub(crate) collection: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) partition_by: Vec<PartitionSpec>,
    /// The bucket; empty: the host's warehouse.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) bucket: String,
    /// Put before the table's keys, after the host's own prefix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) prefix: String,
    /// How data files are compressed.
    #[serde(default)]
    pub(crate) compression_codec: CompressionCodec,
    /// Age of the oldest waiting event at which a flush is due, milliseconds; `None`: the host's.
    #[serde(default)]
    pub(crate) schedule_millis: Option<i64>,
    /// Age an event must have to be committed, milliseconds.
    #[serde(default)]
    pub(crate) min_age_millis: i64,
}

impl TableSchema {
    /// The schema of a registered collection.
    ///
    /// # Errors
    /// `field_id_too_large` for a field whose id would be a system column's.
    pub(crate) fn of(collection: &Collection, version: u32) -> Result<Self> {
        let over = |id| {
            Error::too_large(
                "field_id_too_large",
                format!("field id {id} is not below {SYSTEM_COLUMN_ID_MIN}, so it has no column"),
            )
        };
        let cold = &collection.cold;
        let mut columns = Vec::with_capacity(collection.fields.len());
        for field in &collection.fields {
            if field.id >= SYSTEM_COLUMN_ID_MIN {
                return Err(over(field.id).at(field.name.as_str()));
            }
            columns.push(Column {
                id: field.id,
                name: field.name.clone(),
                field_type: field.field_type,
                doc: field.description.chars().take(COMMENT_CHARS_MAX).collect(),
            });
        }
        Ok(Self {
            version,
            collection: collection.name.clone(),
            columns,
            partition_by: cold.partition_by.clone(),
            bucket: cold.bucket.clone(),
            prefix: cold.prefix.clone(),
            compression_codec: cold.compression_codec,
            schedule_millis: cold.schedule_millis,
            min_age_millis: cold.min_age_millis,
        })
    }

    /// The present name of a declared field.
    pub(crate) fn name_of(&self, id: FieldId) -> Option<&str> {
        let at = self.columns.binary_search_by_key(&id, |c| c.id).ok()?;
        self.columns.get(at).map(|column| column.name.as_str())
    }

    /// The Iceberg id of the column of this name, system columns included.
    pub(crate) fn column_id(&self, name: &str) -> Option<u32> {
        let declared = self.columns.iter().find(|column| column.name == name);
        let system = || SYSTEM.iter().find(|column| column.name == name);
        declared.map(|c| c.id).or_else(|| system().map(|c| c.id))
    }

    /// The columns as an Iceberg schema in JSON.
    pub(crate) fn to_iceberg(&self, schema_id: i64) -> Json {
        let system = SYSTEM.iter().map(|column| {
            json!({
                "id": column.id, "name": column.name, "required": column.required,
                "type": column.column_type.iceberg(), "doc": column.doc,
            })
        });
        let declared = self.columns.iter().map(|column| {
            let mut field = json!({
                "id": column.id, "name": column.name, "required": false,
                "type": iceberg_type(column.id, column.field_type),
            });
            if !column.doc.is_empty() {
                field["doc"] = Json::from(column.doc.as_str());
            }
            field
        });
        let fields: Vec<Json> = system.chain(declared).collect();
        json!({"type": "struct", "schema-id": schema_id, "fields": fields})
    }

    /// The highest column id in use.
    pub(crate) fn last_column_id(&self) -> u32 {
        let declared = self.columns.iter().map(|column| match column.field_type {
            FieldType::Vector => ELEMENT_ID_BASE + column.id,
            _ => column.id,
        });
        declared.chain([EXTRA]).max().unwrap_or(EXTRA)
    }

    /// The columns as an Arrow schema whose fields carry the Iceberg ids.
    pub(crate) fn to_arrow(&self) -> Arc<ArrowSchema> {
        let system = SYSTEM.iter().map(|column| {
            let data_type = column.column_type.arrow();
            with_id(
                ArrowField::new(column.name, data_type, !column.required),
                column.id,
            )
        });
        let declared = self.columns.iter().map(|column| {
            let data_type = arrow_type(column.id, column.field_type);
            with_id(ArrowField::new(&column.name, data_type, true), column.id)
        });
        Arc::new(ArrowSchema::new(system.chain(declared).collect::<Vec<_>>()))
    }

    /// The types of declared fields by id, which the Iceberg types do not tell apart.
    pub(crate) fn types(&self) -> BTreeMap<FieldId, FieldType> {
        let types = self
            .columns
            .iter()
            .map(|column| (column.id, column.field_type));
        types.collect()
    }
}

impl SystemType {
    fn iceberg(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Long => "long",
            Self::Int => "int",
            Self::Time => "timestamptz",
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Long => DataType::Int64,
            Self::Int => DataType::Int32,
            Self::Time => timestamp(),
        }
    }
}

/// Microseconds in UTC.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

/// The Arrow field of a vector's element.
pub(crate) fn element(id: FieldId) -> ArrowField {
    let field = ArrowField::new("element", DataType::Float32, false);
    with_id(field, ELEMENT_ID_BASE + id)
}

fn with_id(field: ArrowField, id: u32) -> ArrowField {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string());
    field.with_metadata([id].into())
}

fn iceberg_type(id: FieldId, field_type: FieldType) -> Json {
    Json::from(match field_type {
        FieldType::String | FieldType::Json => "string",
        FieldType::Int | FieldType::BigInt => "long",
        FieldType::Float => "double",
        FieldType::Bool => "boolean",
        FieldType::Date => "date",
        FieldType::Timestamp => "timestamptz",
        FieldType::Binary => "binary",
        FieldType::Uuid => "uuid",
        FieldType::Vector => {
            return json!({
                "type": "list", "element-id": ELEMENT_ID_BASE + id, "element": "float",
                "element-required": true,
            });
        }
    })
}

fn arrow_type(id: FieldId, field_type: FieldType) -> DataType {
    match field_type {
        FieldType::String | FieldType::Json => DataType::Utf8,
        FieldType::Int | FieldType::BigInt => DataType::Int64,
        FieldType::Float => DataType::Float64,
        FieldType::Bool => DataType::Boolean,
        FieldType::Date => DataType::Date32,
        FieldType::Timestamp => timestamp(),
        FieldType::Binary => DataType::LargeBinary,
        FieldType::Uuid => DataType::FixedSizeBinary(16),
        FieldType::Vector => DataType::List(Arc::new(element(id))),
    }
}
