//! One value of a Parquet column as the Arrow array that a reader of the whole file would give.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, FixedSizeBinaryArray, Float64Array,
    Int32Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
};
use parquet::basic::{LogicalType, Type};
use parquet::schema::types::ColumnDescriptor;
use tidelog_log::{Error, Result};

use crate::foreign;
use crate::page_values::Raw;

/// The array of a value, or of null.
///
/// # Errors
/// `corrupt` when the column's type is none that a changes table has, or a text is no UTF-8.
pub(crate) fn array_of_one(
    column: &ColumnDescriptor,
    values: Option<&[Raw<'_>]>,
) -> Result<ArrayRef> {
    if column.max_rep_level() > 0 {
        return Ok(Arc::new(list(values)?));
    }
    let bits = || {
        first(values, |raw| match raw {
            Raw::Bits(bits) => Some(bits.cast_signed()),
            Raw::Bytes(_) => None,
        })
    };
    let bytes = || {
        first(values, |raw| match raw {
            Raw::Bytes(bytes) => Some(bytes),
            Raw::Bits(_) => None,
        })
    };
    let short = || -> Result<Option<i32>> {
        let short = bits()?.map(i32::try_from).transpose();
        short.map_err(|_| other_type())
    };
    let logical = column.logical_type_ref();
    Ok(match (column.physical_type(), logical) {
        (Type::BOOLEAN, _) => Arc::new(BooleanArray::from(vec![bits()?.map(|bit| bit != 0)])),
        (Type::INT32, Some(LogicalType::Date)) => Arc::new(Date32Array::from(vec![short()?])),
        (Type::INT32, _) => Arc::new(Int32Array::from(vec![short()?])),
        (Type::INT64, Some(LogicalType::Timestamp { .. })) => {
            Arc::new(TimestampMicrosecondArray::from(vec![bits()?]))
        }
        (Type::INT64, _) => Arc::new(Int64Array::from(vec![bits()?])),
        (Type::DOUBLE, _) => {
            let float = bits()?.map(|bits| f64::from_bits(bits.cast_unsigned()));
            Arc::new(Float64Array::from(vec![float]))
        }
        (Type::BYTE_ARRAY, Some(LogicalType::String)) => {
            let text = bytes()?.map(str::from_utf8).transpose();
            let text = text.map_err(|_| Error::corrupt("a text that is not UTF-8"))?;
            Arc::new(StringArray::from(vec![text]))
        }
        (Type::BYTE_ARRAY, _) => Arc::new(BinaryArray::from_opt_vec(vec![bytes()?])),
        (Type::FIXED_LEN_BYTE_ARRAY, _) => {
            let one = std::iter::once(bytes()?);
            let length = column.type_length();
            let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(one, length);
            Arc::new(array.map_err(foreign::arrow)?)
        }
        _ => return Err(other_type()),
    })
}

fn list(values: Option<&[Raw<'_>]>) -> Result<ListArray> {
    let float = |raw: &Raw<'_>| match raw {
        Raw::Bits(bits) => u32::try_from(*bits).ok().map(f32::from_bits).map(Some),
        Raw::Bytes(_) => None,
    };
    let floats = values.map(|values| values.iter().map(float).collect::<Option<Vec<_>>>());
    let floats = floats.map(|floats| floats.ok_or_else(other_type));
    let one = std::iter::once(floats.transpose()?);
    Ok(ListArray::from_iter_primitive::<Float32Type, _, _>(one))
}

/// The one value of a row, if it has one.
fn first<'p, T>(
    values: Option<&[Raw<'p>]>,
    of: impl Fn(Raw<'p>) -> Option<T>,
) -> Result<Option<T>> {
    let one = values.and_then(|values| values.first());
    one.map(|raw| of(*raw).ok_or_else(other_type)).transpose()
}

fn other_type() -> Error {
    Error::corrupt("a data file with a column of another type")
}
