//! Texts of one length that differ only in hexadecimal digits at the same places, such as UUIDs.

use crate::texts::{Out, SHORT, Strings, Texts};
use crate::{Error, Result};

/// Longest text of a pattern.
pub(crate) const PATTERN_BYTES_MAX: usize = 255;

/// Digits that one number holds.
pub(crate) const NUMBER_DIGITS: usize = 16;

/// Stand in a pattern for a digit: in lower case, and in upper case.
pub(crate) const LOWER: u8 = 0xfe;
pub(crate) const UPPER: u8 = 0xff;

/// The pattern of texts and their digits: column by column of up to 16 digits, the first ones highest.
pub(crate) fn pattern_of(texts: Strings<'_>) -> Option<(Vec<u8>, Vec<Vec<u64>>)> {
    let first = texts.iter().next()?;
    if !(1..=PATTERN_BYTES_MAX).contains(&first.len()) || first.iter().any(|byte| *byte >= LOWER) {
        return None;
    }
    let mut pattern = first.to_vec();
    for text in texts.iter() {
        if text.len() != pattern.len() {
            return None;
        }
        for ((part, byte), first) in pattern.iter_mut().zip(text).zip(first) {
            if *part < LOWER && part != byte {
                *part = kind(*first)?;
            }
            if *part >= LOWER {
                // Digits below ten are of both cases.
                match kind(*byte)? {
                    _ if byte.is_ascii_digit() => {}
                    LOWER if *part == UPPER || first.is_ascii_uppercase() => return None,
                    UPPER if first.is_ascii_lowercase() => return None,
                    case => *part = if case == UPPER { UPPER } else { *part },
                }
            }
        }
    }
    columns_of(texts, &pattern).map(|columns| (pattern, columns))
}

fn kind(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' | b'a'..=b'f' => Some(LOWER),
        b'A'..=b'F' => Some(UPPER),
        _ => None,
    }
}

/// The numbers, if the pattern gives every text back.
fn columns_of(texts: Strings<'_>, pattern: &[u8]) -> Option<Vec<Vec<u64>>> {
    let places = places_of(pattern);
    let mut columns = Vec::new();
    for places in places.chunks(NUMBER_DIGITS) {
        let mut numbers = Vec::with_capacity(texts.count());
        for text in texts.iter() {
            let mut number = 0;
            for place in places {
                number = number << 4 | u64::from(digit(text[*place], pattern[*place])?);
            }
            numbers.push(number);
        }
        columns.push(numbers);
    }
    Some(columns)
}

fn digit(byte: u8, part: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' if part == LOWER => Some(byte - b'a' + 10),
        b'A'..=b'F' if part == UPPER => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Where a pattern has digits.
pub(crate) fn places_of(pattern: &[u8]) -> Vec<usize> {
    (0..pattern.len())
        .filter(|place| pattern[*place] >= LOWER)
        .collect()
}

/// Appends `count` texts. `columns` are as many as [`places_of`] needs, each of `count` numbers.
pub(crate) fn put_texts(
    pattern: &[u8],
    columns: &[Vec<u64>],
    count: usize,
    out: &mut Texts,
) -> Result<()> {
    let steps = steps_of(pattern);
    let mut out = Out::new(out, pattern.len() * count)?;
    let short = || Error::corrupt("a pattern of more texts than are there");
    for row in 0..count {
        let (_, room) = out.room(pattern.len());
        let mut digits = 0;
        for step in &steps {
            let place = room.get_mut(step.at..).ok_or_else(short)?;
            match step.what {
                What::Same(text) => *place.first_chunk_mut().ok_or_else(short)? = text,
                What::Digits(some) => {
                    if some.is_new {
                        let number = columns[some.column].get(row).ok_or_else(short)?;
                        digits = sixteen_digits(number << some.raised, some.letters);
                    }
                    let text = (digits >> some.skipped).to_le_bytes();
                    *place.first_chunk_mut().ok_or_else(short)? = text;
                }
            }
        }
        out.wrote(pattern.len());
        out.end_text();
    }
    out.finish()
}

/// What is written of each text, and where in it. A step may write more than its own: what is behind
/// it is written later.
struct Step {
    at: usize,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// What all texts have.
    Same([u8; SHORT]),
    Digits(Digits),
}

/// Digits of a column's number.
#[derive(Clone, Copy)]
struct Digits {
    column: usize,
    /// Bits that the number is moved up, so that its first digit is the highest.
    raised: usize,
    /// Bits of the digits that were written before.
    skipped: usize,
    /// How far letters are from digits.
    letters: u64,
    /// False if they are as the step before made them.
    is_new: bool,
}

/// Stands for all that is no digit.
const OTHER: u8 = LOWER - 1;

fn steps_of(pattern: &[u8]) -> Vec<Step> {
    let total = places_of(pattern).len();
    let mut steps = Vec::new();
    let (mut at, mut taken, mut last) = (0, 0, None);
    for run in pattern.chunk_by(|one, next| one.max(&OTHER) == next.max(&OTHER)) {
        let end = at + run.len();
        while at < end {
            let (column, skipped) = (taken / NUMBER_DIGITS, taken % NUMBER_DIGITS);
            let (what, count) = if run[0] < LOWER {
                let mut text = [0; SHORT];
                let count = SHORT.min(end - at);
                text[..count].copy_from_slice(&pattern[at..at + count]);
                (What::Same(text), count)
            } else {
                let first = if run[0] == LOWER { b'a' } else { b'A' };
                let made = Some((column, first));
                let digits = NUMBER_DIGITS.min(total - column * NUMBER_DIGITS);
                let what = What::Digits(Digits {
                    column,
                    raised: 4 * (NUMBER_DIGITS - digits),
                    skipped: 8 * skipped,
                    letters: u64::from(first - b'9' - 1),
                    is_new: last != made,
                });
                last = made;
                let count = (NUMBER_DIGITS - skipped).min(end - at);
                taken += count;
                (what, count)
            };
            steps.push(Step { at, what });
            at += count;
        }
    }
    steps
}

/// The sixteen hexadecimal digits of a number as texts have them, the highest in the lowest byte.
#[inline]
fn sixteen_digits(number: u64, letters: u64) -> u128 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let eight = |half: u64| {
        let words = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let bytes = (words | words << 8) & 0x00ff_00ff_00ff_00ff;
        let nibbles = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let are_letters = ((nibbles + 6 * ONES) >> 4) & ONES;
        let text = nibbles + u64::from(b'0') * ONES + are_letters * letters;
        u128::from(text.swap_bytes())
    };
    eight(number >> 32) | eight(number & 0xffff_ffff) << 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_come_back() {
        for texts in [
            &[
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "6BA7b810-9dad-11d1-80b4-00c04fd430c9",
            ][..],
            &["evt_00ff", "evt_0a1f"],
            &["0A", "F3", "99"],
            &["x1", "xa", "x2"],
            &["9", "A"],
        ] {
            let texts = Texts::of(texts);
            if let Some((pattern, columns)) = pattern_of(texts.strings()) {
                let mut back = Texts::new();
                put_texts(&pattern, &columns, texts.count(), &mut back).unwrap();
                assert_eq!(back, texts);
            } else {
                assert!(texts.data.starts_with(b"6ba7"), "{texts:?}");
            }
        }
    }

    #[test]
    fn other_texts_have_no_pattern() {
        for texts in [
            &["a", "A"][..],
            &["ab", "a"],
            &["g", "h"],
            &["1", "a", "A"],
            &[""],
        ] {
            assert_eq!(pattern_of(Texts::of(texts).strings()), None, "{texts:?}");
        }
    }
}
