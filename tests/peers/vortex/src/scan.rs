//! The filter and the sum that every format runs over what it could not skip.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Scalar};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::compute::{and, cast, filter, sum};
use arrow::datatypes::DataType;

use crate::sets::Filter;

/// What a filtered scan answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub rows: usize,
    pub sum: f64,
}

impl Sum {
    /// Adds the values where `mask` is true.
    pub fn add(&mut self, mask: &BooleanArray, values: &ArrayRef) -> Result<()> {
        self.add_all(mask.true_count(), &filter(values, mask)?)
    }

    /// Adds values that were filtered already, `rows` of them.
    pub fn add_all(&mut self, rows: usize, values: &ArrayRef) -> Result<()> {
        let values = cast(values, &DataType::Float64)?;
        let values: Float64Array = values.to_data().into();
        self.rows += rows;
        self.sum += sum(&values).unwrap_or(0.0);
        Ok(())
    }

    /// The same rows, added in another order.
    pub fn is_as(&self, other: &Self) -> bool {
        let scale = self.sum.abs().max(1.0);
        self.rows == other.rows && (self.sum - other.sum).abs() <= scale * 1e-9
    }
}

/// Which values are in the range; null is not.
pub fn in_range(column: &dyn Array, filter: &Filter) -> Result<BooleanArray> {
    let (low, high) = (Scalar::new(&filter.low), Scalar::new(&filter.high));
    let column = arrow::array::make_array(column.to_data());
    Ok(and(&gt_eq(&column, &low)?, &lt(&column, &high)?)?)
}
