//! Which pages a filter rules out by what their index says: bounds and nulls.

use std::cmp::Ordering;

use tidelog_log::Value;
use tidelog_vortex::{Page, Scalar};

use super::super::filter::{Comparison, Filter, Test};
use super::columns::column_of;
use super::keys::Keys;
use crate::folded::{Blob, compare};

/// What the index says of a filter and all rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No row passes.
    Never,
    /// Every row passes.
    Always,
    /// Rows must be looked at.
    Maybe,
}

/// What the index says without a look at the rows.
pub(super) fn verdict(filter: &Filter, blob: &Blob<'_>, page: usize) -> Verdict {
    let of = |filter: &Filter| verdict(filter, blob, page);
    match filter {
        Filter::All(filters) => joined(filters.iter().map(of), Verdict::Never, Verdict::Always),
        Filter::Any(filters) => joined(filters.iter().map(of), Verdict::Always, Verdict::Never),
        Filter::Not(filter) => match of(filter) {
            Verdict::Never => Verdict::Always,
            Verdict::Always => Verdict::Never,
            Verdict::Maybe => Verdict::Maybe,
        },
        Filter::Test(operand, test) => match column_of(blob, operand) {
            None if test.holds(None) => Verdict::Always,
            None => Verdict::Never,
            Some(column) if column == blob.version_column() && blob.is_adopted() => Verdict::Maybe,
            Some(column) => test_verdict(test, &blob.decoder.columns()[column].pages[page]),
        },
    }
}

/// False when no key of a page passes every one of these tests.
pub(super) fn keys_may_pass(keys: &Keys, blob: &Blob<'_>, page: usize) -> bool {
    let page = &blob.decoder.columns()[blob.key_column()].pages[page];
    keys.tests()
        .all(|test| test_verdict(test, page) != Verdict::Never)
}

/// `strong` as soon as one is, `weak` when all are.
fn joined(verdicts: impl Iterator<Item = Verdict>, strong: Verdict, weak: Verdict) -> Verdict {
    let mut all = weak;
    for verdict in verdicts {
        if verdict == strong {
            return strong;
        }
        if verdict != weak {
            all = Verdict::Maybe;
        }
    }
    all
}

fn test_verdict(test: &Test, page: &Page) -> Verdict {
    match (may_pass(test, page), must_pass(test, page)) {
        (false, _) => Verdict::Never,
        (true, true) => Verdict::Always,
        (true, false) => Verdict::Maybe,
    }
}

fn may_pass(test: &Test, page: &Page) -> bool {
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
            let until = page.min.as_ref().and_then(|min| start_cmp(min, prefix));
            has_values && from != Some(Ordering::Less) && until != Some(Ordering::Greater)
        }
        Test::NotIn(_) | Test::Like(_) | Test::Contains(_) => has_values,
    }
}

/// True when every row is known to pass.
fn must_pass(test: &Test, page: &Page) -> bool {
    let no_nulls = page.nulls == 0;
    match test {
        Test::HasValue(true) => no_nulls,
        Test::HasValue(false) => page.nulls == page.rows,
        Test::Compare(comparison, value) => no_nulls && compare_must_pass(*comparison, value, page),
        Test::Prefix(prefix) => {
            // What lies between two texts that start so starts so too.
            let starts = |bound: &Option<Scalar>| match bound {
                Some(Scalar::Bytes(bound)) => bound.starts_with(prefix.as_bytes()),
                _ => false,
            };
            no_nulls && starts(&page.min) && starts(&page.max)
        }
        Test::In { .. } | Test::NotIn(_) | Test::Like(_) | Test::Contains(_) => false,
    }
}

fn text_cmp(bound: &Scalar, text: &str) -> Option<Ordering> {
    match bound {
        Scalar::Bytes(bound) => Some(bound.as_slice().cmp(text.as_bytes())),
        _ => None,
    }
}

/// The start of a bound, no longer than the text, against the text.
fn start_cmp(bound: &Scalar, text: &str) -> Option<Ordering> {
    match bound {
        Scalar::Bytes(bound) => Some(bound[..bound.len().min(text.len())].cmp(text.as_bytes())),
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

fn compare_must_pass(comparison: Comparison, value: &Value, page: &Page) -> bool {
    let of = |bound: &Option<Scalar>| match bound {
        // Zero stands for both zeros.
        Some(Scalar::Float(0.0)) => None,
        bound => compare(bound.as_ref()?, value),
    };
    let (min, max) = (of(&page.min), of(&page.max));
    let (min_is, max_is) = (
        |is: fn(Ordering) -> bool| min.is_some_and(is),
        |is: fn(Ordering) -> bool| max.is_some_and(is),
    );
    match comparison {
        Comparison::Eq => min_is(Ordering::is_eq) && max_is(Ordering::is_eq),
        Comparison::Ne => min_is(Ordering::is_gt) || max_is(Ordering::is_lt),
        Comparison::Gt => min_is(Ordering::is_gt),
        Comparison::Gte => min_is(Ordering::is_ge),
        Comparison::Lt => max_is(Ordering::is_lt),
        Comparison::Lte => max_is(Ordering::is_le),
    }
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
