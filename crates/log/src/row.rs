//! A document as the log keeps it: declared fields by id, undeclared ones by name.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{Error, Reader, Result, Value, ValueRef, put_bytes, put_varint};

/// A field's number, given at its first registration and kept through every rename. From 1.
pub type FieldId = u32;

/// A document: declared fields by ascending id, undeclared ones by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Declared fields that have a value, ascending by id.
    pub fields: Vec<(FieldId, Value)>,
    /// Undeclared fields; JSON null is kept as null.
    pub extra: BTreeMap<String, Json>,
}

/// Names a field of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldRef {
    /// A declared field.
    Id(FieldId),
    /// An undeclared field.
    Name(String),
}

/// What a changed field was before; `None` is *absent*.
#[derive(Clone, Debug, PartialEq)]
pub enum OldValue {
    /// Of a declared field.
    Field(FieldId, Option<Value>),
    /// Of an undeclared field.
    Extra(String, Option<Json>),
}

impl OldValue {
    /// The field it is about.
    pub fn field(&self) -> FieldRef {
        match self {
            Self::Field(id, _) => FieldRef::Id(*id),
            Self::Extra(name, _) => FieldRef::Name(name.clone()),
        }
    }
}

impl Row {
    /// The value of a declared field.
    pub fn get(&self, id: FieldId) -> Option<&Value> {
        let at = self.fields.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.fields.get(at).map(|(_, value)| value)
    }

    /// Sets or, with `None`, removes a declared field.
    pub fn set(&mut self, id: FieldId, value: Option<Value>) {
        match (self.fields.binary_search_by_key(&id, |(id, _)| *id), value) {
            (Ok(at), Some(value)) => self.fields[at].1 = value,
            (Ok(at), None) => drop(self.fields.remove(at)),
            (Err(at), Some(value)) => self.fields.insert(at, (id, value)),
            (Err(_), None) => {}
        }
    }

    /// What must be put back into `self` to get `before`: one entry per field that differs,
    /// declared ones first by id, then undeclared ones by name.
    pub fn changes_from(&self, before: &Self) -> Vec<OldValue> {
        let mut old = Vec::new();
        let (mut now, mut then) = (
            self.fields.iter().peekable(),
            before.fields.iter().peekable(),
        );
        // Both are ascending by id: one walk over them together.
        loop {
            let next = match (now.peek(), then.peek()) {
                (None, None) => break,
                (Some((id, _)), None) | (None, Some((id, _))) => *id,
                (Some((a, _)), Some((b, _))) => *a.min(b),
            };
            let after = now.next_if(|(id, _)| *id == next).map(|(_, value)| value);
            let before = then.next_if(|(id, _)| *id == next).map(|(_, value)| value);
            if after != before {
                old.push(OldValue::Field(next, before.cloned()));
            }
        }
        if self.extra.is_empty() && before.extra.is_empty() {
            return old;
        }
        let mut names: Vec<&String> = self.extra.keys().chain(before.extra.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            if self.extra.get(name) != before.extra.get(name) {
                old.push(OldValue::Extra(
                    name.clone(),
                    before.extra.get(name).cloned(),
                ));
            }
        }
        old
    }

    /// The row as it was before the change that `old` describes.
    #[must_use]
    pub fn with_old(&self, old: &[OldValue]) -> Self {
        let mut before = self.clone();
        for value in old {
            match value {
                OldValue::Field(id, value) => before.set(*id, value.clone()),
                OldValue::Extra(name, Some(json)) => {
                    before.extra.insert(name.clone(), json.clone());
                }
                OldValue::Extra(name, None) => drop(before.extra.remove(name)),
            }
        }
        before
    }

    /// The row as a JSON object; `name_of` gives the present name of a declared field.
    pub fn to_json<'a>(&self, name_of: impl Fn(FieldId) -> Option<&'a str>) -> Json {
        let mut object = serde_json::Map::new();
        for (id, value) in &self.fields {
            let name = name_of(*id).map_or_else(|| format!("_field_{id}"), str::to_owned);
            object.insert(name, value.to_json());
        }
        for (name, json) in &self.extra {
            object.insert(name.clone(), json.clone());
        }
        Json::Object(object)
    }

    /// Appends the row's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.fields.len() as u64);
        for (id, value) in &self.fields {
            put_varint(out, u64::from(*id));
            value.encode(out);
        }
        put_varint(out, self.extra.len() as u64);
        for (name, json) in &self.extra {
            put_bytes(out, name.as_bytes());
            put_json(out, json);
        }
    }

    /// Reads what [`Row::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let count = reader.count(2)?;
        let mut row = Self {
            fields: Vec::with_capacity(count),
            extra: BTreeMap::new(),
        };
        for _ in 0..count {
            let id = field_id(reader)?;
            let value = Value::decode(reader)?.ok_or_else(|| Error::corrupt("a null field"))?;
            if row.fields.last().is_some_and(|(last, _)| *last >= id) {
                return Err(Error::corrupt("fields are not ascending"));
            }
            row.fields.push((id, value));
        }
        row.extra = Self::decode_extra(reader)?;
        Ok(row)
    }

    /// Reads the undeclared fields, which follow the declared ones.
    pub fn decode_extra(reader: &mut Reader<'_>) -> Result<BTreeMap<String, Json>> {
        let mut extra = BTreeMap::new();
        for _ in 0..reader.count(2)? {
            let name = reader.text()?.to_owned();
            extra.insert(name, json(reader)?);
        }
        Ok(extra)
    }

    /// Steps over what [`Row::encode`] wrote.
    pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<()> {
        for _ in 0..reader.count(2)? {
            field_id(reader)?;
            ValueRef::skip(reader)?;
        }
        for _ in 0..reader.count(2)? {
            reader.bytes()?;
            reader.bytes()?;
        }
        Ok(())
    }
}

/// The declared fields of a row as they lie in its bytes.
#[derive(Debug)]
pub struct RawFields {
    left: usize,
}

impl RawFields {
    /// Starts at the first byte of a row.
    pub fn new(reader: &mut Reader<'_>) -> Result<Self> {
        let left = reader.count(2)?;
        Ok(Self { left })
    }

    /// The next declared field; after the last one the reader is at [`Row::decode_extra`].
    #[inline]
    pub fn next<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<(FieldId, ValueRef<'a>)>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let id = field_id(reader)?;
        let value = ValueRef::decode(reader)?.ok_or_else(|| Error::corrupt("a null field"))?;
        Ok(Some((id, value)))
    }
}

impl OldValue {
    /// Appends the old value's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Field(id, value) => {
                put_varint(out, u64::from(*id));
                match value {
                    Some(value) => value.encode(out),
                    None => out.push(0),
                }
            }
            Self::Extra(name, value) => {
                put_varint(out, 0);
                put_bytes(out, name.as_bytes());
                match value {
                    Some(value) => {
                        out.push(1);
                        put_json(out, value);
                    }
                    None => out.push(0),
                }
            }
        }
    }

    /// Reads the list of old values that follows the row of an UPDATE.
    pub fn decode_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        (0..reader.count(2)?)
            .map(|_| Self::decode(reader))
            .collect()
    }

    /// Reads what [`OldValue::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let id = field_id(reader)?;
        if id != 0 {
            return Ok(Self::Field(id, Value::decode(reader)?));
        }
        let name = reader.text()?.to_owned();
        match reader.byte()? {
            0 => Ok(Self::Extra(name, None)),
            1 => Ok(Self::Extra(name, Some(json(reader)?))),
            tag => Err(Error::corrupt(format!("unknown presence tag {tag}"))),
        }
    }
}

fn field_id(reader: &mut Reader<'_>) -> Result<FieldId> {
    FieldId::try_from(reader.varint()?).map_err(|_| Error::corrupt("a field id is too large"))
}

fn put_json(out: &mut Vec<u8>, json: &Json) {
    put_bytes(out, json.to_string().as_bytes());
}

fn json(reader: &mut Reader<'_>) -> Result<Json> {
    serde_json::from_slice(reader.bytes()?).map_err(|e| Error::corrupt(format!("JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn row(pairs: &[(u32, i64)], extra: &[(&str, i64)]) -> Row {
        Row {
            fields: pairs.iter().map(|(id, n)| (*id, Value::Int(*n))).collect(),
            extra: extra
                .iter()
                .map(|(name, n)| ((*name).to_owned(), json!(n)))
                .collect(),
        }
    }

    prop_compose! {
        fn any_row()(ids in prop::collection::btree_map(1_u32..9, -5_i64..5, 0..6),
                     names in prop::collection::btree_map("[a-c]", -5_i64..5, 0..3)) -> Row {
            Row {
                fields: ids.into_iter().map(|(id, n)| (id, Value::Int(n))).collect(),
                extra: names.into_iter().map(|(name, n)| (name, json!(n))).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn old_values_undo_any_change(before in any_row(), after in any_row()) {
            let old = after.changes_from(&before);
            prop_assert_eq!(after.with_old(&old), before);
            for value in &old {
                let mut out = Vec::new();
                value.encode(&mut out);
                prop_assert_eq!(&OldValue::decode(&mut Reader::new(&out)).unwrap(), value);
            }
        }

        #[test]
        fn rows_round_trip(row in any_row()) {
            let mut out = Vec::new();
            row.encode(&mut out);
            prop_assert_eq!(Row::decode(&mut Reader::new(&out)).unwrap(), row);
            for end in 0..out.len() {
                prop_assert!(Row::decode(&mut Reader::new(&out[..end])).is_err());
            }
        }
    }

    #[test]
    fn an_added_field_was_absent() {
        let old = row(&[(1, 1), (2, 2)], &[("x", 1)]).changes_from(&row(&[(1, 1)], &[]));
        assert_eq!(
            old,
            [
                OldValue::Field(2, None),
                OldValue::Extra("x".to_owned(), None)
            ]
        );
    }
}
