//! `orderBy`, and the total order that pages follow: no value last, a tie-breaker always.

use std::cmp::Ordering;

use serde_json::Value as Json;
use tidelog_log::{Error, FieldType, Result, Value};

use super::expect::{at_most, list, object, only, text, wrong};
use super::limits::ORDER_FIELDS_MAX;
use super::value::{compare, compare_places};

/// One value that rows or groups are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Of a field, or an aggregate of a field's type.
    Value(Value),
    /// An aggregate of big integers, wider than any field.
    Wide(i128),
}

/// What a column of cells holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellKind {
    /// Values of a field type.
    Value(FieldType),
    /// Whole numbers of 128 bits; JSON text.
    Whole,
    /// Millionths in 128 bits; JSON text with up to six decimals.
    Millionths,
}

/// A place in an order: one cell per sort column, none where there is no value.
pub(super) type Rank = Vec<Option<Cell>>;

/// One column of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SortColumn {
    pub(super) kind: CellKind,
    pub(super) descending: bool,
}

/// A total order; its last columns make every rank different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sorting(pub(super) Vec<SortColumn>);

impl Sorting {
    /// Compares two places.
    pub(super) fn compare(&self, a: &Rank, b: &Rank) -> Ordering {
        let columns = self.0.iter().zip(a.iter().zip(b));
        columns.fold(Ordering::Equal, |so_far, (column, (a, b))| {
            so_far.then_with(|| {
                compare_places(a.as_ref(), b.as_ref(), column.descending, Cell::compare)
            })
        })
    }
}

impl Cell {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Wide(a), Self::Wide(b)) => a.cmp(b),
            (Self::Value(_), Self::Wide(_)) => Ordering::Less,
            (Self::Wide(_), Self::Value(_)) => Ordering::Greater,
        }
    }

    /// The cell as JSON.
    pub(super) fn to_json(&self, kind: CellKind) -> Json {
        match self {
            Self::Value(value) => value.to_json(),
            Self::Wide(n) if kind == CellKind::Millionths => Json::String(decimal(*n)),
            Self::Wide(n) => Json::String(n.to_string()),
        }
    }
}

/// Millionths as a decimal without trailing zeros.
fn decimal(millionths: i128) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, part) = (
        millionths.unsigned_abs() / 1_000_000,
        millionths.unsigned_abs() % 1_000_000,
    );
    let text = format!("{sign}{whole}.{part:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One entry of `orderBy`.
#[derive(Debug)]
pub(super) struct OrderTerm {
    pub(super) name: String,
    pub(super) descending: bool,
    /// Where the query says it.
    pub(super) path: String,
}

/// Reads `["field", "-field", {"field": …, "desc": true}]`.
///
/// # Errors
/// `wrong_type`, `list_too_long`, `unknown_parameter` or `duplicate_name`.
pub(super) fn order_terms(json: &Json) -> Result<Vec<OrderTerm>> {
    let items = list(json, "orderBy")?;
    at_most(items.len(), ORDER_FIELDS_MAX, "orderBy")?;
    let mut terms: Vec<OrderTerm> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let term = order_term(item, format!("orderBy[{at}]"))?;
        if terms.iter().any(|known| known.name == term.name) {
            let message = "ordered by twice";
            return Err(Error::invalid("duplicate_name", message).at(term.path));
        }
        terms.push(term);
    }
    Ok(terms)
}

fn order_term(json: &Json, path: String) -> Result<OrderTerm> {
    let (name, descending) = match json {
        Json::String(name) => match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        },
        _ => {
            let members = object(json, &path)?;
            only(members, &["field", "desc"], &path)?;
            let name = members.get("field").unwrap_or(&Json::Null);
            let descending = match members.get("desc") {
                None | Some(Json::Null) => false,
                Some(json) => json
                    .as_bool()
                    .ok_or_else(|| wrong(&format!("{path}.desc"), "true or false"))?,
            };
            (text(name, &format!("{path}.field"))?, descending)
        }
    };
    Ok(OrderTerm {
        name: name.to_owned(),
        descending,
        path,
    })
}

/// The error of ordering or grouping by a field whose values have no order.
pub(super) fn not_ordered(name: &str, field_type: FieldType, path: &str) -> Error {
    let message = format!("{name} is a {} field: no order", field_type.name());
    Error::invalid("not_ordered", message).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_written_without_trailing_zeros() {
        for (n, text) in [
            (0, "0"),
            (-1_500_000, "-1.5"),
            (10_000_000, "10"),
            (-1, "-0.000001"),
        ] {
            assert_eq!(decimal(n), text);
        }
    }
}
