//! Texts that are times: `2026-03-01`, `2026-03-01T12:34:56.789Z`.

use crate::texts::{Strings, Texts};
use crate::{Error, Result};

/// Most places of a second.
pub(crate) const PLACES_MAX: u8 = 9;

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Between date and time; `None`: dates alone.
    pub(crate) separator: Option<u8>,
    /// Places of the second.
    pub(crate) places: u8,
    /// After the time.
    pub(crate) suffix: Vec<u8>,
}

const DAY_SECONDS: i64 = 86_400;

/// Days before 1970-03-01 of 0000-03-01, from which years and their leap days count evenly.
const EPOCH_DAYS: i64 = 719_468;

impl Form {
    /// Units of a number in one day.
    fn day(&self) -> i64 {
        match self.separator {
            Some(_) => DAY_SECONDS * 10_i64.pow(u32::from(self.places)),
            None => 1,
        }
    }

    /// Bytes of every text.
    pub(crate) fn bytes(&self) -> usize {
        let places = usize::from(self.places);
        let time = if places > 0 { places + 10 } else { 9 };
        10 + self.separator.map_or(0, |_| time) + self.suffix.len()
    }

    /// Units since 1970.
    fn parse(&self, text: &[u8]) -> Option<i64> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.iter().try_fold(0, |number, byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i64::from(byte - b'0'))
            })
        };
        let has = |at: usize, byte: u8| (text.get(at) == Some(&byte)).then_some(());
        (text.len() == self.bytes()).then_some(())?;
        has(4, b'-').and(has(7, b'-'))?;
        let days = days_of(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
        let Some(separator) = self.separator else {
            return text.ends_with(&self.suffix).then_some(days);
        };
        has(10, separator).and(has(13, b':')).and(has(16, b':'))?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 || !text.ends_with(&self.suffix) {
            return None;
        }
        let seconds = days * DAY_SECONDS + hour * 3_600 + minute * 60 + second;
        if self.places == 0 {
            return Some(seconds);
        }
        has(19, b'.')?;
        let places = usize::from(self.places);
        seconds
            .checked_mul(10_i64.pow(u32::from(self.places)))?
            .checked_add(number(20, 20 + places)?)
    }

    /// The text of a time, without the suffix, in a buffer that has what never changes.
    fn put(&self, number: i64, text: &mut [u8]) -> Option<()> {
        let (day, mut rest) = (number.div_euclid(self.day()), number.rem_euclid(self.day()));
        let (year, month, of_month) = date_of(day)?;
        put_number(year, &mut text[0..4]);
        put_number(month, &mut text[5..7]);
        put_number(of_month, &mut text[8..10]);
        if self.separator.is_some() {
            if self.places > 0 {
                let power = 10_i64.pow(u32::from(self.places));
                put_number(rest % power, &mut text[20..20 + usize::from(self.places)]);
                rest /= power;
            }
            put_number(rest / 3_600, &mut text[11..13]);
            put_number(rest / 60 % 60, &mut text[14..16]);
            put_number(rest % 60, &mut text[17..19]);
        }
        Some(())
    }

    /// What every text has: zeros where digits go.
    fn template(&self) -> Vec<u8> {
        let mut text = b"0000-00-00".to_vec();
        if let Some(separator) = self.separator {
            text.push(separator);
            text.extend_from_slice(b"00:00:00");
            if self.places > 0 {
                text.push(b'.');
                text.resize(text.len() + usize::from(self.places), b'0');
            }
        }
        text.extend_from_slice(&self.suffix);
        text
    }
}

fn put_number(mut number: i64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
}

/// Days since 1970 of a date of the years 0 to 9999 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
    // A day that its month does not have comes back as one of the next.
    (date_of(days)? == (year, month, day)).then_some(days)
}

fn date_of(days: i64) -> Option<(i64, i64, i64)> {
    let days = days.checked_add(EPOCH_DAYS)?;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    let year = era.checked_mul(400)?.checked_add(year)? + i64::from(month <= 2);
    (0..=9_999).contains(&year).then_some((year, month, day))
}

/// The times that texts are, if every one is, all written the same way.
pub(crate) fn times_of(texts: Strings<'_>) -> Option<(Form, Vec<u64>)> {
    let first = texts.iter().next()?;
    if !(10..=64).contains(&first.len()) || first[4] != b'-' {
        return None;
    }
    let separator = first
        .get(10)
        .copied()
        .filter(|_| first.get(13) == Some(&b':'));
    let places = match (separator, first.get(19)) {
        (Some(_), Some(b'.')) => first[20..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count(),
        _ => 0,
    };
    let mut form = Form {
        separator,
        places: u8::try_from(places)
            .ok()
            .filter(|places| *places <= PLACES_MAX)?,
        suffix: Vec::new(),
    };
    form.suffix = first.get(form.bytes()..)?.to_vec();
    let numbers = texts
        .iter()
        .map(|text| form.parse(text).map(i64::cast_unsigned));
    Some((form.clone(), numbers.collect::<Option<_>>()?))
}

/// Appends the texts of times.
pub(crate) fn put_texts(form: &Form, numbers: &[u64], out: &mut Texts) -> Result<()> {
    let mut text = form.template();
    out.end_of(text.len() * numbers.len())?;
    for number in numbers {
        let put = form.put(number.cast_signed(), &mut text);
        put.ok_or_else(|| Error::corrupt("a time beyond the year 9999"))?;
        out.push(&text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were_written() {
        for texts in [
            &["1970-01-01", "2000-02-29", "0000-01-01", "9999-12-31"][..],
            &["2026-03-01T00:00:00Z", "1969-12-31T23:59:59Z"],
            &["2026-03-01 12:34:56.7+02:00", "1900-03-01 12:34:56.0+02:00"],
            &["9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00.000000Z"],
        ] {
            let texts = Texts::of(texts);
            let (form, numbers) = times_of(texts.strings()).unwrap_or_else(|| panic!("{texts:?}"));
            let mut back = Texts::new();
            put_texts(&form, &numbers, &mut back).unwrap();
            assert_eq!(back, texts);
        }
        let (_, numbers) = times_of(Texts::of(&["1970-01-02T00:00:01.5Z"]).strings()).unwrap();
        assert_eq!(numbers, [864_015]);
    }

    #[test]
    fn what_is_no_time_or_written_another_way_is_refused() {
        for texts in [
            &["2023-02-29"][..],
            &["2026-13-01"],
            &["2026-03-00"],
            &["2026-03-01T24:00:00Z"],
            &["2026-03-01T00:00:60Z"],
            &["2026-03-01T00:00:00.1Z", "2026-03-01T00:00:00Z"],
            &["2026-03-01T00:00:00Z", "2026-03-01T00:00:00+"],
            &["2026-3-1"],
            &["2026-03-0x"],
            &["2026-03-01T00:00:00.1234567890Z"],
            &[""],
        ] {
            assert_eq!(times_of(Texts::of(texts).strings()), None, "{texts:?}");
        }
    }

    #[test]
    fn numbers_beyond_the_calendar_are_corrupt() {
        let form = Form {
            separator: Some(b'T'),
            places: 9,
            suffix: Vec::new(),
        };
        let day = Form {
            separator: None,
            ..form.clone()
        };
        assert!(put_texts(&day, &[u64::MAX >> 1, 1 << 63], &mut Texts::new()).is_err());
        assert!(put_texts(&form, &[u64::MAX >> 1, 1 << 63], &mut Texts::new()).is_ok());
    }
}
