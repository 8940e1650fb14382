//! The columns of one page, decoded when they are asked for, and the filter over them.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, StringArray};
use tidelog_log::{FieldType, Result, Value};

use super::super::filter::{Comparison, Filter, Test};
use super::super::operand::{Operand, Source};
use super::keys::Keys;
use super::skip::{self, Verdict};
use crate::folded::{Blob, value_at, wrong_column};

/// The columns of one page.
pub(super) struct Columns<'b, 's> {
    blob: &'b Blob<'s>,
    page: usize,
    arrays: BTreeMap<usize, ArrayRef>,
}

impl<'b, 's> Columns<'b, 's> {
    pub(super) fn new(blob: &'b Blob<'s>, page: usize) -> Self {
        Self {
            blob,
            page,
            arrays: BTreeMap::new(),
        }
    }

    /// Rows of the page, as a range of the blob's rows.
    pub(super) fn range(&self) -> Range<usize> {
        self.blob.rows_of(self.page)
    }

    /// What the page's bounds say of a filter.
    pub(super) fn verdict(&self, filter: &Filter) -> Verdict {
        skip::verdict(filter, self.blob, self.page)
    }

    /// False when the page's bounds say that it has no wanted key.
    pub(super) fn keys_may_pass(&self, keys: &Keys) -> bool {
        skip::keys_may_pass(keys, self.blob, self.page)
    }

    /// The values of an operand; none where no document of the blob has one.
    pub(super) fn of(&mut self, operand: &Operand) -> Result<Option<ArrayRef>> {
        let Some(column) = column_of(self.blob, operand) else {
            return Ok(None);
        };
        if let Some(array) = self.arrays.get(&column) {
            return Ok(Some(array.clone()));
        }
        let array = self.blob.page(column, self.page)?;
        self.arrays.insert(column, array.clone());
        Ok(Some(array))
    }

    /// Which rows pass a filter. Columns are decoded only while it is not clear without them.
    pub(super) fn test(&mut self, filter: &Filter) -> Result<Vec<bool>> {
        let rows = self.range().len();
        match self.verdict(filter) {
            Verdict::Never => return Ok(vec![false; rows]),
            Verdict::Always => return Ok(vec![true; rows]),
            Verdict::Maybe => {}
        }
        Ok(match filter {
            Filter::All(filters) => self.fold(filters, true)?,
            Filter::Any(filters) => self.fold(filters, false)?,
            Filter::Not(filter) => {
                let mut passes = self.test(filter)?;
                passes.iter_mut().for_each(|passes| *passes = !*passes);
                passes
            }
            Filter::Test(operand, test) => match self.of(operand)? {
                Some(array) if operand.source == Source::Key => test_keys(&array, test)?,
                Some(array) => test_array(&array, operand.field_type, test)?,
                None => vec![test.holds(None); rows],
            },
        })
    }

    /// All of these (`all`), or any.
    fn fold(&mut self, filters: &[Filter], all: bool) -> Result<Vec<bool>> {
        let mut passes = vec![all; self.range().len()];
        let mut filters: Vec<&Filter> = filters.iter().collect();
        filters.sort_by_key(|filter| cost(filter));
        for filter in filters {
            let other = self.test(filter)?;
            for (passes, other) in passes.iter_mut().zip(other) {
                *passes = if all {
                    *passes & other
                } else {
                    *passes | other
                };
            }
            if passes.iter().all(|passes| *passes != all) {
                break;
            }
        }
        Ok(passes)
    }
}

/// What is tested first: columns of one width are decoded and compared soonest.
fn cost(filter: &Filter) -> u8 {
    match filter {
        Filter::Test(operand, _) => match operand.field_type {
            FieldType::Int
            | FieldType::BigInt
            | FieldType::Float
            | FieldType::Bool
            | FieldType::Date
            | FieldType::Timestamp => 0,
            _ => 1,
        },
        _ => 2,
    }
}

/// The place of an operand's column in a blob.
pub(super) fn column_of(blob: &Blob<'_>, operand: &Operand) -> Option<usize> {
    match operand.source {
        Source::Key => Some(blob.key_column()),
        Source::Version => Some(blob.version_column()),
        Source::Field(id) => blob.field(id).map(|field| field.at),
    }
}

fn test_array(array: &ArrayRef, field_type: FieldType, test: &Test) -> Result<Vec<bool>> {
    if let Test::Compare(comparison, value) = test
        && let Some(passes) = compare_array(array, *comparison, value)
    {
        return Ok(passes);
    }
    let tested = (0..array.len()).map(|at| {
        let value = value_at(array, at, field_type)?;
        Ok(test.holds(value.as_ref()))
    });
    tested.collect()
}

/// Tests keys, which are ascending: those that pass a comparison follow each other.
fn test_keys(array: &ArrayRef, test: &Test) -> Result<Vec<bool>> {
    let keys = array.as_string_opt::<i32>();
    let keys = keys.ok_or_else(|| wrong_column("text"))?;
    let run = match test {
        Test::Compare(comparison, Value::Text(with)) => {
            let with = with.as_str();
            let until = |below: &dyn Fn(&str) -> bool| first_not(keys, below);
            let (from, to) = (until(&|key| key < with), until(&|key| key <= with));
            match comparison {
                Comparison::Eq => Some(from..to),
                Comparison::Ne => None,
                Comparison::Gt => Some(to..keys.len()),
                Comparison::Gte => Some(from..keys.len()),
                Comparison::Lt => Some(0..from),
                Comparison::Lte => Some(0..to),
            }
        }
        Test::Prefix(prefix) => {
            let prefix = prefix.as_str();
            let from = first_not(keys, &|key| key < prefix);
            let to = first_not(keys, &|key| key < prefix || key.starts_with(prefix));
            Some(from..to)
        }
        _ => None,
    };
    let Some(run) = run else {
        return test_array(array, FieldType::String, test);
    };
    let mut passes = vec![false; keys.len()];
    passes[run].fill(true);
    Ok(passes)
}

/// The first key that is not below; as many as there are if all are.
fn first_not(keys: &StringArray, below: &dyn Fn(&str) -> bool) -> usize {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low.midpoint(high);
        match below(keys.value(middle)) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

/// A comparison over a whole array; none for types that compare value by value.
fn compare_array(array: &ArrayRef, comparison: Comparison, value: &Value) -> Option<Vec<bool>> {
    let mut passes = match value {
        Value::Int(with) | Value::BigInt(with) => {
            let array = array.as_primitive_opt::<Int64Type>()?;
            compared(array.values().iter().copied(), comparison, *with)
        }
        Value::Timestamp(with) => {
            let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
            compared(array.values().iter().copied(), comparison, *with)
        }
        Value::Date(with) => {
            let array = array.as_primitive_opt::<Date32Type>()?;
            compared(array.values().iter().copied(), comparison, *with)
        }
        Value::Float(with) => {
            let array = array.as_primitive_opt::<Float64Type>()?;
            let values = array.values().iter().map(|value| total_order(*value));
            compared(values, comparison, total_order(*with))
        }
        Value::Text(with) => {
            let array = array.as_string_opt::<i32>()?;
            let values = (0..array.len()).map(|at| array.value(at));
            compared(values, comparison, with.as_str())
        }
        _ => return None,
    };
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        let valid = passes.iter_mut().zip(nulls.iter());
        valid.for_each(|(passes, valid)| *passes &= valid);
    }
    Some(passes)
}

/// A loop of its own for each comparison: several values are compared at once.
fn compared<T: Ord + Copy>(
    values: impl Iterator<Item = T>,
    comparison: Comparison,
    with: T,
) -> Vec<bool> {
    match comparison {
        Comparison::Eq => values.map(|value| value == with).collect(),
        Comparison::Ne => values.map(|value| value != with).collect(),
        Comparison::Gt => values.map(|value| value > with).collect(),
        Comparison::Gte => values.map(|value| value >= with).collect(),
        Comparison::Lt => values.map(|value| value < with).collect(),
        Comparison::Lte => values.map(|value| value <= with).collect(),
    }
}

/// A whole number in the place that a float has in their total order.
fn total_order(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}
