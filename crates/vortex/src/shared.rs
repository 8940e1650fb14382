//! What the pages of one column share: sections of the format's own, from 2^31 on.

use std::sync::OnceLock;

use bytes::Bytes;
use zstd::dict::DecoderDictionary;

use crate::Result;
use crate::budget::Budget;
use crate::data_type::Shape;
use crate::decode::{Alone, PageDecoder};
use crate::parse::parse_section;
use crate::values::Values;
use crate::compress::decompress;
use crate::wire::{Reader, put_varint};

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

/// The section with what the Zstandard frames of a column's strings may refer to.
pub(crate) fn dictionary_section(column_index: usize) -> u32 {
    values_section(column_index) + 1
}

/// What of it has been decoded already.
#[derive(Default)]
pub(crate) struct Shared {
    values: OnceLock<Values>,
    dictionary: OnceLock<DecoderDictionary<'static>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
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

    /// The dictionary, which `decode` makes if nobody did.
    pub(crate) fn dictionary(
        &self,
        decode: impl FnOnce() -> Result<DecoderDictionary<'static>>,
    ) -> Result<&DecoderDictionary<'static>> {
        if let Some(dictionary) = self.dictionary.get() {
            return Ok(dictionary);
        }
        let dictionary = decode()?;
        Ok(self.dictionary.get_or_init(|| dictionary))
    }
}

/// Most bytes of a dictionary.
pub(crate) const DICTIONARY_BYTES_MAX: usize = 1 << 17;

/// The section of a dictionary: its length, and a frame that holds it.
pub(crate) fn encode_dictionary(dictionary: &[u8], frame: &[u8]) -> Vec<u8> {
    let mut section = Vec::with_capacity(frame.len() + 4);
    put_varint(&mut section, dictionary.len() as u64);
    section.extend_from_slice(frame);
    section
}

/// Decodes the section of a dictionary. It is content to refer to, without a header of its own.
pub(crate) fn decode_dictionary(section: Bytes) -> Result<DecoderDictionary<'static>> {
    let mut reader = Reader::new(section);
    let raw_bytes = reader.count(DICTIONARY_BYTES_MAX, "bytes of a dictionary")?;
    let frame = reader.take(reader.remaining())?;
    let content = decompress(&frame, raw_bytes)?;
    Ok(DecoderDictionary::copy(&content))
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
    Ok(slots.values)
}
