//! What a query names: a declared field, the key or the version of a document.

use std::borrow::Cow;

use tidelog_log::limits::INT_MAX;
use tidelog_log::{Error, FieldId, FieldType, Result, Value};

use super::expect::shorten;
use crate::sql::quoted;
use crate::{Collection, Document};

/// Where an operand's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The document's key.
    Key,
    /// The sequence of the document's last event.
    Version,
    /// A declared field.
    Field(FieldId),
}

/// A name of a query, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    /// As the query spells it; the member of a result row.
    pub(super) name: String,
    /// Where its value is.
    pub(super) source: Source,
    /// Its type.
    pub(super) field_type: FieldType,
    /// Its quoted SQL column, when it has one.
    pub(super) column: Option<String>,
}

impl Operand {
    /// Resolves a name; `path` is where the query says it.
    ///
    /// A collection without key fields is keyed by the member `id`, so an undeclared `id` is the
    /// key.
    ///
    /// # Errors
    /// `unknown_field`.
    pub(super) fn resolve(collection: &Collection, name: &str, path: &str) -> Result<Self> {
        if let Some(field) = collection.field(name) {
            return Ok(Self {
                name: name.to_owned(),
                source: Source::Field(field.id),
                field_type: field.field_type,
                column: field.has_column().then(|| quoted(&field.name)),
            });
        }
        let (source, field_type, column) = match name {
            "_version" => (Source::Version, FieldType::Int, "_version"),
            "_key" => (Source::Key, FieldType::String, "_key"),
            "id" if collection.key.is_empty() => (Source::Key, FieldType::String, "_key"),
            _ => return Err(unknown(collection, name, path)),
        };
        Ok(Self {
            name: name.to_owned(),
            source,
            field_type,
            column: Some(column.to_owned()),
        })
    }

    /// The document's key.
    pub(super) fn key() -> Self {
        Self {
            name: "_key".to_owned(),
            source: Source::Key,
            field_type: FieldType::String,
            column: Some("_key".to_owned()),
        }
    }

    /// Its value in a document.
    pub(super) fn of<'d>(&self, document: &'d Document) -> Option<Cow<'d, Value>> {
        match self.source {
            Source::Key => Some(Cow::Owned(Value::Text(document.key.clone()))),
            Source::Version => Some(Cow::Owned(Value::Int(
                i64::try_from(document.version.0).unwrap_or(INT_MAX),
            ))),
            Source::Field(id) => document.row.get(id).map(Cow::Borrowed),
        }
    }
}

fn unknown(collection: &Collection, name: &str, path: &str) -> Error {
    let known: Vec<&str> = collection.fields.iter().map(|f| f.name.as_str()).collect();
    let known = shorten_list(&known);
    Error::invalid(
        "unknown_field",
        format!(
            "{} declares no field {:?}; it has _key, _version{known}",
            collection.name,
            shorten(name)
        ),
    )
    .at(path)
}

fn shorten_list(names: &[&str]) -> String {
    let mut out: String = names.iter().take(20).map(|n| format!(", {n}")).collect();
    if names.len() > 20 {
        out.push_str(", …");
    }
    out
}
