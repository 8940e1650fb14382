//! What the bounds of a page say of a value.

use std::cmp::Ordering;

use tidelog_log::{FieldId, Value};
use tidelog_vortex::{Page, Scalar};

use super::blob::OpenedBlob;
use crate::Collection;
use crate::document::key_values;

/// A bound against a value; none where they have no order in common.
pub(crate) fn compare(bound: &Scalar, value: &Value) -> Option<Ordering> {
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

/// False when no value of a page is this one.
pub(crate) fn may_equal(page: &Page, value: &Value) -> bool {
    let is = |bound: &Option<Scalar>, side| {
        let ordering = bound.as_ref().and_then(|bound| compare(bound, value));
        ordering == Some(side)
    };
    !is(&page.min, Ordering::Greater) && !is(&page.max, Ordering::Less)
}

/// A key, and what it says of the key fields of its document: pages that lack one of these values lack
/// the key too, and need not be decoded to see it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'k> {
    pub(crate) key: &'k str,
    fields: Vec<(FieldId, Value)>,
}

impl<'k> Wanted<'k> {
    pub(crate) fn of(collection: &Collection, key: &'k str) -> Self {
        Self {
            key,
            fields: key_values(collection, key),
        }
    }

    /// False when a page has no document of this key.
    pub(crate) fn may_be_in(&self, blob: &OpenedBlob, page: usize) -> bool {
        self.fields.iter().all(|(id, value)| {
            let column = blob.field(*id);
            let column = column.and_then(|column| blob.decoder.columns().get(column.at));
            let said = column.and_then(|column| column.pages.get(page));
            said.is_none_or(|said| may_equal(said, value))
        })
    }
}
