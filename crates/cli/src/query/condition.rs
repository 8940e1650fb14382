//! `FIELD>=VALUE` as a condition of the query language.

use serde_json::{Value as Json, json};
use tidelog_core::Collection;
use tidelog_log::FieldType;

use crate::failure::{Failure, Result};

/// Longer operators first: `>=` is not `>` and a value that begins with `=`.
const OPERATORS: &[(&str, &str)] = &[
    ("!=", "ne"),
    (">=", "gte"),
    ("<=", "lte"),
    ("=", "eq"),
    (">", "gt"),
    ("<", "lt"),
    ("~", "like"),
];

/// Reads one condition; the field's type says how its value is meant.
pub(crate) fn parse(text: &str, collection: &Collection) -> Result<Json> {
    let at = text.find(['=', '!', '>', '<', '~']);
    let split = at.map(|at| text.split_at(at));
    let found = split.and_then(|(field, rest)| {
        let (sign, name) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
        Some((field.trim(), *name, rest.strip_prefix(sign)?.trim()))
    });
    let Some((field, operator, value)) = found else {
        let message = format!("--where {text}: not FIELD=VALUE, nor with != > >= < <= ~");
        return Err(Failure::usage(message));
    };
    let value = value_of(field, value, collection)?;
    Ok(json!({ field: { operator: value } }))
}

fn value_of(field: &str, text: &str, collection: &Collection) -> Result<Json> {
    if text.is_empty() {
        return Ok(Json::Null);
    }
    let field_type = collection.field(field).map(|field| field.field_type);
    let is_json = match field_type {
        Some(FieldType::Int | FieldType::Float | FieldType::Bool | FieldType::Json) => true,
        Some(_) => false,
        None => field == "_version",
    };
    if !is_json {
        return Ok(Json::from(text));
    }
    let wrong = |_| Failure::usage(format!("--where: {text:?} is no value of {field}"));
    serde_json::from_str(text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelog_core::{TypeSchema, TypeSpec};

    fn condition(text: &str) -> Result<Json> {
        let toml = include_str!("../../../../schemas/airport.toml");
        let spec = TypeSpec::from_toml(toml).unwrap();
        let schema = TypeSchema::register(None, &spec).unwrap();
        parse(text, schema.collection("flights").unwrap())
    }

    #[test]
    fn values_are_of_their_fields_types() {
        for (text, expected) in [
            ("carrier=9E", json!({"carrier": {"eq": "9E"}})),
            ("tailnum = 12345", json!({"tailnum": {"eq": "12345"}})),
            ("dep_delay>=60", json!({"dep_delay": {"gte": 60}})),
            ("dep_delay<-5", json!({"dep_delay": {"lt": -5}})),
            ("dep_time=", json!({"dep_time": {"eq": null}})),
            ("dep_time!=", json!({"dep_time": {"ne": null}})),
            ("dest~L%", json!({"dest": {"like": "L%"}})),
            ("_key=a=b", json!({"_key": {"eq": "a=b"}})),
        ] {
            assert_eq!(condition(text).unwrap(), expected, "{text}");
        }
        for wrong in ["carrier", "dep_delay>=soon", "a!b"] {
            assert!(condition(wrong).is_err(), "{wrong}");
        }
    }
}
