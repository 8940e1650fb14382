//! What actors ask each other: JSON, perhaps with bytes beside it. Errors keep their codes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tidelog_api::{Meter, ObjectList, problem, read_problem};
use tidelog_core::{ForkOrder, LakeImage, Letter, TypeSchema, TypeSpec};
use tidelog_log::{Error, Result, Sequence};

/// Asked of an object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(crate) enum ObjectAsk {
    /// A table has everything up to here in a durable Iceberg snapshot.
    Committed {
        destination: String,
        sequence: Sequence,
    },
    /// Take a message of another object.
    Deliver { letter: Box<Letter> },
    /// Take the bytes, a part of what another object is forked into this one.
    Fork { order: ForkOrder },
}

/// Asked of a table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(crate) enum TableAsk {
    /// Take the batch in the bytes.
    Accept,
    /// How far is this source?
    Mark { source: String },
    /// Commit everything accepted so far, then answer.
    Flush,
    /// How do you stand?
    Status,
    /// The present metadata and its location.
    Metadata,
    /// What has the lake of the document with this key, of the object at this address?
    Document { object: String, key: String },
    /// A page of what the lake has of the object at this address, after and up to these sequences.
    Changes {
        object: String,
        after: Sequence,
        to: Sequence,
    },
}

/// What [`TableAsk::Changes`] answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChangesAnswer {
    pub(crate) image: LakeImage,
    pub(crate) upto: Sequence,
    /// Events one after the other, in base64.
    pub(crate) events: Json,
}

/// Asked of a registry shard.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(crate) enum RegistryAsk {
    /// Register a type.
    Register { spec: TypeSpec },
    /// Read a type.
    Type { name: String, version: Option<u32> },
    /// List the types.
    Types,
    /// An object came to be, or has another status.
    Note {
        type_name: String,
        id: String,
        status: String,
    },
    /// An object's counts.
    Meter {
        type_name: String,
        id: String,
        meter: Meter,
    },
    /// The counts of all objects, added up by type.
    Meters,
    /// List objects.
    Objects { list: ObjectList },
}

/// Asked of the catalog.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(crate) enum CatalogAsk {
    /// A table has its first commit.
    Note { namespace: String, name: String },
    /// List the tables.
    Tables,
}

/// What [`RegistryAsk::Register`] answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) schema: TypeSchema,
    pub(crate) new: bool,
}

/// A message as it came.
pub(crate) fn read<T: DeserializeOwned>(message: &str) -> Result<T> {
    serde_json::from_str(message)
        .map_err(|e| Error::internal(format!("a message between actors: {e}")))
}

/// What is sent back.
pub(crate) fn reply(answer: Result<Json>) -> String {
    match answer {
        Ok(value) => json!({ "ok": value }).to_string(),
        Err(error) => json!({ "error": problem(&error) }).to_string(),
    }
}

/// What came back.
pub(crate) fn read_reply<T: DeserializeOwned>(reply: &str) -> Result<T> {
    let odd = |e: serde_json::Error| Error::internal(format!("a reply between actors: {e}"));
    let mut reply: Json = serde_json::from_str(reply).map_err(odd)?;
    match reply.get_mut("error").map(Json::take) {
        Some(problem) => Err(read_problem(&problem)),
        None => serde_json::from_value(reply["ok"].take()).map_err(odd),
    }
}

/// A value as an answer.
pub(crate) fn value(value: impl Serialize) -> Result<Json> {
    serde_json::to_value(value).map_err(|e| Error::internal(e.to_string()))
}
