//! The encoding tree of a page: a node says how values are made from bytes or from other nodes.
//!
//! Ids are never given another meaning. A node does not repeat what its parent knows (shape and
//! count), so a tree is read from the top.

use bytes::Bytes;

use crate::wire::{put_bytes, put_varint, zigzag};

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
    /// Lists: their lengths, and all elements in a row.
    Lists {
        count: usize,
        lengths: Box<Self>,
        elements: Box<Self>,
    },
    /// Lists of one length: all elements in a row.
    FixedLists(Box<Self>),
}

pub(crate) const NULL: u8 = 0;
pub(crate) const NULLABLE: u8 = 1;
pub(crate) const PLAIN: u8 = 2;
pub(crate) const CONSTANT: u8 = 3;
pub(crate) const PACKED: u8 = 4;
pub(crate) const LISTS: u8 = 12;

impl Node {
    /// Appends the node and those below it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.id());
        match self {
            Self::Null => {}
            Self::Nullable {
                count,
                valid,
                values,
            } => {
                put_varint(out, *count as u64);
                valid.encode(out);
                values.encode(out);
            }
            Self::Plain(data) => out.extend_from_slice(data),
            Self::PlainBytes { lengths, data } => {
                lengths.encode(out);
                put_bytes(out, data);
            }
            Self::ConstantWord(value) => put_varint(out, zigzag(*value)),
            Self::ConstantBytes(value) => put_bytes(out, value),
            Self::Packed {
                reference,
                width,
                data,
            } => {
                put_varint(out, zigzag(*reference));
                out.push(width.to_le_bytes()[0]);
                out.extend_from_slice(data);
            }
            Self::Lists {
                count,
                lengths,
                elements,
            } => {
                put_varint(out, *count as u64);
                lengths.encode(out);
                elements.encode(out);
            }
            Self::FixedLists(elements) => elements.encode(out),
        }
    }

    fn id(&self) -> u8 {
        match self {
            Self::Null => NULL,
            Self::Nullable { .. } => NULLABLE,
            Self::Plain(_) | Self::PlainBytes { .. } => PLAIN,
            Self::ConstantWord(_) | Self::ConstantBytes(_) => CONSTANT,
            Self::Packed { .. } => PACKED,
            Self::Lists { .. } | Self::FixedLists(_) => LISTS,
        }
    }
}
