//! Bytes of a page to its encoding tree. Nothing is decoded yet, and nothing larger than the page is allocated.

use bytes::Bytes;

use crate::bitpack::packed_bytes;
use crate::data_type::{COUNTS, Shape};
use crate::node::{CONSTANT, LISTS, NULL, NULLABLE, Node, PACKED, PLAIN};
use crate::wire::{Reader, unzigzag};
use crate::{Error, Result, limits};

/// Reads the tree of a page of `rows` rows.
pub(crate) fn parse_page(page: Bytes, shape: &Shape, rows: usize) -> Result<Node> {
    let mut parser = Parser {
        reader: Reader::new(page),
        depth: 0,
    };
    let node = parser.slots(shape, rows)?;
    parser.reader.end()?;
    Ok(node)
}

struct Parser {
    reader: Reader,
    depth: usize,
}

impl Parser {
    /// Reads a node of `count` slots, some of which may be null.
    fn slots(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let id = self.reader.u8()?;
        match id {
            NULL => Ok(Node::Null),
            NULLABLE => {
                let valid_count = self.reader.count(count, "valid slots")?;
                let valid = self.child(&Shape::Bits, count)?;
                let values = self.child(shape, valid_count)?;
                Ok(Node::Nullable {
                    count: valid_count,
                    valid,
                    values,
                })
            }
            _ => self.node(id, shape, count),
        }
    }

    fn child(&mut self, shape: &Shape, count: usize) -> Result<Box<Node>> {
        let id = self.reader.u8()?;
        self.node(id, shape, count).map(Box::new)
    }

    /// Reads a node of `count` values, none of them null.
    fn node(&mut self, id: u8, shape: &Shape, count: usize) -> Result<Node> {
        self.depth += 1;
        if self.depth > limits::TREE_DEPTH_MAX {
            return Err(Error::too_large("an encoding tree that is too deep"));
        }
        let node = match id {
            PLAIN => self.plain(shape, count),
            CONSTANT => self.constant(shape),
            PACKED => self.packed(shape, count),
            LISTS => self.lists(shape, count),
            _ => Err(Error::unsupported(format!("encoding {id}"))),
        };
        self.depth -= 1;
        node
    }

    fn plain(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let sized = match shape {
            Shape::Bits => Some(count.div_ceil(8)),
            Shape::Words { bytes, .. } => Some(count * bytes),
            Shape::Fixed(width) => Some(count.saturating_mul(*width)),
            _ => None,
        };
        match (sized, shape) {
            (Some(bytes), _) => Ok(Node::Plain(self.reader.take(bytes)?)),
            (None, Shape::Bytes) => Ok(Node::PlainBytes {
                lengths: self.child(&COUNTS, count)?,
                data: self.reader.bytes()?,
            }),
            _ => Err(misplaced("plain values")),
        }
    }

    fn constant(&mut self, shape: &Shape) -> Result<Node> {
        match shape {
            Shape::Bits | Shape::Words { .. } => {
                Ok(Node::ConstantWord(unzigzag(self.reader.varint()?)))
            }
            Shape::Bytes | Shape::Fixed(_) => Ok(Node::ConstantBytes(self.reader.bytes()?)),
            _ => Err(misplaced("a constant")),
        }
    }

    fn packed(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Words { bytes, .. } = shape else {
            return Err(misplaced("packed numbers"));
        };
        let reference = unzigzag(self.reader.varint()?);
        let width = u32::from(self.reader.u8()?);
        let most = if *bytes == 8 { 64 } else { 32 };
        if width > most {
            return Err(Error::corrupt(format!("numbers of {width} bits")));
        }
        let data = self.reader.take(packed_bytes(count, width))?;
        Ok(Node::Packed {
            reference,
            width,
            data,
        })
    }

    fn lists(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        match shape {
            Shape::Lists(element) => {
                let elements = self
                    .reader
                    .count(limits::PAGE_DECODED_BYTES_MAX, "elements")?;
                Ok(Node::Lists {
                    count: elements,
                    lengths: self.child(&COUNTS, count)?,
                    elements: Box::new(self.slots(element, elements)?),
                })
            }
            Shape::FixedLists(width, element) => {
                let elements = count.saturating_mul(*width);
                if elements > limits::PAGE_DECODED_BYTES_MAX {
                    return Err(Error::too_large(format!("{elements} elements")));
                }
                Ok(Node::FixedLists(Box::new(self.slots(element, elements)?)))
            }
            _ => Err(misplaced("lists")),
        }
    }
}

fn misplaced(what: &str) -> Error {
    Error::corrupt(format!("{what} where the column has others"))
}
