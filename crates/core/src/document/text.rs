//! From a document's JSON text to a checked row in one pass, without a map between.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};
use tidelog_log::limits::INT_MAX;
use tidelog_log::{FieldType, Row, Value, date_from_text, timestamp_from_text};

use super::{Check, Prepared, put_extra};

impl Prepared {
    /// The row that [`Prepared::row`] makes of the same members; `id` makes the member `id` where
    /// the collection has no key fields and the document does not name itself.
    ///
    /// `None` when anything is wrong or unusual: what it is, and which member is told of first, is
    /// for [`Prepared::row`] to say.
    pub(crate) fn row_of_text(&self, text: &str, id: impl FnOnce() -> String) -> Option<Row> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let Read { mut values, extra } = Members(self).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        let mut row = Row {
            fields: Vec::new(),
            extra,
        };
        if self.collection.key.is_empty() {
            match self.at("id") {
                Some(at) if values[at].is_none() => {
                    values[at] = Some(self.checks[at].value(Json::String(id())).ok()?);
                }
                None if !row.extra.contains_key("id") => {
                    row.extra.insert("id".to_owned(), Json::String(id()));
                }
                _ => {}
            }
        }
        self.filled(row, values.into_iter().map(Option::flatten))
            .ok()
    }
}

/// What was read: a place per field, empty where its member does not stand in the text.
struct Read {
    values: Vec<Option<Option<Value>>>,
    extra: BTreeMap<String, Json>,
}

/// Reads a document's members.
struct Members<'a>(&'a Prepared);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Read, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Read, A::Error> {
        let prepared = self.0;
        let mut values = Vec::new();
        values.resize_with(prepared.checks.len(), || None);
        let mut row = Row::default();
        let last = Cell::new(0);
        while let Some(name) = members.next_key_seed(Name {
            prepared,
            last: &last,
        })? {
            match name {
                Known::Field(at) if values[at].is_none() => {
                    values[at] = Some(members.next_value_seed(Member(&prepared.checks[at]))?);
                }
                Known::Extra(name) if !row.extra.contains_key(&name) => {
                    put_extra(&mut row, name, members.next_value()?).map_err(|_| odd())?;
                }
                // The second of two members of one name.
                _ => return Err(odd()),
            }
        }
        Ok(Read {
            values,
            extra: row.extra,
        })
    }
}

/// Any error will do: it is dropped, and the long way finds its own.
fn odd<E: de::Error>() -> E {
    E::custom("")
}

enum Known {
    /// A place in the checks.
    Field(usize),
    Extra(String),
}

/// Finds the field of a member's name.
struct Name<'a> {
    prepared: &'a Prepared,
    /// Where the last one stood in `by_name`, and one more.
    last: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Known, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Known, E> {
        let mut near = self.last.get();
        let found = self.prepared.find_from(&mut near, name);
        self.last.set(near);
        Ok(found.map_or_else(|| Known::Extra(name.to_owned()), Known::Field))
    }
}

/// Reads and checks the value of a declared field; JSON null is `None`.
struct Member<'a>(&'a Check);

impl Member<'_> {
    fn checked<E: de::Error>(self, value: Value) -> Result<Option<Value>, E> {
        self.0.test(&value).map_err(|_| odd())?;
        Ok(Some(value))
    }

    fn of_json<E: de::Error>(self, json: Json) -> Result<Option<Value>, E> {
        self.0.value(json).map_err(|_| odd())
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<Value>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Option<Value>, E> {
        self.of_json(Json::Bool(b))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Option<Value>, E> {
        match self.0.field.field_type {
            FieldType::Int if (-INT_MAX..=INT_MAX).contains(&n) => self.checked(Value::Int(n)),
            _ => self.of_json(Json::from(n)),
        }
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Option<Value>, E> {
        match i64::try_from(n) {
            Ok(n) => self.visit_i64(n),
            Err(_) => self.of_json(Json::from(n)),
        }
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Option<Value>, E> {
        self.of_json(Json::Number(Number::from_f64(n).ok_or_else(odd)?))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<Value>, E> {
        // The usual types without a text of their own in between.
        match self.0.field.field_type {
            FieldType::String => self.checked(Value::Text(text.to_owned())),
            FieldType::Date => {
                let days = date_from_text(text).ok_or_else(odd)?;
                self.checked(Value::Date(days))
            }
            FieldType::Timestamp => {
                let micros = timestamp_from_text(text).ok_or_else(odd)?;
                self.checked(Value::Timestamp(micros))
            }
            _ => self.of_json(Json::String(text.to_owned())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Option<Value>, A::Error> {
        self.of_json(Json::deserialize(SeqAccessDeserializer::new(items))?)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<Value>, A::Error> {
        self.of_json(Json::deserialize(MapAccessDeserializer::new(members))?)
    }
}
