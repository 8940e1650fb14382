//! Encodings of numbers. They are computed in 64 bits, whatever their type's width: the low bits are the value.

use crate::bitpack::{pack, packed_bytes};
use crate::choose::Chooser;
use crate::choose::survey::{Survey, narrowing, seems_repetitive};
use crate::decimal::decimals;
use crate::distinct::{Distinct, hash_of};
use crate::limits;
use crate::node::Node;

/// Bytes that a node takes besides its payload, about.
const NODE_BYTES: usize = 4;

/// Bytes that a number takes which is an exception, about: its place and itself.
const PATCH_BYTES: usize = 6;

/// Fewer numbers than this are not worth a slower encoding.
const SLOW_COUNT_MIN: usize = 128;

impl Chooser {
    /// Encodes the words of a column: floats as decimals where that is exact and smaller.
    pub(super) fn numbers(&mut self, words: &[u64], bytes: usize, is_float: bool) -> Node {
        let mut best = match self.shared_words(words) {
            Some(shared) => shared,
            None => self.words_of(words, bytes, !is_float, 0),
        };
        let is_small = |node: &Node| node.size() < words.len() / 4;
        if is_float && !is_small(&best) {
            if let Some(decimals) = self.decimals(words, bytes) {
                best = self.cheaper(decimals, best, words.len());
            }
            if let Some(pco) = self.float_pco(words, bytes, &best) {
                best = self.cheaper(pco, best, words.len());
            }
        }
        if words.len() < SLOW_COUNT_MIN || best.size() * 4 < words.len() * bytes {
            return best;
        }
        self.compressed(best, || plain(words, bytes))
    }

    /// Decimals, but for those that are none: these are exceptions.
    fn decimals(&mut self, words: &[u64], bytes: usize) -> Option<Node> {
        let found = decimals(words, bytes == 4)?;
        let numbers = Box::new(self.words(&found.numbers, 8));
        let decimal = Node::Decimal {
            exponent: found.exponent,
            numbers,
        };
        Some(match found.exceptions.is_empty() {
            true => decimal,
            false => self.patched(decimal, words, &found.exceptions, bytes),
        })
    }

    /// Values with some of the words put in their places.
    fn patched(&mut self, values: Node, words: &[u64], places: &[u64], bytes: usize) -> Node {
        let at = |place: &u64| words[usize::try_from(*place).unwrap_or(0)];
        let patches: Vec<u64> = places.iter().map(at).collect();
        let depth = limits::TREE_DEPTH_MAX / 3 - 1;
        Node::Patched {
            count: places.len(),
            places: Box::new(self.words_of(places, 4, true, depth)),
            patches: Box::new(self.words_of(&patches, bytes, false, depth)),
            values: Box::new(values),
        }
    }

    /// The node that costs a reader less, the second where they are equal.
    pub(super) fn cheaper(&self, first: Node, second: Node, count: usize) -> Node {
        match first.cost(count, self.profile) < second.cost(count, self.profile) {
            true => first,
            false => second,
        }
    }

    /// The lengths between offsets.
    pub(super) fn lengths(&mut self, offsets: &[i32]) -> Node {
        let lengths = offsets
            .windows(2)
            .map(|pair| u64::from((pair[1] - pair[0]).cast_unsigned()));
        let lengths: Vec<u64> = lengths.collect();
        // Lengths of strings are hardly ever more than packed numbers.
        self.words_of(&lengths, 4, true, limits::TREE_DEPTH_MAX / 3)
    }

    /// Encodes whole numbers that stand in `bytes` bytes where they are plain.
    pub(super) fn words(&mut self, words: &[u64], bytes: usize) -> Node {
        self.words_of(words, bytes, true, 0)
    }

    fn words_of(&mut self, words: &[u64], bytes: usize, is_whole: bool, depth: usize) -> Node {
        if words.is_empty() {
            return Node::Plain(Vec::new().into());
        }
        let survey = Survey::of(words);
        if survey.min == survey.max {
            return Node::ConstantWord(survey.min);
        }
        if is_whole && let Some(node) = self.multiple(words, bytes, survey.min, depth) {
            return node;
        }
        let mut best = self.flat(words, bytes, &survey);
        if depth >= limits::TREE_DEPTH_MAX / 3 {
            return best;
        }
        let mut cost = best.cost(words.len(), self.profile);
        for (least_bytes, make) in self.deeper(words, &survey, is_whole) {
            if least_bytes >= cost {
                continue;
            }
            if let Some(node) = make(self, words, bytes, depth + 1) {
                let found = node.cost(words.len(), self.profile);
                if found < cost {
                    (best, cost) = (node, found);
                }
            }
        }
        match is_whole.then(|| self.whole_pco(words, &best)).flatten() {
            Some(pco) => self.cheaper(pco, best, words.len()),
            None => best,
        }
    }

    /// The encodings with nodes below, fastest first, each with the least bytes it may take.
    fn deeper(&self, words: &[u64], survey: &Survey, is_whole: bool) -> Vec<(usize, Make)> {
        let (count, width) = (words.len(), survey.width());
        let mut found: Vec<(usize, Make)> = Vec::new();
        if survey.runs * 2 < count {
            found.push((
                NODE_BYTES + packed_bytes(survey.runs, width.min(8)),
                Self::runs,
            ));
        }
        if width > 3 && seems_repetitive(words) {
            found.push((2 * NODE_BYTES + count / 8, Self::dictionary));
        }
        if is_whole && count > 1 {
            // Exceptions among the deltas take fewer bits than the widest one.
            let deltas = packed_bytes(count - 1, survey.delta_width().min(1));
            let runs = packed_bytes(survey.delta_runs, 4);
            found.push((2 * NODE_BYTES + deltas.min(runs), Self::delta));
        }
        found
    }

    /// Packed where that is shorter, else plain; numbers far off the others are exceptions.
    fn flat(&mut self, words: &[u64], bytes: usize, survey: &Survey) -> Node {
        if let Some(narrow) = narrowing(words, survey, PATCH_BYTES) {
            let limit = u64::MAX.checked_shr(64 - narrow.width).unwrap_or(0);
            let reference = narrow.reference.cast_unsigned();
            let above = |word: &u64| word.wrapping_sub(reference);
            let beyond = |word: &u64| above(word) > limit || word.cast_signed() < narrow.reference;
            let places: Vec<u64> = (0_u64..)
                .zip(words)
                .filter(|(_, word)| beyond(word))
                .map(|(place, _)| place)
                .collect();
            let packed = packed(words, narrow.reference, narrow.width);
            return self.patched(packed, words, &places, bytes);
        }
        match packed_bytes(words.len(), survey.width()) < words.len() * bytes {
            true => packed(words, survey.min, survey.width()),
            false => plain(words, bytes),
        }
    }

    fn multiple(&mut self, words: &[u64], bytes: usize, min: i64, depth: usize) -> Option<Node> {
        let reference = min.cast_unsigned();
        let mut factor = 0;
        for word in words {
            factor = common_divisor(word.wrapping_sub(reference), factor);
            if factor == 1 {
                return None;
            }
        }
        let multiples: Vec<_> = words
            .iter()
            .map(|word| word.wrapping_sub(reference) / factor)
            .collect();
        Some(Node::Multiple {
            reference: min,
            factor,
            multiples: Box::new(self.words_of(&multiples, bytes, true, depth + 1)),
        })
    }

    fn runs(&mut self, words: &[u64], bytes: usize, depth: usize) -> Option<Node> {
        let (mut values, mut lengths): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for run in words.chunk_by(|one, other| one == other) {
            values.push(run[0]);
            lengths.push(run.len() as u64);
        }
        Some(Node::Runs {
            count: values.len(),
            values: Box::new(self.words_of(&values, bytes, true, depth)),
            lengths: Box::new(self.words_of(&lengths, 4, true, depth)),
        })
    }

    fn delta(&mut self, words: &[u64], bytes: usize, depth: usize) -> Option<Node> {
        let deltas: Vec<_> = words
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        Some(Node::Delta {
            first: words[0].cast_signed(),
            deltas: Box::new(self.words_of(&deltas, bytes, true, depth)),
        })
    }

    fn dictionary(&mut self, words: &[u64], bytes: usize, depth: usize) -> Option<Node> {
        let most = words.len() / 2;
        let mut distinct = Distinct::with_room(most + 1);
        let mut values: Vec<u64> = Vec::new();
        let mut codes = Vec::with_capacity(words.len());
        for word in words {
            let known = |entry: u32| values.get(entry as usize) == Some(word);
            let (code, is_new) = distinct.find_or_add(hash_of(*word), known);
            if is_new {
                values.push(*word);
                if values.len() > most {
                    return None;
                }
            }
            codes.push(code);
        }
        let codes = sort_entries(&mut values, &codes);
        Some(Node::Dictionary {
            count: values.len(),
            values: Box::new(self.words_of(&values, bytes, true, depth)),
            codes: Box::new(self.words_of(&codes, 4, true, depth)),
        })
    }
}

type Make = fn(&mut Chooser, &[u64], usize, usize) -> Option<Node>;

/// Sorts the entries, which then pack better, and gives the codes of the sorted ones.
fn sort_entries(values: &mut Vec<u64>, codes: &[u32]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by_key(|entry| values[*entry].cast_signed());
    let mut renamed = vec![0_u64; values.len()];
    for (place, entry) in (0_u64..).zip(&order) {
        renamed[*entry] = place;
    }
    *values = order.iter().map(|entry| values[*entry]).collect();
    codes.iter().map(|code| renamed[*code as usize]).collect()
}

/// Packs the low bits of each number less the reference.
fn packed(words: &[u64], reference: i64, width: u32) -> Node {
    let low = reference.cast_unsigned();
    let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
    let data = pack(
        words.iter().map(|word| word.wrapping_sub(low) & mask),
        width,
    );
    Node::Packed {
        reference,
        width,
        data: data.into(),
    }
}

fn plain(words: &[u64], bytes: usize) -> Node {
    let mut data = Vec::with_capacity(words.len() * bytes);
    for word in words {
        data.extend_from_slice(&word.to_le_bytes()[..bytes]);
    }
    Node::Plain(data.into())
}

fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while one != 0 {
        (one, other) = (other % one, one);
    }
    other
}
