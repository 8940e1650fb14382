//! What a filter says of keys: blobs and pages that hold none of these are not read.

use std::cmp::Ordering;

use tidelog_log::{FieldId, Value};

use super::super::filter::{Comparison, Filter, Test};
use super::super::operand::Source;
use crate::Collection;
use crate::document::key_start;
use crate::folded::Entry;

/// Tests that the key of every wanted document passes, and that its key fields pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    tests: Vec<Test>,
    fields: Vec<(FieldId, Comparison, Value)>,
}

impl Keys {
    /// What follows from a filter: its own tests of the key, and how keys start where the first key
    /// fields are equal to something.
    pub(super) fn of(filter: &Filter, collection: &Collection) -> Self {
        let conjuncts = match filter {
            Filter::All(filters) => filters.as_slice(),
            one => std::slice::from_ref(one),
        };
        let (mut tests, mut fields) = (Vec::new(), Vec::new());
        for conjunct in conjuncts {
            let Filter::Test(operand, test) = conjunct else {
                continue;
            };
            match (operand.source, test) {
                (Source::Key, test) => tests.push(test.clone()),
                (Source::Field(id), Test::Compare(comparison, value))
                    if collection.key.contains(&id) =>
                {
                    fields.push((id, *comparison, value.clone()));
                }
                _ => {}
            }
        }
        tests.extend(match key_start(collection, |id| equal_to(conjuncts, id)) {
            Some((key, true)) => Some(Test::Compare(Comparison::Eq, Value::Text(key))),
            Some((start, false)) => Some(Test::Prefix(start)),
            None => None,
        });
        Self { tests, fields }
    }

    /// False when no document of a blob is wanted.
    pub(super) fn may_be_in(&self, entry: &Entry) -> bool {
        let has = |(id, comparison, value): &(FieldId, Comparison, Value)| {
            entry.bounds.may_have(*id, value, sides(*comparison))
        };
        self.tests.iter().all(|test| may_pass(test, entry)) && self.fields.iter().all(has)
    }

    /// Each.
    pub(super) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.tests.iter()
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

/// How a value may compare with the one it is tested against.
fn sides(comparison: Comparison) -> &'static [Ordering] {
    use Ordering::{Equal, Greater, Less};
    match comparison {
        Comparison::Eq => &[Equal],
        Comparison::Ne => &[Less, Greater],
        Comparison::Lt => &[Less],
        Comparison::Lte => &[Less, Equal],
        Comparison::Gt => &[Greater],
        Comparison::Gte => &[Greater, Equal],
    }
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
