//! Reading a changes table back, for verification and tests.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::RowGroupMetaData;
use serde_json::{Map, Value as Json};
use tidelog_log::{Epoch, Error, FieldId, FieldType, Operation, Result, Row, Sequence, Value};

use crate::columns::{
    BEFORE, CAUSE, CHANGED_FIELDS, CORRELATION_ID, EPOCH, EXTRA, KEY, OBJECT, OPERATION,
    SCHEMA_VERSION, SEQUENCE, SOURCE, TIMESTAMP, TURN,
};
use crate::parquet_parts::{Probe, group_may_hold};
use crate::snapshot_files::SnapshotFiles;
use crate::{BlobStore, DataFileRef, foreign};

/// The data files of one Iceberg snapshot of a changes table, and what is in them.
#[derive(Clone, Debug)]
pub struct ChangesScan {
    pub(crate) files: Vec<DataFileRef>,
    pub(crate) types: BTreeMap<FieldId, FieldType>,
}

/// One change as the table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// The object's id.
    pub object: String,
    /// The epoch it happened in.
    pub epoch: Epoch,
    /// Its position in the object's log.
    pub sequence: Sequence,
    /// What happened.
    pub operation: Operation,
    /// The document's key.
    pub key: String,
    /// When, milliseconds since 1970.
    pub timestamp: i64,
    /// The first sequence of its turn.
    pub turn: Sequence,
    /// The schema version of its turn.
    pub schema_version: u32,
    /// Who asked for it; empty when not said.
    pub source: String,
    /// The caller's correlation id; empty when not said.
    pub correlation_id: String,
    /// Why the engine itself did it; empty for a caller's turn.
    pub cause: String,
    /// For UPDATE, the names of changed fields as they were when it was written.
    pub changed_fields: Vec<String>,
    /// For UPDATE, the old values of changed fields by name; absent ones are not in it.
    pub before: Option<Map<String, Json>>,
    /// The document after; before, for DELETE.
    pub row: Row,
}

impl ChangesScan {
    /// Opens the current snapshot of the table with this metadata.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when the metadata or a manifest is.
    pub async fn open<B: BlobStore>(blobs: &B, metadata_json: &str) -> Result<Self> {
        SnapshotFiles::read(blobs, metadata_json)
            .await?
            .scan(blobs, |_| true)
            .await
    }

    /// The data files, by key.
    pub fn files(&self) -> &[DataFileRef] {
        &self.files
    }

    /// The rows of file `index`, or those of one object in it, in the order of the file: by
    /// object and sequence.
    pub async fn read<B: BlobStore>(
        &self,
        blobs: &B,
        index: usize,
        object: Option<&str>,
    ) -> Result<Vec<ChangeRow>> {
        let file = self.files.get(index);
        let file = file.ok_or_else(|| Error::internal(format!("no file {index} in the scan")))?;
        if object.is_some_and(|object| !file.may_hold(object)) {
            return Ok(Vec::new());
        }
        let body = blobs.get(&file.key, None).await?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(body).map_err(foreign::parquet)?;
        let probe = object.map(|object| Probe::Text(object.to_owned()));
        let may_hold = |group: &RowGroupMetaData| {
            let probe = probe.as_ref();
            probe.is_none_or(|probe| group_may_hold(group, OBJECT, probe))
        };
        let groups = (0_usize..).zip(reader.metadata().row_groups());
        let groups = groups.filter(|(_, group)| may_hold(group));
        let groups = groups.map(|(at, _)| at).collect();
        let reader = reader.with_row_groups(groups).with_batch_size(8_192);
        let mut rows = Vec::new();
        for batch in reader.build().map_err(foreign::parquet)? {
            self.read_batch(&batch.map_err(foreign::arrow)?, object, &mut rows)?;
        }
        Ok(rows)
    }

    fn read_batch(
        &self,
        batch: &RecordBatch,
        object: Option<&str>,
        out: &mut Vec<ChangeRow>,
    ) -> Result<()> {
        let columns = Columns::of(batch);
        let objects = columns.text(OBJECT)?;
        for at in 0..batch.num_rows() {
            if object.is_none_or(|object| objects.value(at) == object) {
                out.push(self.read_row(&columns, at)?);
            }
        }
        Ok(())
    }

    pub(crate) fn read_row(&self, columns: &Columns, at: usize) -> Result<ChangeRow> {
        let mut row = Row::default();
        for (id, column) in &columns.by_id {
            if let Some(field_type) = self.types.get(id)
                && let Some(value) = value_at(column, at, *field_type)?
            {
                row.fields.push((*id, value));
            }
        }
        if let Some(extra) = columns.json(EXTRA, at)? {
            row.extra = extra.into_iter().collect();
        }
        let names = columns.optional(CHANGED_FIELDS, at)?;
        let names = names.map(|names| serde_json::from_str(&names).map_err(foreign::json));
        let label = |id| Ok::<_, Error>(columns.optional(id, at)?.unwrap_or_default());
        Ok(ChangeRow {
            object: label(OBJECT)?,
            epoch: Epoch(columns.long(EPOCH, at)?),
            sequence: Sequence(columns.long(SEQUENCE, at)?),
            operation: label(OPERATION)?.parse()?,
            key: label(KEY)?,
            timestamp: micros_at(columns.get(TIMESTAMP)?, at)?.unwrap_or(0) / 1_000,
            turn: Sequence(columns.long(TURN, at)?),
            schema_version: columns
                .get(SCHEMA_VERSION)?
                .as_primitive_opt::<Int32Type>()
                .ok_or_else(wrong_type)?
                .value(at)
                .cast_unsigned(),
            source: label(SOURCE)?,
            correlation_id: label(CORRELATION_ID)?,
            cause: label(CAUSE)?,
            changed_fields: names.transpose()?.unwrap_or_default(),
            before: columns.json(BEFORE, at)?,
            row,
        })
    }
}

/// The columns of a batch by Iceberg id; names may have changed since it was written.
pub(crate) struct Columns {
    by_id: BTreeMap<u32, ArrayRef>,
}

impl Columns {
    pub(crate) fn of(batch: &RecordBatch) -> Self {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let by_id = columns.filter_map(|(field, column)| {
            let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY)?;
            Some((id.parse().ok()?, column.clone()))
        });
        Self {
            by_id: by_id.collect(),
        }
    }

    fn get(&self, id: u32) -> Result<&ArrayRef> {
        let column = self.by_id.get(&id);
        column.ok_or_else(|| Error::corrupt(format!("a data file without column {id}")))
    }

    /// The Iceberg ids of the columns.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.by_id.keys().copied()
    }

    /// Of one row, by Iceberg id.
    pub(crate) fn of_row(columns: Vec<(u32, ArrayRef)>) -> Self {
        Self {
            by_id: columns.into_iter().collect(),
        }
    }

    pub(crate) fn text(&self, id: u32) -> Result<&arrow_array::StringArray> {
        self.get(id)?.as_string_opt::<i32>().ok_or_else(wrong_type)
    }

    fn optional(&self, id: u32, at: usize) -> Result<Option<String>> {
        let column = self.text(id)?;
        Ok(column.is_valid(at).then(|| column.value(at).to_owned()))
    }

    fn json(&self, id: u32, at: usize) -> Result<Option<Map<String, Json>>> {
        let text = self.optional(id, at)?;
        let json = text.map(|text| serde_json::from_str(&text).map_err(foreign::json));
        json.transpose()
    }

    pub(crate) fn long(&self, id: u32, at: usize) -> Result<u64> {
        let column = self.get(id)?.as_primitive_opt::<Int64Type>();
        Ok(column.ok_or_else(wrong_type)?.value(at).cast_unsigned())
    }
}

fn micros_at(column: &ArrayRef, at: usize) -> Result<Option<i64>> {
    let column = column.as_primitive_opt::<TimestampMicrosecondType>();
    let column = column.ok_or_else(wrong_type)?;
    Ok(column.is_valid(at).then(|| column.value(at)))
}

fn value_at(column: &ArrayRef, at: usize, field_type: FieldType) -> Result<Option<Value>> {
    if column.is_null(at) {
        return Ok(None);
    }
    let long = || column.as_primitive_opt::<Int64Type>().map(|c| c.value(at));
    let text = || {
        column
            .as_string_opt::<i32>()
            .map(|c| c.value(at).to_owned())
    };
    let value = match field_type {
        FieldType::String => text().map(Value::Text),
        FieldType::Json => text().map(Value::Json),
        FieldType::Int => long().map(Value::Int),
        FieldType::BigInt => long().map(Value::BigInt),
        FieldType::Float => {
            let column = column.as_primitive_opt::<Float64Type>();
            column.map(|c| Value::Float(c.value(at)))
        }
        FieldType::Bool => column.as_boolean_opt().map(|c| Value::Bool(c.value(at))),
        FieldType::Date => {
            let column = column.as_primitive_opt::<Date32Type>();
            column.map(|c| Value::Date(c.value(at)))
        }
        FieldType::Timestamp => micros_at(column, at)?.map(Value::Timestamp),
        FieldType::Binary => {
            let column = column.as_binary_opt::<i32>();
            column.map(|c| Value::Binary(c.value(at).to_vec()))
        }
        FieldType::Uuid => {
            let bytes = column.as_fixed_size_binary_opt().map(|c| c.value(at));
            bytes
                .and_then(|bytes| bytes.try_into().ok())
                .map(Value::Uuid)
        }
        FieldType::Vector => column.as_list_opt::<i32>().and_then(|lists| {
            let items = lists.value(at);
            let items = items.as_primitive_opt::<Float32Type>()?;
            Some(Value::Vector(items.values().to_vec()))
        }),
    };
    value.map(Some).ok_or_else(wrong_type)
}

fn wrong_type() -> Error {
    Error::corrupt("a column of a data file has another type than the table")
}
