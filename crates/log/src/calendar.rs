//! Dates and timestamps as text, in the proleptic Gregorian calendar and UTC.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Timelike};

use crate::limits::INT_MAX;

/// Reads `YYYY-MM-DD` as days since 1970-01-01.
pub fn date_from_text(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (text.len() == 10).then(|| date.to_epoch_days())
}

/// Writes days since 1970-01-01 as `YYYY-MM-DD`.
pub fn date_to_text(days: i32) -> String {
    match NaiveDate::from_epoch_days(days) {
        Some(date) => date.format("%Y-%m-%d").to_string(),
        None => days.to_string(),
    }
}

/// Reads RFC 3339 as microseconds since 1970-01-01T00:00:00Z. Digits below a microsecond are
/// refused, and so is anything outside 1684-07-28 to 2255-06-05 (2^53 microseconds).
pub fn timestamp_from_text(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    if time.timestamp_subsec_nanos() % 1_000 != 0 {
        return None;
    }
    let micros = time.timestamp_micros();
    (micros.abs() <= INT_MAX).then_some(micros)
}

/// Writes microseconds since 1970-01-01T00:00:00Z as RFC 3339 in UTC, with as few of 0, 3 or 6
/// decimals as hold the value.
pub fn timestamp_to_text(micros: i64) -> String {
    let mut out = String::with_capacity(27);
    push_timestamp(&mut out, micros);
    out
}

/// Appends what [`timestamp_to_text`] writes.
pub fn push_timestamp(out: &mut String, micros: i64) {
    match DateTime::from_timestamp_micros(micros) {
        // Keys are made of timestamps, so this is on the way of every write: digit by digit.
        Some(time) if (0..=9_999).contains(&time.year()) => four_digit_year(out, time.naive_utc()),
        Some(time) => out.push_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        None => out.push_str(&micros.to_string()),
    }
}

fn four_digit_year(out: &mut String, time: NaiveDateTime) {
    let mut put = |before: &str, number: u32, digits: u32| {
        out.push_str(before);
        for place in (0..digits).rev() {
            let digit = number / 10_u32.pow(place) % 10;
            out.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
    };
    put("", time.year().unsigned_abs(), 4);
    put("-", time.month(), 2);
    put("-", time.day(), 2);
    put("T", time.hour(), 2);
    put(":", time.minute(), 2);
    put(":", time.second(), 2);
    match time.nanosecond() / 1_000 {
        0 => {}
        micros if micros % 1_000 == 0 => put(".", micros / 1_000, 3),
        micros => put(".", micros, 6),
    }
    out.push('Z');
}

/// The UTC year and month (1 to 12) of microseconds since 1970-01-01T00:00:00Z.
pub fn year_month_of(micros: i64) -> Option<(i32, u32)> {
    let time: NaiveDateTime = DateTime::from_timestamp_micros(micros)?.naive_utc();
    Some((time.year(), time.month()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_keep_microseconds_and_offset() {
        let micros = timestamp_from_text("2013-01-01T05:00:00.000001-05:00").unwrap();
        assert_eq!(timestamp_to_text(micros), "2013-01-01T10:00:00.000001Z");
        assert_eq!(year_month_of(micros), Some((2013, 1)));
    }

    #[test]
    fn nanoseconds_and_far_years_are_refused() {
        assert_eq!(timestamp_from_text("2013-01-01T05:00:00.000000001Z"), None);
        assert_eq!(timestamp_from_text("2300-01-01T00:00:00Z"), None);
    }

    proptest::proptest! {
        #[test]
        fn timestamps_are_written_as_rfc_3339_has_them(micros in -INT_MAX..=INT_MAX, cut in 0_usize..3) {
            let micros = micros / [1, 1_000, 1_000_000][cut] * [1, 1_000, 1_000_000][cut];
            let time = DateTime::from_timestamp_micros(micros).unwrap();
            let wanted = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            proptest::prop_assert_eq!(timestamp_to_text(micros), wanted);
        }
    }

    #[test]
    fn dates_round_trip() {
        assert_eq!(date_from_text("1970-01-02"), Some(1));
        assert_eq!(date_to_text(-1), "1969-12-31");
        assert_eq!(date_from_text("2013-1-1"), None);
    }
}
