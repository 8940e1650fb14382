//! What one pass over numbers tells of the encodings they may have.

use crate::bitpack::packed_bytes;

/// Numbers looked at to see where most of them lie.
const SAMPLE: usize = 256;

pub(super) struct Survey {
    pub(super) min: i64,
    pub(super) max: i64,
    /// How often a number differs from the one before, and one more.
    pub(super) runs: usize,
}

impl Survey {
    pub(super) fn of(words: &[u64]) -> Self {
        let first = words[0].cast_signed();
        let (mut min, mut max, mut runs) = (first, first, 1);
        for pair in words.windows(2) {
            let number = pair[1].cast_signed();
            min = min.min(number);
            max = max.max(number);
            runs += usize::from(pair[0] != pair[1]);
        }
        Self { min, max, runs }
    }

    pub(super) fn width(&self) -> u32 {
        width_of(self.min, self.max)
    }
}

/// Bits that numbers from `min` to `max` take less `min`.
pub(super) fn width_of(min: i64, max: i64) -> u32 {
    u64::BITS - max.wrapping_sub(min).cast_unsigned().leading_zeros()
}

/// Some numbers from all over, sorted as signed ones.
fn sample(words: &[u64]) -> Vec<u64> {
    let step = words.len() / SAMPLE + 1;
    let mut sample: Vec<_> = words.iter().copied().step_by(step).collect();
    sample.sort_unstable_by_key(|word| word.cast_signed());
    sample
}

/// How to pack most numbers in fewer bits than all: a reference and a width that some exceed.
#[derive(Debug, PartialEq)]
pub(super) struct Narrowing {
    pub(super) reference: i64,
    pub(super) width: u32,
}

/// Finds the narrowing that takes the fewest bytes, where a number that does not fit takes
/// `patch_bytes`; nothing where packing all of them in `width` bits is as good.
pub(super) fn narrowing(words: &[u64], survey: &Survey, patch_bytes: usize) -> Option<Narrowing> {
    let sample = sample(words);
    let low = sample
        .get(sample.len() / 64)
        .map_or(survey.min, |word| word.cast_signed());
    let mut best = packed_bytes(words.len(), survey.width());
    best -= best / 16;
    let mut found = None;
    let second = (low != survey.min).then_some(low);
    for reference in std::iter::once(survey.min).chain(second) {
        let widths = widths_above(words, reference);
        let mut beyond = words.len();
        for (width, count) in (0_u32..).zip(widths) {
            beyond -= count;
            // More than one in eight are no exceptions any more.
            if beyond > words.len() / 8 {
                continue;
            }
            let bytes = packed_bytes(words.len(), width) + beyond * patch_bytes;
            if bytes < best {
                best = bytes;
                found = Some(Narrowing { reference, width });
            }
        }
    }
    found
}

/// How many numbers take how many bits less a reference; lower ones take all 64.
fn widths_above(words: &[u64], reference: i64) -> [usize; 65] {
    let mut widths = [0; 65];
    for word in words {
        let above = word.wrapping_sub(reference.cast_unsigned());
        let bits = match word.cast_signed() < reference {
            true => 64,
            false => 64 - above.leading_zeros(),
        };
        widths[bits as usize] += 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_numbers_far_off_are_exceptions() {
        let mut words: Vec<u64> = (0..1_000).map(|n| 50 + n % 16).collect();
        words[17] = 1 << 40;
        words[400] = (-9_i64).cast_unsigned();
        let found = narrowing(&words, &Survey::of(&words), 8).unwrap();
        assert_eq!((found.reference, found.width), (50, 4));
        words[17] = 50;
        words[400] = 50;
        assert_eq!(narrowing(&words, &Survey::of(&words), 8), None);
    }
}
