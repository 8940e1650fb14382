//! Permanent addresses: `<namespace>/<kind>/<type>/<id or table>/<shard>`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidelog_log::limits::{NAME_BYTES_MAX, OBJECT_ID_BYTES_MAX};
use tidelog_log::{Error, Result};

/// The one namespace of today; the first segment of every storage key.
pub const NAMESPACE: &str = "default";

/// What sort of actor an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorKind {
    /// A digital object.
    Object,
    /// One collection's Iceberg tables.
    Table,
}

impl ActorKind {
    /// The segment in an address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Table => "table",
        }
    }
}

/// The permanent address of one actor, in namespace `default` and shard 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What sort of actor.
    pub kind: ActorKind,
    /// The type's name.
    pub type_name: String,
    /// The object's id or the collection's name.
    pub id: String,
}

impl Address {
    /// The address of an object, its type name and id checked.
    ///
    /// # Errors
    /// `invalid_name` or `invalid_object_id`.
    pub fn object(type_name: &str, id: &str) -> Result<Self> {
        check_name("type", type_name)?;
        check_object_id(id)?;
        Ok(Self {
            kind: ActorKind::Object,
            type_name: type_name.to_owned(),
            id: id.to_owned(),
        })
    }

    /// The address of a collection's table actor, both names checked.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn table(type_name: &str, collection: &str) -> Result<Self> {
        check_name("type", type_name)?;
        check_name("collection", collection)?;
        let (type_name, id) = (type_name.to_owned(), collection.to_owned());
        Ok(Self {
            kind: ActorKind::Table,
            type_name,
            id,
        })
    }

    /// The address in an actor's name, as [`Address`] displays it.
    ///
    /// # Errors
    /// `wrong_address` when it is none; `invalid_name` or `invalid_object_id`.
    pub fn parse(name: &str) -> Result<Self> {
        let wrong = || Error::conflict("wrong_address", format!("{name:?} is no actor's address"));
        let rest = name
            .strip_prefix(NAMESPACE)
            .and_then(|rest| rest.strip_prefix('/'));
        let (kind, rest) = rest
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(wrong)?;
        let (type_name, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let id = rest.strip_suffix("/0").ok_or_else(wrong)?;
        match kind {
            kind if kind == ActorKind::Object.name() => Self::object(type_name, id),
            kind if kind == ActorKind::Table.name() => Self::table(type_name, id),
            _ => Err(wrong()),
        }
    }

    /// `type/id`, as it stands in event ids.
    pub fn short(&self) -> String {
        format!("{}/{}", self.type_name, self.id)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{NAMESPACE}/{}/{}/{}/0",
            self.kind.name(),
            self.type_name,
            self.id
        )
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

/// Checks a type, collection, field or index name: `[a-z][a-z0-9_]*`, upper case allowed after
/// the first letter of a field, at most [`NAME_BYTES_MAX`] bytes, not `sqlite_…`.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let field = what == "field";
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || (field && b.is_ascii_uppercase()));
    let rest = name.bytes().all(|b| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || b == b'_'
            || (field && b.is_ascii_uppercase())
    });
    if first && rest && name.len() <= NAME_BYTES_MAX && !name.starts_with("sqlite_") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(Error::invalid(
        "invalid_name",
        format!(
            "{shown:?} is no {what} name: a letter, then letters, digits and _, at most \
             {NAME_BYTES_MAX} bytes, lower case{}",
            if field { " or upper case" } else { "" }
        ),
    )
    .at(what))
}

/// Checks an object id: 1 to [`OBJECT_ID_BYTES_MAX`] bytes of UTF-8, no `/`, no control
/// character, not `.` or `..`. It is compared byte for byte; no Unicode normalization.
pub fn check_object_id(id: &str) -> Result<()> {
    let fits = !id.is_empty() && id.len() <= OBJECT_ID_BYTES_MAX;
    if fits && id != "." && id != ".." && !id.chars().any(|c| c == '/' || c.is_control()) {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_object_id",
        format!(
            "an object id is 1 to {OBJECT_ID_BYTES_MAX} bytes without / and control characters, \
             and not . or .."
        ),
    )
    .at("id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks_are_refused() {
        let long = "x".repeat(4096);
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a\0b",
            "a\nb",
            "\u{7f}",
            long.as_str(),
        ] {
            let error = Address::object("airport", id).unwrap_err();
            assert_eq!(error.code(), "invalid_object_id", "{id:?}");
        }
        for name in ["", "A", "1a", "a-b", "a/b", "..", "sqlite_x", "é"] {
            assert_eq!(
                Address::object(name, "x").unwrap_err().code(),
                "invalid_name"
            );
        }
    }

    #[test]
    fn unicode_ids_are_addresses() {
        let address = Address::object("airport", "Zürich ✈").unwrap();
        assert_eq!(address.to_string(), "default/object/airport/Zürich ✈/0");
        assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
    }
}
