//! Reads JSON of an expected shape, or says where it was not.

use serde_json::Value as Json;
use tidelog_log::{Error, Result};

use crate::JsonObject;

pub(super) fn wrong(path: &str, expected: &str) -> Error {
    Error::invalid("wrong_type", format!("expected {expected}")).at(path)
}

pub(super) fn object<'a>(json: &'a Json, path: &str) -> Result<&'a JsonObject> {
    json.as_object().ok_or_else(|| wrong(path, "an object"))
}

pub(super) fn list<'a>(json: &'a Json, path: &str) -> Result<&'a [Json]> {
    let items = json.as_array().ok_or_else(|| wrong(path, "an array"))?;
    Ok(items)
}

pub(super) fn text<'a>(json: &'a Json, path: &str) -> Result<&'a str> {
    json.as_str().ok_or_else(|| wrong(path, "a string"))
}

/// A member that is there and not null.
pub(super) fn member<'a>(object: &'a JsonObject, name: &str) -> Option<&'a Json> {
    object.get(name).filter(|json| !json.is_null())
}

/// Refuses members nobody asked for: a misspelt parameter must not be a silent no-op.
pub(super) fn only(object: &JsonObject, known: &[&str], path: &str) -> Result<()> {
    let Some(odd) = object.keys().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let shown = shorten(odd);
    let message = format!("{shown:?} is not understood; known: {}", known.join(", "));
    let place = if path.is_empty() {
        shown
    } else {
        format!("{path}.{shown}")
    };
    Err(Error::invalid("unknown_parameter", message).at(place))
}

/// Refuses a list over its limit.
pub(super) fn at_most(count: usize, max: usize, path: &str) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(Error::too_large("list_too_long", format!("{count} entries; at most {max}")).at(path))
}

/// A caller's name, short enough for a message.
pub(super) fn shorten(name: &str) -> String {
    name.chars().take(80).collect()
}
