//! Bounds of pages: the least and the greatest value.

use bytes::Bytes;

use crate::wire::{Reader, put_bytes, put_varint, unzigzag, zigzag};
use crate::{Error, Result, limits};

/// One value of a column, wide enough for every type of its kind.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Scalar {
    /// Of a Boolean column.
    Bool(bool),
    /// Of signed integers, dates (days) and timestamps (in the column's unit).
    Int(i64),
    /// Of unsigned integers.
    UInt(u64),
    /// Of floats; never NaN. Compare as numbers: 0.0 stands for -0.0 too.
    Float(f64),
    /// Of text (UTF-8) and binary, compared byte by byte.
    Bytes(Vec<u8>),
}

/// Which [`Scalar`] a column's bounds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    None,
    Bool,
    Int,
    UInt,
    Float,
    Bytes,
}

/// Least and greatest value of a page, as the index holds them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) min: Option<Scalar>,
    pub(crate) max: Option<Scalar>,
    pub(crate) min_is_exact: bool,
    pub(crate) max_is_exact: bool,
}

const MIN: u8 = 1;
const MAX: u8 = 2;
const MIN_IS_EXACT: u8 = 4;
const MAX_IS_EXACT: u8 = 8;

impl Bounds {
    /// Exact bounds.
    pub(crate) fn exact(min: Scalar, max: Scalar) -> Self {
        Self {
            min: Some(min),
            max: Some(max),
            min_is_exact: true,
            max_is_exact: true,
        }
    }

    /// Bounds of byte strings, cut to [`limits::BOUND_BYTES_MAX`]: a cut least value sorts before
    /// the value itself; a cut greatest value is raised to sort after it, and dropped where it cannot be.
    pub(crate) fn of_bytes(min: &[u8], max: &[u8]) -> Self {
        let cut = limits::BOUND_BYTES_MAX;
        let mut bounds = Self::exact(
            Scalar::Bytes(min[..min.len().min(cut)].to_vec()),
            Scalar::Bytes(max.to_vec()),
        );
        bounds.min_is_exact = min.len() <= cut;
        if max.len() > cut {
            bounds.max = raised(&max[..cut]).map(Scalar::Bytes);
            bounds.max_is_exact = false;
        }
        bounds
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flags = [
            (self.min.is_some(), MIN),
            (self.max.is_some(), MAX),
            (self.min_is_exact, MIN_IS_EXACT),
            (self.max_is_exact, MAX_IS_EXACT),
        ];
        out.push(
            flags
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, bit)| bit)
                .sum(),
        );
        for scalar in [&self.min, &self.max].into_iter().flatten() {
            encode_scalar(scalar, out);
        }
    }

    pub(crate) fn decode(reader: &mut Reader, kind: ScalarKind) -> Result<Self> {
        let flags = reader.u8()?;
        let has = |bit| flags & bit != 0;
        let odd = flags >= 16
            || (has(MIN_IS_EXACT) && !has(MIN))
            || (has(MAX_IS_EXACT) && !has(MAX))
            || (kind == ScalarKind::None && flags != 0);
        if odd {
            return Err(Error::corrupt("flags of a page's bounds"));
        }
        let mut scalar = |wanted: bool| wanted.then(|| decode_scalar(reader, kind)).transpose();
        Ok(Self {
            min: scalar(has(MIN))?,
            max: scalar(has(MAX))?,
            min_is_exact: has(MIN_IS_EXACT),
            max_is_exact: has(MAX_IS_EXACT),
        })
    }
}

/// The shortest byte string that sorts after everything that begins with `prefix`.
fn raised(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut raised = prefix[..=last].to_vec();
    raised[last] += 1;
    Some(raised)
}

fn encode_scalar(scalar: &Scalar, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Bool(value) => out.push(u8::from(*value)),
        Scalar::Int(value) => put_varint(out, zigzag(*value)),
        Scalar::UInt(value) => put_varint(out, *value),
        Scalar::Float(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
        Scalar::Bytes(value) => put_bytes(out, value),
    }
}

fn decode_scalar(reader: &mut Reader, kind: ScalarKind) -> Result<Scalar> {
    Ok(match kind {
        ScalarKind::None => return Err(Error::corrupt("bounds of a type that has none")),
        ScalarKind::Bool => match reader.u8()? {
            0 => Scalar::Bool(false),
            1 => Scalar::Bool(true),
            _ => return Err(Error::corrupt("a bound is neither false nor true")),
        },
        ScalarKind::Int => Scalar::Int(unzigzag(reader.varint()?)),
        ScalarKind::UInt => Scalar::UInt(reader.varint()?),
        ScalarKind::Float => Scalar::Float(f64::from_bits(reader.u64()?)),
        ScalarKind::Bytes => {
            let bytes: Bytes = reader.bytes()?;
            if bytes.len() > limits::BOUND_BYTES_MAX {
                return Err(Error::corrupt("a bound is longer than bounds are"));
            }
            Scalar::Bytes(bytes.to_vec())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_bounds_still_enclose_the_value() {
        for value in [
            vec![b'a'; 40],
            vec![0xff; 40],
            [vec![1; 20], vec![0xff; 20]].concat(),
        ] {
            let bounds = Bounds::of_bytes(&value, &value);
            let value = Scalar::Bytes(value);
            assert!(bounds.min.unwrap() < value && !bounds.min_is_exact && !bounds.max_is_exact);
            assert!(bounds.max.is_none_or(|max| max > value));
        }
    }
}
