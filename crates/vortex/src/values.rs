//! A page's values in memory, between Arrow and the encodings.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use crate::data_type::Shape;

/// Values of one shape, without nulls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Bits(BooleanBuffer),
    /// Numbers of at most 4 bytes, as they are decoded. Encoding takes all numbers in 64 bits.
    Narrow(Vec<u32>),
    /// Numbers of 8 bytes, or any that are encoded.
    Wide(Vec<u64>),
    /// Byte strings: one more offset than strings, from 0.
    Bytes {
        offsets: Vec<i32>,
        data: Vec<u8>,
    },
    Fixed {
        width: usize,
        data: Vec<u8>,
    },
    /// Lists: one more offset than lists, from 0.
    Lists {
        offsets: Vec<i32>,
        elements: Box<Slots>,
    },
    FixedLists {
        width: usize,
        elements: Box<Slots>,
    },
}

/// Values with their nulls: a null has a place with some value in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slots {
    pub(crate) valid: Option<BooleanBuffer>,
    pub(crate) values: Values,
}

impl Slots {
    /// Slots without nulls.
    pub(crate) fn all_valid(values: Values) -> Self {
        Self {
            valid: None,
            values,
        }
    }

    /// Moves each slot to the next place that `places` names, and puts empty values in the others.
    /// The other places are as valid as `default` says.
    fn spread(self, places: &BooleanBuffer, default: bool) -> Self {
        let valid = self.valid.map(|valid| spread_bits(&valid, places, default));
        Self {
            valid,
            values: self.values.spread(places),
        }
    }
}

impl Values {
    /// Bytes of byte strings and of elements of lists, which their slots do not count.
    pub(crate) fn beside_slots(&self, shape: &Shape) -> usize {
        match (self, shape) {
            (Self::Bytes { data, .. }, _) => data.len(),
            (Self::Lists { offsets, elements }, Shape::Lists(element)) => {
                let count = usize::try_from(offsets.last().copied().unwrap_or(0)).unwrap_or(0);
                count * element.slot_bytes() + elements.values.beside_slots(element)
            }
            _ => 0,
        }
    }

    /// No values.
    pub(crate) fn empty(shape: &Shape) -> Self {
        match shape {
            Shape::Bits => Self::Bits(BooleanBuffer::new_unset(0)),
            Shape::Words { bytes: 8, .. } => Self::Wide(Vec::new()),
            Shape::Words { .. } => Self::Narrow(Vec::new()),
            Shape::Bytes => Self::Bytes {
                offsets: vec![0],
                data: Vec::new(),
            },
            Shape::Fixed(width) => Self::Fixed {
                width: *width,
                data: Vec::new(),
            },
            Shape::Lists(element) => Self::Lists {
                offsets: vec![0],
                elements: Box::new(Slots::all_valid(Self::empty(element))),
            },
            Shape::FixedLists(width, element) => Self::FixedLists {
                width: *width,
                elements: Box::new(Slots::all_valid(Self::empty(element))),
            },
        }
    }

    /// Moves each value to the next place that `places` names, and puts zero in the others.
    pub(crate) fn spread(self, places: &BooleanBuffer) -> Self {
        match self {
            Self::Bits(bits) => Self::Bits(spread_bits(&bits, places, false)),
            Self::Narrow(words) => Self::Narrow(spread_words(&words, places)),
            Self::Wide(words) => Self::Wide(spread_words(&words, places)),
            Self::Bytes { offsets, data } => Self::Bytes {
                offsets: spread_offsets(&offsets, places),
                data,
            },
            Self::Fixed { width, data } => Self::Fixed {
                width,
                data: spread_fixed(&data, width, places),
            },
            Self::Lists { offsets, elements } => Self::Lists {
                offsets: spread_offsets(&offsets, places),
                elements,
            },
            Self::FixedLists { width, elements } => Self::FixedLists {
                width,
                elements: Box::new(elements.spread(&repeated(places, width), true)),
            },
        }
    }
}

fn spread_words<W: Copy + Default>(words: &[W], places: &BooleanBuffer) -> Vec<W> {
    let mut out = vec![W::default(); places.len()];
    for (place, word) in places.set_indices().zip(words) {
        out[place] = *word;
    }
    out
}

fn spread_bits(bits: &BooleanBuffer, places: &BooleanBuffer, default: bool) -> BooleanBuffer {
    let mut out = BooleanBufferBuilder::new(places.len());
    out.append_n(places.len(), default);
    for (place, bit) in places.set_indices().zip(bits) {
        out.set_bit(place, bit);
    }
    out.finish()
}

fn spread_offsets(offsets: &[i32], places: &BooleanBuffer) -> Vec<i32> {
    let mut out = Vec::with_capacity(places.len() + 1);
    out.push(0);
    let (mut ends, mut at) = (offsets.iter().skip(1), 0);
    for is_there in places {
        if is_there {
            at = ends.next().copied().unwrap_or(at);
        }
        out.push(at);
    }
    out
}

fn spread_fixed(data: &[u8], width: usize, places: &BooleanBuffer) -> Vec<u8> {
    let mut out = vec![0; places.len() * width];
    if width > 0 {
        for (place, value) in places.set_indices().zip(data.chunks_exact(width)) {
            out[place * width..(place + 1) * width].copy_from_slice(value);
        }
    }
    out
}

/// Each bit `times` times.
fn repeated(bits: &BooleanBuffer, times: usize) -> BooleanBuffer {
    let mut out = BooleanBufferBuilder::new(bits.len() * times);
    for bit in bits {
        out.append_n(times, bit);
    }
    out.finish()
}
