//! How values compare: one order per type, the same in SQLite and here.

use std::cmp::Ordering;

use tidelog_log::limits::INT_MAX;
use tidelog_log::{FieldType, Value};

/// True for types with an order that means something; the others are only equal or not.
pub(super) fn is_ordered(field_type: FieldType) -> bool {
    !matches!(
        field_type,
        FieldType::Json | FieldType::Binary | FieldType::Vector
    )
}

/// Compares two values of one type: text and bytes by their bytes, false before true.
///
/// Vectors compare by their bits, as their blobs do in SQLite.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b))
        | (Value::BigInt(a), Value::BigInt(b))
        | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        _ => encoded(a).cmp(&encoded(b)),
    }
}

/// Compares places in an order: no value comes last, whichever way the order goes.
pub(super) fn compare_places<T>(
    a: Option<&T>,
    b: Option<&T>,
    descending: bool,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if descending => compare(b, a),
        (Some(a), Some(b)) => compare(a, b),
    }
}

/// The value's bytes; equal exactly when the values are.
pub(super) fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// True for a value that could have been stored; a cursor's bytes come from outside.
pub(super) fn is_storable(value: &Value) -> bool {
    match value {
        Value::Int(i) | Value::Timestamp(i) => i.abs() <= INT_MAX,
        Value::Float(f) => f.is_finite() && (*f != 0.0 || f.is_sign_positive()),
        _ => true,
    }
}

/// Bytes the value takes in memory, about.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Json(text) => text.len() + 32,
        Value::Binary(bytes) => bytes.len() + 32,
        Value::Vector(items) => items.len() * 4 + 32,
        _ => 32,
    }
}
