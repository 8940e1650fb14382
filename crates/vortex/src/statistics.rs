//! Bounds of the values of a page.

use arrow_schema::DataType;

use crate::scalar::{Bounds, Scalar, ScalarKind};
use crate::values::Values;
use crate::word::Word;

/// The bounds of values without nulls; none where there are no values, or a NaN among them.
pub(crate) fn bounds_of(values: &Values, data_type: &DataType, kind: ScalarKind) -> Bounds {
    let bounds = match (values, kind) {
        (Values::Bits(bits), ScalarKind::Bool) => least_and_greatest(bits.iter())
            .map(|(min, max)| Bounds::exact(Scalar::Bool(min), Scalar::Bool(max))),
        (Values::Wide(words), ScalarKind::Float) if *data_type == DataType::Float32 => {
            let float = |bits: &u64| f64::from(f32::from_bits(u32::from_low(*bits)));
            float_bounds(words.iter().map(float))
        }
        (Values::Wide(words), ScalarKind::Float) => {
            float_bounds(words.iter().map(|bits| f64::from_bits(*bits)))
        }
        (Values::Wide(words), ScalarKind::Int) => {
            let numbers = least_and_greatest(words.iter().map(|word| word.cast_signed()));
            numbers.map(|(min, max)| Bounds::exact(Scalar::Int(min), Scalar::Int(max)))
        }
        (Values::Wide(words), ScalarKind::UInt) => least_and_greatest(words.iter().copied())
            .map(|(min, max)| Bounds::exact(Scalar::UInt(min), Scalar::UInt(max))),
        (Values::Bytes { offsets, data }, ScalarKind::Bytes) => {
            let at = |offset: i32| usize::try_from(offset).unwrap_or(0);
            byte_bounds(
                offsets
                    .windows(2)
                    .map(|pair| &data[at(pair[0])..at(pair[1])]),
            )
        }
        (Values::Fixed { width, data }, ScalarKind::Bytes) => {
            byte_bounds(data.chunks_exact(*width))
        }
        _ => None,
    };
    bounds.unwrap_or_default()
}

fn least_and_greatest<T: Ord + Copy>(mut values: impl Iterator<Item = T>) -> Option<(T, T)> {
    let first = values.next()?;
    Some(values.fold((first, first), |(min, max), value| {
        (min.min(value), max.max(value))
    }))
}

fn byte_bounds<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Bounds> {
    let (min, max) = least_and_greatest(values)?;
    Some(Bounds::of_bytes(min, max))
}

fn float_bounds(mut values: impl Iterator<Item = f64>) -> Option<Bounds> {
    let first = values.next()?;
    let (mut min, mut max, mut nan) = (first, first, first.is_nan());
    for value in values {
        nan |= value.is_nan();
        min = if value < min { value } else { min };
        max = if value > max { value } else { max };
    }
    // Zero stands for both zeros: bounds compare as numbers.
    (!nan).then(|| Bounds::exact(Scalar::Float(min + 0.0), Scalar::Float(max + 0.0)))
}
