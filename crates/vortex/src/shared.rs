//! What the pages of one column share: sections of the format's own, from 2^31 on.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::Result;
use crate::budget::Budget;
use crate::data_type::Shape;
use crate::decode::{Alone, PageDecoder};
use crate::parse::parse_section;
use crate::texts::SHORT;
use crate::values::Values;
use crate::wire::Reader;

/// The first number of the format's own sections.
const OWN_SECTIONS_FROM: u32 = 1 << 31;

/// Numbers kept for each column.
const SECTIONS_A_COLUMN: u32 = 4;

/// The section with the values that the pages of a column share.
pub(crate) fn values_section(column_index: usize) -> u32 {
    // A blob has at most 4,096 columns.
    let place = u32::try_from(column_index).unwrap_or(u32::MAX >> 3);
    OWN_SECTIONS_FROM + place * SECTIONS_A_COLUMN
}

/// What of it has been decoded already.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    values: OnceLock<Values>,
}

impl Shared {
    /// The shared values, which `decode` makes if nobody did.
    pub(crate) fn values(&self, decode: impl FnOnce() -> Result<Values>) -> Result<&Values> {
        if let Some(values) = self.values.get() {
            return Ok(values);
        }
        let values = decode()?;
        Ok(self.values.get_or_init(|| values))
    }
}

/// Decodes a section of shared values, of which there are at most as many as rows.
pub(crate) fn decode_values(
    section: Bytes,
    shape: &Shape,
    rows: usize,
    features: u32,
) -> Result<Values> {
    let mut reader = Reader::new(section);
    let count = reader.count(rows, "shared values")?;
    let mut budget = Budget::of_page();
    let node = parse_section(reader, shape, count, features, &mut budget)?;
    let slots = PageDecoder::new(budget, &Alone).slots(&node, shape, count)?;
    let mut values = slots.values;
    if let Values::Bytes { data, .. } = &mut values {
        // The last ones are copied as the others are.
        data.extend([0; SHORT]);
    }
    Ok(values)
}
