//! The typed filter tree and what it means for one document.
//!
//! Logic has two values. A test of a field that has no value is false, whatever the test, except
//! the tests for exactly that; `not` is plain negation.

use std::cmp::Ordering;

use tidelog_log::Value;

use super::like::Pattern;
use super::operand::Operand;
use super::value::compare;
use crate::Document;

/// A condition on a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// Every one holds; none: true.
    All(Vec<Self>),
    /// At least one holds; none: false.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A test of one operand.
    Test(Operand, Test),
}

/// A test of one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// There is a value, or there is none.
    HasValue(bool),
    /// It compares so.
    Compare(Comparison, Value),
    /// It is one of these, sorted; or, with `or_absent`, there is none.
    In { values: Vec<Value>, or_absent: bool },
    /// There is a value and it is none of these, sorted.
    NotIn(Vec<Value>),
    /// The text fits a pattern.
    Like(Pattern),
    /// The text starts so.
    Prefix(String),
    /// The text contains this.
    Contains(String),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Comparison {
    /// The SQL operator.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Gt => ">",
            Self::Gte => ">=",
            Self::Lt => "<",
            Self::Lte => "<=",
        }
    }

    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Gt => ordering.is_gt(),
            Self::Gte => ordering.is_ge(),
            Self::Lt => ordering.is_lt(),
            Self::Lte => ordering.is_le(),
        }
    }
}

impl Filter {
    /// The conjunction of several, nested conjunctions flattened.
    pub(super) fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for filter in filters {
            match filter {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match (flat.len(), flat.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                flat.extend(last);
                Self::All(flat)
            }
        }
    }

    /// A comparison of an operand with a value.
    pub(super) fn compare(operand: &Operand, comparison: Comparison, value: Value) -> Self {
        Self::Test(operand.clone(), Test::Compare(comparison, value))
    }

    /// True when the document is wanted.
    pub(super) fn matches(&self, document: &Document) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|f| f.matches(document)),
            Self::Any(filters) => filters.iter().any(|f| f.matches(document)),
            Self::Not(filter) => !filter.matches(document),
            Self::Test(operand, test) => test.holds(operand.of(document).as_deref()),
        }
    }

    /// Hands every operand to `each`.
    pub(super) fn operands<'f>(&'f self, each: &mut impl FnMut(&'f Operand)) {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().for_each(|f| f.operands(each));
            }
            Self::Not(filter) => filter.operands(each),
            Self::Test(operand, _) => each(operand),
        }
    }
}

impl Test {
    /// True when the value, or its absence, passes.
    pub(super) fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::HasValue(wanted) => return value.is_some() == *wanted,
            Self::In { or_absent, .. } if value.is_none() => return *or_absent,
            _ => {}
        }
        let Some(value) = value else {
            return false;
        };
        match (self, value) {
            (Self::Compare(comparison, with), value) => comparison.holds(compare(value, with)),
            (Self::In { values, .. }, value) => holds_value(values, value),
            (Self::NotIn(values), value) => !holds_value(values, value),
            (Self::Like(pattern), Value::Text(text)) => pattern.matches(text),
            (Self::Prefix(prefix), Value::Text(text)) => text.starts_with(prefix),
            (Self::Contains(part), Value::Text(text)) => text.contains(part),
            _ => false,
        }
    }
}

fn holds_value(sorted: &[Value], value: &Value) -> bool {
    sorted
        .binary_search_by(|known| compare(known, value))
        .is_ok()
}
