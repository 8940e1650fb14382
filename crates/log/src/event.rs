//! One change, as readers see it.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::{Epoch, Error, FieldId, FieldRef, Offset, Result, Row, Sequence, timestamp_to_text};

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It came to be.
    Insert,
    /// It changed.
    Update,
    /// It went away.
    Delete,
}

impl Operation {
    /// The name in events: `INSERT`, `UPDATE`, `DELETE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// The persisted number.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Insert => 1,
            Self::Update => 2,
            Self::Delete => 3,
        }
    }

    /// Reads the persisted number.
    pub fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            1 => Ok(Self::Insert),
            2 => Ok(Self::Update),
            3 => Ok(Self::Delete),
            other => Err(Error::corrupt(format!("unknown operation {other}"))),
        }
    }
}

impl FromStr for Operation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Insert, Self::Update, Self::Delete]
            .into_iter()
            .find(|op| op.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::invalid(
                    "unknown_operation",
                    format!("{text:?} is none of INSERT, UPDATE, DELETE"),
                )
                .at("operations")
            })
    }
}

/// What the events of one turn have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// The epoch it happened in.
    pub epoch: Epoch,
    /// Its first event; also its id.
    pub first_sequence: Sequence,
    /// How many events it made.
    pub count: u32,
    /// Milliseconds since 1970; never decreases along a log.
    pub timestamp: i64,
    /// The schema version its rows were checked against.
    pub schema_version: u32,
    /// Who asked for it; empty when not said.
    pub source: String,
    /// The caller's correlation id; empty when not said.
    pub correlation_id: String,
    /// The W3C trace parent; empty when not said.
    pub trace_parent: String,
    /// Why the engine itself did it (`retention`, `object-deleted`); empty for a caller's turn.
    pub cause: String,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The turn it belongs to.
    pub turn: Arc<Turn>,
    /// Its position in the object's log.
    pub sequence: Sequence,
    /// What happened.
    pub operation: Operation,
    /// The collection's name.
    pub collection: Arc<str>,
    /// The document's key.
    pub key: String,
    /// The document before; absent for INSERT.
    pub before: Option<Row>,
    /// The document after; absent for DELETE.
    pub after: Option<Row>,
    /// For UPDATE, the fields that differ.
    pub changed: Vec<FieldRef>,
}

impl Event {
    /// Where a reader stands who has seen this event.
    pub fn offset(&self) -> Offset {
        Offset {
            epoch: self.turn.epoch,
            sequence: self.sequence,
        }
    }

    /// Place within the turn, from 0.
    pub fn index(&self) -> u64 {
        self.sequence.0.saturating_sub(self.turn.first_sequence.0)
    }

    /// The event as JSON. `object` is `type/id`; `name_of` names declared fields; `full` adds
    /// the whole `before` of an UPDATE instead of its changed fields only.
    pub fn to_json<'a>(
        &self,
        object: &str,
        name_of: impl Fn(FieldId) -> Option<&'a str>,
        full: bool,
    ) -> Json {
        let turn = &self.turn;
        let mut json = json!({
            "id": format!("{object}/{}_{}", turn.epoch, self.sequence),
            "operation": self.operation.name(),
            "collection": &*self.collection,
            "documentId": self.key,
            "timestamp": timestamp_to_text(turn.timestamp.saturating_mul(1_000)),
            "epoch": turn.epoch,
            "sequence": self.sequence,
            "offset": self.offset().to_string(),
            "schemaVersion": turn.schema_version,
            "source": turn.source,
            "turn": {"id": turn.first_sequence, "index": self.index(), "count": turn.count},
        });
        let name = |field: &FieldRef| match field {
            FieldRef::Id(id) => name_of(*id).map_or_else(|| format!("_field_{id}"), str::to_owned),
            FieldRef::Name(name) => name.clone(),
        };
        if !turn.cause.is_empty() {
            json["turn"]["cause"] = Json::from(turn.cause.as_str());
        }
        if !turn.correlation_id.is_empty() {
            json["correlationId"] = Json::from(turn.correlation_id.as_str());
        }
        if !turn.trace_parent.is_empty() {
            json["traceParent"] = Json::from(turn.trace_parent.as_str());
        }
        if let Some(before) = &self.before {
            let mut before = before.to_json(&name_of);
            let changed: Vec<String> = self.changed.iter().map(name).collect();
            if let (Operation::Update, false, Some(members)) =
                (self.operation, full, before.as_object_mut())
            {
                members.retain(|member, _| changed.contains(member));
            }
            json["before"] = before;
        }
        if let Some(after) = &self.after {
            json["after"] = after.to_json(&name_of);
        }
        if self.operation == Operation::Update {
            json["changedFields"] = self.changed.iter().map(name).collect();
        }
        json
    }
}
