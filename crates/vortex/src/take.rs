//! A few rows of a column.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take;

use crate::arrays::{array_of, joined};
use crate::budget::Budget;
use crate::data_type::shape;
use crate::decode::PageDecoder;
use crate::{Error, Result, VortexDecoder};

/// One of this many rows of a page is worth picking; more are taken from the decoded page.
const PICKED_OF: usize = 16;

impl VortexDecoder {
    /// Decodes the given rows of a column, in ascending order; a row may be given more than once. Of
    /// each page with such rows no more is decoded than its encoding needs for them.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind) for rows beyond the last or out of order.
    pub fn take(&self, column_index: usize, rows: &[usize]) -> Result<ArrayRef> {
        let column = self.column(column_index)?;
        if !rows.is_sorted() || rows.last().is_some_and(|row| *row >= self.rows()) {
            return Err(Error::invalid("rows to take must ascend and be there"));
        }
        let mut arrays = Vec::new();
        for of_page in rows.chunk_by(|one, other| self.page_of(*one) == self.page_of(*other)) {
            let page = self.page_of(of_page[0]);
            let first = page * self.page_rows();
            let within: Vec<usize> = of_page.iter().map(|row| row - first).collect();
            let array = self.take_in_page(column_index, page, &within);
            arrays.push(array.map_err(|e| e.within(&column.name))?);
        }
        joined(&column.data_type, &arrays)
    }

    /// Decodes the given rows of every column, as [`VortexDecoder::take`] does of one.
    pub fn take_all(&self, rows: &[usize]) -> Result<RecordBatch> {
        let columns = 0..self.columns().len();
        let arrays: Vec<_> = columns
            .map(|column| self.take(column, rows))
            .collect::<Result<_>>()?;
        self.batch_of(arrays, rows.len())
    }

    fn page_of(&self, row: usize) -> usize {
        row / self.page_rows()
    }

    /// Rows of one page, counted from its first.
    fn take_in_page(&self, column_index: usize, page: usize, rows: &[usize]) -> Result<ArrayRef> {
        let (column, about) = self.find(column_index, page)?;
        if rows.len() <= about.rows / PICKED_OF {
            let mut budget = Budget::of_page();
            let node = self.tree(column_index, page, &mut budget)?;
            let around = self.around(column_index, page);
            let shape = shape(&column.data_type)?;
            let picked = PageDecoder::new(budget, &around).pick(&node, &shape, about.rows, rows)?;
            if let Some(slots) = picked {
                return array_of(&column.data_type, slots, rows.len());
            }
        }
        let whole = self.read_page(column_index, page)?;
        let places = rows
            .iter()
            .map(|row| u32::try_from(*row).unwrap_or(u32::MAX));
        let places = UInt32Array::from_iter_values(places);
        take(&whole, &places, None).map_err(|e| Error::invalid(e.to_string()))
    }
}
