//! Which encodings a page gets: the least by size, known exactly or estimated from one pass over
//! the values, where a slower one must save enough to be worth its time.

mod alternatives;
mod blocks;
mod bytes;
mod estimate;
mod factor;
mod pcodec;
mod plan;
mod search;
mod share;
mod sketch;
mod survey;
mod texts;
mod words;

pub(crate) use texts::seem_shaped;

use ::bytes::Bytes;
use arrow_buffer::BooleanBuffer;

use crate::choose::plan::Plan;
pub(crate) use crate::choose::share::Sharing;
use crate::compress::Zstd;
use crate::data_type::Shape;
use crate::node::Node;
use crate::values::{Slots, Values};
use crate::{ColumnKind, Error, Profile, Result};

/// Chooses encodings for one blob.
pub(crate) struct Chooser {
    profile: Profile,
    zstd: Zstd,
    /// How deep in shapes the strings are that are encoded: 1 in JSON, 2 in texts with numbers.
    shapes_depth: u8,
    /// Which strings of the column they are: 0, or a number of the values of shapes.
    part: u64,
    /// What the encodings chosen so far must be announced by.
    features: u32,
    /// What was chosen for earlier pages of the column.
    plan: Plan,
    /// The values that the column's pages share.
    sharing: Option<Sharing>,
}

/// Below this many bytes general compression is not tried.
const ZSTD_BYTES_MIN: usize = 64;

/// How much of a page tells whether compressing the whole is worth a try.
const ZSTD_SAMPLE_BYTES: usize = 8_192;

impl Chooser {
    pub(crate) fn new(profile: Profile) -> Self {
        let level = match profile {
            Profile::Fast | Profile::Balanced => 3,
            Profile::Small => 9,
        };
        Self {
            profile,
            zstd: Zstd::new(level),
            shapes_depth: 0,
            part: 0,
            features: 0,
            plan: Plan::default(),
            sharing: None,
        }
    }

    /// Begins a column: what was learned of the one before does not hold any more.
    pub(crate) fn begin_column(&mut self) {
        self.plan = Plan::default();
        self.sharing = None;
    }

    /// Lets the pages of the column begun share their values.
    pub(crate) fn begin_sharing(&mut self, sharing: Sharing) {
        self.sharing = Some(sharing);
    }

    /// Notes a tree that goes into the blob.
    pub(crate) fn note(&mut self, node: &Node) {
        self.features |= node.features();
    }

    /// What the header must announce.
    pub(crate) fn features(&self) -> u32 {
        self.features
    }

    /// Encodes the values that are not null, with the places they have (`None`: there are no nulls).
    pub(crate) fn slots(
        &mut self,
        valid: Option<&BooleanBuffer>,
        values: &Values,
        shape: &Shape,
        kind: ColumnKind,
    ) -> Result<Node> {
        let Some(valid) = valid else {
            return self.values(values, shape, kind);
        };
        let count = valid.count_set_bits();
        if count == 0 {
            return Ok(Node::Null);
        }
        Ok(Node::Nullable {
            count,
            valid: Box::new(self.bits(valid)),
            values: Box::new(self.values(values, shape, kind)?),
        })
    }

    fn values(&mut self, values: &Values, shape: &Shape, kind: ColumnKind) -> Result<Node> {
        match (values, shape) {
            (Values::Bits(bits), _) => Ok(self.bits(bits)),
            (Values::Wide(words), Shape::Words { bytes, is_float }) => {
                let shared = self.share_next(words.len());
                Ok(shared.unwrap_or_else(|| self.numbers(words, *bytes, *is_float)))
            }
            (Values::Bytes { offsets, data }, _) if kind == ColumnKind::Json => {
                Ok(self.json(offsets, data))
            }
            (Values::Bytes { offsets, data }, _) => {
                let shared = self.share_next(offsets.len() - 1);
                Ok(shared.unwrap_or_else(|| self.strings(offsets, data)))
            }
            (Values::Fixed { width, data }, _) => Ok(self.fixed(data, *width)),
            (Values::Lists { offsets, elements }, Shape::Lists(element)) => {
                let count = offsets.last().copied().unwrap_or(0);
                Ok(Node::Lists {
                    count: usize::try_from(count).unwrap_or(0),
                    lengths: Box::new(self.lengths(offsets)),
                    elements: Box::new(self.elements(elements, element)?),
                })
            }
            (Values::FixedLists { elements, .. }, Shape::FixedLists(_, element)) => Ok(
                Node::FixedLists(Box::new(self.elements(elements, element)?)),
            ),
            _ => Err(Error::invalid("values that do not fit their type")),
        }
    }

    fn elements(&mut self, elements: &Slots, shape: &Shape) -> Result<Node> {
        self.slots(
            elements.valid.as_ref(),
            &elements.values,
            shape,
            ColumnKind::Plain,
        )
    }

    /// Encodes bits: constant, runs where they are shorter, else as they are.
    pub(crate) fn bits(&mut self, bits: &BooleanBuffer) -> Node {
        match bits.count_set_bits() {
            0 => return Node::ConstantWord(0),
            all if all == bits.len() => return Node::ConstantWord(1),
            _ => {}
        }
        let plain = Node::Plain(Bytes::copy_from_slice(&bits.sliced()));
        let changes = changes(bits);
        if changes * 4 > bits.len().div_ceil(8) {
            return plain;
        }
        let runs = self.bit_runs(bits);
        shorter(runs, plain)
    }

    fn bit_runs(&mut self, bits: &BooleanBuffer) -> Node {
        let mut lengths = Vec::new();
        let mut run = (bits.value(0), 0);
        for bit in bits {
            if bit != run.0 {
                lengths.push(run.1);
                run = (bit, 0);
            }
            run.1 += 1;
        }
        lengths.push(run.1);
        // Runs take turns, so their values are a pattern that begins with the first.
        let values: BooleanBuffer = (0..lengths.len())
            .map(|run| bits.value(0) == (run % 2 == 0))
            .collect();
        Node::Runs {
            count: lengths.len(),
            values: Box::new(Node::Plain(Bytes::copy_from_slice(&values.sliced()))),
            lengths: Box::new(self.words(&lengths, 4)),
        }
    }

    /// Compresses a light encoding's raw form if that is so much smaller that the time is worth it.
    fn compressed(&mut self, light: Node, count: usize, plain: impl FnOnce() -> Node) -> Node {
        let size = light.size();
        if self.profile == Profile::Fast || size < ZSTD_BYTES_MIN {
            return light;
        }
        let plain = plain();
        let mut raw = Vec::new();
        plain.encode(&mut raw);
        if raw.len() > 2 * ZSTD_SAMPLE_BYTES && self.profile == Profile::Balanced {
            let from = (raw.len() - ZSTD_SAMPLE_BYTES) / 2;
            let sample = &raw[from..from + ZSTD_SAMPLE_BYTES];
            let compressed = self
                .zstd
                .compress(sample)
                .map_or(usize::MAX, |sample| sample.len());
            // Of a sample less is found again than of the whole.
            if compressed.saturating_mul(raw.len() / ZSTD_SAMPLE_BYTES) > size * 5 / 4 {
                return light;
            }
        }
        let most = match self.profile {
            Profile::Small => size - size / 64,
            _ => size - size / 6,
        };
        match self.zstd(plain) {
            Some(node) if node.size() < most => self.cheaper(node, light, count),
            _ => light,
        }
    }

    /// A node compressed; nothing where Zstandard cannot.
    fn zstd(&mut self, node: Node) -> Option<Node> {
        let mut raw = Vec::with_capacity(node.size());
        node.encode(&mut raw);
        Some(Node::Zstd {
            raw_bytes: raw.len(),
            data: self.zstd.compress(&raw)?.into(),
            node: Box::new(node),
        })
    }
}

/// How often a bit differs from the one before.
fn changes(bits: &BooleanBuffer) -> usize {
    let mut last = bits.value(0);
    bits.iter()
        .filter(|bit| std::mem::replace(&mut last, *bit) != *bit)
        .count()
}

/// The shorter of two nodes, the second where they are equal.
fn shorter(first: Node, second: Node) -> Node {
    if first.size() < second.size() {
        first
    } else {
        second
    }
}
