//! Types read off texts: the cells of a CSV file and the members of JSON lines.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::types::Date32Type;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike};

/// What a column of texts becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellType {
    Bool,
    Int,
    Float,
    Date,
    /// RFC 3339 in UTC, with `Z`.
    Instant,
    /// The same without `Z`: no zone is known.
    LocalTime,
    Text,
    Json,
}

/// What a column may still be, after the texts so far.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    possible: Vec<CellType>,
    otherwise: CellType,
    is_seen: bool,
}

impl Guess {
    /// Before the first cell of a CSV file.
    pub(super) fn of_cells() -> Self {
        use CellType::{Bool, Date, Float, Instant, Int, LocalTime, Text};
        Self {
            possible: vec![Bool, Int, Float, Date, Instant, LocalTime],
            otherwise: Text,
            is_seen: false,
        }
    }

    /// Before the first member of JSON lines.
    pub(super) fn of_members() -> Self {
        use CellType::{Bool, Float, Int, Json, Text};
        Self {
            possible: vec![Bool, Int, Float, Text],
            otherwise: Json,
            is_seen: false,
        }
    }

    /// Looks at one text; for members it is the JSON.
    pub(super) fn see(&mut self, text: &str) {
        self.is_seen = true;
        self.possible.retain(|cell_type| cell_type.reads(text));
    }

    /// The narrowest type that reads every text; texts if there were none.
    pub(super) fn settle(&self) -> CellType {
        let first = self.possible.first().copied();
        match self.is_seen {
            true => first.unwrap_or(self.otherwise),
            false => CellType::Text,
        }
    }
}

impl CellType {
    /// Whether a text is of the type and keeps its value in it.
    fn reads(self, text: &str) -> bool {
        match self {
            Self::Bool => text == "true" || text == "false",
            Self::Int => whole(text).is_some(),
            Self::Float => float(text).is_some(),
            Self::Date => date(text).is_some(),
            Self::Instant => instant(text).is_some(),
            Self::LocalTime => local_time(text).is_some(),
            // Of members; a cell is always one.
            Self::Text => text.starts_with('"'),
            Self::Json => true,
        }
    }
}

/// A whole number of 64 bits as it would be written again: no plus, no zeros in front.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.len() == 1 || !digits.starts_with('0');
    let number = text.parse().ok()?;
    (is_plain && !text.starts_with('+') && text != "-0").then_some(number)
}

/// Significant digits that a 64-bit float always keeps apart.
const FLOAT_DIGITS: usize = 17;

/// Up to this each whole number is a float of its own: 2^53 - 1.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// A decimal number, as JSON writes them, that a 64-bit float tells from its neighbours.
fn float(text: &str) -> Option<f64> {
    let is_number = text.ends_with(|c: char| c.is_ascii_digit())
        && text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number: f64 = serde_json::from_str(text).ok().filter(|_| is_number)?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.trim_start_matches(['-', '0', '.']);
    let digits = digits.bytes().filter(u8::is_ascii_digit).count();
    let is_whole = !text.contains(['.', 'e', 'E']);
    let is_exact = if is_whole {
        number.abs() <= FLOAT_WHOLE_MAX
    } else {
        digits <= FLOAT_DIGITS
    };
    (is_exact && number.is_finite()).then_some(number)
}

/// `2013-12-31`.
fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (text.len() == 10).then_some(date)
}

/// `2013-12-31T23:59:59.999999Z`, in microseconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.naive_utc();
    micros(time).filter(|_| text.ends_with('Z') && text.contains('T'))
}

/// The same without `Z`.
fn local_time(text: &str) -> Option<i64> {
    micros(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?)
}

/// `None` for a leap second and for finer than microseconds.
fn micros(time: NaiveDateTime) -> Option<i64> {
    let nanos = time.nanosecond();
    let is_kept = nanos < 1_000_000_000 && nanos.is_multiple_of(1_000);
    is_kept.then(|| time.and_utc().timestamp_micros())
}

/// A column that grows text by text.
#[derive(Debug)]
pub(super) enum CellBuilder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    LocalTime(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl CellBuilder {
    pub(super) fn new(cell_type: CellType) -> Self {
        match cell_type {
            CellType::Bool => Self::Bool(BooleanBuilder::new()),
            CellType::Int => Self::Int(Int64Builder::new()),
            CellType::Float => Self::Float(Float64Builder::new()),
            CellType::Date => Self::Date(Date32Builder::new()),
            CellType::Instant => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            CellType::LocalTime => Self::LocalTime(TimestampMicrosecondBuilder::new()),
            CellType::Text | CellType::Json => Self::Text(StringBuilder::new()),
        }
    }

    /// Bytes that one more text takes in memory, at most.
    pub(super) fn cost(&self, text: Option<&str>) -> usize {
        match (self, text) {
            (Self::Text(_), Some(text)) => 5 + text.len(),
            _ => 9,
        }
    }

    /// Appends a text or a null; false if it is not of the type, and then nothing is appended.
    pub(super) fn append(&mut self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            self.append_null();
            return true;
        };
        let appended = match self {
            Self::Bool(column) => text.parse().ok().map(|value| column.append_value(value)),
            Self::Int(column) => whole(text).map(|value| column.append_value(value)),
            Self::Float(column) => float(text).map(|value| column.append_value(value)),
            Self::Date(column) => {
                date(text).map(|date| column.append_value(Date32Type::from_naive_date(date)))
            }
            Self::Instant(column) => instant(text).map(|value| column.append_value(value)),
            Self::LocalTime(column) => local_time(text).map(|value| column.append_value(value)),
            Self::Text(column) => {
                column.append_value(text);
                Some(())
            }
        };
        appended.is_some()
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(column) => column.append_null(),
            Self::Int(column) => column.append_null(),
            Self::Float(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Instant(column) | Self::LocalTime(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Instant(column) | Self::LocalTime(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_cells(texts: &[&str]) -> CellType {
        let mut guess = Guess::of_cells();
        texts.iter().for_each(|text| guess.see(text));
        guess.settle()
    }

    fn of_members(texts: &[&str]) -> CellType {
        let mut guess = Guess::of_members();
        texts.iter().for_each(|text| guess.see(text));
        guess.settle()
    }

    #[test]
    fn cells_become_the_narrowest_type_that_keeps_them() {
        assert_eq!(
            of_cells(&["1", "-20", "9223372036854775807"]),
            CellType::Int
        );
        assert_eq!(of_cells(&["1", "2.5", "-1e-3"]), CellType::Float);
        assert_eq!(of_cells(&["true", "false"]), CellType::Bool);
        assert_eq!(of_cells(&["2013-12-31", "1969-01-01"]), CellType::Date);
        assert_eq!(of_cells(&["2013-01-01T06:00:00Z"]), CellType::Instant);
        assert_eq!(of_cells(&["2013-01-01T06:00:00.5"]), CellType::LocalTime);
        assert_eq!(of_cells(&[]), CellType::Text);
    }

    #[test]
    fn what_would_lose_something_stays_text() {
        for text in [
            "007", "+1", "-0", "1.", ".5", " 1", "1,5", "NaN", "0x10", "1e999",
        ] {
            assert!(!matches!(of_cells(&[text]), CellType::Int), "{text}");
        }
        for text in [
            "007",
            "+1",
            "1.",
            ".5",
            " 1",
            "1e999",
            "12345678901234567890",
        ] {
            assert_eq!(of_cells(&[text]), CellType::Text, "{text}");
        }
        assert_eq!(of_cells(&["0.12345678901234567890"]), CellType::Text);
        assert_eq!(of_cells(&["2013-1-1"]), CellType::Text);
        assert_eq!(
            of_cells(&["2013-01-01T06:00:00.000000001Z"]),
            CellType::Text
        );
        assert_eq!(of_cells(&["2013-01-01T06:00:00+01:00"]), CellType::Text);
        assert_eq!(of_cells(&["1", "x"]), CellType::Text);
    }

    #[test]
    fn members_of_several_kinds_are_json() {
        assert_eq!(of_members(&["1", "2"]), CellType::Int);
        assert_eq!(of_members(&["1", "2.5"]), CellType::Float);
        assert_eq!(of_members(&[r#""a""#]), CellType::Text);
        assert_eq!(of_members(&[r#""2013-12-31""#]), CellType::Text);
        assert_eq!(of_members(&["1", r#""a""#]), CellType::Json);
        assert_eq!(of_members(&["[1]"]), CellType::Json);
        assert_eq!(of_members(&["9007199254740993", "1.5"]), CellType::Json);
    }
}
