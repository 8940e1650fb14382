//! Parquet: columns out of it with their types, and pages into it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader, new_empty_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tidelog_vortex::{Column, ColumnSpec};

use super::budget::Budget;
use super::table::{Table, arrow_bytes};
use super::{invalid, unreadable};
use crate::failure::{Failure, Result};

/// Reads every column of a file; columns named in `json` hold JSON texts.
pub(super) fn read(path: &Path, json: &[String], budget: &mut Budget) -> Result<Table> {
    let wrong = |e: &dyn std::fmt::Display| invalid(format_args!("{}: {e}", path.display()));
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
    let metadata = metadata.map_err(|e| wrong(&e))?;
    let options = ArrowReaderOptions::new().with_schema(held(metadata.schema()));
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|e| wrong(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let reader = reader.build().map_err(|e| wrong(&e))?;
    let schema = reader.schema();
    let mut chunks: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    for batch in reader {
        let batch = batch.map_err(|e| wrong(&e))?;
        for (chunks, array) in chunks.iter_mut().zip(batch.columns()) {
            budget.pay(arrow_bytes(array))?;
            chunks.push(array.clone());
        }
    }
    let named = (1..).zip(schema.fields());
    let specs = named.map(|(id, field)| match json.contains(field.name()) {
        true => ColumnSpec::json(id, field.name()),
        false => ColumnSpec::plain(id, field.name()),
    });
    let whole = chunks.iter().zip(schema.fields());
    let whole = whole.map(|(chunks, field)| match &chunks[..] {
        [] => Ok(new_empty_array(field.data_type())),
        chunks => {
            let chunks: Vec<_> = chunks.iter().map(AsRef::as_ref).collect();
            concat(&chunks).map_err(|e| wrong(&e))
        }
    });
    Ok(Table {
        specs: specs.collect(),
        arrays: whole.collect::<Result<_>>()?,
    })
}

/// The schema to read in: texts and bytes in the one form that blobs hold, dictionaries as their values.
fn held(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let data_type = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let data_type = match data_type {
            DataType::LargeUtf8 | DataType::Utf8View => &DataType::Utf8,
            DataType::LargeBinary | DataType::BinaryView => &DataType::Binary,
            other => other,
        };
        Arc::new(field.as_ref().clone().with_data_type(data_type.clone()))
    };
    Arc::new(Schema::new(
        schema.fields().iter().map(field).collect::<Vec<_>>(),
    ))
}

/// Writes pages as row groups of at most 1,048,576 rows, zstd at level 3.
pub(super) struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(out: W, columns: &[Column]) -> Result<Self> {
        let field = |column: &Column| Field::new(&column.name, column.data_type.clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let level = ZstdLevel::try_new(3).map_err(failed)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties.build()));
        Ok(Self {
            writer: writer.map_err(failed)?,
            schema,
        })
    }

    /// Writes one page of every column.
    pub(super) fn write(&mut self, page: &[ArrayRef]) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), page.to_vec());
        let batch = batch.map_err(|e| Failure::failed(e.to_string()))?;
        self.writer.write(&batch).map_err(failed)
    }

    pub(super) fn finish(self) -> Result<()> {
        self.writer.close().map(drop).map_err(failed)
    }
}

fn failed(error: parquet::errors::ParquetError) -> Failure {
    Failure::failed(format!("parquet_failed: {error}"))
}
