//! Column bounds of a data file, from its Parquet statistics.

use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType};
use parquet::file::statistics::Statistics;

use crate::limits::BOUND_LENGTH_MAX;

/// A column's smallest and largest value so far; `None` once one was not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    lower: Option<Datum>,
    upper: Option<Datum>,
    unknown: bool,
}

impl Bounds {
    /// Takes in one row group's statistics of a column that has values in it.
    pub(crate) fn add(&mut self, statistics: &Statistics, column_type: &PrimitiveType) {
        let datum = |bytes: Option<&[u8]>| match column_type {
            // Engines do not agree how UUIDs are ordered.
            PrimitiveType::Uuid => None,
            _ => Datum::try_from_bytes(bytes?, column_type.clone()).ok(),
        };
        let (lower, upper) = (
            datum(statistics.min_bytes_opt()),
            datum(statistics.max_bytes_opt()),
        );
        let (Some(lower), Some(upper)) = (lower, upper) else {
            self.unknown = true;
            return;
        };
        if self.lower.as_ref().is_none_or(|least| lower < *least) {
            self.lower = Some(lower);
        }
        if self.upper.as_ref().is_none_or(|most| upper > *most) {
            self.upper = Some(upper);
        }
    }

    /// A bound not above any value, cut to [`BOUND_LENGTH_MAX`].
    pub(crate) fn lower(&self) -> Option<Datum> {
        let datum = self.lower.as_ref().filter(|_| !self.unknown)?;
        Some(match datum.literal() {
            PrimitiveLiteral::String(text) => {
                Datum::string(text.chars().take(BOUND_LENGTH_MAX).collect::<String>())
            }
            PrimitiveLiteral::Binary(bytes) => {
                Datum::binary(bytes.iter().copied().take(BOUND_LENGTH_MAX))
            }
            _ => datum.clone(),
        })
    }

    /// A bound not below any value, cut to [`BOUND_LENGTH_MAX`]; `None` when no cut one is above.
    pub(crate) fn upper(&self) -> Option<Datum> {
        let datum = self.upper.as_ref().filter(|_| !self.unknown)?;
        match datum.literal() {
            PrimitiveLiteral::String(text) => text_above(text).map(Datum::string),
            PrimitiveLiteral::Binary(bytes) => bytes_above(bytes).map(Datum::binary),
            _ => Some(datum.clone()),
        }
    }
}

fn text_above(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let mut head: Vec<char> = chars.by_ref().take(BOUND_LENGTH_MAX).collect();
    if chars.next().is_none() {
        return Some(text.to_owned());
    }
    while let Some(last) = head.pop() {
        // The range steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            head.push(next);
            return Some(head.into_iter().collect());
        }
    }
    None
}

fn bytes_above(bytes: &[u8]) -> Option<Vec<u8>> {
    let Some((head, _)) = bytes.split_at_checked(BOUND_LENGTH_MAX) else {
        return Some(bytes.to_vec());
    };
    if head.len() == bytes.len() {
        return Some(bytes.to_vec());
    }
    let mut head = head.to_vec();
    while let Some(last) = head.pop() {
        if let Some(next) = last.checked_add(1) {
            head.push(next);
            return Some(head);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_upper_bound_is_above(text in "\\PC{0,24}", bytes: Vec<u8>) {
            if let Some(above) = text_above(&text) {
                prop_assert!(above >= text && above.chars().count() <= BOUND_LENGTH_MAX);
            }
            if let Some(above) = bytes_above(&bytes) {
                prop_assert!(above >= bytes && above.len() <= BOUND_LENGTH_MAX);
            }
        }
    }

    #[test]
    fn the_highest_text_has_no_cut_upper_bound() {
        assert_eq!(text_above(&"\u{10ffff}".repeat(17)), None);
        assert_eq!(bytes_above(&[0xff; 17]), None);
        let mixed = format!("a{}", "\u{10ffff}".repeat(16));
        assert_eq!(text_above(&mixed).as_deref(), Some("b"));
        assert_eq!(
            text_above(&"\u{d7ff}".repeat(17)).unwrap().chars().last(),
            Some('\u{e000}')
        );
    }
}
