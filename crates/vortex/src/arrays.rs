//! Arrow arrays to values and back.

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray,
    ListArray, StringArray, make_array, new_empty_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;
use arrow_select::filter::filter;
use std::sync::Arc;

use crate::data_type::{Shape, shape};
use crate::values::{Slots, Values};
use crate::{Error, Result};

/// The values of an array that are not null, and which they are (`None`: all of them).
pub(crate) fn dense(array: &ArrayRef) -> Result<(Option<BooleanBuffer>, Values)> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let Some(nulls) = nulls else {
        return Ok((None, values_of(array)?));
    };
    let valid = nulls.inner().clone();
    let kept = filter(array, &BooleanArray::new(valid.clone(), None)).map_err(odd_array)?;
    Ok((Some(valid), values_of(&kept)?))
}

/// The values of an array without nulls.
fn values_of(array: &ArrayRef) -> Result<Values> {
    Ok(match shape(array.data_type())? {
        Shape::Bits => Values::Bits(array.as_boolean().values().clone()),
        Shape::Words { .. } => words_of(&array.to_data()),
        Shape::Bytes => bytes_of(array),
        Shape::Fixed(width) => Values::Fixed {
            width,
            data: fixed_of(array.as_fixed_size_binary(), width),
        },
        Shape::Lists(_) => {
            let lists = array.as_list::<i32>();
            let offsets = lists.value_offsets();
            let (first, last) = (offsets[0], offsets[lists.len()]);
            let elements = lists
                .values()
                .slice(to_usize(first), to_usize(last - first));
            Values::Lists {
                offsets: offsets.iter().map(|offset| offset - first).collect(),
                elements: Box::new(slots_of(&elements)?),
            }
        }
        Shape::FixedLists(width, _) => {
            let elements = array.as_fixed_size_list().values();
            Values::FixedLists {
                width,
                elements: Box::new(slots_of(elements)?),
            }
        }
    })
}

/// Elements of lists: those not null and where they are. Encodings take them like this, see `dense`.
fn slots_of(elements: &ArrayRef) -> Result<Slots> {
    let (valid, values) = dense(elements)?;
    Ok(Slots { valid, values })
}

/// Numbers in 64 bits, extended as their type is signed or not; floats are their bits.
fn words_of(data: &ArrayData) -> Values {
    let len = data.len();
    Values::Wide(match data.data_type() {
        DataType::Int8 => widened(&data.buffer::<i8>(0)[..len], |n| {
            i64::from(n).cast_unsigned()
        }),
        DataType::UInt8 => widened(&data.buffer::<u8>(0)[..len], u64::from),
        DataType::Int16 => widened(&data.buffer::<i16>(0)[..len], |n| {
            i64::from(n).cast_unsigned()
        }),
        DataType::UInt16 => widened(&data.buffer::<u16>(0)[..len], u64::from),
        DataType::Int32 | DataType::Date32 => widened(&data.buffer::<i32>(0)[..len], |n| {
            i64::from(n).cast_unsigned()
        }),
        DataType::UInt32 | DataType::Float32 => widened(&data.buffer::<u32>(0)[..len], u64::from),
        _ => data.buffer::<u64>(0)[..len].to_vec(),
    })
}

fn widened<T: Copy>(numbers: &[T], wide: impl Fn(T) -> u64) -> Vec<u64> {
    numbers.iter().map(|number| wide(*number)).collect()
}

fn bytes_of(array: &ArrayRef) -> Values {
    let (offsets, data) = match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            (texts.value_offsets(), texts.value_data())
        }
        _ => {
            let binaries = array.as_binary::<i32>();
            (binaries.value_offsets(), binaries.value_data())
        }
    };
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    Values::Bytes {
        offsets: offsets.iter().map(|offset| offset - first).collect(),
        data: data[to_usize(first)..to_usize(last)].to_vec(),
    }
}

fn fixed_of(array: &FixedSizeBinaryArray, width: usize) -> Vec<u8> {
    array.value_data()[..array.len() * width].to_vec()
}

/// Arrow's offsets are never negative.
fn to_usize(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// Makes the array of `len` slots. What does not fit the type is corrupt.
pub(crate) fn array_of(data_type: &DataType, slots: Slots, len: usize) -> Result<ArrayRef> {
    let nulls = slots.valid.map(NullBuffer::new);
    let array: ArrayRef = match (slots.values, data_type) {
        (Values::Bits(bits), DataType::Boolean) => Arc::new(BooleanArray::new(bits, nulls)),
        (Values::Narrow(words), _) => make_array(primitive(
            data_type,
            narrowed(words, data_type),
            nulls,
            len,
        )?),
        (Values::Wide(words), _) => make_array(primitive(data_type, words.into(), nulls, len)?),
        (Values::Bytes { offsets, data }, DataType::Utf8) => {
            let texts = StringArray::try_new(offset_buffer(offsets), data.into(), nulls);
            Arc::new(texts.map_err(odd_bytes)?)
        }
        (Values::Bytes { offsets, data }, _) => {
            let binaries = BinaryArray::try_new(offset_buffer(offsets), data.into(), nulls);
            Arc::new(binaries.map_err(odd_bytes)?)
        }
        (Values::Fixed { data, .. }, _) => {
            make_array(primitive(data_type, data.into(), nulls, len)?)
        }
        (Values::Lists { offsets, elements }, DataType::List(item)) => {
            let count = to_usize(offsets.last().copied().unwrap_or(0));
            let elements = array_of(item.data_type(), *elements, count)?;
            let lists = ListArray::try_new(item.clone(), offset_buffer(offsets), elements, nulls);
            Arc::new(lists.map_err(odd_bytes)?)
        }
        (Values::FixedLists { width, elements }, DataType::FixedSizeList(item, size)) => {
            let elements = array_of(item.data_type(), *elements, len * width)?;
            let lists = FixedSizeListArray::try_new(item.clone(), *size, elements, nulls);
            Arc::new(lists.map_err(odd_bytes)?)
        }
        _ => return Err(Error::corrupt(format!("values that are no {data_type}"))),
    };
    Ok(array)
}

/// Joins arrays of one type.
pub(crate) fn joined(data_type: &DataType, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match arrays {
        [] => Ok(new_empty_array(data_type)),
        [array] => Ok(array.clone()),
        arrays => {
            let arrays: Vec<_> = arrays.iter().map(AsRef::as_ref).collect();
            concat(&arrays).map_err(|e| Error::too_large(e.to_string()))
        }
    }
}

fn primitive(
    data_type: &DataType,
    buffer: Buffer,
    nulls: Option<NullBuffer>,
    len: usize,
) -> Result<ArrayData> {
    ArrayData::builder(data_type.clone())
        .len(len)
        .nulls(nulls)
        .add_buffer(buffer)
        .build()
        .map_err(odd_bytes)
}

/// Cuts words to the width of their type: the low bytes are the value.
fn narrowed(words: Vec<u32>, data_type: &DataType) -> Buffer {
    match data_type {
        DataType::Int8 | DataType::UInt8 => {
            words.iter().map(|word| word.to_le_bytes()[0]).collect()
        }
        DataType::Int16 | DataType::UInt16 => {
            let low =
                |word: &u32| u16::from_le_bytes([word.to_le_bytes()[0], word.to_le_bytes()[1]]);
            words.iter().map(low).collect()
        }
        _ => words.into(),
    }
}

/// Offsets made by this crate begin at 0 and never go down.
fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn odd_array(error: ArrowError) -> Error {
    Error::invalid(format!("an array Arrow refuses: {error}"))
}

fn odd_bytes(error: ArrowError) -> Error {
    Error::corrupt(format!("values Arrow refuses: {error}"))
}
