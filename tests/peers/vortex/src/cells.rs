//! Values one by one: rows that are compared, and columns built of values.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Builder, Float64Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder,
    UInt32Builder,
};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

/// One value of a column.
pub fn cell(array: &ArrayRef, row: usize) -> Result<Cell> {
    if array.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::Date32 => Cell::Int(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).to_owned()),
        other => bail!("cells of {other}"),
    })
}

/// One row of some columns.
pub fn cells(columns: &[ArrayRef], row: usize) -> Result<Vec<Cell>> {
    columns.iter().map(|column| cell(column, row)).collect()
}

/// Columns that grow value by value.
#[derive(Debug)]
pub struct Builders {
    schema: SchemaRef,
    columns: Vec<Builder>,
}

/// One column that grows.
#[derive(Debug)]
pub enum Builder {
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt8(UInt8Builder),
    UInt16(UInt16Builder),
    UInt32(UInt32Builder),
    Date32(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Float64(Float64Builder),
    Text(StringBuilder),
}

impl Builders {
    /// Empty columns of these types.
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let types = schema
            .fields()
            .iter()
            .map(|field| Builder::new(field.data_type()));
        let columns = types.collect::<Result<_>>()?;
        Ok(Self { schema, columns })
    }

    pub fn columns(&mut self) -> &mut [Builder] {
        &mut self.columns
    }

    pub fn finish(mut self) -> Result<RecordBatch> {
        let arrays = self.columns.iter_mut().map(Builder::finish).collect();
        Ok(RecordBatch::try_new(self.schema, arrays)?)
    }
}

impl Builder {
    pub fn new(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::UInt8 => Self::UInt8(UInt8Builder::new()),
            DataType::UInt16 => Self::UInt16(UInt16Builder::new()),
            DataType::UInt32 => Self::UInt32(UInt32Builder::new()),
            DataType::Date32 => Self::Date32(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new())
            }
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            other => bail!("columns of {other}"),
        })
    }

    pub fn null(&mut self) {
        match self {
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::UInt8(column) => column.append_null(),
            Self::UInt16(column) => column.append_null(),
            Self::UInt32(column) => column.append_null(),
            Self::Date32(column) => column.append_null(),
            Self::Timestamp(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// Appends a whole number; a column of doubles takes it as one.
    pub fn int(&mut self, value: i64) -> Result<()> {
        match self {
            Self::Int32(column) => column.append_value(value.try_into()?),
            Self::Int64(column) => column.append_value(value),
            Self::UInt8(column) => column.append_value(value.try_into()?),
            Self::UInt16(column) => column.append_value(value.try_into()?),
            Self::UInt32(column) => column.append_value(value.try_into()?),
            Self::Date32(column) => column.append_value(value.try_into()?),
            Self::Timestamp(column) => column.append_value(value),
            Self::Float64(column) => column.append_value(value as f64),
            Self::Text(_) => bail!("a number in a column of texts"),
        }
        Ok(())
    }

    pub fn float(&mut self, value: f64) -> Result<()> {
        match self {
            Self::Float64(column) => column.append_value(value),
            _ => bail!("a float in another column"),
        }
        Ok(())
    }

    pub fn text(&mut self, value: &str) -> Result<()> {
        match self {
            Self::Text(column) => column.append_value(value),
            _ => bail!("a text in another column"),
        }
        Ok(())
    }

    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int64(column) => Arc::new(column.finish()),
            Self::UInt8(column) => Arc::new(column.finish()),
            Self::UInt16(column) => Arc::new(column.finish()),
            Self::UInt32(column) => Arc::new(column.finish()),
            Self::Date32(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
            Self::Float64(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}
