//! The encodings of byte strings beside plain, constant and dictionary: what a node of each holds
//! before the nodes below it.

use bytes::Bytes;

use crate::data_type::{COUNTS, NUMBERS, Shape};
use crate::digits::Style;
use crate::node::Node;
use crate::pattern::{NUMBER_DIGITS, PATTERN_BYTES_MAX, places_of};
use crate::shapes::{SHAPES_MAX, SLOTS_MAX};
use crate::times::{Form, PLACES_MAX};
use crate::wire::{Reader, put_bytes, put_varint};
use crate::{Error, Result, limits};

pub(crate) const FSST: u8 = 32;
pub(crate) const DIGITS: u8 = 33;
pub(crate) const TIMES: u8 = 34;
pub(crate) const PATTERN: u8 = 35;
pub(crate) const SHAPES: u8 = 36;
pub(crate) const PARTNER: u8 = 37;
pub(crate) const BLOCKS: u8 = 38;

/// A node of byte strings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextNode {
    pub(crate) head: Head,
    pub(crate) children: Vec<Node>,
    /// Bytes after the children; their number is in the head.
    pub(crate) data: Bytes,
}

/// The parameters of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Head {
    /// Codes of symbols: the children are the codes' lengths, the data the codes.
    Fsst {
        raw_bytes: usize,
        lengths: Bytes,
        symbols: Bytes,
        code_bytes: usize,
    },
    /// Decimal numbers.
    Digits { raw_bytes: usize, style: Style },
    /// Times.
    Times(Form),
    /// Texts that differ in hexadecimal digits.
    Pattern(Bytes),
    /// Texts of some shapes.
    Shapes(ShapesHead),
    /// The texts that stand between those of an earlier column: its place in the blob.
    Partner(usize),
    /// Zstandard frames of so many strings each: the children are the strings' lengths and the
    /// frames', the data the frames.
    Blocks {
        raw_bytes: usize,
        block_rows: usize,
        frame_bytes: usize,
    },
}

/// How many of everything a node of shapes has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShapesHead {
    /// Bytes of the texts.
    pub(crate) raw_bytes: usize,
    /// How many texts of another column stand between those of this one, and their bytes.
    pub(crate) others: usize,
    pub(crate) other_bytes: usize,
    pub(crate) shapes: usize,
    /// Places for values, of all shapes.
    pub(crate) slots: usize,
    pub(crate) copies: usize,
    pub(crate) edits: usize,
    /// How many values each column has.
    pub(crate) columns: Vec<usize>,
}

impl Head {
    pub(crate) fn id(&self) -> u8 {
        match self {
            Self::Fsst { .. } => FSST,
            Self::Digits { .. } => DIGITS,
            Self::Times(_) => TIMES,
            Self::Pattern(_) => PATTERN,
            Self::Shapes(_) => SHAPES,
            Self::Partner(_) => PARTNER,
            Self::Blocks { .. } => BLOCKS,
        }
    }

    pub(crate) fn name(&self) -> (&'static str, String) {
        match self {
            Self::Fsst { lengths, .. } => ("fsst", format!("{} symbols", lengths.len())),
            Self::Digits { style, .. } => ("digits", format!("{} places", style.places)),
            Self::Times(form) => ("times", format!("{} places", form.places)),
            Self::Pattern(pattern) => ("pattern", format!("of {} bytes", pattern.len())),
            Self::Blocks { block_rows, .. } => ("blocks", format!("of {block_rows} rows")),
            Self::Partner(column) => ("partner", format!("of column {column}")),
            Self::Shapes(head) => (
                "shapes",
                format!("{}, {} columns", head.shapes, head.columns.len()),
            ),
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Fsst {
                raw_bytes,
                lengths,
                symbols,
                code_bytes,
            } => {
                put_varint(out, *raw_bytes as u64);
                put_varint(out, *code_bytes as u64);
                put_bytes(out, lengths);
                put_bytes(out, symbols);
            }
            Self::Digits { raw_bytes, style } => {
                put_varint(out, *raw_bytes as u64);
                put_bytes(out, &style.prefix);
                put_bytes(out, &style.suffix);
                out.extend_from_slice(&[style.places, style.places_min, style.whole_min]);
            }
            Self::Times(form) => {
                out.extend_from_slice(&[form.separator.unwrap_or(0), form.places]);
                put_bytes(out, &form.suffix);
            }
            Self::Pattern(pattern) => put_bytes(out, pattern),
            Self::Shapes(head) => head.put(out),
            Self::Partner(column) => put_varint(out, *column as u64),
            Self::Blocks {
                raw_bytes,
                block_rows,
                frame_bytes,
            } => {
                put_varint(out, *raw_bytes as u64);
                put_varint(out, *block_rows as u64);
                put_varint(out, *frame_bytes as u64);
            }
        }
    }

    /// Reads the head of a node of `count` strings.
    pub(crate) fn read(id: u8, reader: &mut Reader, count: usize) -> Result<Self> {
        let most = limits::PAGE_DECODED_BYTES_MAX;
        Ok(match id {
            FSST => Self::Fsst {
                raw_bytes: reader.count(most, "bytes")?,
                code_bytes: reader.count(most, "bytes")?,
                lengths: reader.bytes()?,
                symbols: reader.bytes()?,
            },
            DIGITS => {
                let raw_bytes = reader.count(most, "bytes")?;
                let (prefix, suffix) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
                let [places, places_min, whole_min] = [reader.u8()?, reader.u8()?, reader.u8()?];
                let style = Style {
                    prefix,
                    suffix,
                    places,
                    places_min,
                    whole_min,
                };
                style.check()?;
                Self::Digits { raw_bytes, style }
            }
            TIMES => {
                let (separator, places) = (reader.u8()?, reader.u8()?);
                if places > PLACES_MAX {
                    return Err(Error::corrupt(format!("times of {places} places")));
                }
                Self::Times(Form {
                    separator: (separator > 0).then_some(separator),
                    places,
                    suffix: reader.bytes()?.to_vec(),
                })
            }
            PATTERN => {
                let pattern = reader.bytes()?;
                if pattern.len() > PATTERN_BYTES_MAX {
                    return Err(Error::corrupt("a pattern that is too long"));
                }
                Self::Pattern(pattern)
            }
            SHAPES => Self::Shapes(ShapesHead::read(reader, count)?),
            PARTNER => Self::Partner(reader.count(limits::COLUMNS_MAX, "columns")?),
            BLOCKS => {
                let [raw_bytes, block_rows, frame_bytes] = [
                    reader.count(most, "bytes")?,
                    reader.count(most, "strings of a block")?,
                    reader.count(most, "bytes")?,
                ];
                if block_rows == 0 {
                    return Err(Error::corrupt("blocks of no strings"));
                }
                Self::Blocks {
                    raw_bytes,
                    block_rows,
                    frame_bytes,
                }
            }
            _ => return Err(Error::unsupported(format!("encoding {id}"))),
        })
    }

    /// The shapes and counts of the nodes below.
    pub(crate) fn children(&self, count: usize) -> Vec<(Shape, usize)> {
        match self {
            Self::Fsst { .. } => vec![(COUNTS, count)],
            Self::Digits { .. } | Self::Times(_) => vec![(NUMBERS, count)],
            Self::Pattern(pattern) => {
                let columns = places_of(pattern).len().div_ceil(NUMBER_DIGITS);
                vec![(NUMBERS, count); columns]
            }
            Self::Shapes(head) => head.children(count),
            Self::Partner(_) => Vec::new(),
            Self::Blocks { block_rows, .. } => {
                vec![(COUNTS, count), (COUNTS, count.div_ceil(*block_rows))]
            }
        }
    }

    /// Bytes after the nodes below.
    pub(crate) fn data_bytes(&self) -> usize {
        match self {
            Self::Fsst { code_bytes, .. } => *code_bytes,
            Self::Blocks { frame_bytes, .. } => *frame_bytes,
            _ => 0,
        }
    }
}

impl ShapesHead {
    fn put(&self, out: &mut Vec<u8>) {
        let counts = [
            self.raw_bytes,
            self.others,
            self.other_bytes,
            self.shapes,
            self.slots,
            self.copies,
            self.edits,
            self.columns.len(),
        ];
        for count in counts.iter().chain(&self.columns) {
            put_varint(out, *count as u64);
        }
    }

    fn read(reader: &mut Reader, count: usize) -> Result<Self> {
        let most = limits::PAGE_DECODED_BYTES_MAX;
        let mut head = Self {
            raw_bytes: reader.count(most, "bytes")?,
            others: reader.count(limits::PAGE_ROWS_MAX, "texts of another column")?,
            other_bytes: reader.count(most, "bytes")?,
            shapes: reader.count(SHAPES_MAX + 1, "shapes")?,
            ..Self::default()
        };
        let images = count + head.others;
        head.slots = reader.count(head.shapes * SLOTS_MAX, "places for values")?;
        head.copies = reader.count(images, "copies")?;
        head.edits = reader.count(images - head.copies, "edits")?;
        let columns = reader.count(head.slots, "columns of values")?;
        for _ in 0..columns {
            head.columns
                .push(reader.count(images * SLOTS_MAX, "values")?);
        }
        Ok(head)
    }

    fn children(&self, count: usize) -> Vec<(Shape, usize)> {
        let images = count + self.others;
        let mut children = Vec::with_capacity(self.columns.len() + 8);
        if self.others > 0 {
            children.push((Shape::Bits, images));
        }
        children.extend([
            (COUNTS, self.shapes),
            (COUNTS, self.slots),
            (Shape::Bytes, self.slots + self.shapes),
            (COUNTS, images - self.copies),
            (COUNTS, images),
            (COUNTS, self.copies),
            (NUMBERS, self.edits),
        ]);
        children.extend(self.columns.iter().map(|values| (Shape::Bytes, *values)));
        children
    }
}

impl TextNode {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.head.put(out);
        self.children.iter().for_each(|child| child.encode(out));
        out.extend_from_slice(&self.data);
    }

    /// Bytes of head and data.
    pub(crate) fn own_bytes(&self) -> usize {
        let mut head = Vec::new();
        self.head.put(&mut head);
        head.len() + self.data.len()
    }
}
