//! Which pages a filter rules out by what their index says: bounds and nulls.

use std::cmp::Ordering;

use tidelog_log::Value;
use tidelog_vortex::{Page, Scalar};

use super::super::filter::{Comparison, Filter, Test};
use super::columns::column_of;
use crate::folded::Blob;

/// False when no row of the page can pass.
pub(super) fn may_pass(filter: &Filter, blob: &Blob<'_>, page: usize) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|f| may_pass(f, blob, page)),
        Filter::Any(filters) => filters.iter().any(|f| may_pass(f, blob, page)),
        Filter::Not(_) => true,
        Filter::Test(operand, test) => match column_of(blob, operand) {
            None => test.holds(None),
            Some(column) => test_may_pass(test, &blob.decoder.columns()[column].pages[page]),
        },
    }
}

fn test_may_pass(test: &Test, page: &Page) -> bool {
    let (has_nulls, has_values) = (page.nulls > 0, page.nulls < page.rows);
    match test {
        Test::HasValue(true) => has_values,
        Test::HasValue(false) => has_nulls,
        Test::Compare(comparison, value) => {
            has_values && compare_may_pass(*comparison, value, page)
        }
        Test::In { values, or_absent } => {
            let equal = |value| compare_may_pass(Comparison::Eq, value, page);
            (*or_absent && has_nulls) || (has_values && values.iter().any(equal))
        }
        Test::Prefix(prefix) => {
            let from = page.max.as_ref().and_then(|max| text_cmp(max, prefix));
            let until = page.min.as_ref().and_then(|min| match min {
                Scalar::Bytes(min) => {
                    let cut = &min[..min.len().min(prefix.len())];
                    Some(cut.cmp(prefix.as_bytes()))
                }
                _ => None,
            });
            has_values && from != Some(Ordering::Less) && until != Some(Ordering::Greater)
        }
        Test::NotIn(_) | Test::Like(_) | Test::Contains(_) => has_values,
    }
}

fn text_cmp(bound: &Scalar, text: &str) -> Option<Ordering> {
    match bound {
        Scalar::Bytes(bound) => Some(bound.as_slice().cmp(text.as_bytes())),
        _ => None,
    }
}

fn compare_may_pass(comparison: Comparison, value: &Value, page: &Page) -> bool {
    let min = page.min.as_ref().and_then(|min| compare(min, value));
    let max = page.max.as_ref().and_then(|max| compare(max, value));
    let (above, below) = (min == Some(Ordering::Greater), max == Some(Ordering::Less));
    match comparison {
        Comparison::Eq => !above && !below,
        // Bounds may be wider than the values.
        Comparison::Ne => true,
        Comparison::Gt => max.is_none_or(Ordering::is_gt),
        Comparison::Gte => !below,
        Comparison::Lt => min.is_none_or(Ordering::is_lt),
        Comparison::Lte => !above,
    }
}

/// A bound against a value; none where they have no order in common.
fn compare(bound: &Scalar, value: &Value) -> Option<Ordering> {
    Some(match (bound, value) {
        (Scalar::Int(a), Value::Int(b) | Value::BigInt(b) | Value::Timestamp(b)) => a.cmp(b),
        (Scalar::Int(a), Value::Date(b)) => a.cmp(&i64::from(*b)),
        (Scalar::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Scalar::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Scalar::Bytes(a), Value::Text(b)) => a.as_slice().cmp(b.as_bytes()),
        (Scalar::Bytes(a), Value::Uuid(b)) => a.as_slice().cmp(b),
        _ => return None,
    })
}

/// The least and the greatest key of a page, or what is below and above them.
pub(super) fn key_bounds<'b>(
    blob: &'b Blob<'_>,
    page: usize,
) -> (Option<&'b [u8]>, Option<&'b [u8]>) {
    let said = &blob.decoder.columns()[blob.key_column()].pages[page];
    let bytes = |bound: &'b Option<Scalar>| match bound {
        Some(Scalar::Bytes(bytes)) => Some(bytes.as_slice()),
        _ => None,
    };
    (bytes(&said.min), bytes(&said.max))
}
