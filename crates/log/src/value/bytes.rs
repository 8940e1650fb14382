//! A value as bytes: a tag, then what it says.

use crate::{Error, Reader, Result, Value, put_bytes, put_varint};

/// A value as it lies in the bytes that [`Value::encode`] wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// [`Value::Bool`].
    Bool(bool),
    /// [`Value::Int`].
    Int(i64),
    /// [`Value::BigInt`].
    BigInt(i64),
    /// [`Value::Float`].
    Float(f64),
    /// [`Value::Text`].
    Text(&'a str),
    /// [`Value::Date`].
    Date(i32),
    /// [`Value::Timestamp`].
    Timestamp(i64),
    /// [`Value::Json`].
    Json(&'a str),
    /// [`Value::Binary`].
    Binary(&'a [u8]),
    /// [`Value::Uuid`].
    Uuid([u8; 16]),
    /// [`Value::Vector`], each number as its four bytes, the lowest first.
    Vector(&'a [[u8; 4]]),
}

impl Value {
    /// Appends one tag byte and the payload. The tags are persisted: never renumber.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(false) => out.push(1),
            Self::Bool(true) => out.push(2),
            Self::Int(i) => put_signed(out, 3, *i),
            Self::BigInt(i) => {
                out.push(4);
                out.extend_from_slice(&i.to_le_bytes());
            }
            Self::Float(f) => {
                out.push(5);
                out.extend_from_slice(&f.to_le_bytes());
            }
            Self::Text(text) => put_tagged(out, 6, text.as_bytes()),
            Self::Date(days) => put_signed(out, 7, i64::from(*days)),
            Self::Timestamp(micros) => put_signed(out, 8, *micros),
            Self::Json(text) => put_tagged(out, 9, text.as_bytes()),
            Self::Binary(bytes) => put_tagged(out, 10, bytes),
            Self::Uuid(bytes) => {
                out.push(11);
                out.extend_from_slice(bytes);
            }
            Self::Vector(items) => {
                out.push(12);
                put_varint(out, items.len() as u64);
                for item in items {
                    out.extend_from_slice(&item.to_le_bytes());
                }
            }
        }
    }

    /// Reads what [`Value::encode`] wrote; tag 0 is `None`.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>> {
        Ok(ValueRef::decode(reader)?.map(ValueRef::to_value))
    }
}

impl<'a> ValueRef<'a> {
    /// The value, with bytes of its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Bool(b) => Value::Bool(b),
            Self::Int(i) => Value::Int(i),
            Self::BigInt(i) => Value::BigInt(i),
            Self::Float(f) => Value::Float(f),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Date(days) => Value::Date(days),
            Self::Timestamp(micros) => Value::Timestamp(micros),
            Self::Json(text) => Value::Json(text.to_owned()),
            Self::Binary(bytes) => Value::Binary(bytes.to_vec()),
            Self::Uuid(bytes) => Value::Uuid(bytes),
            Self::Vector(items) => {
                Value::Vector(items.iter().map(|item| f32::from_le_bytes(*item)).collect())
            }
        }
    }

    /// Reads what [`Value::encode`] wrote and copies nothing; tag 0 is `None`.
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Result<Option<Self>> {
        Ok(Some(match reader.byte()? {
            0 => return Ok(None),
            1 => Self::Bool(false),
            2 => Self::Bool(true),
            3 => Self::Int(signed(reader)?),
            4 => Self::BigInt(i64::from_le_bytes(reader.array()?)),
            5 => Self::Float(f64::from_le_bytes(reader.array()?)),
            6 => Self::Text(reader.text()?),
            7 => Self::Date(
                i32::try_from(signed(reader)?).map_err(|_| Error::corrupt("a date is too far"))?,
            ),
            8 => Self::Timestamp(signed(reader)?),
            9 => Self::Json(reader.text()?),
            10 => Self::Binary(reader.bytes()?),
            11 => Self::Uuid(reader.array()?),
            12 => {
                let count = reader.count(4)?;
                let (items, _) = reader.take(count.saturating_mul(4))?.as_chunks();
                Self::Vector(items)
            }
            tag => return Err(unknown_tag(tag)),
        }))
    }

    /// Steps over what [`Value::encode`] wrote, and leaves it to who reads it whether text is UTF-8.
    pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<()> {
        match reader.byte()? {
            0..=2 => {}
            3 | 7 | 8 => {
                reader.varint()?;
            }
            4 | 5 => {
                reader.take(8)?;
            }
            6 | 9 | 10 => {
                reader.bytes()?;
            }
            11 => {
                reader.take(16)?;
            }
            12 => {
                let count = reader.count(4)?;
                reader.take(count.saturating_mul(4))?;
            }
            tag => return Err(unknown_tag(tag)),
        }
        Ok(())
    }
}

fn unknown_tag(tag: u8) -> Error {
    Error::corrupt(format!("unknown value tag {tag}"))
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_bytes(out, bytes);
}

fn put_signed(out: &mut Vec<u8>, tag: u8, n: i64) {
    out.push(tag);
    put_varint(out, ((n << 1) ^ (n >> 63)).cast_unsigned());
}

fn signed(reader: &mut Reader<'_>) -> Result<i64> {
    let n = reader.varint()?;
    Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
}
