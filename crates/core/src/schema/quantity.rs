//! Sizes and times as people write them: a number, or text with a unit.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidelog_log::{Error, Result};

use super::limits::{DAY, HOUR, MINUTE, SECOND};

/// A size or a time as declared: a whole number, or text such as `"10GB"` or `"300s"`.
///
/// What it means, and whether it is in range, is seen at registration, where its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Bytes, or seconds.
    Number(i64),
    /// A whole number and a unit.
    Text(String),
}

const SIZES: [(&str, i64); 8] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const TIMES: [(&str, i64); 6] = [
    ("ms", 1),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
    ("d", DAY),
    ("w", 7 * DAY),
];

impl Quantity {
    /// A time in the largest unit that it is a whole number of, up to days.
    pub(crate) fn of_millis(millis: i64) -> Self {
        let units = TIMES.iter().rev().skip(1);
        let unit = units.into_iter().find(|(_, of)| millis % of == 0);
        let (name, of) = unit.unwrap_or(&TIMES[0]);
        match millis {
            0 => Self::Number(0),
            _ => Self::Text(format!("{}{name}", millis / of)),
        }
    }

    /// True for a time of no length.
    pub(crate) fn is_zero(&self) -> bool {
        self.millis().is_ok_and(|millis| millis == 0)
    }

    /// The size in bytes.
    pub(crate) fn bytes(&self) -> Result<i64> {
        self.read(
            1,
            &SIZES,
            "bytes, or text such as \"500MB\", \"10GB\" or \"2GiB\"",
        )
    }

    /// The time in milliseconds.
    ///
    /// # Errors
    /// `invalid_schema` for what is no time.
    pub fn millis(&self) -> Result<i64> {
        self.read(
            SECOND,
            &TIMES,
            "seconds, or text such as \"500ms\", \"300s\", \"5m\", \"2h\", \"7d\" or \"52w\"",
        )
    }

    fn read(&self, plain: i64, units: &[(&str, i64)], wanted: &str) -> Result<i64> {
        let read = match self {
            Self::Number(number) => number.checked_mul(plain),
            Self::Text(text) => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let (number, unit) = text.split_at(digits);
                let unit = units.iter().find(|(name, _)| *name == unit.trim_start());
                let number = number.parse::<i64>().ok();
                number.zip(unit).and_then(|(n, (_, of))| n.checked_mul(*of))
            }
        };
        read.ok_or_else(|| Error::invalid("invalid_schema", format!("{self} is not {wanted}")))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{:?}", text.chars().take(80).collect::<String>()),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or text with a unit")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity::Number(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
        let number = i64::try_from(number).map_err(|_| E::custom("the number is too large"))?;
        Ok(Quantity::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Quantity {
        Quantity::Text(text.to_owned())
    }

    #[test]
    fn sizes_and_times_read_with_and_without_a_unit() {
        for (written, bytes) in [("10GB", 10_000_000_000), ("1 MiB", 1_048_576), ("5B", 5)] {
            assert_eq!(text(written).bytes().unwrap(), bytes, "{written}");
        }
        for (written, millis) in [
            ("300s", 300_000),
            ("5m", 300_000),
            ("52w", 364 * DAY),
            ("0s", 0),
        ] {
            assert_eq!(text(written).millis().unwrap(), millis, "{written}");
        }
        assert_eq!(Quantity::Number(7).bytes().unwrap(), 7);
        assert_eq!(Quantity::Number(7).millis().unwrap(), 7_000);
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_forms_it_may_have() {
        for wrong in [
            "",
            "10",
            "GB",
            "10 apples",
            "-1s",
            "1.5h",
            "10gb",
            "99999999999w",
        ] {
            for read in [text(wrong).bytes(), text(wrong).millis()] {
                let error = read.unwrap_err();
                assert_eq!(error.code(), "invalid_schema", "{wrong}");
                assert!(error.message().contains("such as"), "{wrong}: {error}");
            }
        }
        assert!(Quantity::Number(i64::MAX).millis().is_err());
    }
}
