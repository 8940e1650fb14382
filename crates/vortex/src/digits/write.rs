//! Numbers to texts.

use super::{AFFIX_MAX, POWERS, Style};
use crate::Result;
use crate::texts::{Out, SHORT, Texts};

impl Style {
    /// The text of a number of at most eight digits, without prefix and suffix: its bytes, the first
    /// in the lowest, and how many they are. Nothing depends on how many digits it has, so nothing is
    /// mispredicted. `None`: it is not written this way.
    #[inline(always)]
    fn short(&self, number: i64) -> Option<(u128, usize)> {
        let size = number.unsigned_abs();
        let least = usize::from(self.places) + usize::from(self.whole_min.max(1));
        if size >= POWERS[EIGHT] || least > EIGHT {
            return None;
        }
        let digits = eight_digits(size);
        let zeros = |zeros: u32| zeros as usize / 8;
        let places = usize::from(self.places);
        let whole = (EIGHT - places).saturating_sub(zeros(digits.trailing_zeros()));
        let whole = whole.max(usize::from(self.whole_min.max(1)));
        let most_cut = places - usize::from(self.places_min);
        let kept = places - zeros(digits.leading_zeros()).min(most_cut);
        let ascii = u128::from(digits | 0x3030_3030_3030_3030);
        // The point goes between both parts, and a sign before them.
        let first = EIGHT - places - whole;
        let part = (1_u128 << (8 * (EIGHT - places))) - 1;
        let point = u128::from(b'.') << (8 * (EIGHT - places));
        let with_point = (ascii & part) | point | (ascii & !part) << 8;
        let text = with_point >> (8 * first);
        let sign = usize::from(number < 0);
        let length = whole + kept + usize::from(kept > 0) + sign;
        let signed = (text << (8 * sign)) | (u128::from(b'-') * sign as u128);
        Some((signed, length))
    }

    /// Writes the text of a number so that it ends at [`DIGITS_END`], and says where it begins.
    #[inline]
    fn write(&self, number: i64, text: &mut [u8; TEXT_BYTES]) -> usize {
        let (mut rest, mut places) = (number.unsigned_abs(), self.places);
        while places > self.places_min && rest.is_multiple_of(10) {
            rest /= 10;
            places -= 1;
        }
        let mut at = DIGITS_END;
        let mut left = places;
        while left > 0 {
            at -= 1;
            text[at] = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
            left -= 1;
        }
        if places > 0 {
            at -= 1;
            text[at] = b'.';
        }
        let first = at - usize::from(self.whole_min.max(1));
        while rest > 0 {
            at -= 1;
            text[at] = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
        }
        while at > first {
            at -= 1;
            text[at] = b'0';
        }
        if number < 0 {
            at -= 1;
            text[at] = b'-';
        }
        at -= self.prefix.len();
        text[at..at + self.prefix.len()].copy_from_slice(&self.prefix);
        at
    }
}

/// Digits that are made at once.
const EIGHT: usize = 8;

/// Where digits end: at most 20 before the point, 18 behind it, the point and a sign stand before,
/// and what every text begins with.
const DIGITS_END: usize = AFFIX_MAX + 40;

/// What follows may be copied with a short text, and is cut off again.
pub(crate) const TEXT_BYTES: usize = DIGITS_END + AFFIX_MAX + SHORT;

/// Appends the texts of numbers, which take `bytes` together.
pub(crate) fn put_texts(
    style: &Style,
    numbers: &[u64],
    bytes: usize,
    out: &mut Texts,
) -> Result<()> {
    let mut out = Out::new(out, bytes)?;
    let mut text = [0; TEXT_BYTES];
    let end = DIGITS_END + style.suffix.len();
    text[DIGITS_END..end].copy_from_slice(&style.suffix);
    let (prefix, suffix) = (padded(&style.prefix), padded(&style.suffix));
    for number in numbers {
        let number = number.cast_signed();
        match style.short(number) {
            Some((digits, length)) => {
                if !style.prefix.is_empty() {
                    out.put_start(prefix, style.prefix.len())?;
                }
                out.put_start(digits.to_le_bytes(), length)?;
                if !style.suffix.is_empty() {
                    out.put_start(suffix, style.suffix.len())?;
                }
            }
            None => {
                let from = style.write(number, &mut text);
                out.put(&text, from, end)?;
            }
        }
        out.end_text();
    }
    out.finish()
}

/// What stands before or behind every number, of at most [`AFFIX_MAX`] bytes.
fn padded(affix: &[u8]) -> [u8; SHORT] {
    let mut padded = [0; SHORT];
    padded[..affix.len()].copy_from_slice(affix);
    padded
}

/// Eight digits, the highest in the lowest byte, of a number below 10^8: halves, quarters and single
/// digits of all quarters at once.
#[inline]
fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | (number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = ((halves - 100 * hundreds) << 16) | hundreds;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    ((quarters - 10 * tens) << 8) | tens
}

/// Appends the texts of a few numbers, each of fewer than [`TEXT_BYTES`].
pub(crate) fn put_some(style: &Style, numbers: &[u64], out: &mut Texts) {
    let mut text = [0; TEXT_BYTES];
    let end = DIGITS_END + style.suffix.len();
    text[DIGITS_END..end].copy_from_slice(&style.suffix);
    for number in numbers {
        let from = style.write(number.cast_signed(), &mut text);
        out.push(&text[from..end]);
    }
}
