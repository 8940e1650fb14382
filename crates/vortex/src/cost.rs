//! What a tree costs a reader: the time to decode it, in tenths of a nanosecond on a machine of 2026.
//!
//! Only relations matter, to weigh time against bytes. The figures are estimates, set by what
//! `tidelog bench vortex` then showed; nothing that is stored depends on them.

use crate::Profile;
use crate::node::Node;
use crate::text_node::{Head, TextNode};

const PLAIN: usize = 2;
pub(crate) const PACKED: usize = 5;
pub(crate) const DELTA: usize = 6;
pub(crate) const MULTIPLE: usize = 4;
pub(crate) const RUN: usize = 30;
pub(crate) const LOOK_UP: usize = 8;
pub(crate) const DECIMAL: usize = 7;
pub(crate) const PATCH: usize = 30;
pub(crate) const PCODEC: usize = 40;
const LIGHT_BYTE: usize = 1;
const ZSTD_BYTE: usize = 14;
const CBOR_BYTE: usize = 40;
const SYMBOLS_BYTE: usize = 5;
const NUMBER_TEXT: usize = 60;
const TIME_TEXT: usize = 150;
const PATTERN_BYTE: usize = 8;
const SHAPED_BYTE: usize = 3;
const SHAPED_VALUE: usize = 60;
const FRAME: usize = 10_000;

/// Bytes that so many tenths of a nanosecond are worth.
pub(crate) fn bytes_of(tenths: usize, profile: Profile) -> usize {
    let bytes_a_nanosecond_percent = match profile {
        Profile::Fast => 100,
        Profile::Balanced => 12,
        Profile::Small => 4,
    };
    tenths * bytes_a_nanosecond_percent / 1_000
}

impl Node {
    /// Bytes, and as many more as the time of decoding `count` values is worth.
    pub(crate) fn cost(&self, count: usize, profile: Profile) -> usize {
        self.size() + bytes_of(self.tenths(count), profile)
    }

    /// Tenths of a nanosecond to decode `count` values.
    fn tenths(&self, count: usize) -> usize {
        match self {
            Self::Null | Self::ConstantWord(_) => count / 2,
            Self::ConstantBytes(value) => count * (value.len() * LIGHT_BYTE + PLAIN),
            Self::Nullable {
                count: there,
                values,
                ..
            } => count * LOOK_UP + values.tenths(*there),
            Self::Plain(data) => count * PLAIN + data.len() / 100,
            Self::PlainBytes { lengths, data } => lengths.tenths(count) + data.len() * LIGHT_BYTE,
            Self::Packed { .. } => count * PACKED,
            Self::Delta { deltas, .. } => count * DELTA + deltas.tenths(count),
            Self::Multiple { multiples, .. } => count * MULTIPLE + multiples.tenths(count),
            Self::Runs {
                count: runs,
                values,
                lengths,
            } => count + runs * RUN + values.tenths(*runs) + lengths.tenths(*runs),
            Self::Dictionary {
                count: entries,
                values,
                codes,
            } => count * LOOK_UP + values.tenths(*entries) + codes.tenths(count),
            Self::Zstd {
                raw_bytes, node, ..
            } => raw_bytes * ZSTD_BYTE + node.tenths(count),
            Self::Decimal { numbers, .. } => count * DECIMAL + numbers.tenths(count),
            Self::Cbor { items, .. } => items.size() * CBOR_BYTE + items.tenths(count),
            Self::Lists {
                count: elements,
                lengths,
                elements: node,
            } => lengths.tenths(count) + node.tenths(*elements),
            Self::FixedLists(elements) => elements.tenths(count),
            Self::Patched {
                count: patches,
                values,
                ..
            } => patches * PATCH + values.tenths(count),
            Self::Shared { codes } => count * LOOK_UP + codes.tenths(count),
            Self::Pco { .. } => count * PCODEC,
            Self::Text(node) => node.tenths(count),
        }
    }
}

impl TextNode {
    /// Tenths of a nanosecond to decode `count` strings.
    fn tenths(&self, count: usize) -> usize {
        let own = match &self.head {
            Head::Fsst { raw_bytes, .. } => count * LOOK_UP + raw_bytes * SYMBOLS_BYTE,
            Head::Digits { .. } => count * NUMBER_TEXT,
            Head::Times(_) => count * TIME_TEXT,
            Head::Pattern(pattern) => count * pattern.len() * PATTERN_BYTE,
            Head::Shapes(head) => {
                let values: usize = head.columns.iter().sum();
                (head.raw_bytes + head.other_bytes) * SHAPED_BYTE + values * SHAPED_VALUE
            }
            Head::Partner(_) => 0,
            Head::Blocks {
                raw_bytes,
                block_rows,
                ..
            } => raw_bytes * ZSTD_BYTE + count.div_ceil(*block_rows) * FRAME,
        };
        let below = self.children.iter().zip(self.head.children(count));
        own + below
            .map(|(child, (_, count))| child.tenths(count))
            .sum::<usize>()
    }
}
