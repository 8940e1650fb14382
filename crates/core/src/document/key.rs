//! Keys that are made of fields: their text, and what the text says of the fields.

use std::borrow::Cow;

use arrow_array::{Array as _, StringArray};
use serde_json::Value as Json;
use tidelog_log::limits::KEY_BYTES_MAX;
use tidelog_log::{
    Error, FieldId, FieldType, Result, Value, date_from_text, push_timestamp, timestamp_from_text,
    timestamp_to_text,
};

use crate::Collection;

/// Joins the parts of a composite key; escaped inside them. Unreserved in URLs.
pub(super) const KEY_SEPARATOR: char = '~';

pub(super) fn key_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Int(i) => Cow::Owned(i.to_string()),
        Value::Timestamp(micros) => Cow::Owned(timestamp_to_text(*micros)),
        value => Cow::Owned(match value.to_json() {
            Json::String(text) => text,
            json => json.to_string(),
        }),
    }
}

/// How the keys start of documents whose first key fields have these values; `true`: that is the
/// whole key. None where the first one's value is not said.
pub(crate) fn key_start<'v>(
    collection: &Collection,
    value_of: impl Fn(FieldId) -> Option<&'v Value>,
) -> Option<(String, bool)> {
    let (first, rest) = collection.key.split_first()?;
    let value = value_of(*first)?;
    if rest.is_empty() {
        return Some((key_text(value).into_owned(), true));
    }
    let mut start = String::new();
    push_part(&mut start, value);
    for id in rest {
        start.push(KEY_SEPARATOR);
        match value_of(*id) {
            Some(value) => push_part(&mut start, value),
            None => return Some((start, false)),
        }
    }
    Some((start, true))
}

/// How keys start whose first key field has this value, all of them and no others; the whole key where
/// it is of one field.
pub(crate) fn first_part(collection: &Collection, value: &Value) -> String {
    let mut start = String::new();
    if collection.key.len() == 1 {
        start.push_str(&key_text(value));
        return start;
    }
    push_part(&mut start, value);
    start.push(KEY_SEPARATOR);
    start
}

/// What a key says of its document's key fields, where their types let it be read back.
pub fn key_values(collection: &Collection, key: &str) -> Vec<(FieldId, Value)> {
    let single = collection.key.len() == 1;
    let mut parts = key.split(KEY_SEPARATOR);
    let mut values = Vec::with_capacity(collection.key.len());
    for id in &collection.key {
        let text = match (single, parts.next()) {
            (true, _) => Cow::Borrowed(key),
            (false, Some(part)) => Cow::Owned(unescape(part)),
            (false, None) => break,
        };
        let field_type = collection.field_by_id(*id).map(|field| field.field_type);
        values.extend(key_value(field_type, text).map(|value| (*id, value)));
    }
    values
}

fn key_value(field_type: Option<FieldType>, text: Cow<'_, str>) -> Option<Value> {
    match field_type? {
        FieldType::String => Some(Value::Text(text.into_owned())),
        FieldType::Int => text.parse().ok().map(Value::Int),
        FieldType::Timestamp => timestamp_from_text(&text).map(Value::Timestamp),
        FieldType::Date => date_from_text(&text).map(Value::Date),
        _ => None,
    }
}

/// A part of a composite key, straight into its place where nothing in it can need escaping.
pub(super) fn push_part(key: &mut String, value: &Value) {
    match value {
        Value::Int(i) => push_int(key, *i),
        Value::Timestamp(micros) => push_timestamp(key, *micros),
        value => push_escaped(key, &key_text(value)),
    }
}

fn push_int(key: &mut String, i: i64) {
    if i < 0 {
        key.push('-');
    }
    let (mut left, mut digits, mut from) = (i.unsigned_abs(), [0_u8; 20], 20);
    while left > 0 || from == 20 {
        from -= 1;
        digits[from] = b'0' + (left % 10).to_le_bytes()[0];
        left /= 10;
    }
    key.extend(digits[from..].iter().map(|digit| char::from(*digit)));
}

fn push_escaped(key: &mut String, part: &str) {
    if !part.contains(['%', KEY_SEPARATOR]) {
        return key.push_str(part);
    }
    key.push_str(&part.replace('%', "%25").replace(KEY_SEPARATOR, "%7E"));
}

pub(super) fn unescape(part: &str) -> String {
    part.replace("%7E", "~").replace("%25", "%")
}

/// Checks a document key: 1 to [`KEY_BYTES_MAX`] bytes, no control characters.
pub(crate) fn check_key(key: &str) -> Result<()> {
    // Nearly all are printable ASCII, which is seen many bytes at a time.
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let printable = printable || !key.chars().any(char::is_control);
    if !key.is_empty() && key.len() <= KEY_BYTES_MAX && printable {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_key",
        format!("a document key is 1 to {KEY_BYTES_MAX} bytes without control characters"),
    )
    .at("key"))
}

/// Checks keys as [`check_key`] does each.
pub(crate) fn check_keys(keys: &StringArray) -> Result<()> {
    let offsets = keys.value_offsets();
    let at = |offset: &i32| usize::try_from(*offset).unwrap_or(usize::MAX);
    let ends = offsets.first().zip(offsets.last());
    let bytes = ends.and_then(|(start, end)| keys.value_data().get(at(start)..at(end)));
    // Without a branch many bytes are seen at a time.
    let odd = |odd: bool, byte: &u8| odd | !matches!(byte, b' '..=b'~');
    let printable = bytes.is_some_and(|bytes| !bytes.iter().fold(false, odd));
    let lengths = 1..=KEY_BYTES_MAX;
    let mut each = offsets.windows(2);
    if printable && each.all(|ends| lengths.contains(&(at(&ends[1]) - at(&ends[0])))) {
        return Ok(());
    }
    (0..keys.len()).try_for_each(|at| check_key(keys.value(at)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Prepared, TypeSchema, TypeSpec};

    fn prepared(key: &[&str]) -> Prepared {
        let field = |t: &str| json!({"type": t, "required": true});
        let spec = json!({"type": "lab", "collections": {"samples": {"key": key, "fields": {
            "s": field("string"), "i": field("int"), "t": field("timestamp"), "d": field("date"),
            "b": field("bigint"), "o": field("bool"),
        }}}});
        let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
        let schema = TypeSchema::register(None, &spec).unwrap();
        Prepared::new(schema.collections[0].clone()).unwrap()
    }

    #[test]
    fn a_key_says_what_its_fields_are() {
        let texts = ["", "a", "~", "%", "%7E", "%25", "a~b%~", "é%257E"];
        let keys: [&[&str]; 5] = [
            &["s"],
            &["i"],
            &["t", "s"],
            &["s", "i", "d"],
            &["o", "b", "s"],
        ];
        for (key, text) in keys.iter().flat_map(|key| texts.map(|text| (key, text))) {
            let prepared = prepared(key);
            let document = json!({
                "s": text, "i": -42, "t": "2026-01-01T00:00:00.000001Z", "d": "1969-12-31",
                "b": "9007199254740993", "o": true,
            });
            let Json::Object(document) = document else {
                unreachable!();
            };
            let row = prepared.row(document).unwrap();
            let whole = prepared.key_of(&row).unwrap();
            for (id, value) in key_values(&prepared.collection, &whole) {
                assert_eq!(row.get(id), Some(&value), "{whole}");
            }
            let exact = key_values(&prepared.collection, &whole).len();
            let expected = key.iter().filter(|name| !["o", "b"].contains(*name));
            assert_eq!(exact, expected.count(), "{whole}");
            let start = key_start(&prepared.collection, |id| row.get(id));
            assert_eq!(start, Some((whole.clone(), true)));
            let first = prepared.collection.key[0];
            let start = key_start(&prepared.collection, |id| {
                row.get(id).filter(|_| id == first)
            });
            let (start, is_whole) = start.unwrap();
            assert!(whole.starts_with(&start) && is_whole == (key.len() == 1));
        }
    }

    #[test]
    fn keys_are_checked_together_as_each_alone() {
        let long = "k".repeat(KEY_BYTES_MAX);
        let longer = format!("{long}k");
        let all = ["a", "", "b~c", "é", "tab\t", "\u{7f}", "~", &long, &longer];
        for from in 0..all.len() {
            for to in from..=all.len() {
                let some = StringArray::from(all[from..to].to_vec());
                let alone = all[from..to].iter().all(|key| check_key(key).is_ok());
                assert_eq!(check_keys(&some).is_ok(), alone, "{:?}", &all[from..to]);
                let part = StringArray::from(all.to_vec()).slice(from, to - from);
                assert_eq!(check_keys(&part).is_ok(), alone);
            }
        }
    }

    #[test]
    fn a_key_of_other_fields_says_nothing_wrong() {
        let collection = prepared(&["i", "t"]).collection;
        assert_eq!(key_values(&collection, "x~y"), []);
        assert_eq!(key_values(&collection, ""), []);
        assert_eq!(key_values(&collection, "7").len(), 1);
        assert_eq!(key_start(&collection, |_| None), None);
    }
}
