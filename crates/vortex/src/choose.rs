//! Which encodings a page gets: the cheapest by exact or estimated size.

use arrow_buffer::BooleanBuffer;
use bytes::Bytes;

use crate::bitpack::{pack, packed_bytes};
use crate::data_type::{COUNTS, Shape};
use crate::node::Node;
use crate::values::{Slots, Values};
use crate::word::Word;
use crate::{Error, Profile, Result};

/// Encodes the values that are not null, with the places they have (`None`: there are no nulls).
pub(crate) fn encode_slots(
    valid: Option<&BooleanBuffer>,
    values: &Values,
    shape: &Shape,
    profile: Profile,
) -> Result<Node> {
    let Some(valid) = valid else {
        return encode_values(values, shape, profile);
    };
    let count = valid.count_set_bits();
    if count == 0 {
        return Ok(Node::Null);
    }
    Ok(Node::Nullable {
        count,
        valid: Box::new(encode_bits(valid)),
        values: Box::new(encode_values(values, shape, profile)?),
    })
}

fn encode_values(values: &Values, shape: &Shape, profile: Profile) -> Result<Node> {
    match (values, shape) {
        (Values::Bits(bits), _) => Ok(encode_bits(bits)),
        (Values::Narrow(words), Shape::Words { bytes, .. }) => Ok(encode_words(words, *bytes)),
        (Values::Wide(words), Shape::Words { bytes, .. }) => Ok(encode_words(words, *bytes)),
        (Values::Bytes { offsets, data }, _) => Ok(encode_bytes(offsets, data)),
        (Values::Fixed { width, data }, _) => Ok(encode_fixed(data, *width)),
        (Values::Lists { offsets, elements }, Shape::Lists(element)) => {
            let count = offsets.last().copied().unwrap_or(0);
            Ok(Node::Lists {
                count: usize::try_from(count).unwrap_or(0),
                lengths: Box::new(encode_words(&lengths_of(offsets), 4)),
                elements: Box::new(encode_elements(elements, element, profile)?),
            })
        }
        (Values::FixedLists { elements, .. }, Shape::FixedLists(_, element)) => Ok(
            Node::FixedLists(Box::new(encode_elements(elements, element, profile)?)),
        ),
        _ => Err(Error::invalid("values that do not fit their type")),
    }
}

fn encode_elements(elements: &Slots, shape: &Shape, profile: Profile) -> Result<Node> {
    encode_slots(elements.valid.as_ref(), &elements.values, shape, profile)
}

fn encode_bits(bits: &BooleanBuffer) -> Node {
    match bits.count_set_bits() {
        0 => Node::ConstantWord(0),
        all if all == bits.len() => Node::ConstantWord(1),
        _ => Node::Plain(Bytes::copy_from_slice(&bits.sliced())),
    }
}

fn encode_words<W: Word>(words: &[W], bytes: usize) -> Node {
    let (Some(min), Some(max)) = (
        words.iter().map(|w| w.signed()).min(),
        words.iter().map(|w| w.signed()).max(),
    ) else {
        return Node::Plain(Bytes::new());
    };
    if min == max {
        return Node::ConstantWord(min);
    }
    let width = u64::BITS - max.wrapping_sub(min).cast_unsigned().leading_zeros();
    if width <= W::BITS && packed_bytes(words.len(), width) < words.len() * bytes {
        let reference = W::from_low(min.cast_unsigned());
        let data = pack(
            words.iter().map(|w| w.wrapping_sub(reference).unsigned()),
            width,
        );
        return Node::Packed {
            reference: min,
            width,
            data: data.into(),
        };
    }
    let mut data = Vec::with_capacity(words.len() * bytes);
    for word in words {
        data.extend_from_slice(&word.unsigned().to_le_bytes()[..bytes]);
    }
    Node::Plain(data.into())
}

fn encode_bytes(offsets: &[i32], data: &[u8]) -> Node {
    Node::PlainBytes {
        lengths: Box::new(encode_words(&lengths_of(offsets), 4)),
        data: Bytes::copy_from_slice(data),
    }
}

fn lengths_of(offsets: &[i32]) -> Vec<u32> {
    offsets
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).cast_unsigned())
        .collect()
}

fn encode_fixed(data: &[u8], width: usize) -> Node {
    match data.get(..width) {
        Some(first) if data.chunks_exact(width).all(|value| value == first) => {
            Node::ConstantBytes(Bytes::copy_from_slice(first))
        }
        _ => Node::Plain(Bytes::copy_from_slice(data)),
    }
}

/// The shape of lengths and codes.
const _: Shape = COUNTS;
