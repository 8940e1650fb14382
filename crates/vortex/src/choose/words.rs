//! Encodings of numbers. They are computed in 64 bits, whatever their type's width: the low bits are the value.

use crate::bitpack::{pack, packed_bytes};
use crate::choose::Chooser;
use crate::choose::estimate::{Estimate, PATCH_BYTES};
use crate::choose::factor::common_factor;
use crate::choose::plan::{NUMBERS, Place, Way};
use crate::choose::survey::{Survey, narrowing};
use crate::decimal::decimals;
use crate::distinct::distinct_words;
use crate::node::Node;
use crate::{Profile, cost, limits};

/// Nodes below each other that encode numbers.
const DEPTH_MAX: usize = limits::TREE_DEPTH_MAX / 3;

/// Fewer numbers than this are not worth a slower encoding.
pub(super) const SLOW_COUNT_MIN: usize = 128;

/// Numbers to encode, and what is known of them.
struct Numbers<'a> {
    words: &'a [u64],
    /// Bytes each takes where it stands plain.
    bytes: usize,
    /// Whether they are whole numbers, not the bits of floats.
    is_whole: bool,
    survey: Survey,
}

impl Chooser {
    /// Encodes the words of a column: floats as decimals where that is exact and smaller.
    pub(super) fn numbers(&mut self, words: &[u64], bytes: usize, is_float: bool) -> Node {
        let place = Place::root(0);
        let count = words.len();
        let kept = self.plan.way(place).and_then(|way| {
            let node = self.number_way(way, words, bytes, is_float)?;
            let cost = node.cost(count, self.profile);
            Some((way, node, cost))
        });
        if let Some((way, node, cost)) = kept {
            // Of whole numbers the way below is chosen anew where it has to be.
            let is_chosen = way == Way::Bits && !is_float;
            if self.plan.keeps(place, cost, count, NUMBERS) || is_chosen {
                return node;
            }
            if is_float && way != Way::Compressed {
                let found = self.search_floats(words, bytes);
                if found.way == way || found.cost >= cost {
                    self.plan.note(place, way, cost, count);
                    return node;
                }
            }
        }
        let (way, node) = self.search_numbers(words, bytes, is_float);
        let cost = node.cost(count, self.profile);
        self.plan.note(place, way, cost, count);
        node
    }

    /// The words of a column in one way; nothing where they cannot have it.
    pub(super) fn number_way(
        &mut self,
        way: Way,
        words: &[u64],
        bytes: usize,
        is_float: bool,
    ) -> Option<Node> {
        match way {
            Way::Decimal => self.decimals(words, bytes),
            Way::FloatPco => self.float_pco(words, bytes),
            Way::Compressed => self.zstd(plain(words, bytes)),
            _ => Some(self.words_of(words, bytes, !is_float, Place::root(1))),
        }
    }

    fn search_numbers(&mut self, words: &[u64], bytes: usize, is_float: bool) -> (Way, Node) {
        let count = words.len();
        let way = match is_float && count >= SLOW_COUNT_MIN {
            true => self.search_floats(words, bytes).way,
            false => Way::Bits,
        };
        let found = self.number_way(way, words, bytes, is_float);
        let (way, best) = match found {
            Some(node) => (way, node),
            None => (
                Way::Bits,
                self.words_of(words, bytes, !is_float, Place::root(1)),
            ),
        };
        // Repeated sequences are found by nothing else; what is a quarter of its size has few of them.
        if count < SLOW_COUNT_MIN || best.size() * 4 < count * bytes {
            return (way, best);
        }
        let size = best.size();
        let best = self.compressed(best, count, || plain(words, bytes));
        let is_compressed = best.size() < size;
        (if is_compressed { Way::Compressed } else { way }, best)
    }

    /// Decimals, but for those that are none: these are exceptions.
    fn decimals(&mut self, words: &[u64], bytes: usize) -> Option<Node> {
        let found = decimals(words, bytes == 4)?;
        let place = Place::root(2);
        let numbers = Box::new(self.words_of(&found.numbers, 8, true, place));
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
        let leaf = Place::anywhere(DEPTH_MAX);
        Node::Patched {
            count: places.len(),
            places: Box::new(self.words_of(places, 4, true, leaf)),
            patches: Box::new(self.words_of(&patches, bytes, false, leaf)),
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
        match self.profile {
            Profile::Small => self.part_words(0, &lengths, 4),
            // Lengths of strings are hardly ever more than packed numbers.
            _ => self.words_of(&lengths, 4, true, Place::anywhere(DEPTH_MAX)),
        }
    }

    /// Encodes whole numbers that stand in `bytes` bytes where they are plain.
    pub(super) fn words(&mut self, words: &[u64], bytes: usize) -> Node {
        self.words_of(words, bytes, true, Place::anywhere(0))
    }

    /// The same for numbers that every page of the column has, and what they are: a number from 3 on.
    pub(super) fn words_at(&mut self, part: u64, words: &[u64], bytes: usize) -> Node {
        self.words_of(words, bytes, true, Place::root(part))
    }

    fn words_of(&mut self, words: &[u64], bytes: usize, is_whole: bool, place: Place) -> Node {
        if words.is_empty() {
            return Node::Plain(Vec::new().into());
        }
        let survey = Survey::of(words);
        if survey.min == survey.max {
            return Node::ConstantWord(survey.min);
        }
        let numbers = Numbers {
            words,
            bytes,
            is_whole,
            survey,
        };
        if place.depth >= DEPTH_MAX {
            return self.flat(&numbers);
        }
        let (way, node) = match self.plan.way(place) {
            Some(way) => match self.as_before(way, &numbers, place) {
                (None, node) => return node,
                (Some(way), node) => (way, node),
            },
            None => self.searched(&numbers, place),
        };
        let cost = node.cost(words.len(), self.profile);
        self.plan.note(place, way, cost, words.len());
        node
    }

    /// The numbers in the way that earlier ones had, or another that is cheaper by now; none where
    /// the choice is kept.
    fn as_before(&mut self, way: Way, numbers: &Numbers<'_>, place: Place) -> (Option<Way>, Node) {
        let Some(node) = self.way(way, numbers, place) else {
            let (way, node) = self.searched(numbers, place);
            return (Some(way), node);
        };
        let count = numbers.words.len();
        let cost = node.cost(count, self.profile);
        if self.plan.keeps(place, cost, count, NUMBERS) {
            return (None, node);
        }
        let found = self.estimated(numbers);
        if found.way == way || found.cost >= cost {
            return (Some(way), node);
        }
        let (other, better) = self.found(found, numbers, place);
        match better.cost(count, self.profile) < cost {
            true => (Some(other), better),
            false => (Some(way), node),
        }
    }

    /// The numbers without their factor, or in the way that is best by the sample.
    fn searched(&mut self, numbers: &Numbers<'_>, place: Place) -> (Way, Node) {
        if numbers.is_whole
            && let Some(node) = self.multiple(numbers, place)
        {
            return (Way::Multiple, node);
        }
        let found = self.estimated(numbers);
        self.found(found, numbers, place)
    }

    fn estimated(&self, numbers: &Numbers<'_>) -> Estimate {
        let Numbers {
            words,
            bytes,
            is_whole,
            survey,
        } = numbers;
        self.search(words, *bytes, *is_whole, survey)
    }

    /// The numbers in one way; nothing where they cannot have it.
    fn way(&mut self, way: Way, numbers: &Numbers<'_>, place: Place) -> Option<Node> {
        match way {
            Way::Flat => Some(self.flat(numbers)),
            Way::Narrowed => self.narrowed(numbers),
            Way::Multiple => self.multiple(numbers, place),
            Way::Runs => Some(self.runs(numbers, place)),
            Way::Dictionary => self.dictionary(numbers, place),
            Way::Delta => Some(self.delta(numbers, place)),
            Way::Pco => self.whole_pco(numbers.words),
            _ => None,
        }
    }

    /// Numbers in one way at the top of their tree, whatever else would be cheaper.
    pub(super) fn one_way(
        &mut self,
        way: Way,
        words: &[u64],
        bytes: usize,
        is_whole: bool,
    ) -> Option<Node> {
        let numbers = Numbers {
            words,
            bytes,
            is_whole,
            survey: Survey::of(words),
        };
        let is_of_whole = matches!(way, Way::Multiple | Way::Delta | Way::Pco);
        match is_of_whole && !is_whole {
            true => None,
            false => self.way(way, &numbers, Place::anywhere(0)),
        }
    }

    /// The numbers in the way that a search found, or in the next best one where that proves to be cheaper.
    fn found(&mut self, found: Estimate, numbers: &Numbers<'_>, place: Place) -> (Way, Node) {
        let count = numbers.words.len();
        let time = cost::bytes_of(count * cost::PACKED, self.profile);
        let flat = self.flat_bytes(numbers) + time;
        let (mut best, mut least) = (None, flat);
        for (way, expected) in std::iter::once((found.way, found.cost)).chain(found.second) {
            // The sample may have hidden what is rare.
            if way == Way::Flat || expected + expected / 16 >= least {
                break;
            }
            if let Some(node) = self.way(way, numbers, place) {
                let cost = node.cost(count, self.profile);
                if cost < least {
                    (best, least) = (Some((way, node)), cost);
                }
            }
        }
        best.unwrap_or_else(|| (Way::Flat, self.flat(numbers)))
    }

    /// Bytes of the numbers packed or plain, but for what says so.
    fn flat_bytes(&self, numbers: &Numbers<'_>) -> usize {
        let count = numbers.words.len();
        packed_bytes(count, numbers.survey.width()).min(count * numbers.bytes)
    }

    /// Packed where that is shorter, else plain.
    fn flat(&mut self, numbers: &Numbers<'_>) -> Node {
        let (words, width) = (numbers.words, numbers.survey.width());
        match packed_bytes(words.len(), width) < words.len() * numbers.bytes {
            true => packed(words, numbers.survey.min, width),
            false => plain(words, numbers.bytes),
        }
    }

    /// Most of the numbers packed in few bits; those far off are exceptions.
    fn narrowed(&mut self, numbers: &Numbers<'_>) -> Option<Node> {
        let words = numbers.words;
        let narrow = narrowing(words, &numbers.survey, PATCH_BYTES)?;
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
        Some(self.patched(packed, words, &places, numbers.bytes))
    }

    fn multiple(&mut self, numbers: &Numbers<'_>, place: Place) -> Option<Node> {
        let (words, min) = (numbers.words, numbers.survey.min);
        let reference = min.cast_unsigned();
        let factor = common_factor(words, reference)?;
        let multiples: Vec<_> = words
            .iter()
            .map(|word| word.wrapping_sub(reference) / factor)
            .collect();
        let place = place.below(Way::Multiple, 0);
        Some(Node::Multiple {
            reference: min,
            factor,
            multiples: Box::new(self.words_of(&multiples, numbers.bytes, true, place)),
        })
    }

    fn runs(&mut self, numbers: &Numbers<'_>, place: Place) -> Node {
        let (mut values, mut lengths) = (Vec::new(), Vec::new());
        for run in numbers.words.chunk_by(|one, other| one == other) {
            values.push(run[0]);
            lengths.push(run.len() as u64);
        }
        let (first, second) = (place.below(Way::Runs, 0), place.below(Way::Runs, 1));
        Node::Runs {
            count: values.len(),
            values: Box::new(self.words_of(&values, numbers.bytes, numbers.is_whole, first)),
            lengths: Box::new(self.words_of(&lengths, 4, true, second)),
        }
    }

    fn delta(&mut self, numbers: &Numbers<'_>, place: Place) -> Node {
        let deltas: Vec<_> = numbers
            .words
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        let place = place.below(Way::Delta, 0);
        Node::Delta {
            first: numbers.words[0].cast_signed(),
            deltas: Box::new(self.words_of(&deltas, numbers.bytes, true, place)),
        }
    }

    fn dictionary(&mut self, numbers: &Numbers<'_>, place: Place) -> Option<Node> {
        let words = numbers.words;
        let (mut values, codes) = distinct_words(words, words.len() / 2)?;
        let codes = sort_entries(&mut values, &codes);
        let (first, second) = (
            place.below(Way::Dictionary, 0),
            place.below(Way::Dictionary, 1),
        );
        Some(Node::Dictionary {
            count: values.len(),
            values: Box::new(self.words_of(&values, numbers.bytes, numbers.is_whole, first)),
            codes: Box::new(self.words_of(&codes, 4, true, second)),
        })
    }
}

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

pub(super) fn plain(words: &[u64], bytes: usize) -> Node {
    let mut data = Vec::with_capacity(words.len() * bytes);
    for word in words {
        data.extend_from_slice(&word.to_le_bytes()[..bytes]);
    }
    Node::Plain(data.into())
}
