//! Pages of one column to one array.

use arrow_array::ArrayRef;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::DataType;

use crate::arrays::{array_of, joined};
use crate::budget::Budget;
use crate::data_type::{Shape, shape};
use crate::decode::{PageDecoder, Surroundings};
use crate::node::Node;
use crate::values::{Slots, Values};
use crate::{Error, Page, Result, limits};

/// A column being read: page after page.
pub(crate) struct ColumnReader<'a> {
    data_type: &'a DataType,
    shape: Shape,
    rows: usize,
    /// Which rows are valid, from the first page with a null on.
    valid: Option<BooleanBufferBuilder>,
    values: Values,
    /// Arrays of the shapes whose pages are not appended.
    pages: Vec<ArrayRef>,
    page_bytes: usize,
}

impl<'a> ColumnReader<'a> {
    pub(crate) fn new(data_type: &'a DataType) -> Result<Self> {
        let shape = shape(data_type)?;
        Ok(Self {
            data_type,
            rows: 0,
            valid: None,
            values: Values::empty(&shape),
            shape,
            pages: Vec::new(),
            page_bytes: 0,
        })
    }

    /// Decodes a page behind those before.
    pub(crate) fn append(
        &mut self,
        node: &Node,
        page: &Page,
        budget: Budget,
        around: &dyn Surroundings,
    ) -> Result<()> {
        let mut decoder = PageDecoder::new(budget, around);
        match (&mut self.values, &self.shape) {
            (Values::Narrow(words), Shape::Words { bytes, .. }) => {
                let valid = decoder.append_words(node, *bytes, page.rows, words)?;
                self.note(valid, page)?;
            }
            (Values::Wide(words), Shape::Words { bytes, .. }) => {
                let valid = decoder.append_words(node, *bytes, page.rows, words)?;
                self.note(valid, page)?;
            }
            (Values::Bytes { offsets, data }, _) => {
                let valid = decoder.append_strings(node, page.rows, offsets, data)?;
                self.note(valid, page)?;
            }
            _ => {
                let slots = decoder.slots(node, &self.shape, page.rows)?;
                check_nulls(slots.valid.as_ref(), page)?;
                let array = array_of(self.data_type, slots, page.rows)?;
                self.page_bytes += array.get_array_memory_size();
                self.pages.push(array);
            }
        }
        match self.bytes() <= limits::COLUMN_DECODED_BYTES_MAX {
            true => Ok(()),
            false => Err(Error::too_large("a column too large to read whole")),
        }
    }

    /// Bytes decoded so far.
    fn bytes(&self) -> usize {
        let data = match &self.values {
            Values::Bytes { data, .. } => data.len(),
            _ => 0,
        };
        self.page_bytes + data + self.rows.saturating_mul(self.shape.slot_bytes())
    }

    /// Notes which rows of a page that was appended are valid.
    fn note(&mut self, valid: Option<BooleanBuffer>, page: &Page) -> Result<()> {
        check_nulls(valid.as_ref(), page)?;
        match (&mut self.valid, valid) {
            (None, None) => {}
            (Some(all), None) => all.append_n(page.rows, true),
            (all, Some(valid)) => {
                let all = all.get_or_insert_with(|| {
                    let mut all = BooleanBufferBuilder::new(self.rows + page.rows);
                    all.append_n(self.rows, true);
                    all
                });
                all.append_buffer(&valid);
            }
        }
        self.rows += page.rows;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        match (&self.shape, &self.pages[..]) {
            (Shape::Words { .. } | Shape::Bytes, _) => {
                let slots = Slots {
                    valid: self.valid.as_mut().map(BooleanBufferBuilder::finish),
                    values: self.values,
                };
                array_of(self.data_type, slots, self.rows)
            }
            (_, pages) => joined(self.data_type, pages),
        }
    }
}

fn check_nulls(valid: Option<&BooleanBuffer>, page: &Page) -> Result<()> {
    let nulls = valid.map_or(0, |valid| valid.len() - valid.count_set_bits());
    match nulls == page.nulls {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "{nulls} nulls in a page of {}",
            page.nulls
        ))),
    }
}
