//! Encoding trees to values.

use arrow_buffer::{BooleanBuffer, Buffer};

use crate::bitpack::unpack;
use crate::budget::Budget;
use crate::data_type::Shape;
use crate::node::Node;
use crate::values::{Slots, Values};
use crate::word::Word;
use crate::{Error, Result};

/// Decodes `count` slots.
pub(crate) fn decode_slots(
    node: &Node,
    shape: &Shape,
    count: usize,
    budget: &mut Budget,
) -> Result<Slots> {
    match node {
        Node::Null => {
            pay_slots(shape, count, budget)?;
            let valid = BooleanBuffer::new_unset(count);
            let values = empty(shape).spread(&valid);
            Ok(Slots {
                valid: Some(valid),
                values,
            })
        }
        Node::Nullable {
            count: valid_count,
            valid,
            values,
        } => {
            let valid = decode_bits(valid, count, budget)?;
            if valid.count_set_bits() != *valid_count {
                return Err(Error::corrupt("another number of nulls than declared"));
            }
            let values = decode_values(values, shape, *valid_count, budget)?;
            pay_slots(shape, count, budget)?;
            Ok(Slots {
                values: values.spread(&valid),
                valid: Some(valid),
            })
        }
        node => decode_values(node, shape, count, budget).map(Slots::all_valid),
    }
}

/// Pays for moving values to their slots.
fn pay_slots(shape: &Shape, count: usize, budget: &mut Budget) -> Result<()> {
    match shape {
        Shape::Bits => budget.pay(count.div_ceil(8), 1),
        Shape::Words { bytes, .. } => budget.pay(count, (*bytes).max(4)),
        Shape::Bytes | Shape::Lists(_) => budget.pay(count + 1, 4),
        Shape::Fixed(width) => budget.pay(count, *width),
        Shape::FixedLists(width, element) => {
            pay_slots(element, count.saturating_mul(*width), budget)
        }
    }
}

/// No values.
fn empty(shape: &Shape) -> Values {
    match shape {
        Shape::Bits => Values::Bits(BooleanBuffer::new_unset(0)),
        Shape::Words { bytes: 8, .. } => Values::Wide(Vec::new()),
        Shape::Words { .. } => Values::Narrow(Vec::new()),
        Shape::Bytes => Values::Bytes {
            offsets: vec![0],
            data: Vec::new(),
        },
        Shape::Fixed(width) => Values::Fixed {
            width: *width,
            data: Vec::new(),
        },
        Shape::Lists(element) => Values::Lists {
            offsets: vec![0],
            elements: Box::new(Slots::all_valid(empty(element))),
        },
        Shape::FixedLists(width, element) => Values::FixedLists {
            width: *width,
            elements: Box::new(Slots::all_valid(empty(element))),
        },
    }
}

fn decode_values(node: &Node, shape: &Shape, count: usize, budget: &mut Budget) -> Result<Values> {
    Ok(match shape {
        Shape::Bits => Values::Bits(decode_bits(node, count, budget)?),
        Shape::Words { bytes: 8, .. } => Values::Wide(decode_words(node, 8, count, budget)?),
        Shape::Words { bytes, .. } => Values::Narrow(decode_words(node, *bytes, count, budget)?),
        Shape::Bytes => {
            let (offsets, data) = decode_bytes(node, count, budget)?;
            Values::Bytes { offsets, data }
        }
        Shape::Fixed(width) => Values::Fixed {
            width: *width,
            data: decode_fixed(node, *width, count, budget)?,
        },
        Shape::Lists(element) => decode_lists(node, element, count, budget)?,
        Shape::FixedLists(width, element) => {
            let Node::FixedLists(elements) = node else {
                return Err(misplaced());
            };
            Values::FixedLists {
                width: *width,
                elements: Box::new(decode_slots(elements, element, count * width, budget)?),
            }
        }
    })
}

fn decode_bits(node: &Node, count: usize, budget: &mut Budget) -> Result<BooleanBuffer> {
    budget.pay(count.div_ceil(8), 1)?;
    match node {
        Node::Plain(data) => Ok(BooleanBuffer::new(Buffer::from(&data[..]), 0, count)),
        Node::ConstantWord(0) => Ok(BooleanBuffer::new_unset(count)),
        Node::ConstantWord(1) => Ok(BooleanBuffer::new_set(count)),
        _ => Err(misplaced()),
    }
}

/// Decodes words that are `bytes` wide where they stand plain.
pub(crate) fn decode_words<W: Word>(
    node: &Node,
    bytes: usize,
    count: usize,
    budget: &mut Budget,
) -> Result<Vec<W>> {
    budget.pay(count, size_of::<W>())?;
    match node {
        Node::Plain(data) => Ok(plain_words(data, bytes)),
        Node::ConstantWord(value) => Ok(vec![W::from_low(value.cast_unsigned()); count]),
        Node::Packed {
            reference,
            width,
            data,
        } => {
            let reference = W::from_low(reference.cast_unsigned());
            let mut words = Vec::with_capacity(count);
            unpack(data, *width, count, |n| {
                words.push(W::from_low(n).wrapping_add(reference))
            });
            Ok(words)
        }
        _ => Err(misplaced()),
    }
}

fn plain_words<W: Word>(data: &[u8], bytes: usize) -> Vec<W> {
    let word = |chunk: &[u8]| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        W::from_low(u64::from_le_bytes(eight))
    };
    data.chunks_exact(bytes).map(word).collect()
}

fn decode_bytes(node: &Node, count: usize, budget: &mut Budget) -> Result<(Vec<i32>, Vec<u8>)> {
    budget.pay(count + 1, 4)?;
    match node {
        Node::PlainBytes { lengths, data } => {
            let lengths = decode_words(lengths, 4, count, budget)?;
            let offsets = offsets_of(&lengths, data.len())?;
            budget.pay(data.len(), 1)?;
            Ok((offsets, data.to_vec()))
        }
        Node::ConstantBytes(value) => {
            budget.pay(count, value.len())?;
            let step = u32::try_from(value.len()).map_err(|_| Error::too_large("a text"))?;
            let offsets = offsets_of(&vec![step; count], value.len() * count)?;
            Ok((offsets, value.repeat(count)))
        }
        _ => Err(misplaced()),
    }
}

/// Offsets from lengths, which must sum up to `total`.
fn offsets_of(lengths: &[u32], total: usize) -> Result<Vec<i32>> {
    let mut at = 0_u64;
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    offsets.push(0);
    for length in lengths {
        at += u64::from(*length);
        offsets.push(i32::try_from(at).unwrap_or(i32::MAX));
    }
    if at != total as u64 || i32::try_from(at).is_err() {
        return Err(Error::corrupt(format!(
            "lengths of {at} bytes or elements, {total} are there"
        )));
    }
    Ok(offsets)
}

fn decode_fixed(node: &Node, width: usize, count: usize, budget: &mut Budget) -> Result<Vec<u8>> {
    budget.pay(count, width)?;
    match node {
        Node::Plain(data) => Ok(data.to_vec()),
        Node::ConstantBytes(value) if value.len() == width => Ok(value.repeat(count)),
        _ => Err(misplaced()),
    }
}

fn decode_lists(node: &Node, element: &Shape, count: usize, budget: &mut Budget) -> Result<Values> {
    let Node::Lists {
        count: total,
        lengths,
        elements,
    } = node
    else {
        return Err(misplaced());
    };
    budget.pay(count + 1, 4)?;
    let lengths = decode_words(lengths, 4, count, budget)?;
    let offsets = offsets_of(&lengths, *total)?;
    Ok(Values::Lists {
        offsets,
        elements: Box::new(decode_slots(elements, element, *total, budget)?),
    })
}

fn misplaced() -> Error {
    Error::corrupt("an encoding that makes no such values")
}
