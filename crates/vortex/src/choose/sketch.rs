//! What a sample of numbers, sorted, tells of the bytes that all of them would take.

use crate::bitpack::packed_bytes;
use crate::choose::survey::width_of;

/// Parts of a bit that logarithms are counted in.
pub(super) const PARTS: usize = 16;

/// Numbers of a sample in order.
pub(super) struct Sketch {
    sorted: Vec<i64>,
    /// How many differ.
    pub(super) distinct: usize,
    /// How many of them are there once.
    once: usize,
    /// How many come where parts of the sample meet: they say nothing.
    breaks: usize,
}

impl Sketch {
    /// Sorts a sample of at least one number.
    pub(super) fn of(words: &[u64], breaks: usize) -> Self {
        let mut sorted: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
        sorted.sort_unstable();
        let (mut distinct, mut once) = (0, 0);
        for same in sorted.chunk_by(|one, other| one == other) {
            distinct += 1;
            once += usize::from(same.len() == 1);
        }
        Self {
            sorted,
            distinct,
            once,
            breaks,
        }
    }

    /// Bits of a number less the least one.
    pub(super) fn width(&self) -> u32 {
        match (self.sorted.first(), self.sorted.last()) {
            (Some(min), Some(max)) => width_of(*min, *max),
            _ => 0,
        }
    }

    /// How many of `count` numbers differ, about: more than the sample shows if many of it are
    /// there once.
    pub(super) fn distinct_of(&self, count: usize) -> usize {
        let taken = self.sorted.len();
        if taken >= count {
            return self.distinct;
        }
        // (Chao, "Nonparametric estimation of the number of classes in a population", 1984.)
        let more_than_once = (self.distinct - self.once).max(1);
        let unseen = self.once * self.once / (2 * more_than_once);
        (self.distinct + unseen).min(count)
    }

    /// Bytes of `count` numbers packed but for exceptions of `patch_bytes` each, and how many those are.
    pub(super) fn narrowed(&self, count: usize, patch_bytes: usize) -> (usize, usize) {
        let taken = self.sorted.len();
        let mut best = (usize::MAX, 0);
        let low = self.sorted[taken / 64];
        let second = (low != self.sorted[0]).then_some(low);
        for from in std::iter::once(self.sorted[0]).chain(second) {
            let below = self.sorted.partition_point(|number| *number < from);
            for width in (0..=width_of(from, self.sorted[taken - 1])).rev() {
                let within = |number: &i64| *number < from || width_of(from, *number) <= width;
                let beyond = below + taken - self.sorted.partition_point(within);
                // More than one in eight are no exceptions any more.
                if beyond > taken / 8 {
                    break;
                }
                let patches = beyond.saturating_sub(self.breaks) * count / taken;
                let bytes = packed_bytes(count, width) + patches * patch_bytes;
                if bytes < best.0 {
                    best = (bytes, patches);
                }
            }
        }
        best
    }

    /// Parts of a bit of each number, where numbers are coded as one of `bins` ranges that are about
    /// as frequent, and their place in it.
    pub(super) fn coded(&self, bins: usize) -> usize {
        let taken = self.sorted.len();
        let step = taken.div_ceil(bins);
        let (mut from, mut parts) = (0, 0);
        while from < taken {
            let mut to = (from + step).min(taken);
            if self.sorted[to - 1] == self.sorted[from] {
                let same = |number: &i64| *number == self.sorted[from];
                to = from + self.sorted[from..].partition_point(same);
            }
            let range = self.sorted[to - 1].wrapping_sub(self.sorted[from]);
            let places = logarithm(range.cast_unsigned().saturating_add(1));
            let frequency = logarithm(taken as u64) - logarithm((to - from) as u64);
            parts += (to - from) * (places + frequency);
            from = to;
        }
        parts / taken
    }

    /// The place of a number among those that differ, for each of `words`.
    pub(super) fn codes(&self, words: &[u64]) -> Vec<u64> {
        let mut entries = self.sorted.clone();
        entries.dedup();
        let code = |word: &u64| entries.partition_point(|entry| *entry < word.cast_signed()) as u64;
        words.iter().map(code).collect()
    }
}

/// The logarithm to the base of 2 of a number above 0, in parts of a bit, about.
pub(super) fn logarithm(number: u64) -> usize {
    let bits = number.checked_ilog2().unwrap_or(0);
    let rest = (number << (63 - bits)) >> 59 & 15;
    bits as usize * PARTS + usize::try_from(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_how_many_numbers_differ() {
        let repeated: Vec<u64> = (0..1_000).map(|n| n * n % 40).collect();
        let sketch = Sketch::of(&repeated, 0);
        assert_eq!(sketch.distinct_of(8_000), sketch.distinct);
        let all: Vec<u64> = (0..1_000).map(|n| n * 7_919).collect();
        assert!(Sketch::of(&all, 0).distinct_of(8_000) > 7_000);
    }

    #[test]
    fn numbers_around_few_values_take_few_bits() {
        let near: Vec<u64> = (0..1_024).map(|n| ((n % 2) << 40) | (n % 8)).collect();
        let bits = Sketch::of(&near, 0).coded(32) / PARTS;
        assert!((3..=4).contains(&bits), "{bits} bits");
        let (bytes, patches) = Sketch::of(&near[..1], 0).narrowed(8, 6);
        assert_eq!((bytes, patches), (0, 0));
    }

    #[test]
    fn exceptions_are_counted_but_where_parts_of_a_sample_meet() {
        let mut words = vec![5_u64; 800];
        words[100] = 1 << 30;
        words[500] = 1 << 31;
        assert_eq!(Sketch::of(&words, 0).narrowed(8_000, 6), (120, 20));
        assert_eq!(Sketch::of(&words, 2).narrowed(8_000, 6), (0, 0));
    }
}
