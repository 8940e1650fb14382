//! Byte strings: all bytes in a row, and where each string ends.

use arrow_buffer::BooleanBuffer;

use super::{PageDecoder, misplaced};
use crate::json::put_text;
use crate::node::Node;
use crate::texts::SHORT;
use crate::values::Values;
use crate::{Error, Result};

impl PageDecoder<'_> {
    /// Appends `count` byte strings: their ends to `offsets`, which is never empty, their bytes to
    /// `data`. The caller has paid for the offsets.
    pub(super) fn byte_strings(
        &mut self,
        node: &Node,
        count: usize,
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        match node {
            Node::PlainBytes {
                lengths,
                data: bytes,
            } => {
                let lengths = self.new_words(lengths, 4, count)?;
                self.budget.pay(bytes.len(), 1)?;
                put_ends(&lengths, bytes.len(), data.len(), offsets)?;
                data.extend_from_slice(bytes);
                Ok(())
            }
            Node::ConstantBytes(value) => {
                self.budget.pay(count, value.len() + 4)?;
                let step = u32::try_from(value.len()).map_err(|_| Error::too_large("a text"))?;
                put_ends(&vec![step; count], value.len() * count, data.len(), offsets)?;
                data.reserve(value.len() * count);
                (0..count).for_each(|_| data.extend_from_slice(value));
                Ok(())
            }
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let (ends, mut bytes) = self.new_strings(values, *entries)?;
                bytes.extend([0; SHORT]);
                let codes = self.codes(codes, *entries, count)?;
                self.gather(&ends, &bytes, &codes, offsets, data)
            }
            Node::Shared { codes } => {
                let around = self.around;
                let Values::Bytes {
                    offsets: ends,
                    data: bytes,
                } = around.shared_values()?
                else {
                    return Err(misplaced());
                };
                let codes = self.codes(codes, ends.len() - 1, count)?;
                self.gather(ends, bytes, &codes, offsets, data)
            }
            Node::Zstd { node, .. } => self.byte_strings(node, count, offsets, data),
            Node::Text(node) => self.text(node, count, offsets, data),
            Node::Cbor { texts, items } => {
                let texts = self.bits(texts, count)?;
                let (ends, items) = self.new_strings(items, count)?;
                self.texts(&texts, &ends, &items, offsets, data)
            }
            _ => Err(misplaced()),
        }
    }

    /// Byte strings by themselves, their offsets from 0.
    pub(super) fn new_strings(&mut self, node: &Node, count: usize) -> Result<(Vec<i32>, Vec<u8>)> {
        self.budget.pay(count + 1, 4)?;
        let (mut offsets, mut data) = (Vec::with_capacity(count + 1), Vec::new());
        offsets.push(0);
        self.byte_strings(node, count, &mut offsets, &mut data)?;
        Ok((offsets, data))
    }

    /// Appends the JSON texts of CBOR items; those marked are texts already.
    fn texts(
        &mut self,
        are_texts: &BooleanBuffer,
        ends: &[i32],
        items: &[u8],
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        data.reserve(items.len());
        for (is_text, pair) in are_texts.iter().zip(ends.windows(2)) {
            let item = &items[to_usize(pair[0])..to_usize(pair[1])];
            let before = data.len();
            match is_text {
                true => data.extend_from_slice(item),
                false => put_text(item, data)?,
            }
            self.budget.pay(data.len() - before, 1)?;
            offsets.push(i32::try_from(data.len()).map_err(|_| too_long())?);
        }
        Ok(())
    }

    /// Decodes byte strings that are all `width` long.
    pub(super) fn fixed(&mut self, node: &Node, width: usize, count: usize) -> Result<Vec<u8>> {
        self.budget.pay(count, width)?;
        match node {
            Node::Plain(data) => Ok(data.to_vec()),
            Node::ConstantBytes(value) if value.len() == width => Ok(value.repeat(count)),
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let data = self.fixed(values, width, *entries)?;
                let codes = self.codes(codes, *entries, count)?;
                let value = |code: &u32| &data[*code as usize * width..][..width];
                Ok(codes.iter().flat_map(value).copied().collect())
            }
            Node::Zstd { node, .. } => self.fixed(node, width, count),
            _ => Err(misplaced()),
        }
    }
}

/// Offsets made by this crate are never negative.
pub(super) fn to_usize(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

pub(super) fn too_long() -> Error {
    Error::too_large("byte strings of more than 2 GiB together")
}

/// Appends the ends of strings that begin at `from`, from their lengths, which must sum up to `total`.
pub(super) fn put_ends(
    lengths: &[u32],
    total: usize,
    from: usize,
    offsets: &mut Vec<i32>,
) -> Result<()> {
    let sum: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    if sum != total as u64 {
        return Err(Error::corrupt(format!(
            "lengths of {sum} bytes or elements, {total} are there"
        )));
    }
    let end = from
        .checked_add(total)
        .and_then(|end| i32::try_from(end).ok());
    let (Some(_), Ok(mut at)) = (end, u32::try_from(from)) else {
        return Err(too_long());
    };
    offsets.extend(lengths.iter().map(|length| {
        at += length;
        at.cast_signed()
    }));
    Ok(())
}
