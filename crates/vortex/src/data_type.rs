//! The Arrow types a blob can hold: their tags in the index, and the shape their values have in pages.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};

use crate::scalar::ScalarKind;
use crate::wire::{Reader, put_bytes, put_varint};
use crate::{ColumnKind, Error, Result, limits};

/// What values are in a page, whatever their type means. One code path each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One bit each.
    Bits,
    /// Numbers of 1, 2, 4 or 8 bytes; floats are their bits.
    Words { bytes: usize, is_float: bool },
    /// Byte strings, each of its own length.
    Bytes,
    /// Byte strings, all of one length.
    Fixed(usize),
    /// Lists, each of its own length.
    Lists(Box<Self>),
    /// Lists, all of one length.
    FixedLists(usize, Box<Self>),
}

impl Shape {
    /// Bytes that a slot takes in memory, valid or null; bits count as one.
    pub(crate) fn slot_bytes(&self) -> usize {
        match self {
            Self::Bits => 1,
            Self::Words { bytes, .. } => (*bytes).max(4),
            Self::Bytes | Self::Lists(_) => 4,
            Self::Fixed(width) => *width,
            Self::FixedLists(width, element) => width.saturating_mul(element.slot_bytes()),
        }
    }
}

/// Lengths, codes and counts inside a page.
pub(crate) const COUNTS: Shape = Shape::Words {
    bytes: 4,
    is_float: false,
};

/// The whole numbers that decimals are made of.
pub(crate) const NUMBERS: Shape = Shape::Words {
    bytes: 8,
    is_float: false,
};

const BOOLEAN: u8 = 1;
const INT8: u8 = 2;
const INT16: u8 = 3;
const INT32: u8 = 4;
const INT64: u8 = 5;
const UINT8: u8 = 6;
const UINT16: u8 = 7;
const UINT32: u8 = 8;
const UINT64: u8 = 9;
const FLOAT32: u8 = 10;
const FLOAT64: u8 = 11;
const UTF8: u8 = 12;
const BINARY: u8 = 13;
const FIXED_SIZE_BINARY: u8 = 14;
const DATE32: u8 = 15;
const TIMESTAMP: u8 = 16;
const LIST: u8 = 17;
const FIXED_SIZE_LIST: u8 = 18;

/// Checks that a column of this kind may have this type.
pub(crate) fn check(kind: ColumnKind, data_type: &DataType) -> Result<()> {
    if kind == ColumnKind::Json && *data_type != DataType::Utf8 {
        return Err(Error::invalid(format!("JSON is Utf8, not {data_type}")));
    }
    encode(data_type, &mut Vec::new())
}

/// Appends a type's tag and parameters.
pub(crate) fn encode(data_type: &DataType, out: &mut Vec<u8>) -> Result<()> {
    let tag = match data_type {
        DataType::Boolean => BOOLEAN,
        DataType::Int8 => INT8,
        DataType::Int16 => INT16,
        DataType::Int32 => INT32,
        DataType::Int64 => INT64,
        DataType::UInt8 => UINT8,
        DataType::UInt16 => UINT16,
        DataType::UInt32 => UINT32,
        DataType::UInt64 => UINT64,
        DataType::Float32 => FLOAT32,
        DataType::Float64 => FLOAT64,
        DataType::Utf8 => UTF8,
        DataType::Binary => BINARY,
        DataType::FixedSizeBinary(_) => FIXED_SIZE_BINARY,
        DataType::Date32 => DATE32,
        DataType::Timestamp(..) => TIMESTAMP,
        DataType::List(item) if is_element(item) => LIST,
        DataType::FixedSizeList(item, _) if is_element(item) => FIXED_SIZE_LIST,
        other => {
            return Err(Error::invalid(format!(
                "columns of {other} are not supported"
            )));
        }
    };
    out.push(tag);
    match data_type {
        DataType::FixedSizeBinary(width) => put_width(*width, out),
        DataType::Timestamp(unit, zone) => {
            put_zone(*unit, zone.as_deref(), out);
            Ok(())
        }
        DataType::List(item) => {
            put_element(item, out);
            Ok(())
        }
        DataType::FixedSizeList(item, width) => {
            put_element(item, out);
            put_width(*width, out)
        }
        _ => Ok(()),
    }
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(reader: &mut Reader) -> Result<DataType> {
    Ok(match reader.u8()? {
        BOOLEAN => DataType::Boolean,
        INT8 => DataType::Int8,
        INT16 => DataType::Int16,
        INT32 => DataType::Int32,
        INT64 => DataType::Int64,
        UINT8 => DataType::UInt8,
        UINT16 => DataType::UInt16,
        UINT32 => DataType::UInt32,
        UINT64 => DataType::UInt64,
        FLOAT32 => DataType::Float32,
        FLOAT64 => DataType::Float64,
        UTF8 => DataType::Utf8,
        BINARY => DataType::Binary,
        FIXED_SIZE_BINARY => DataType::FixedSizeBinary(width(reader)?),
        DATE32 => DataType::Date32,
        TIMESTAMP => zone(reader)?,
        LIST => DataType::List(element(reader)?),
        FIXED_SIZE_LIST => {
            let item = element(reader)?;
            DataType::FixedSizeList(item, width(reader)?)
        }
        tag => return Err(Error::unsupported(format!("a column of type {tag}"))),
    })
}

fn put_width(width: i32, out: &mut Vec<u8>) -> Result<()> {
    match usize::try_from(width) {
        Ok(width) if (1..=limits::WIDTH_MAX).contains(&width) => {
            put_varint(out, width as u64);
            Ok(())
        }
        _ => Err(Error::invalid(format!("a fixed size of {width}"))),
    }
}

fn width(reader: &mut Reader) -> Result<i32> {
    let width = reader.count(limits::WIDTH_MAX, "elements of a fixed size")?;
    match i32::try_from(width) {
        Ok(width) if width > 0 => Ok(width),
        _ => Err(Error::corrupt(format!("a fixed size of {width}"))),
    }
}

fn put_zone(unit: TimeUnit, zone: Option<&str>, out: &mut Vec<u8>) {
    out.push(match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    });
    out.push(u8::from(zone.is_some()));
    if let Some(zone) = zone {
        put_bytes(out, zone.as_bytes());
    }
}

fn zone(reader: &mut Reader) -> Result<DataType> {
    let unit = match reader.u8()? {
        0 => TimeUnit::Second,
        1 => TimeUnit::Millisecond,
        2 => TimeUnit::Microsecond,
        3 => TimeUnit::Nanosecond,
        unit => return Err(Error::unsupported(format!("time unit {unit}"))),
    };
    let zone = match reader.u8()? {
        0 => None,
        1 => Some(reader.text(limits::NAME_BYTES_MAX)?.into()),
        _ => return Err(Error::corrupt("a time zone is there or not")),
    };
    Ok(DataType::Timestamp(unit, zone))
}

/// Elements of lists are 32-bit floats: vectors. Their field's name comes back too.
fn is_element(item: &Field) -> bool {
    *item.data_type() == DataType::Float32 && item.metadata().is_empty()
}

fn put_element(item: &Field, out: &mut Vec<u8>) {
    out.push(FLOAT32);
    out.push(u8::from(item.is_nullable()));
    put_bytes(out, item.name().as_bytes());
}

fn element(reader: &mut Reader) -> Result<Arc<Field>> {
    let (tag, nullable) = (reader.u8()?, reader.u8()?);
    if tag != FLOAT32 {
        return Err(Error::unsupported(format!("a list of type {tag}")));
    }
    if nullable > 1 {
        return Err(Error::corrupt("elements are nullable or not"));
    }
    let name = reader.text(limits::NAME_BYTES_MAX)?;
    Ok(Arc::new(Field::new(name, DataType::Float32, nullable == 1)))
}

/// The shape of a type's values.
pub(crate) fn shape(data_type: &DataType) -> Result<Shape> {
    let words = |bytes, is_float| Shape::Words { bytes, is_float };
    let size = |width: i32| usize::try_from(width).map_err(|_| Error::invalid("a negative size"));
    Ok(match data_type {
        DataType::Boolean => Shape::Bits,
        DataType::Int8 | DataType::UInt8 => words(1, false),
        DataType::Int16 | DataType::UInt16 => words(2, false),
        DataType::Int32 | DataType::UInt32 | DataType::Date32 => words(4, false),
        DataType::Int64 | DataType::UInt64 | DataType::Timestamp(..) => words(8, false),
        DataType::Float32 => words(4, true),
        DataType::Float64 => words(8, true),
        DataType::Utf8 | DataType::Binary => Shape::Bytes,
        DataType::FixedSizeBinary(width) => Shape::Fixed(size(*width)?),
        DataType::List(item) => Shape::Lists(Box::new(shape(item.data_type())?)),
        DataType::FixedSizeList(item, width) => {
            Shape::FixedLists(size(*width)?, Box::new(shape(item.data_type())?))
        }
        other => return Err(Error::unsupported(format!("columns of {other}"))),
    })
}

/// Which bounds pages of such a column have.
pub(crate) fn bounds_kind(kind: ColumnKind, data_type: &DataType) -> ScalarKind {
    match data_type {
        _ if kind == ColumnKind::Json => ScalarKind::None,
        DataType::Boolean => ScalarKind::Bool,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            ScalarKind::UInt
        }
        DataType::Float32 | DataType::Float64 => ScalarKind::Float,
        DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) => ScalarKind::Bytes,
        DataType::List(_) | DataType::FixedSizeList(..) => ScalarKind::None,
        _ => ScalarKind::Int,
    }
}
