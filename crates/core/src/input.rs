//! What comes into an object and what it answers, as values. Hosts and the API share these.

use crate::actor::ActorState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tidelog_log::{Epoch, Error, EventFilter, Hash, Offset, Operation, Result, Sequence, StartAt};

/// A JSON object: a document or a merge patch.
pub type JsonObject = Map<String, Json>;

/// Who asks, why, and which key makes the request safe to repeat. Empty: not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The calling system.
    pub source: String,
    /// Joins this turn to others across objects.
    pub correlation_id: String,
    /// W3C trace context.
    pub trace_parent: String,
    /// Repeats with the same key and the same body are answered, not done again.
    pub idempotency_key: String,
}

/// A document on its way in.
#[derive(Clone, Debug, PartialEq)]
pub enum NewDocument {
    /// Its members.
    Members(JsonObject),
    /// The JSON text of one object, in which no member stands twice. The engine reads it straight
    /// into a row, without a map between.
    Text(Box<str>),
}

impl NewDocument {
    /// The members, read if they are text still.
    ///
    /// # Errors
    /// `invalid_json`.
    pub fn into_members(self) -> Result<JsonObject> {
        match self {
            Self::Members(members) => Ok(members),
            Self::Text(text) => serde_json::from_str(&text)
                .map_err(|e| Error::invalid("invalid_json", e.to_string())),
        }
    }
}

impl From<JsonObject> for NewDocument {
    fn from(members: JsonObject) -> Self {
        Self::Members(members)
    }
}

/// One change asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Add a document; its key must be free.
    Insert {
        /// The collection's name.
        collection: String,
        /// The document.
        document: NewDocument,
    },
    /// Add a document or replace the one of the same key.
    Upsert {
        /// The collection's name.
        collection: String,
        /// The document; its key fields name it.
        document: NewDocument,
        /// Replace only this version; 0: only if there is none.
        if_version: Option<Sequence>,
    },
    /// Add or replace the document with this key (HTTP PUT).
    Put {
        /// The collection's name.
        collection: String,
        /// The document's key; key fields absent from the document are filled from it.
        key: String,
        /// The document.
        document: JsonObject,
        /// Replace only this version; 0: only if there is none.
        if_version: Option<Sequence>,
    },
    /// Merge a patch (RFC 7396) into a document.
    Update {
        /// The collection's name.
        collection: String,
        /// The document's key.
        key: String,
        /// The merge patch; null removes a member.
        patch: JsonObject,
        /// Change only this version.
        if_version: Option<Sequence>,
    },
    /// Remove a document.
    Delete {
        /// The collection's name.
        collection: String,
        /// The document's key.
        key: String,
        /// Remove only this version.
        if_version: Option<Sequence>,
    },
}

impl Mutation {
    /// The name of the collection it is for.
    pub fn collection(&self) -> &str {
        match self {
            Self::Insert { collection, .. }
            | Self::Upsert { collection, .. }
            | Self::Put { collection, .. }
            | Self::Update { collection, .. }
            | Self::Delete { collection, .. } => collection,
        }
    }

    /// True when an object that is full does not take it.
    pub(crate) fn grows(&self) -> bool {
        !matches!(self, Self::Delete { .. })
    }
}

/// What became of one mutation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The document's key.
    pub key: String,
    /// The sequence of the document's last event; of the DELETE event when it was removed.
    pub version: Sequence,
    /// What happened: `INSERT`, `UPDATE`, `DELETE` or `NONE` when nothing differed.
    pub operation: WrittenOperation,
}

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WrittenOperation {
    /// It came to be.
    Insert,
    /// It changed.
    Update,
    /// It went away.
    Delete,
    /// Nothing differed: no event.
    None,
}

impl From<Operation> for WrittenOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Insert => Self::Insert,
            Operation::Update => Self::Update,
            Operation::Delete => Self::Delete,
        }
    }
}

/// The answer to a turn that wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnReply {
    /// Where a reader stands who has seen this turn.
    pub offset: Offset,
    /// One entry per mutation, in order.
    pub written: Vec<Written>,
    /// True when an idempotency key was seen before and nothing was done again.
    pub replayed: bool,
}

/// Which images an event carries to a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Images {
    /// For UPDATE, `before` holds the changed fields only.
    #[default]
    Changed,
    /// `before` is the whole document.
    Full,
}

/// A read of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesRequest {
    /// Where to start.
    pub start: StartAt,
    /// Which events.
    pub filter: EventFilter,
    /// Which images.
    pub images: Images,
    /// Most events to return, 1 to `CHANGES_EVENTS_MAX`.
    pub limit: usize,
}

/// One page of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesPage {
    /// The events as JSON, in order.
    pub events: Vec<Json>,
    /// The offset of each event, in the same order.
    pub offsets: Vec<Offset>,
    /// The position scanned to: where the next read starts.
    pub next: Offset,
    /// True when `next` is the newest event.
    pub up_to_date: bool,
    /// True when the object was deleted and `next` is its last event.
    pub closed: bool,
}

/// A document as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// The sequence of its last event.
    pub version: Sequence,
    /// Its members.
    pub document: JsonObject,
}

/// How far one destination has taken this object's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The destination's address.
    pub destination: String,
    /// In a durable Iceberg snapshot up to here.
    pub committed: Sequence,
    /// When it last moved, milliseconds since 1970.
    pub updated: i64,
}

/// How much of a collection is folded into blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoldedState {
    /// The collection.
    pub collection: String,
    /// Its documents in blobs.
    pub documents: u64,
    /// Its live blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes of the documents in them before any encoding.
    pub raw_bytes: u64,
    /// Rows of them that are documents no more.
    pub masked: u64,
}

/// One live blob of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobState {
    /// Its row in `_blobs`.
    pub id: u64,
    /// Its rows, masked ones included.
    pub rows: u64,
    /// Rows that are documents no more.
    pub masked: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Something an operator should see to before it becomes an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectState {
    /// `active`, `deleting` or `deleted`.
    pub status: &'static str,
    /// The present epoch.
    pub epoch: Epoch,
    /// When it ends by itself, milliseconds since 1970: it is a scratch fork.
    pub expires: Option<i64>,
    /// The newest event.
    pub head: Sequence,
    /// The newest record's hash.
    pub head_hash: Hash,
    /// When the newest record was written, milliseconds since 1970.
    pub head_timestamp: i64,
    /// The oldest event still in the log; `head + 1` when none is.
    pub earliest: Sequence,
    /// The schema version of the object.
    pub schema_version: u32,
    /// Documents per collection.
    pub documents: Vec<(String, u64)>,
    /// What is folded, of the collections that have folded.
    pub folded: Vec<FoldedState>,
    /// All blobs, those included that only the log or a snapshot needs: how many, and their bytes.
    pub blobs: (u64, u64),
    /// Records and bytes in the log.
    pub log_records: u64,
    /// Bytes of the log's records, as they are stored.
    pub log_bytes: u64,
    /// Segments that hold the old ones of them.
    pub log_segments: u64,
    /// Bytes of the segments, of those above.
    pub log_segment_bytes: u64,
    /// Bytes of the database that are in use.
    pub used_bytes: u64,
    /// Bytes at which only deletes are taken.
    pub used_bytes_max: u64,
    /// What an operator should see to.
    pub warnings: Vec<Warning>,
    /// One per table actor.
    pub cursors: Vec<Cursor>,
    /// Failing timers: name, next attempt (ms), attempts.
    pub wakes: Vec<(String, i64, u32)>,
    /// Its actor's messages and errors, if it has or had an actor.
    pub actor: Option<ActorState>,
}
