//! Encoding trees to values.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};

use crate::bitpack::unpack;
use crate::budget::Budget;
use crate::data_type::Shape;
use crate::decimal::{bits_of, float_of, power};
use crate::decode_texts::decode_text;
use crate::json::put_text;
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
            budget.pay(count, shape.slot_bytes())?;
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
            budget.pay(count, shape.slot_bytes())?;
            Ok(Slots {
                values: values.spread(&valid),
                valid: Some(valid),
            })
        }
        node => decode_values(node, shape, count, budget).map(Slots::all_valid),
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

pub(crate) fn decode_bits(node: &Node, count: usize, budget: &mut Budget) -> Result<BooleanBuffer> {
    budget.pay(count.div_ceil(8), 1)?;
    match node {
        Node::Plain(data) => Ok(BooleanBuffer::new(Buffer::from(&data[..]), 0, count)),
        Node::ConstantWord(0) => Ok(BooleanBuffer::new_unset(count)),
        Node::ConstantWord(1) => Ok(BooleanBuffer::new_set(count)),
        Node::Runs {
            count: runs,
            values,
            lengths,
        } => {
            let values = decode_bits(values, *runs, budget)?;
            let lengths = run_lengths(lengths, *runs, count, budget)?;
            let mut bits = BooleanBufferBuilder::new(count);
            for (value, length) in values.iter().zip(lengths) {
                bits.append_n(length as usize, value);
            }
            Ok(bits.finish())
        }
        Node::Zstd { node, .. } => decode_bits(node, count, budget),
        _ => Err(misplaced()),
    }
}

/// The lengths of runs, which must sum up to `count`.
fn run_lengths(node: &Node, runs: usize, count: usize, budget: &mut Budget) -> Result<Vec<u32>> {
    let lengths: Vec<u32> = decode_words(node, 4, runs, budget)?;
    let sum: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    match sum == count as u64 {
        true => Ok(lengths),
        false => Err(Error::corrupt(format!(
            "runs of {sum} values, {count} are there"
        ))),
    }
}

/// Decodes words that are `bytes` wide where they stand plain.
pub(crate) fn decode_words<W: Word>(
    node: &Node,
    bytes: usize,
    count: usize,
    budget: &mut Budget,
) -> Result<Vec<W>> {
    let low = |number: &i64| W::from_low(number.cast_unsigned());
    match node {
        Node::Zstd { node, .. } => return decode_words(node, bytes, count, budget),
        Node::Delta { first, deltas } => {
            let deltas = decode_words(deltas, bytes, count - 1, budget)?;
            budget.pay(count, size_of::<W>())?;
            return Ok(summed(low(first), &deltas));
        }
        Node::Multiple {
            reference,
            factor,
            multiples,
        } => {
            let (reference, factor) = (low(reference), W::from_low(*factor));
            let mut words: Vec<W> = decode_words(multiples, bytes, count, budget)?;
            for word in &mut words {
                *word = word.wrapping_mul(factor).wrapping_add(reference);
            }
            return Ok(words);
        }
        _ => {}
    }
    budget.pay(count, size_of::<W>())?;
    match node {
        Node::Plain(data) => Ok(plain_words(data, bytes)),
        Node::ConstantWord(value) => Ok(vec![low(value); count]),
        Node::Packed {
            reference,
            width,
            data,
        } => {
            let reference = low(reference);
            let mut words = Vec::with_capacity(count);
            unpack(data, *width, count, |n| {
                words.push(W::from_low(n).wrapping_add(reference));
            });
            Ok(words)
        }
        Node::Runs {
            count: runs,
            values,
            lengths,
        } => {
            let values: Vec<W> = decode_words(values, bytes, *runs, budget)?;
            let lengths = run_lengths(lengths, *runs, count, budget)?;
            let mut words = Vec::with_capacity(count);
            for (value, length) in values.iter().zip(lengths) {
                words.resize(words.len() + length as usize, *value);
            }
            Ok(words)
        }
        Node::Dictionary {
            count: entries,
            values,
            codes,
        } => {
            let values: Vec<W> = decode_words(values, bytes, *entries, budget)?;
            let codes = decode_codes(codes, *entries, count, budget)?;
            Ok(codes.iter().map(|code| values[*code as usize]).collect())
        }
        Node::Decimal { exponent, numbers } => {
            let numbers: Vec<u64> = decode_words(numbers, 8, count, budget)?;
            let (power, is_short) = (power(*exponent), bytes == 4);
            let word = |number: &u64| W::from_low(bits_of(float_of(*number, power), is_short));
            Ok(numbers.iter().map(word).collect())
        }
        _ => Err(misplaced()),
    }
}

/// Codes of a dictionary, each checked to name an entry.
fn decode_codes(
    node: &Node,
    entries: usize,
    count: usize,
    budget: &mut Budget,
) -> Result<Vec<u32>> {
    let codes: Vec<u32> = decode_words(node, 4, count, budget)?;
    match codes.iter().max() {
        Some(code) if *code as usize >= entries => Err(Error::corrupt(format!(
            "code {code} of a dictionary of {entries}"
        ))),
        _ => Ok(codes),
    }
}

fn summed<W: Word>(first: W, deltas: &[W]) -> Vec<W> {
    let mut words = Vec::with_capacity(deltas.len() + 1);
    let mut word = first;
    words.push(word);
    words.extend(deltas.iter().map(|delta| {
        word = word.wrapping_add(*delta);
        word
    }));
    words
}

fn plain_words<W: Word>(data: &[u8], bytes: usize) -> Vec<W> {
    let word = |chunk: &[u8]| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        W::from_low(u64::from_le_bytes(eight))
    };
    data.chunks_exact(bytes).map(word).collect()
}

pub(crate) fn decode_bytes(node: &Node, count: usize, budget: &mut Budget) -> Result<(Vec<i32>, Vec<u8>)> {
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
        Node::Dictionary {
            count: entries,
            values,
            codes,
        } => {
            let (ends, data) = decode_bytes(values, *entries, budget)?;
            let codes = decode_codes(codes, *entries, count, budget)?;
            gather(&ends, &data, &codes, budget)
        }
        Node::Zstd { node, .. } => decode_bytes(node, count, budget),
        Node::Cbor { texts, items } => {
            let texts = decode_bits(texts, count, budget)?;
            let (ends, data) = decode_bytes(items, count, budget)?;
            texts_of(&texts, &ends, &data, budget)
        }
        Node::Text(node) => {
            let texts = decode_text(node, count, budget)?;
            Ok((texts.offsets, texts.data))
        }
        _ => Err(misplaced()),
    }
}

/// The strings that codes name.
fn gather(
    ends: &[i32],
    data: &[u8],
    codes: &[u32],
    budget: &mut Budget,
) -> Result<(Vec<i32>, Vec<u8>)> {
    let entry = |code: &u32| (ends[*code as usize], ends[*code as usize + 1]);
    let lengths: Vec<u32> = codes
        .iter()
        .map(entry)
        .map(|(from, to)| (to - from).cast_unsigned())
        .collect();
    let total = lengths.iter().map(|length| *length as usize).sum();
    budget.pay(total, 1)?;
    let offsets = offsets_of(&lengths, total)?;
    let mut out = Vec::with_capacity(total);
    for (from, to) in codes.iter().map(entry) {
        out.extend_from_slice(&data[to_usize(from)..to_usize(to)]);
    }
    Ok((offsets, out))
}

/// JSON texts of CBOR items; those marked are texts already.
fn texts_of(
    are_texts: &BooleanBuffer,
    ends: &[i32],
    data: &[u8],
    budget: &mut Budget,
) -> Result<(Vec<i32>, Vec<u8>)> {
    let mut out = Vec::with_capacity(data.len());
    let mut lengths = Vec::with_capacity(are_texts.len());
    for (is_text, pair) in are_texts.iter().zip(ends.windows(2)) {
        let item = &data[to_usize(pair[0])..to_usize(pair[1])];
        let before = out.len();
        match is_text {
            true => out.extend_from_slice(item),
            false => put_text(item, &mut out)?,
        }
        let length = out.len() - before;
        budget.pay(length, 1)?;
        lengths.push(u32::try_from(length).map_err(|_| Error::too_large("a text"))?);
    }
    let offsets = offsets_of(&lengths, out.len())?;
    Ok((offsets, out))
}

/// Offsets made by this crate are never negative.
fn to_usize(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
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
        Node::Dictionary {
            count: entries,
            values,
            codes,
        } => {
            let data = decode_fixed(values, width, *entries, budget)?;
            let codes = decode_codes(codes, *entries, count, budget)?;
            let value = |code: &u32| &data[*code as usize * width..][..width];
            Ok(codes.iter().flat_map(value).copied().collect())
        }
        Node::Zstd { node, .. } => decode_fixed(node, width, count, budget),
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
