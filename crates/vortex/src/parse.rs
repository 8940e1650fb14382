//! Bytes of a page to its encoding tree. Nothing is decoded yet but what Zstandard compressed.

use bytes::Bytes;

use crate::bitpack::packed_bytes;
use crate::budget::Budget;
use crate::compress::decompress;
use crate::data_type::{COUNTS, NUMBERS, Shape};
use crate::decimal::EXPONENT_MAX;
use crate::node::{
    CBOR, CONSTANT, DECIMAL, DELTA, DICTIONARY, LISTS, MULTIPLE, NULL, NULLABLE, Node, PACKED,
    PATCHED, PCO, PLAIN, RUNS, SHARED, ZSTD, feature,
};
use crate::text_node::{BLOCKS, FSST, Head, PARTNER, TextNode};
use crate::wire::{Reader, unzigzag};
use crate::{Error, Result, limits};

/// Reads the tree of a page of `rows` rows.
pub(crate) fn parse_page(
    page: Bytes,
    shape: &Shape,
    rows: usize,
    features: u32,
    budget: &mut Budget,
) -> Result<Node> {
    let mut parser = Parser {
        reader: Reader::new(page),
        depth: 0,
        features,
        budget,
    };
    let node = parser.slots(shape, rows)?;
    parser.reader.end()?;
    Ok(node)
}

/// Reads the tree of `count` values, none of them null, to the end of a section.
pub(crate) fn parse_section(
    reader: Reader,
    shape: &Shape,
    count: usize,
    features: u32,
    budget: &mut Budget,
) -> Result<Node> {
    let mut parser = Parser {
        reader,
        depth: 0,
        features,
        budget,
    };
    let node = parser.child(shape, count)?;
    parser.reader.end()?;
    Ok(*node)
}

struct Parser<'a> {
    reader: Reader,
    depth: usize,
    /// What the header announces.
    features: u32,
    budget: &'a mut Budget,
}

impl Parser<'_> {
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
        if feature(id) & !self.features != 0 {
            return Err(Error::corrupt(format!(
                "encoding {id}, which the header does not announce"
            )));
        }
        let node = match id {
            PLAIN => self.plain(shape, count),
            CONSTANT => self.constant(shape),
            PACKED => self.packed(shape, count),
            DELTA => self.delta(shape, count),
            MULTIPLE => self.multiple(shape, count),
            RUNS => self.runs(shape, count),
            DICTIONARY => self.dictionary(shape, count),
            ZSTD => self.zstd(shape, count),
            DECIMAL => self.decimal(shape, count),
            CBOR => self.cbor(shape, count),
            LISTS => self.lists(shape, count),
            FSST..=BLOCKS => self.text(id, shape, count),
            PATCHED => self.patched(shape, count),
            SHARED => self.shared(shape, count),
            PCO => self.pco(shape),
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
            (None, Shape::Bytes) => {
                let bytes = self.reader.varint()?;
                let lengths = self.child(&COUNTS, count)?;
                let data = self
                    .reader
                    .take(usize::try_from(bytes).unwrap_or(usize::MAX))?;
                Ok(Node::PlainBytes { lengths, data })
            }
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

    fn delta(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let (Shape::Words { .. }, Some(deltas)) = (shape, count.checked_sub(1)) else {
            return Err(misplaced("deltas"));
        };
        let first = unzigzag(self.reader.varint()?);
        let deltas = self.child(shape, deltas)?;
        Ok(Node::Delta { first, deltas })
    }

    fn multiple(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Words { .. } = shape else {
            return Err(misplaced("multiples"));
        };
        Ok(Node::Multiple {
            reference: unzigzag(self.reader.varint()?),
            factor: self.reader.varint()?,
            multiples: self.child(shape, count)?,
        })
    }

    fn runs(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let (Shape::Words { .. } | Shape::Bits) = shape else {
            return Err(misplaced("runs"));
        };
        let runs = self.reader.count(count, "runs")?;
        Ok(Node::Runs {
            count: runs,
            values: self.child(shape, runs)?,
            lengths: self.child(&COUNTS, runs)?,
        })
    }

    fn dictionary(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let (Shape::Words { .. } | Shape::Bytes | Shape::Fixed(_)) = shape else {
            return Err(misplaced("a dictionary"));
        };
        let entries = self.reader.count(count, "entries of a dictionary")?;
        Ok(Node::Dictionary {
            count: entries,
            values: self.child(shape, entries)?,
            codes: self.child(&COUNTS, count)?,
        })
    }

    fn zstd(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let raw_bytes = self.reader.count(limits::PAGE_DECODED_BYTES_MAX, "bytes")?;
        let data = self.reader.bytes()?;
        self.budget.pay(raw_bytes, 1)?;
        let raw = decompress(&data, raw_bytes)?;
        let outer = std::mem::replace(&mut self.reader, Reader::new(raw.into()));
        let node = self.child(shape, count)?;
        std::mem::replace(&mut self.reader, outer).end()?;
        Ok(Node::Zstd {
            raw_bytes,
            data,
            node,
        })
    }

    fn decimal(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Words { is_float: true, .. } = shape else {
            return Err(misplaced("decimals"));
        };
        let exponent = self.reader.u8()?;
        if exponent > EXPONENT_MAX {
            return Err(Error::corrupt(format!("decimals of {exponent} places")));
        }
        let numbers = self.child(&NUMBERS, count)?;
        Ok(Node::Decimal { exponent, numbers })
    }

    fn cbor(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Bytes = shape else {
            return Err(misplaced("CBOR"));
        };
        let texts = self.child(&Shape::Bits, count)?;
        let items = self.child(shape, count)?;
        Ok(Node::Cbor { texts, items })
    }

    fn text(&mut self, id: u8, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Bytes = shape else {
            return Err(misplaced("texts"));
        };
        if id == PARTNER && self.depth > 1 {
            // So what a page refers to never refers further.
            return Err(misplaced("another column's texts within an encoding"));
        }
        let head = Head::read(id, &mut self.reader, count)?;
        let children = head.children(count).into_iter();
        let children = children
            .map(|(shape, count)| self.child(&shape, count).map(|child| *child))
            .collect::<Result<_>>()?;
        let data = self.reader.take(head.data_bytes())?;
        Ok(Node::Text(Box::new(TextNode {
            head,
            children,
            data,
        })))
    }

    fn patched(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let Shape::Words { .. } = shape else {
            return Err(misplaced("patches"));
        };
        let patches = self.reader.count(count, "patches")?;
        Ok(Node::Patched {
            count: patches,
            places: self.child(&COUNTS, patches)?,
            patches: self.child(shape, patches)?,
            values: self.child(shape, count)?,
        })
    }

    fn shared(&mut self, shape: &Shape, count: usize) -> Result<Node> {
        let (Shape::Words { .. } | Shape::Bytes) = shape else {
            return Err(misplaced("shared values"));
        };
        Ok(Node::Shared {
            codes: self.child(&COUNTS, count)?,
        })
    }

    fn pco(&mut self, shape: &Shape) -> Result<Node> {
        let is_float = self.reader.u8()?;
        match (shape, is_float) {
            (Shape::Words { .. }, 0) | (Shape::Words { bytes: 8, .. }, 1) => Ok(Node::Pco {
                is_float: is_float == 1,
                data: self.reader.bytes()?,
            }),
            _ => Err(misplaced("numbers of Pcodec")),
        }
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
