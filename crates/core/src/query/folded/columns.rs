//! The columns of one page, decoded when they are asked for, and the filter over them.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use tidelog_log::{FieldType, Result, Value};

use super::super::filter::{Comparison, Filter, Test};
use super::super::operand::{Operand, Source};
use crate::folded::{Blob, value_at};

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

    /// Rows of the page.
    pub(super) fn rows(&self) -> usize {
        self.blob.rows_of(self.page).len()
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

    /// Which rows pass a filter.
    pub(super) fn test(&mut self, filter: &Filter) -> Result<Vec<bool>> {
        Ok(match filter {
            Filter::All(filters) => self.fold(filters, true, |a, b| a & b)?,
            Filter::Any(filters) => self.fold(filters, false, |a, b| a | b)?,
            Filter::Not(filter) => {
                let mut passes = self.test(filter)?;
                passes.iter_mut().for_each(|passes| *passes = !*passes);
                passes
            }
            Filter::Test(operand, test) => match self.of(operand)? {
                Some(array) => test_array(&array, operand.field_type, test)?,
                None => vec![test.holds(None); self.rows()],
            },
        })
    }

    fn fold(
        &mut self,
        filters: &[Filter],
        start: bool,
        join: impl Fn(bool, bool) -> bool,
    ) -> Result<Vec<bool>> {
        let mut passes = vec![start; self.rows()];
        for filter in filters {
            let other = self.test(filter)?;
            for (passes, other) in passes.iter_mut().zip(other) {
                *passes = join(*passes, other);
            }
        }
        Ok(passes)
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

/// A comparison over a whole array; none for types that compare value by value.
fn compare_array(array: &ArrayRef, comparison: Comparison, value: &Value) -> Option<Vec<bool>> {
    Some(match value {
        Value::Int(with) | Value::BigInt(with) => {
            let array = array.as_primitive_opt::<Int64Type>()?;
            primitive(array, |a| comparison.holds(a.cmp(with)))
        }
        Value::Timestamp(with) => {
            let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
            primitive(array, |a| comparison.holds(a.cmp(with)))
        }
        Value::Date(with) => {
            let array = array.as_primitive_opt::<Date32Type>()?;
            primitive(array, |a| comparison.holds(a.cmp(with)))
        }
        Value::Float(with) => {
            let array = array.as_primitive_opt::<Float64Type>()?;
            primitive(array, |a| comparison.holds(a.total_cmp(with)))
        }
        Value::Text(with) => {
            let array = array.as_string_opt::<i32>()?;
            let holds = |text: Option<&str>| text.is_some_and(|t| comparison.holds(t.cmp(with)));
            array.iter().map(holds).collect()
        }
        _ => return None,
    })
}

fn primitive<T: arrow_array::ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    holds: impl Fn(T::Native) -> bool,
) -> Vec<bool> {
    let values = array.values().iter();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.map(|value| holds(*value)).collect(),
        Some(nulls) => {
            let valid = nulls.iter();
            values
                .zip(valid)
                .map(|(value, valid)| valid && holds(*value))
                .collect()
        }
    }
}
