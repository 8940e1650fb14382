//! What a filter says of keys: blobs and pages that hold none of these are not read.

use tidelog_log::{FieldId, Value};

use super::super::filter::{Comparison, Filter, Test};
use super::super::operand::Source;
use crate::Collection;
use crate::document::key_start;
use crate::folded::Entry;

/// Tests that the key of every wanted document passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<Test>);

impl Keys {
    /// What follows from a filter: its own tests of the key, and how keys start where the first key
    /// fields are equal to something.
    pub(super) fn of(filter: &Filter, collection: &Collection) -> Self {
        let conjuncts = match filter {
            Filter::All(filters) => filters.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut tests = Vec::new();
        for conjunct in conjuncts {
            if let Filter::Test(operand, test) = conjunct
                && operand.source == Source::Key
            {
                tests.push(test.clone());
            }
        }
        tests.extend(match key_start(collection, |id| equal_to(conjuncts, id)) {
            Some((key, true)) => Some(Test::Compare(Comparison::Eq, Value::Text(key))),
            Some((start, false)) => Some(Test::Prefix(start)),
            None => None,
        });
        Self(tests)
    }

    /// False when no document of a blob is wanted.
    pub(super) fn may_be_in(&self, entry: &Entry) -> bool {
        self.0.iter().all(|test| may_pass(test, entry))
    }

    /// Each.
    pub(super) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.0.iter()
    }
}

/// The value that a field must have.
fn equal_to(conjuncts: &[Filter], id: FieldId) -> Option<&Value> {
    conjuncts.iter().find_map(|conjunct| match conjunct {
        Filter::Test(operand, Test::Compare(Comparison::Eq, value))
            if operand.source == Source::Field(id) =>
        {
            Some(value)
        }
        _ => None,
    })
}

fn may_pass(test: &Test, entry: &Entry) -> bool {
    match test {
        Test::Compare(comparison, Value::Text(key)) => match comparison {
            Comparison::Eq => entry.may_hold(key),
            Comparison::Gt | Comparison::Gte => !entry.ends_before(key),
            Comparison::Lt | Comparison::Lte => !entry.starts_after(key),
            Comparison::Ne => true,
        },
        Test::In { values, .. } => values.iter().any(|value| match value {
            Value::Text(key) => entry.may_hold(key),
            _ => true,
        }),
        Test::Prefix(prefix) => entry.may_hold_prefix(prefix),
        _ => true,
    }
}
