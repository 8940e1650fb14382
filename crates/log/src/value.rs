//! One field's value: its type, its JSON, its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::calendar::{date_from_text, date_to_text, timestamp_from_text, timestamp_to_text};
use crate::limits::{DEPTH_MAX, INT_MAX, VECTOR_LENGTH_MAX};
use crate::{Error, Result};

mod bytes;
pub use bytes::ValueRef;

/// The type of a declared field. `docs/format/types.md` maps each to SQLite, Arrow, Iceberg, JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// UTF-8 text.
    String,
    /// A whole number within ±(2^53 - 1).
    Int,
    /// A whole number of 64 bits; JSON text, because JavaScript would round it.
    BigInt,
    /// A finite 64-bit float; `-0.0` is stored as `0.0`.
    Float,
    /// `true` or `false`.
    Bool,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A moment in UTC to the microsecond, RFC 3339.
    Timestamp,
    /// Any JSON, kept as compact text.
    Json,
    /// Bytes; JSON holds them as base64.
    Binary,
    /// A UUID.
    Uuid,
    /// A fixed-length list of 32-bit floats.
    Vector,
}

impl FieldType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::String,
        Self::Int,
        Self::BigInt,
        Self::Float,
        Self::Bool,
        Self::Date,
        Self::Timestamp,
        Self::Json,
        Self::Binary,
        Self::Uuid,
        Self::Vector,
    ];

    /// The name used in schemas and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Binary => "binary",
            Self::Uuid => "uuid",
            Self::Vector => "vector",
        }
    }
}

/// A value of a declared field. Null and absent are the same: no value at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// Within ±(2^53 - 1).
    Int(i64),
    /// Any 64-bit whole number.
    BigInt(i64),
    /// Finite.
    Float(f64),
    /// UTF-8.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z, within ±(2^53 - 1).
    Timestamp(i64),
    /// Compact JSON text.
    Json(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The 16 bytes of a UUID.
    Uuid([u8; 16]),
    /// 32-bit floats, all finite.
    Vector(Vec<f32>),
}

impl Value {
    /// The type this value is of.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::Bool(_) => FieldType::Bool,
            Self::Int(_) => FieldType::Int,
            Self::BigInt(_) => FieldType::BigInt,
            Self::Float(_) => FieldType::Float,
            Self::Text(_) => FieldType::String,
            Self::Date(_) => FieldType::Date,
            Self::Timestamp(_) => FieldType::Timestamp,
            Self::Json(_) => FieldType::Json,
            Self::Binary(_) => FieldType::Binary,
            Self::Uuid(_) => FieldType::Uuid,
            Self::Vector(_) => FieldType::Vector,
        }
    }

    /// Reads `json` as a value of `field_type`; JSON null is `None`.
    ///
    /// # Errors
    /// `wrong_type` when the JSON is of another type, `value_out_of_range` when it does not fit.
    pub fn from_json(field_type: FieldType, json: Json) -> Result<Option<Self>> {
        let wrong = |json: &Json| {
            Error::invalid(
                "wrong_type",
                format!("expected {}, got {}", field_type.name(), describe(json)),
            )
        };
        let value = match (field_type, json) {
            (_, Json::Null) => return Ok(None),
            (FieldType::String, Json::String(text)) => Self::Text(text),
            (FieldType::Bool, Json::Bool(b)) => Self::Bool(b),
            (FieldType::Int, Json::Number(n)) => Self::Int(
                whole(&n)
                    .filter(|i| i.abs() <= INT_MAX)
                    .ok_or_else(|| out_of_range(field_type))?,
            ),
            (FieldType::BigInt, Json::Number(n)) => {
                Self::BigInt(whole(&n).ok_or_else(|| out_of_range(field_type))?)
            }
            (FieldType::BigInt, Json::String(text)) => {
                Self::BigInt(text.parse().map_err(|_| out_of_range(field_type))?)
            }
            (FieldType::Float, Json::Number(n)) => {
                Self::Float(finite(n.as_f64()).ok_or_else(|| out_of_range(field_type))?)
            }
            (FieldType::Date, Json::String(text)) => {
                Self::Date(date_from_text(&text).ok_or_else(|| wrong(&Json::String(text)))?)
            }
            (FieldType::Timestamp, Json::String(text)) => Self::Timestamp(
                timestamp_from_text(&text).ok_or_else(|| wrong(&Json::String(text)))?,
            ),
            (FieldType::Timestamp, Json::Number(n)) => Self::Timestamp(
                whole(&n)
                    .and_then(|ms| ms.checked_mul(1_000))
                    .filter(|us| us.abs() <= INT_MAX)
                    .ok_or_else(|| out_of_range(field_type))?,
            ),
            (FieldType::Json, json) => Self::Json(json_text(&json)?),
            (FieldType::Binary, Json::String(text)) => Self::Binary(
                BASE64
                    .decode(&text)
                    .map_err(|_| wrong(&Json::String(text)))?,
            ),
            (FieldType::Uuid, Json::String(text)) => Self::Uuid(
                *Uuid::try_parse(&text)
                    .map_err(|_| wrong(&Json::String(text)))?
                    .as_bytes(),
            ),
            (FieldType::Vector, Json::Array(items)) => Self::Vector(vector(&items)?),
            (_, json) => return Err(wrong(&json)),
        };
        Ok(Some(value))
    }

    /// Writes the value as JSON, in the form [`Value::from_json`] reads back to the same value.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(i) => Json::from(*i),
            Self::BigInt(i) => Json::String(i.to_string()),
            Self::Float(f) => Json::from(*f),
            Self::Text(text) => Json::String(text.clone()),
            Self::Date(days) => Json::String(date_to_text(*days)),
            Self::Timestamp(micros) => Json::String(timestamp_to_text(*micros)),
            Self::Json(text) => serde_json::from_str(text).unwrap_or(Json::Null),
            Self::Binary(bytes) => Json::String(BASE64.encode(bytes)),
            Self::Uuid(bytes) => Json::String(Uuid::from_bytes(*bytes).to_string()),
            Self::Vector(items) => items.iter().map(|f| Json::from(*f)).collect(),
        }
    }
}

fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => format!("the number {n}"),
        Json::String(text) => format!("the string {:?}", text.chars().take(40).collect::<String>()),
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

fn out_of_range(field_type: FieldType) -> Error {
    let range = match field_type {
        FieldType::Int => "a whole number within ±9007199254740991",
        FieldType::BigInt => "a whole number of 64 bits",
        FieldType::Timestamp => "between 1684-07-28 and 2255-06-05, in whole microseconds",
        _ => "finite",
    };
    Error::invalid(
        "value_out_of_range",
        format!("{} must be {range}", field_type.name()),
    )
}

fn whole(n: &serde_json::Number) -> Option<i64> {
    n.as_i64().or_else(|| {
        let f = n.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53 is exact"
        )]
        (f.fract() == 0.0 && f.abs() <= 9_007_199_254_740_991.0).then_some(f as i64)
    })
}

/// Keeps finite numbers; `-0.0` becomes `0.0`, because SQLite stores both as the integer 0.
fn finite(f: Option<f64>) -> Option<f64> {
    f.filter(|f| f.is_finite()).map(|f| f + 0.0)
}

fn json_text(json: &Json) -> Result<String> {
    if depth_of(json) > DEPTH_MAX {
        return Err(Error::invalid(
            "json_too_deep",
            format!("JSON may nest at most {DEPTH_MAX} levels"),
        ));
    }
    Ok(json.to_string())
}

fn depth_of(json: &Json) -> usize {
    match json {
        Json::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}

fn vector(items: &[Json]) -> Result<Vec<f32>> {
    if items.len() > VECTOR_LENGTH_MAX {
        return Err(Error::too_large(
            "vector_too_long",
            format!("a vector holds at most {VECTOR_LENGTH_MAX} numbers"),
        ));
    }
    items
        .iter()
        .map(|item| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "vectors are 32-bit by type"
            )]
            let narrow = finite(item.as_f64()).map(|f| f as f32);
            narrow
                .filter(|f| f.is_finite())
                .ok_or_else(|| Error::invalid("wrong_type", "a vector holds finite numbers only"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;
    use proptest::prelude::*;
    use serde_json::json;

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            (-INT_MAX..=INT_MAX).prop_map(Value::Int),
            any::<i64>().prop_map(Value::BigInt),
            prop::num::f64::NORMAL.prop_map(Value::Float),
            any::<String>().prop_map(Value::Text),
            (-700_000..700_000).prop_map(Value::Date),
            (-INT_MAX..=INT_MAX).prop_map(Value::Timestamp),
            Just(Value::Json(r#"{"a":[1,null]}"#.to_owned())),
            any::<Vec<u8>>().prop_map(Value::Binary),
            any::<[u8; 16]>().prop_map(Value::Uuid),
            prop::collection::vec(prop::num::f32::NORMAL, 0..9).prop_map(Value::Vector),
        ]
    }

    proptest! {
        #[test]
        fn values_round_trip_through_bytes_and_json(value in any_value()) {
            let mut out = Vec::new();
            value.encode(&mut out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(Value::decode(&mut reader).unwrap(), Some(value.clone()));
            prop_assert!(reader.is_empty());
            let mut reader = Reader::new(&out);
            ValueRef::skip(&mut reader).unwrap();
            prop_assert!(reader.is_empty());
            let json = value.to_json();
            prop_assert_eq!(Value::from_json(value.field_type(), json).unwrap(), Some(value));
        }

        #[test]
        fn truncated_values_are_errors(value in any_value()) {
            let mut out = Vec::new();
            value.encode(&mut out);
            for end in 0..out.len() {
                prop_assert!(Value::decode(&mut Reader::new(&out[..end])).is_err());
            }
        }
    }

    #[test]
    fn wrong_json_says_what_was_expected() {
        let cases = [
            (FieldType::Int, json!(1.5), "value_out_of_range"),
            (FieldType::Int, json!("1"), "wrong_type"),
            (
                FieldType::Int,
                json!(9_007_199_254_740_992_i64),
                "value_out_of_range",
            ),
            (FieldType::Date, json!("2013-02-30"), "wrong_type"),
            (FieldType::Uuid, json!("not-a-uuid"), "wrong_type"),
            (FieldType::Binary, json!("a"), "wrong_type"),
            (FieldType::Vector, json!([1, "x"]), "wrong_type"),
            (FieldType::Bool, json!(0), "wrong_type"),
        ];
        for (field_type, json, code) in cases {
            assert_eq!(Value::from_json(field_type, json).unwrap_err().code(), code);
        }
    }

    #[test]
    fn negative_zero_becomes_zero() {
        let zero = Value::from_json(FieldType::Float, json!(-0.0))
            .unwrap()
            .unwrap();
        assert_eq!(zero.to_json().to_string(), "0.0");
    }
}
