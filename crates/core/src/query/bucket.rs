//! Time buckets: the start of the span of time a value falls in, in UTC.

use chrono::{DateTime, Datelike, NaiveDate};
use tidelog_log::limits::INT_MAX;
use tidelog_log::{Error, FieldType, Result, Value};

use super::time::{DAY_MICROS, HOUR_MICROS};

/// A span of time. Fixed spans are counted from 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    /// So many microseconds.
    Micros(i64),
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Bucket {
    /// Reads `hour`, `day`, `month`, `year`, or a number with `s`, `m`, `h` or `d`: `15m`.
    ///
    /// # Errors
    /// `invalid_bucket` when it is none of these, or finer than a day on a date field.
    pub(super) fn parse(text: &str, field_type: FieldType) -> Result<Self> {
        let bucket = match text {
            "hour" => Some(Self::Micros(HOUR_MICROS)),
            "day" => Some(Self::Micros(DAY_MICROS)),
            "month" => Some(Self::Month),
            "year" => Some(Self::Year),
            _ => fixed(text),
        };
        let fits = match (bucket, field_type) {
            (Some(_), FieldType::Timestamp) | (Some(Self::Month | Self::Year), FieldType::Date) => {
                bucket
            }
            (Some(Self::Micros(micros)), FieldType::Date) if micros % DAY_MICROS == 0 => bucket,
            _ => None,
        };
        fits.ok_or_else(|| {
            Error::invalid(
                "invalid_bucket",
                "a bucket of a timestamp is hour, day, month, year or a number with s, m, h or d, \
                 such as 15m; of a date, whole days, month or year",
            )
        })
    }

    /// The start of the bucket a timestamp or date is in.
    pub(super) fn start(self, value: &Value) -> Value {
        match value {
            // Before the earliest timestamp there is none; the first bucket starts there.
            Value::Timestamp(micros) => Value::Timestamp(self.floor(*micros).max(-INT_MAX)),
            Value::Date(days) => {
                let start = self.floor(i64::from(*days) * DAY_MICROS) / DAY_MICROS;
                Value::Date(i32::try_from(start).unwrap_or(*days))
            }
            other => other.clone(),
        }
    }

    fn floor(self, micros: i64) -> i64 {
        let months = match self {
            Self::Micros(width) => return micros.div_euclid(width) * width,
            Self::Month => 1,
            Self::Year => 12,
        };
        let start = DateTime::from_timestamp_micros(micros).and_then(|time| {
            let month = if months == 12 { 1 } else { time.month() };
            NaiveDate::from_ymd_opt(time.year(), month, 1)
        });
        start.map_or(micros, |day| i64::from(day.to_epoch_days()) * DAY_MICROS)
    }
}

fn fixed(text: &str) -> Option<Bucket> {
    let unit = match text.bytes().last()? {
        b's' => 1_000_000,
        b'm' => 60_000_000,
        b'h' => HOUR_MICROS,
        b'd' => DAY_MICROS,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let width = digits.parse::<i64>().ok()?.checked_mul(unit)?;
    (1..=INT_MAX)
        .contains(&width)
        .then_some(Bucket::Micros(width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelog_log::{date_from_text, timestamp_from_text};

    #[test]
    fn a_moment_falls_to_the_start_of_its_bucket() {
        let at = |text| Value::Timestamp(timestamp_from_text(text).unwrap());
        for (bucket, start) in [
            ("hour", "2013-05-17T10:00:00Z"),
            ("15m", "2013-05-17T10:45:00Z"),
            ("day", "2013-05-17T00:00:00Z"),
            ("month", "2013-05-01T00:00:00Z"),
            ("year", "2013-01-01T00:00:00Z"),
        ] {
            let bucket = Bucket::parse(bucket, FieldType::Timestamp).unwrap();
            assert_eq!(bucket.start(&at("2013-05-17T10:59:59.999Z")), at(start));
        }
        let hour = Bucket::parse("1h", FieldType::Timestamp).unwrap();
        assert_eq!(
            hour.start(&at("1969-12-31T23:59:59Z")),
            at("1969-12-31T23:00:00Z")
        );
        let month = Bucket::parse("month", FieldType::Timestamp).unwrap();
        assert_eq!(
            month.start(&Value::Timestamp(-INT_MAX)),
            Value::Timestamp(-INT_MAX)
        );
        let day = |text| Value::Date(date_from_text(text).unwrap());
        let month = Bucket::parse("month", FieldType::Date).unwrap();
        assert_eq!(month.start(&day("1969-12-31")), day("1969-12-01"));
    }

    #[test]
    fn odd_buckets_are_refused() {
        for text in [
            "",
            "m",
            "0m",
            "-1m",
            "1.5h",
            "week",
            "99999999999999999d",
            "1é",
        ] {
            let error = Bucket::parse(text, FieldType::Timestamp).unwrap_err();
            assert_eq!(error.code(), "invalid_bucket", "{text}");
        }
        assert!(Bucket::parse("hour", FieldType::Date).is_err());
        assert!(Bucket::parse("day", FieldType::Int).is_err());
        assert!(Bucket::parse("48h", FieldType::Date).is_ok());
    }
}
