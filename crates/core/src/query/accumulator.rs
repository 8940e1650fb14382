//! What one aggregate knows of one group so far.

use std::collections::BTreeSet;

use tidelog_log::limits::INT_MAX;
use tidelog_log::{Error, FieldType, Result, Value};

use super::exact_sum::ExactSum;
use super::grouping::{Aggregate, Function};
use super::sorting::{Cell, CellKind};
use super::value::{compare, encoded, size};

/// The state of one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Accumulator {
    /// Documents, or values.
    Count(u64),
    /// Whole numbers: how many, and their exact sum.
    Whole { count: u64, total: i128 },
    /// Floats: how many, and their exact sum.
    Float { count: u64, total: ExactSum },
    /// The least value so far.
    Min(Option<Value>),
    /// The greatest value so far.
    Max(Option<Value>),
    /// Every value so far, as bytes.
    Distinct(BTreeSet<Vec<u8>>),
}

impl Accumulator {
    /// The state before the first document.
    pub(super) fn new(aggregate: &Aggregate) -> Self {
        let float = aggregate
            .operand
            .as_ref()
            .is_some_and(|operand| operand.field_type == FieldType::Float);
        match aggregate.function {
            Function::Count => Self::Count(0),
            Function::Sum | Function::Avg if float => Self::Float {
                count: 0,
                total: ExactSum::default(),
            },
            Function::Sum | Function::Avg => Self::Whole { count: 0, total: 0 },
            Function::Min => Self::Min(None),
            Function::Max => Self::Max(None),
            Function::CountDistinct => Self::Distinct(BTreeSet::new()),
        }
    }

    /// Takes one value.
    pub(super) fn add(&mut self, value: &Value) {
        match (self, value) {
            (Self::Count(count), _) => *count += 1,
            (Self::Whole { count, total }, Value::Int(i) | Value::BigInt(i)) => {
                *count += 1;
                *total += i128::from(*i);
            }
            (Self::Float { count, total }, Value::Float(f)) => {
                *count += 1;
                total.add(*f);
            }
            (Self::Min(least), value)
                if least.as_ref().is_none_or(|l| compare(value, l).is_lt()) =>
            {
                *least = Some(value.clone());
            }
            (Self::Max(most), value) if most.as_ref().is_none_or(|m| compare(value, m).is_gt()) => {
                *most = Some(value.clone());
            }
            (Self::Distinct(seen), value) => drop(seen.insert(encoded(value))),
            _ => {}
        }
    }

    /// Bytes held for a value like this one, about; 0 when the state does not grow.
    pub(super) fn bytes_for(&self, value: &Value) -> usize {
        match self {
            Self::Min(None) | Self::Max(None) => size(value),
            Self::Min(Some(held)) | Self::Max(Some(held)) => size(value).saturating_sub(size(held)),
            Self::Distinct(seen) if !seen.contains(&encoded(value)) => size(value) + 32,
            _ => 0,
        }
    }

    /// The result; none without values.
    ///
    /// # Errors
    /// `sum_overflow` when an `int` sum leaves ±(2^53 - 1) or a float sum is not finite.
    pub(super) fn finish(&self, aggregate: &Aggregate) -> Result<Option<Cell>> {
        let at = || format!("aggregate.{}", aggregate.name);
        let cell = match self {
            Self::Count(count) => Cell::Value(whole(i128::from(*count))?),
            Self::Distinct(seen) => Cell::Value(whole(seen.len() as i128)?),
            Self::Whole { count: 0, .. } | Self::Float { count: 0, .. } => return Ok(None),
            Self::Whole { count, total } => match aggregate.kind() {
                CellKind::Whole => Cell::Wide(*total),
                CellKind::Millionths => Cell::Wide(millionths(*total, i128::from(*count))),
                _ if aggregate.function == Function::Avg => {
                    Cell::Value(Value::Float(*total as f64 / *count as f64 + 0.0))
                }
                _ => Cell::Value(whole(*total).map_err(|e| e.at(at()))?),
            },
            Self::Float { count, total } => {
                let total = total.total();
                if !total.is_finite() {
                    return Err(overflow().at(at()));
                }
                let average = aggregate.function == Function::Avg;
                let count = if average { *count as f64 } else { 1.0 };
                Cell::Value(Value::Float(total / count + 0.0))
            }
            Self::Min(value) | Self::Max(value) => return Ok(value.clone().map(Cell::Value)),
        };
        Ok(Some(cell))
    }
}

fn whole(n: i128) -> Result<Value> {
    let n = i64::try_from(n).ok().filter(|n| n.abs() <= INT_MAX);
    n.map(Value::Int).ok_or_else(overflow)
}

fn overflow() -> Error {
    Error::invalid(
        "sum_overflow",
        "the sum does not fit its type: an int within ±9007199254740991, a float finite",
    )
}

/// `total / count` in millionths, halves away from zero. Sums stay below 2^104, so this fits.
fn millionths(total: i128, count: i128) -> i128 {
    let scaled = total * 1_000_000;
    let half = count / 2 * scaled.signum();
    (scaled + half) / count
}
