//! The encoding tree of a page: a node says how values are made from bytes or from other nodes.
//!
//! Ids are never given another meaning, and a new one comes with a feature bit. A node does not repeat what its parent knows (shape and
//! count), so a tree is read from the top.

use bytes::Bytes;

use crate::text_node::{BLOCKS, DIGITS, FSST, PARTNER, PATTERN, SHAPES, TIMES, TextNode};
use crate::wire::{put_bytes, put_varint, varint_size, zigzag};

/// How values are encoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Nulls only.
    Null,
    /// How many slots are valid, which, and the values of those.
    Nullable {
        count: usize,
        valid: Box<Self>,
        values: Box<Self>,
    },
    /// Bits, words or byte strings of one length as they are.
    Plain(Bytes),
    /// Byte strings: their lengths, and all bytes in a row.
    PlainBytes { lengths: Box<Self>, data: Bytes },
    /// One bit or word for all.
    ConstantWord(i64),
    /// One byte string for all.
    ConstantBytes(Bytes),
    /// Words less a reference, in a fixed number of bits each.
    Packed {
        reference: i64,
        width: u32,
        data: Bytes,
    },
    /// Words: the first, and each less the one before.
    Delta { first: i64, deltas: Box<Self> },
    /// Words that are a reference and a multiple of a factor.
    Multiple {
        reference: i64,
        factor: u64,
        multiples: Box<Self>,
    },
    /// Words or bits: one for each run, and how long the runs are.
    Runs {
        count: usize,
        values: Box<Self>,
        lengths: Box<Self>,
    },
    /// The distinct values, and which of them each is.
    Dictionary {
        count: usize,
        values: Box<Self>,
        codes: Box<Self>,
    },
    /// The bytes of a node, compressed with Zstandard.
    Zstd {
        raw_bytes: usize,
        data: Bytes,
        node: Box<Self>,
    },
    /// Floats that are whole numbers divided by a power of ten.
    Decimal { exponent: u8, numbers: Box<Self> },
    /// JSON texts as CBOR items, but for those marked, which are texts.
    Cbor { texts: Box<Self>, items: Box<Self> },
    /// Lists: their lengths, and all elements in a row.
    Lists {
        count: usize,
        lengths: Box<Self>,
        elements: Box<Self>,
    },
    /// Lists of one length: all elements in a row.
    FixedLists(Box<Self>),
    /// Byte strings made of numbers, symbols or shapes.
    Text(Box<TextNode>),
    /// Words, some of which are others: where those are, ascending, and what stands there.
    Patched {
        count: usize,
        places: Box<Self>,
        patches: Box<Self>,
        values: Box<Self>,
    },
    /// Which of the values that all pages of the column share each is.
    Shared { codes: Box<Self> },
    /// Words in Pcodec's bytes: as whole numbers, or as 64-bit floats.
    Pco { is_float: bool, data: Bytes },
}

pub(crate) const NULL: u8 = 0;
pub(crate) const NULLABLE: u8 = 1;
pub(crate) const PLAIN: u8 = 2;
pub(crate) const CONSTANT: u8 = 3;
pub(crate) const PACKED: u8 = 4;
pub(crate) const DELTA: u8 = 5;
pub(crate) const MULTIPLE: u8 = 6;
pub(crate) const RUNS: u8 = 7;
pub(crate) const DICTIONARY: u8 = 8;
pub(crate) const ZSTD: u8 = 9;
pub(crate) const DECIMAL: u8 = 10;
pub(crate) const CBOR: u8 = 11;
pub(crate) const LISTS: u8 = 12;
pub(crate) const PATCHED: u8 = 13;
pub(crate) const SHARED: u8 = 14;
pub(crate) const PCO: u8 = 15;

/// The bit of the header that announces an encoding; none for those that every reader knows.
pub(crate) const fn feature(id: u8) -> u32 {
    match id {
        PATCHED => 1,
        SHARED => 1 << 1,
        FSST => 1 << 8,
        DIGITS => 1 << 9,
        TIMES => 1 << 10,
        PATTERN => 1 << 11,
        SHAPES => 1 << 12,
        PARTNER => 1 << 13,
        BLOCKS => 1 << 14,
        PCO => 1 << 2,
        _ => 0,
    }
}

/// The features of all encodings.
pub(crate) const ALL_FEATURES: u32 = feature(PATCHED)
    | feature(SHARED)
    | feature(PCO)
    | feature(FSST)
    | feature(DIGITS)
    | feature(TIMES)
    | feature(PATTERN)
    | feature(SHAPES)
    | feature(PARTNER)
    | feature(BLOCKS);

impl Node {
    /// Appends the node and those below it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.id());
        match self {
            Self::Null | Self::Cbor { .. } | Self::FixedLists(_) | Self::Shared { .. } => {}
            Self::Nullable { count, .. }
            | Self::Patched { count, .. }
            | Self::Runs { count, .. }
            | Self::Dictionary { count, .. }
            | Self::Lists { count, .. } => put_varint(out, *count as u64),
            Self::Plain(data) => out.extend_from_slice(data),
            Self::PlainBytes { data, .. } => put_varint(out, data.len() as u64),
            Self::ConstantWord(value) => put_varint(out, zigzag(*value)),
            Self::ConstantBytes(value) => put_bytes(out, value),
            Self::Pco { is_float, data } => {
                out.push(u8::from(*is_float));
                put_bytes(out, data);
            }
            Self::Packed {
                reference,
                width,
                data,
            } => {
                put_varint(out, zigzag(*reference));
                out.push(width.to_le_bytes()[0]);
                out.extend_from_slice(data);
            }
            Self::Delta { first, .. } => put_varint(out, zigzag(*first)),
            Self::Multiple {
                reference, factor, ..
            } => {
                put_varint(out, zigzag(*reference));
                put_varint(out, *factor);
            }
            Self::Zstd {
                raw_bytes, data, ..
            } => {
                put_varint(out, *raw_bytes as u64);
                put_bytes(out, data);
                return;
            }
            Self::Decimal { exponent, .. } => out.push(*exponent),
            Self::Text(node) => {
                node.encode(out);
                return;
            }
        }
        for child in self.children() {
            child.encode(out);
        }
        if let Self::PlainBytes { data, .. } = self {
            out.extend_from_slice(data);
        }
    }

    /// Bytes that [`Node::encode`] appends.
    pub(crate) fn size(&self) -> usize {
        let counted = |bytes: &Bytes| varint_size(bytes.len() as u64) + bytes.len();
        let number = |number: i64| varint_size(zigzag(number));
        let own = match self {
            Self::Null | Self::Cbor { .. } | Self::FixedLists(_) | Self::Shared { .. } => 0,
            Self::Nullable { count, .. }
            | Self::Patched { count, .. }
            | Self::Runs { count, .. }
            | Self::Dictionary { count, .. }
            | Self::Lists { count, .. } => varint_size(*count as u64),
            Self::Plain(data) => data.len(),
            Self::PlainBytes { data, .. } | Self::ConstantBytes(data) => counted(data),
            Self::Pco { data, .. } => 1 + counted(data),
            Self::ConstantWord(value) => number(*value),
            Self::Packed {
                reference, data, ..
            } => number(*reference) + 1 + data.len(),
            Self::Delta { first, .. } => number(*first),
            Self::Multiple {
                reference, factor, ..
            } => number(*reference) + varint_size(*factor),
            Self::Zstd {
                raw_bytes, data, ..
            } => return 1 + varint_size(*raw_bytes as u64) + counted(data),
            Self::Decimal { .. } => 1,
            Self::Text(node) => node.own_bytes(),
        };
        1 + own
            + self
                .children()
                .iter()
                .map(|child| child.size())
                .sum::<usize>()
    }

    /// The nodes below, in the order of their bytes.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Null
            | Self::Plain(_)
            | Self::ConstantWord(_)
            | Self::ConstantBytes(_)
            | Self::Pco { .. }
            | Self::Packed { .. } => Vec::new(),
            Self::Nullable { valid, values, .. } => vec![valid, values],
            Self::PlainBytes { lengths, .. } => vec![lengths],
            Self::Delta { deltas, .. } => vec![deltas],
            Self::Multiple { multiples, .. } => vec![multiples],
            Self::Runs {
                values, lengths, ..
            } => vec![values, lengths],
            Self::Dictionary { values, codes, .. } => vec![values, codes],
            Self::Zstd { node, .. } => vec![node],
            Self::Decimal { numbers, .. } => vec![numbers],
            Self::Cbor { texts, items } => vec![texts, items],
            Self::Lists {
                lengths, elements, ..
            } => vec![lengths, elements],
            Self::FixedLists(elements) => vec![elements],
            Self::Text(node) => node.children.iter().collect(),
            Self::Patched {
                places,
                patches,
                values,
                ..
            } => vec![places, patches, values],
            Self::Shared { codes } => vec![codes],
        }
    }

    /// True if its values are in a page of another column.
    pub(crate) fn is_partner(&self) -> bool {
        self.id() == PARTNER || self.children().iter().any(|child| child.is_partner())
    }

    /// The number that stands for the encoding.
    pub(crate) fn id(&self) -> u8 {
        match self {
            Self::Null => NULL,
            Self::Nullable { .. } => NULLABLE,
            Self::Plain(_) | Self::PlainBytes { .. } => PLAIN,
            Self::ConstantWord(_) | Self::ConstantBytes(_) => CONSTANT,
            Self::Packed { .. } => PACKED,
            Self::Delta { .. } => DELTA,
            Self::Multiple { .. } => MULTIPLE,
            Self::Runs { .. } => RUNS,
            Self::Dictionary { .. } => DICTIONARY,
            Self::Zstd { .. } => ZSTD,
            Self::Decimal { .. } => DECIMAL,
            Self::Cbor { .. } => CBOR,
            Self::Lists { .. } | Self::FixedLists(_) => LISTS,
            Self::Text(node) => node.head.id(),
            Self::Patched { .. } => PATCHED,
            Self::Shared { .. } => SHARED,
            Self::Pco { .. } => PCO,
        }
    }

    /// The bits of the header that announce this node and those below it.
    pub(crate) fn features(&self) -> u32 {
        self.children()
            .iter()
            .fold(feature(self.id()), |bits, child| bits | child.features())
    }
}
