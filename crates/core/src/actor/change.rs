//! One change of one document, as `on_change` is given it.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tidelog_log::{Error, Event, Operation, Result, Row, Sequence};

use crate::{JsonObject, View};

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its position in the object's log.
    pub sequence: Sequence,
    /// When its turn was, milliseconds since 1970.
    pub timestamp: i64,
    /// What happened.
    pub operation: Operation,
    /// The collection's name.
    pub collection: String,
    /// The document's key.
    pub key: String,
    /// The document before; absent for an insert.
    pub before: Option<JsonObject>,
    /// The document after; absent for a delete.
    pub after: Option<JsonObject>,
    /// Who asked for the turn; empty when not said.
    pub source: String,
    /// Why the engine or the actor did it (`message:book`, `alarm:…`); empty for a plain write.
    pub cause: String,
}

impl Change {
    /// The document as a type of one's own: after the change, or before it when it was deleted.
    ///
    /// # Errors
    /// `internal` when the document is of another shape.
    pub fn document<T: DeserializeOwned>(&self) -> Result<T> {
        let document = self.after.as_ref().or(self.before.as_ref());
        let document = Json::Object(document.cloned().unwrap_or_default());
        serde_json::from_value(document).map_err(|e| {
            let message = format!("{} {}: {e}", self.collection, self.key);
            Error::internal(message)
        })
    }

    pub(super) fn of(view: &View, event: &Event) -> Self {
        let image = |row: &Option<Row>| row.as_ref().map(|row| members(view, event, row));
        Self {
            sequence: event.sequence,
            timestamp: event.turn.timestamp,
            operation: event.operation,
            collection: event.collection.to_string(),
            key: event.key.clone(),
            before: image(&event.before),
            after: image(&event.after),
            source: event.turn.source.clone(),
            cause: event.turn.cause.clone(),
        }
    }
}

fn members(view: &View, event: &Event, row: &Row) -> JsonObject {
    let prepared = view.prepared(&event.collection).ok();
    let name_of = |id| prepared.and_then(|p| p.collection.field_name(id));
    match row.to_json(name_of) {
        Json::Object(members) => members,
        _ => JsonObject::new(),
    }
}
