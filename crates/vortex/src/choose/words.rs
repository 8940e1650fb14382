//! Encodings of numbers. They are computed in 64 bits, whatever their type's width: the low bits are the value.

use crate::bitpack::{pack, packed_bytes};
use crate::choose::Chooser;
use crate::decimal::decimals;
use crate::distinct::{Distinct, hash_of};
use crate::node::Node;
use crate::{Profile, limits};

/// Bytes that a node takes besides its payload, about.
const NODE_BYTES: usize = 4;

/// Numbers looked at to see whether a dictionary is worth making.
const SAMPLE: usize = 256;

/// What one pass over numbers tells.
struct Survey {
    min: i64,
    max: i64,
    delta_min: i64,
    delta_max: i64,
    runs: usize,
    delta_runs: usize,
}

impl Survey {
    fn of(words: &[u64]) -> Self {
        let first = words[0].cast_signed();
        let mut survey = Self {
            min: first,
            max: first,
            delta_min: i64::MAX,
            delta_max: i64::MIN,
            runs: 1,
            delta_runs: 1,
        };
        let mut last = 0;
        for pair in words.windows(2) {
            let number = pair[1].cast_signed();
            let delta = pair[1].wrapping_sub(pair[0]).cast_signed();
            survey.min = survey.min.min(number);
            survey.max = survey.max.max(number);
            survey.delta_min = survey.delta_min.min(delta);
            survey.delta_max = survey.delta_max.max(delta);
            survey.runs += usize::from(delta != 0);
            survey.delta_runs += usize::from(delta != last);
            last = delta;
        }
        survey
    }

    fn width(&self) -> u32 {
        width_of(self.min, self.max)
    }

    fn delta_width(&self) -> u32 {
        width_of(self.delta_min, self.delta_max)
    }
}

/// Bits that numbers from `min` to `max` take less `min`.
fn width_of(min: i64, max: i64) -> u32 {
    u64::BITS - max.wrapping_sub(min).cast_unsigned().leading_zeros()
}

impl Chooser {
    /// Encodes the words of a column: floats as decimals where that is exact and smaller.
    pub(super) fn numbers(&mut self, words: &[u64], bytes: usize, is_float: bool) -> Node {
        let light = self.light_numbers(words, bytes, is_float);
        if words.len() * bytes < 128 || light.size() * 4 < words.len() * bytes {
            return light;
        }
        self.compressed(light, || plain(words, bytes))
    }

    fn light_numbers(&mut self, words: &[u64], bytes: usize, is_float: bool) -> Node {
        let bits = self.words_of(words, bytes, !is_float, 0);
        if !is_float || bits.size() < words.len() / 4 {
            return bits;
        }
        let Some((exponent, numbers)) = decimals(words, bytes == 4) else {
            return bits;
        };
        let numbers = Box::new(self.words(&numbers, 8));
        let decimal = Node::Decimal { exponent, numbers };
        super::shorter(decimal, bits)
    }

    /// The lengths between offsets.
    pub(super) fn lengths(&mut self, offsets: &[i32]) -> Node {
        let lengths = offsets
            .windows(2)
            .map(|pair| u64::from((pair[1] - pair[0]).cast_unsigned()));
        self.words(&lengths.collect::<Vec<_>>(), 4)
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
        let mut best = flat(words, bytes, &survey);
        if depth >= limits::TREE_DEPTH_MAX / 3 {
            return best;
        }
        let mut size = best.size();
        for (estimate, make) in self.deeper(words, &survey, is_whole) {
            if estimate >= size {
                continue;
            }
            let Some(node) = make(self, words, bytes, depth + 1) else {
                continue;
            };
            let found = node.size();
            if found < size - self.margin(size) {
                (best, size) = (node, found);
            }
        }
        best
    }

    /// What a slower encoding must save of `size` bytes.
    fn margin(&self, size: usize) -> usize {
        match self.profile {
            Profile::Fast => size / 8,
            Profile::Balanced => size / 32,
            Profile::Small => 0,
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
        if is_whole {
            let deltas = packed_bytes(count - 1, survey.delta_width());
            let runs = packed_bytes(survey.delta_runs, 4);
            found.push((2 * NODE_BYTES + deltas.min(runs), Self::delta));
        }
        found
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

/// Tells from a sample whether most numbers come more than once.
fn seems_repetitive(words: &[u64]) -> bool {
    let step = words.len() / SAMPLE + 1;
    let mut sample: Vec<_> = words.iter().step_by(step).collect();
    let taken = sample.len();
    sample.sort_unstable();
    sample.dedup();
    sample.len() * 4 <= taken * 3
}

/// Packed where that is shorter, else plain.
fn flat(words: &[u64], bytes: usize, survey: &Survey) -> Node {
    let width = survey.width();
    if packed_bytes(words.len(), width) >= words.len() * bytes {
        return plain(words, bytes);
    }
    let reference = survey.min.cast_unsigned();
    let data = pack(words.iter().map(|word| word.wrapping_sub(reference)), width);
    Node::Packed {
        reference: survey.min,
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
