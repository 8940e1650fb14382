//! Texts of one length that differ only in hexadecimal digits at the same places, such as UUIDs.

use crate::Result;
use crate::texts::{Out, SHORT, Strings, Texts};

/// Longest text of a pattern.
pub(crate) const PATTERN_BYTES_MAX: usize = 255;

/// Digits that one number holds.
pub(crate) const NUMBER_DIGITS: usize = 16;

/// Stand in a pattern for a digit: in lower case, and in upper case.
pub(crate) const LOWER: u8 = 0xfe;
pub(crate) const UPPER: u8 = 0xff;

const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

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
    let places = places_of(pattern);
    let mut out = Out::new(out, pattern.len() * count)?;
    let mut text = pattern.to_vec();
    // Short texts are copied with what follows.
    text.resize(pattern.len() + SHORT, 0);
    for row in 0..count {
        for (places, numbers) in places.chunks(NUMBER_DIGITS).zip(columns) {
            let mut number = numbers[row];
            for place in places.iter().rev() {
                let digits = if pattern[*place] == LOWER {
                    HEX_LOWER
                } else {
                    HEX_UPPER
                };
                text[*place] = digits[usize::from(number.to_le_bytes()[0] & 15)];
                number >>= 4;
            }
        }
        out.put(&text, 0, pattern.len())?;
        out.end_text();
    }
    out.finish()
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
