//! The columns of one page, decoded when they are asked for, and the filter over them.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use tidelog_log::{FieldType, Result, Value};

use super::super::filter::{Comparison, Filter, Test};
use super::super::operand::{Operand, Source};
use super::keys::Keys;
use super::skip::{self, Verdict};
use crate::Collection;
use crate::document::first_part;
use crate::folded::{Blob, value_at, wrong_column};

/// The columns of one page.
pub(super) struct Columns<'b, 's> {
    blob: &'b Blob<'s>,
    page: usize,
    collection: &'b Collection,
    arrays: BTreeMap<usize, ArrayRef>,
}

impl<'b, 's> Columns<'b, 's> {
    pub(super) fn new(blob: &'b Blob<'s>, page: usize, collection: &'b Collection) -> Self {
        Self {
            blob,
            page,
            collection,
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
                Some(array) if self.orders_rows(operand) => match test {
                    Test::Compare(Comparison::Eq, value) => self.test_first(&array, value)?,
                    test => test_array(&array, operand.field_type, test)?,
                },
                Some(array) => test_array(&array, operand.field_type, test)?,
                None => vec![test.holds(None); rows],
            },
        })
    }

    /// True for the first key field: rows are by key, so those of one value follow each other.
    fn orders_rows(&self, operand: &Operand) -> bool {
        let first = self.collection.key.first();
        first.is_some_and(|id| operand.source == Source::Field(*id))
    }

    /// Which rows have this value of the first key field, found as their keys would be.
    fn test_first(&self, array: &ArrayRef, value: &Value) -> Result<Vec<bool>> {
        let wanted = first_part(self.collection, value);
        let field_type = value.field_type();
        let part = |at| match value_at(array, at, field_type)? {
            Some(value) => Ok(first_part(self.collection, &value)),
            None => Err(wrong_column("a key field")),
        };
        let from = first_not(array.len(), |at| Ok(part(at)? < wanted))?;
        let to = first_not(array.len(), |at| Ok(part(at)? <= wanted))?;
        Ok(run_of(from..to, array.len()))
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
    let rows = keys.len();
    let run = match test {
        Test::Compare(Comparison::Ne, _) => None,
        Test::Compare(comparison, Value::Text(with)) => {
            let with = with.as_str();
            let from = first_not(rows, |at| Ok(keys.value(at) < with))?;
            let to = first_not(rows, |at| Ok(keys.value(at) <= with))?;
            Some(match comparison {
                Comparison::Eq | Comparison::Ne => from..to,
                Comparison::Gt => to..rows,
                Comparison::Gte => from..rows,
                Comparison::Lt => 0..from,
                Comparison::Lte => 0..to,
            })
        }
        Test::Prefix(prefix) => {
            let prefix = prefix.as_str();
            let starts = |key: &str| key < prefix || key.starts_with(prefix);
            let from = first_not(rows, |at| Ok(keys.value(at) < prefix))?;
            Some(from..first_not(rows, |at| Ok(starts(keys.value(at))))?)
        }
        _ => None,
    };
    match run {
        Some(run) => Ok(run_of(run, rows)),
        None => test_array(array, FieldType::String, test),
    }
}

fn run_of(run: Range<usize>, rows: usize) -> Vec<bool> {
    let mut passes = vec![false; rows];
    if let Some(run) = passes.get_mut(run) {
        run.fill(true);
    }
    passes
}

/// The first row of which this is not so, where it is so of all before; as many as there are if it is
/// so of all.
fn first_not(rows: usize, is: impl Fn(usize) -> Result<bool>) -> Result<usize> {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low.midpoint(high);
        match is(middle)? {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
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
