//! Aggregates over the columns of a page, without documents between.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use tidelog_log::{Result, Value};

use super::super::accumulator::Accumulator;
use super::super::grouping::Aggregate;
use super::columns::Columns;
use super::selected::Selected;
use crate::folded::value_at;

/// Adds the values of some rows to an aggregate's state; returns the bytes that it grew by.
pub(super) fn add(
    columns: &mut Columns<'_, '_>,
    aggregate: &Aggregate,
    rows: &Selected,
    state: &mut Accumulator,
) -> Result<usize> {
    let Some(operand) = &aggregate.operand else {
        if let Accumulator::Count(count) = state {
            *count += rows.len() as u64;
        }
        return Ok(0);
    };
    let Some(array) = columns.of(operand)? else {
        return Ok(0);
    };
    if add_fast(&array, rows, state) {
        return Ok(0);
    }
    let mut grown = 0;
    for row in rows.iter() {
        if let Some(value) = value_at(&array, row, operand.field_type)? {
            grown += state.bytes_for(&value);
            state.add(&value);
        }
    }
    Ok(grown)
}

fn add_fast(array: &ArrayRef, rows: &Selected, state: &mut Accumulator) -> bool {
    match state {
        Accumulator::Count(count) => {
            *count += match array.null_count() {
                0 => rows.len() as u64,
                _ => rows.iter().filter(|row| array.is_valid(*row)).count() as u64,
            };
            true
        }
        Accumulator::Whole { count, total } => {
            let Some(array) = array.as_primitive_opt::<Int64Type>() else {
                return false;
            };
            with_values(array, rows, |values| {
                *count += values.len() as u64;
                *total += values.iter().map(|n| i128::from(*n)).sum::<i128>();
            });
            true
        }
        Accumulator::Float { count, total } => {
            let Some(array) = array.as_primitive_opt::<Float64Type>() else {
                return false;
            };
            with_values(array, rows, |values| {
                *count += values.len() as u64;
                total.add_all(values);
            });
            true
        }
        Accumulator::Min(_) | Accumulator::Max(_) => extreme(array, rows, state),
        Accumulator::Distinct(_) => false,
    }
}

/// Hands over the values of some rows, in place where they follow each other and none lacks.
fn with_values<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: &Selected,
    take: impl FnOnce(&[T::Native]),
) {
    let values = array.values();
    match rows {
        Selected::Run(run) if array.null_count() == 0 => {
            take(values.get(run.clone()).unwrap_or_default());
        }
        rows if array.null_count() == 0 => {
            let taken = rows.iter().filter_map(|row| values.get(row).copied());
            take(&taken.collect::<Vec<_>>());
        }
        rows => {
            let valid = rows.iter().filter(|row| array.is_valid(*row));
            let taken = valid.filter_map(|row| values.get(row).copied());
            take(&taken.collect::<Vec<_>>());
        }
    }
}

/// The least or greatest number of the rows, as one value.
fn extreme(array: &ArrayRef, rows: &Selected, state: &mut Accumulator) -> bool {
    let least = matches!(state, Accumulator::Min(_));
    if let Some(array) = array.as_primitive_opt::<Float64Type>() {
        let values = rows.iter().filter(|row| array.is_valid(*row));
        let values = values.map(|row| array.value(row));
        let found = match least {
            true => values.min_by(f64::total_cmp),
            false => values.max_by(f64::total_cmp),
        };
        found
            .into_iter()
            .for_each(|value| state.add(&Value::Float(value)));
        return true;
    }
    false
}
