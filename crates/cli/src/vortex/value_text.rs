//! Values of pages as text: what a cell of CSV or a member of a JSON line says.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::DateTime;

use crate::failure::{Failure, Result};

/// One page of one column, value by value.
pub(super) struct ValueText<'a> {
    array: &'a ArrayRef,
    /// Appends the value of a row that is not null.
    append: fn(&ArrayRef, usize, &mut String),
    /// Whether JSON has quotes around it.
    is_quoted: bool,
}

impl<'a> ValueText<'a> {
    /// # Errors
    /// `vortex_unsupported` for a type that has no text.
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self> {
        let (append, is_quoted): (fn(&ArrayRef, usize, &mut String), bool) = match array.data_type()
        {
            DataType::Boolean => (boolean, false),
            DataType::Int8 => (number::<Int8Type>, false),
            DataType::Int16 => (number::<Int16Type>, false),
            DataType::Int32 => (number::<Int32Type>, false),
            DataType::Int64 => (number::<Int64Type>, false),
            DataType::UInt8 => (number::<UInt8Type>, false),
            DataType::UInt16 => (number::<UInt16Type>, false),
            DataType::UInt32 => (number::<UInt32Type>, false),
            DataType::UInt64 => (number::<UInt64Type>, false),
            DataType::Float32 => (float::<Float32Type>, false),
            DataType::Float64 => (float::<Float64Type>, false),
            DataType::Utf8 => (text, true),
            DataType::Binary => (binary, true),
            DataType::FixedSizeBinary(_) => (fixed_binary, true),
            DataType::Date32 => (date, true),
            DataType::Timestamp(..) => (time, true),
            DataType::List(_) | DataType::FixedSizeList(..) => (list, false),
            other => {
                let message = format!("vortex_unsupported: columns of {other} as text");
                return Err(Failure::failed(message));
            }
        };
        Ok(Self {
            array,
            append,
            is_quoted,
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    /// Appends a value as it is; nothing for a null.
    pub(super) fn append_plain(&self, row: usize, out: &mut String) {
        if !self.is_null(row) {
            (self.append)(self.array, row, out);
        }
    }

    /// Appends a value that is not null as JSON; false for a float that JSON does not have.
    pub(super) fn append_json(&self, row: usize, scratch: &mut String, out: &mut String) -> bool {
        scratch.clear();
        (self.append)(self.array, row, scratch);
        if self.is_quoted {
            append_quoted(scratch, out);
            return true;
        }
        out.push_str(scratch);
        // `NaN`, `inf`, `-inf`, alone or in a list.
        !scratch.contains("NaN") && !scratch.contains("inf")
    }
}

/// Appends a text as a JSON string.
pub(super) fn append_quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn boolean(array: &ArrayRef, row: usize, out: &mut String) {
    out.push_str(if array.as_boolean().value(row) {
        "true"
    } else {
        "false"
    });
}

fn number<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize, out: &mut String)
where
    T::Native: std::fmt::Display,
{
    show(out, array.as_primitive::<T>().value(row));
}

/// The shortest digits that read back as the same float, with a point: `1.0`, `1e300`.
fn float<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize, out: &mut String)
where
    T::Native: std::fmt::Debug,
{
    show_debug(out, array.as_primitive::<T>().value(row));
}

fn text(array: &ArrayRef, row: usize, out: &mut String) {
    out.push_str(array.as_string::<i32>().value(row));
}

fn binary(array: &ArrayRef, row: usize, out: &mut String) {
    hex(array.as_binary::<i32>().value(row), out);
}

fn fixed_binary(array: &ArrayRef, row: usize, out: &mut String) {
    hex(array.as_fixed_size_binary().value(row), out);
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        show(out, format_args!("{byte:02x}"));
    }
}

fn date(array: &ArrayRef, row: usize, out: &mut String) {
    let days = array.as_primitive::<Date32Type>().value(row);
    let seconds = i64::from(days) * 86_400;
    match DateTime::from_timestamp(seconds, 0) {
        Some(time) => show(out, time.date_naive()),
        None => show(out, days),
    }
}

/// RFC 3339; `Z` if the column has a zone, because what it holds are instants.
fn time(array: &ArrayRef, row: usize, out: &mut String) {
    let DataType::Timestamp(unit, zone) = array.data_type() else {
        return;
    };
    let (value, time) = match unit {
        TimeUnit::Second => {
            let value = array.as_primitive::<TimestampSecondType>().value(row);
            (value, DateTime::from_timestamp(value, 0))
        }
        TimeUnit::Millisecond => {
            let value = array.as_primitive::<TimestampMillisecondType>().value(row);
            (value, DateTime::from_timestamp_millis(value))
        }
        TimeUnit::Microsecond => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (value, DateTime::from_timestamp_micros(value))
        }
        TimeUnit::Nanosecond => {
            let value = array.as_primitive::<TimestampNanosecondType>().value(row);
            (value, Some(DateTime::from_timestamp_nanos(value)))
        }
    };
    match time {
        Some(time) => show(out, time.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f")),
        // Beyond the years that have names.
        None => show(out, value),
    }
    out.push_str(if zone.is_some() { "Z" } else { "" });
}

/// A JSON array of numbers.
fn list(array: &ArrayRef, row: usize, out: &mut String) {
    let values = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        _ => array.as_fixed_size_list().value(row),
    };
    let values: &PrimitiveArray<Float32Type> = values.as_primitive();
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        match value {
            Some(value) => show_debug(out, value),
            None => out.push_str("null"),
        }
    }
    out.push(']');
}

fn show(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    write!(out, "{value}").unwrap_or_default();
}

fn show_debug(out: &mut String, value: impl std::fmt::Debug) {
    write!(out, "{value:?}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        Date32Array, FixedSizeBinaryArray, Float64Array, Int8Array, TimestampMillisecondArray,
    };
    use std::sync::Arc;

    fn plain(array: ArrayRef) -> Vec<String> {
        let column = ValueText::new(&array).unwrap();
        let text = |row| {
            let mut out = String::new();
            column.append_plain(row, &mut out);
            out
        };
        (0..array.len()).map(text).collect()
    }

    #[test]
    fn values_read_as_they_are_written_elsewhere() {
        let floats = Float64Array::from(vec![Some(1.0), None, Some(-0.0), Some(1e300)]);
        assert_eq!(plain(Arc::new(floats)), ["1.0", "", "-0.0", "1e300"]);
        assert_eq!(plain(Arc::new(Int8Array::from(vec![-8]))), ["-8"]);
        assert_eq!(
            plain(Arc::new(Date32Array::from(vec![-1, 0]))),
            ["1969-12-31", "1970-01-01"]
        );
        let times = TimestampMillisecondArray::from(vec![500, 1_000]);
        let times = times.slice(1, 1).with_timezone("UTC");
        assert_eq!(plain(Arc::new(times)), ["1970-01-01T00:00:01Z"]);
        let bytes = FixedSizeBinaryArray::try_from_iter([[1_u8, 0xab]].iter()).unwrap();
        assert_eq!(plain(Arc::new(bytes)), ["01ab"]);
    }

    #[test]
    fn what_json_has_not_is_not_written_as_json() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::INFINITY]));
        let column = ValueText::new(&floats).unwrap();
        let json = |row| column.append_json(row, &mut String::new(), &mut String::new());
        assert_eq!([json(0), json(1), json(2)], [true, false, false]);
    }
}
