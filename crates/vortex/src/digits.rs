//! Texts that are decimal numbers, alike but for the number: `17`, `-3.25`, `user_000123`.

use crate::texts::Strings;
use crate::{Error, Result};

mod write;

pub(crate) use write::{TEXT_BYTES, put_some, put_texts};

/// Most digits of a number, before and after the point together.
pub(crate) const DIGITS_MAX: usize = 18;

/// How numbers are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Stand before and after every number.
    pub(crate) prefix: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    /// Numbers are whole multiples of 10 to the minus this, and at most so many places are written.
    pub(crate) places: u8,
    /// Zeros at the end are left out down to so many places.
    pub(crate) places_min: u8,
    /// Zeros are put in front up to so many digits before the point.
    pub(crate) whole_min: u8,
}

const POWERS: [u64; DIGITS_MAX + 1] = {
    let mut powers = [1; DIGITS_MAX + 1];
    let mut place = 1;
    while place <= DIGITS_MAX {
        powers[place] = powers[place - 1] * 10;
        place += 1;
    }
    powers
};

impl Style {
    /// Checks what a blob declares.
    pub(crate) fn check(&self) -> Result<()> {
        let most = usize::from(self.places.max(self.whole_min));
        let affix = self.prefix.len().max(self.suffix.len());
        match most <= DIGITS_MAX && affix <= AFFIX_MAX && self.places_min <= self.places {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "numbers of {most} digits in {affix} bytes"
            ))),
        }
    }
}

/// Most bytes before a number, and behind it.
const AFFIX_MAX: usize = 24;

/// A number as a text has it.
struct Parsed {
    is_negative: bool,
    digits: u64,
    whole: usize,
    places: usize,
    /// Zeros at the front and at the end: only there where all numbers have as many digits.
    pads: bool,
    ends: bool,
}

/// The numbers that texts are, and how they are written. `None` if some text would not come back.
pub(crate) fn numbers_of(texts: Strings<'_>) -> Option<(Style, Vec<u64>)> {
    let (prefix, suffix) = affixes(texts);
    let cut = |text: &'_ [u8]| parse(&text[prefix..text.len() - suffix]);
    let mut style = Style {
        places_min: u8::MAX,
        whole_min: u8::MAX,
        ..Style::default()
    };
    let mut parsed = Vec::with_capacity(texts.count());
    let mut whole_max = 0;
    for text in texts.iter() {
        let number = cut(text)?;
        let (whole, places) = (
            u8::try_from(number.whole).ok()?,
            u8::try_from(number.places).ok()?,
        );
        style.whole_min = style.whole_min.min(whole);
        whole_max = whole.max(whole_max);
        style.places = style.places.max(places);
        style.places_min = style.places_min.min(places);
        parsed.push(number);
    }
    if usize::from(whole_max + style.places) > DIGITS_MAX || prefix.max(suffix) > AFFIX_MAX {
        return None;
    }
    let first = texts.iter().next()?;
    style.prefix = first[..prefix].to_vec();
    style.suffix = first[first.len() - suffix..].to_vec();
    let number = |parsed: &Parsed| {
        let is_padded = parsed.pads && parsed.whole > usize::from(style.whole_min);
        let is_ended = parsed.ends && parsed.places > usize::from(style.places_min);
        if is_padded || is_ended {
            return None;
        }
        let power = POWERS[usize::from(style.places) - parsed.places];
        let size = (parsed.digits * power).cast_signed();
        (!parsed.is_negative || size > 0)
            .then_some(if parsed.is_negative { -size } else { size }.cast_unsigned())
    };
    let numbers = parsed.iter().map(number).collect::<Option<_>>()?;
    Some((style, numbers))
}

/// How many bytes all texts begin and end with, digits and signs left out of it.
fn affixes(texts: Strings<'_>) -> (usize, usize) {
    let Some(first) = texts.iter().next() else {
        return (0, 0);
    };
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let from = first.iter().position(is_number).unwrap_or(0);
    let until = first
        .iter()
        .rposition(u8::is_ascii_digit)
        .map_or(0, |at| first.len() - at - 1);
    // A text before a number may have digits too: what all share is before the last that is none.
    let shared = texts.iter().fold(first.len(), |shared, text| {
        let same = first.iter().zip(text).take(shared);
        same.take_while(|(one, other)| one == other).count()
    });
    let last_other = first[..shared.min(first.len() - until)]
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && *byte != b'.' && *byte != b'-');
    let from = last_other.map_or(from.min(shared), |at| at + 1);
    let suffix = &first[first.len() - until..];
    let is_suffixed = texts
        .iter()
        .all(|text| text.len() >= from + until && text.ends_with(suffix));
    (from, if is_suffixed { until } else { 0 })
}

fn parse(text: &[u8]) -> Option<Parsed> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if text.len() > DIGITS_MAX + 1 {
        return None;
    }
    let (mut digits, mut whole) = (0_u64, None);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
            b'.' if whole.is_none() => whole = Some(place),
            _ => return None,
        }
    }
    let places = whole.map_or(0, |whole| text.len() - whole - 1);
    let whole = whole.unwrap_or(text.len());
    if whole == 0 || (places == 0 && text.len() > whole) {
        return None;
    }
    Some(Parsed {
        is_negative,
        digits,
        whole,
        places,
        pads: text[0] == b'0' && whole > 1,
        ends: places > 0 && text[text.len() - 1] == b'0',
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Texts;

    #[test]
    fn numbers_come_back_as_they_were_written() {
        for texts in [
            &["0", "17", "-3", "999999999999999999"][..],
            &["12.50", "0.05", "-7.00"],
            &["12.5", "3", "-0.25", "100"],
            &["1.0", "2.25", "-0.5"],
            &["user_000123", "user_1000000", "user_000000"],
            &["v1.2", "v1.25"],
            &["00:01", "00:59"],
            &["5%", "17%"],
            &["a1b7", "a1b22"],
        ] {
            let texts = Texts::of(texts);
            let (style, numbers) =
                numbers_of(texts.strings()).unwrap_or_else(|| panic!("{texts:?}"));
            style.check().unwrap();
            let mut back = Texts::new();
            put_texts(&style, &numbers, texts.data.len(), &mut back).unwrap();
            assert_eq!(back, texts, "{style:?}");
        }
    }

    #[test]
    fn both_ways_to_write_a_number_agree() {
        let mut numbers = vec![
            0,
            7,
            -1,
            10,
            -100,
            99_999_999,
            -99_999_999,
            12_340_000,
            i64::MIN,
        ];
        numbers.extend(
            (0..64).map(|n: i64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) >> n),
        );
        for (places, least, whole) in
            (0..=8).flat_map(|p| (0..=p).flat_map(move |q| (0..=8).map(move |w| (p, q, w))))
        {
            let style = Style {
                prefix: b"no ".to_vec(),
                suffix: b"%".to_vec(),
                places,
                places_min: least,
                whole_min: whole,
            };
            let words: Vec<u64> = numbers
                .iter()
                .map(|number| number.cast_unsigned())
                .collect();
            let (mut slow, mut out) = (Texts::new(), Texts::new());
            put_some(&style, &words, &mut slow);
            put_texts(&style, &words, slow.data.len(), &mut out).unwrap();
            assert_eq!(out, slow, "{style:?}");
        }
    }

    #[test]
    fn what_would_not_come_back_is_no_number() {
        for texts in [
            &["-0", "1"][..],
            &["1e5"],
            &["007", "12", "1234567"],
            &["1.50", "2.5"],
            &[".5"],
            &["5."],
            &[""],
            &["1", ""],
            &["1.2.3"],
            &["--1"],
            &["9999999999999999999"],
            &["1", "0.0000000000000000001"],
        ] {
            let texts = Texts::of(texts);
            if let Some((style, numbers)) = numbers_of(texts.strings()) {
                let mut back = Texts::new();
                put_texts(&style, &numbers, texts.data.len(), &mut back).unwrap();
                assert_eq!(back, texts, "{style:?}");
            }
        }
        assert!(numbers_of(Texts::of(&["-0", "1"]).strings()).is_none());
        assert!(numbers_of(Texts::of(&["1.50", "2.5"]).strings()).is_none());
    }
}
