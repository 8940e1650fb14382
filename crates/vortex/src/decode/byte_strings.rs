//! Byte strings: all bytes in a row, and where each string ends.

use arrow_buffer::BooleanBuffer;

use super::{PageDecoder, misplaced};
use crate::json::put_text;
use crate::node::Node;
use crate::texts::{Out, SHORT, Texts};
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
                data.extend(value.iter().cycle().take(value.len() * count));
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

    /// Appends the strings that codes name, which are below their number.
    fn gather(
        &mut self,
        ends: &[i32],
        entries: &[u8],
        codes: &[u32],
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        let entry = |code: &u32| {
            let code = *code as usize;
            (to_usize(ends[code]), to_usize(ends[code + 1]))
        };
        let total = codes.iter().map(entry).map(|(from, to)| to - from).sum();
        self.budget.pay(total, 1)?;
        let (count, is_short) = (ends.len() - 1, |pair: &[i32]| {
            pair[1] - pair[0] <= SLOT_LENGTH
        });
        // A slot for each string does not pay where there are few codes, and strings may be long.
        if count <= codes.len() && ends.windows(2).all(is_short) {
            self.budget.pay(count, SLOT + 4)?;
            return gather_short(ends, entries, codes, total, offsets, data);
        }
        let mut texts = Texts {
            offsets: std::mem::take(offsets),
            data: std::mem::take(data),
        };
        let mut out = Out::new(&mut texts, total)?;
        for (from, to) in codes.iter().map(entry) {
            out.put(entries, from, to)?;
            out.end_text();
        }
        out.finish()?;
        (*offsets, *data) = (texts.offsets, texts.data);
        Ok(())
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
fn to_usize(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// Bytes of a short string, which is copied whole, whatever its length.
const SLOT: usize = 16;

/// The same, as lengths between offsets are.
const SLOT_LENGTH: i32 = 16;

/// Appends strings of at most [`SLOT`] bytes, `total` together: each is copied with what follows it
/// in its slot, which the next one overwrites.
fn gather_short(
    ends: &[i32],
    entries: &[u8],
    codes: &[u32],
    total: usize,
    offsets: &mut Vec<i32>,
    data: &mut Vec<u8>,
) -> Result<()> {
    let mut slots = Vec::with_capacity(ends.len() - 1);
    for pair in ends.windows(2) {
        let entry = &entries[to_usize(pair[0])..to_usize(pair[1])];
        let mut slot = [0_u8; SLOT];
        slot[..entry.len()].copy_from_slice(entry);
        slots.push((slot, entry.len()));
    }
    let (start, first) = (data.len(), offsets.len());
    let end = start
        .checked_add(total)
        .and_then(|end| i32::try_from(end).ok());
    let base = u32::try_from(start);
    let (Some(_), Ok(base)) = (end, base) else {
        return Err(too_long());
    };
    data.resize(start + total + SLOT, 0);
    offsets.resize(first + codes.len(), 0);
    let (out, mut at) = (&mut data[start..], 0);
    for (code, end) in codes.iter().zip(&mut offsets[first..]) {
        let (slot, length) = &slots[*code as usize];
        if let Some(place) = out[at..].first_chunk_mut::<SLOT>() {
            *place = *slot;
        }
        at += length;
        // At most `total`, which fits.
        *end = base
            .wrapping_add(u32::try_from(at).unwrap_or(u32::MAX))
            .cast_signed();
    }
    data.truncate(start + total);
    Ok(())
}

fn too_long() -> Error {
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
