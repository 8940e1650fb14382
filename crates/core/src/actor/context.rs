//! What an actor can do in a turn: read and change documents, set alarms, send messages.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tidelog_log::limits::TURN_ROWS_MAX;
use tidelog_log::{Error, Kind, Result};

use super::limits::{ALARM_NAME_BYTES_MAX, ALARMS_MAX, MESSAGE_BYTES_MAX, SENDS_MAX};
use crate::mutate::{IdMaker, OpenTurn};
use crate::sql::Sql;
use crate::table::{meta, wakes};
use crate::{
    Address, Caller, Found, JsonObject, Mutation, NewDocument, Query, QueryPage, View, Written,
    check_name,
};

/// One turn of an actor. Everything it does stays if the actor answers `Ok`, and nothing of it
/// otherwise.
///
/// A change that fails (a key that is taken, a check that does not hold) fails the turn, even
/// when the actor goes on: ask [`Context::get`] first where that is not wanted.
pub struct Context<'t> {
    pub(super) sql: &'t dyn Sql,
    pub(super) view: &'t View,
    pub(super) open: &'t mut OpenTurn,
    pub(super) ids: IdMaker,
    pub(super) caller: &'t Caller,
    pub(super) sender: Option<&'t Address>,
    pub(super) sends: Vec<Send>,
    /// The first change that failed.
    pub(super) failed: Option<Error>,
    pub(super) drawn: u64,
    pub(super) changes: usize,
    /// Whether the turn may make the object larger, as it was before the first change.
    pub(super) room: Option<Result<()>>,
}

/// A message that the turn sends, if it stands.
pub(super) struct Send {
    pub(super) to: Address,
    pub(super) message: String,
    pub(super) body: Json,
    pub(super) text: String,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("object", &self.view.address)
            .field("now", &self.ids.now)
            .finish_non_exhaustive()
    }
}

/// What the turn is.
impl Context<'_> {
    /// The object's type.
    pub fn type_name(&self) -> &str {
        &self.view.address.type_name
    }

    /// The object's id.
    pub fn id(&self) -> &str {
        &self.view.address.id
    }

    /// When the turn is, milliseconds since 1970. The same throughout the turn.
    pub fn now(&self) -> i64 {
        self.ids.now
    }

    /// The object that sent the message; `None` when it came from outside, and for alarms.
    pub fn sender(&self) -> Option<&Address> {
        self.sender
    }

    /// Who asked, as the request said it.
    pub fn caller(&self) -> &Caller {
        self.caller
    }

    /// A new id (UUIDv7), made of the turn's time and randomness.
    pub fn new_id(&mut self) -> String {
        self.ids.next()
    }

    /// A random number.
    pub fn random(&mut self) -> u64 {
        self.drawn += 1;
        let mut seed = blake3::Hasher::new_derive_key("tidelog 2026 random numbers of actors");
        seed.update(&self.ids.entropy)
            .update(&self.drawn.to_le_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&seed.finalize().as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    }

    /// An error of the actor's own; its code is `<type>.<word>`. Its kind says what the caller does
    /// next, and gives the HTTP status: [`Kind::Conflict`] 409, [`Kind::Invalid`] 400,
    /// [`Kind::NotFound`] 404, [`Kind::Unavailable`] 503 (a message is then tried again).
    pub fn refusal(&self, kind: Kind, word: &str, message: impl Into<String>) -> Error {
        Error::own(kind, format!("{}.{word}", self.type_name()), message)
    }
}

/// Documents.
impl Context<'_> {
    /// Reads a document; what the turn has changed so far is seen.
    ///
    /// # Errors
    /// `unknown_collection`; `internal` when the document is of another shape than `T`.
    pub fn get<T: DeserializeOwned>(&self, collection: &str, key: &str) -> Result<Option<T>> {
        let Some(found) = self.found(collection, key)? else {
            return Ok(None);
        };
        shaped(collection, key, found.document).map(Some)
    }

    /// Reads a document with its version.
    ///
    /// # Errors
    /// `unknown_collection`.
    pub fn found(&self, collection: &str, key: &str) -> Result<Option<Found>> {
        self.view.prepared(collection)?;
        if self.open.reborn && self.changes == 0 {
            return Ok(None);
        }
        match self.view.get(self.sql, collection, key) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code() == "unknown_document" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Answers one page of a query (`docs/queries.md`).
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn query(&self, collection: &str, query: &Json) -> Result<QueryPage> {
        let collection = &self.view.prepared(collection)?.collection;
        Query::parse(collection, query)?.run(self.sql, collection)
    }

    /// The rows of one page as a type of one's own. Each has the members `_key` and `_version`
    /// besides its own, unless the query selects.
    ///
    /// # Errors
    /// What is wrong with the query; `internal` when a row is of another shape than `T`.
    pub fn rows<T: DeserializeOwned>(&self, collection: &str, query: &Json) -> Result<Vec<T>> {
        let page = self.query(collection, query)?;
        let rows = page.rows.into_iter();
        rows.map(|row| shaped(collection, "", row)).collect()
    }

    /// Adds a document; its key must be free.
    pub fn insert<T: Serialize>(&mut self, collection: &str, document: &T) -> Result<Written> {
        let document = NewDocument::Members(members(document)?);
        let collection = collection.to_owned();
        self.change(Mutation::Insert {
            collection,
            document,
        })
    }

    /// Adds a document or replaces the one of the same key.
    pub fn upsert<T: Serialize>(&mut self, collection: &str, document: &T) -> Result<Written> {
        let document = NewDocument::Members(members(document)?);
        let (collection, if_version) = (collection.to_owned(), None);
        self.change(Mutation::Upsert {
            collection,
            document,
            if_version,
        })
    }

    /// Adds or replaces the document with this key.
    pub fn put<T: Serialize>(
        &mut self,
        collection: &str,
        key: &str,
        document: &T,
    ) -> Result<Written> {
        let document = members(document)?;
        let (collection, key, if_version) = (collection.to_owned(), key.to_owned(), None);
        self.change(Mutation::Put {
            collection,
            key,
            document,
            if_version,
        })
    }

    /// Merges a patch (RFC 7396) into a document.
    pub fn update<T: Serialize>(
        &mut self,
        collection: &str,
        key: &str,
        patch: &T,
    ) -> Result<Written> {
        let patch = members(patch)?;
        let (collection, key, if_version) = (collection.to_owned(), key.to_owned(), None);
        self.change(Mutation::Update {
            collection,
            key,
            patch,
            if_version,
        })
    }

    /// Removes a document.
    pub fn delete(&mut self, collection: &str, key: &str) -> Result<Written> {
        let (collection, key, if_version) = (collection.to_owned(), key.to_owned(), None);
        self.change(Mutation::Delete {
            collection,
            key,
            if_version,
        })
    }

    /// Makes any change.
    ///
    /// # Errors
    /// Those of a write; the turn fails with the first of them.
    pub fn change(&mut self, mutation: Mutation) -> Result<Written> {
        let done = self.apply(mutation);
        if let Err(error) = &done {
            self.failed.get_or_insert_with(|| error.clone());
        }
        done
    }

    fn apply(&mut self, mutation: Mutation) -> Result<Written> {
        let (view, sql) = (self.view, self.sql);
        let room = self.room.get_or_insert_with(|| view.check_size(sql));
        if mutation.grows() {
            room.clone()?;
        }
        if self.changes >= TURN_ROWS_MAX {
            let message = format!("a turn takes at most {TURN_ROWS_MAX} changes");
            return Err(Error::too_large("too_many_rows", message));
        }
        if self.open.reborn && self.changes == 0 {
            // The object lives again with its first document; until now there was none to read.
            meta::set_status(self.sql, meta::Status::Active)?;
        }
        self.changes += 1;
        let done = self
            .open
            .apply(self.sql, self.view, mutation, &mut self.ids)?;
        // What the actor reads next must not find what this change has masked.
        self.open.main.store_masks(self.sql)?;
        Ok(done)
    }
}

/// Alarms and messages.
impl Context<'_> {
    /// Sets the alarm of this name to a time, milliseconds since 1970; `on_alarm` runs then, or soon
    /// after. A time that was set before is replaced.
    ///
    /// # Errors
    /// `invalid_name`; `too_many_alarms`.
    pub fn set_alarm(&mut self, name: &str, at: i64) -> Result<()> {
        let timer = alarm_timer(name)?;
        let known = wakes::at(self.sql, &timer)?.is_some();
        if !known && wakes::count(self.sql, ALARM)? >= ALARMS_MAX {
            let message = format!("an object has at most {ALARMS_MAX} alarms at once");
            return Err(Error::too_large("too_many_alarms", message).at("alarm"));
        }
        wakes::reset(self.sql, &timer, at.max(0))
    }

    /// Clears an alarm; one that is not set is cleared already.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn clear_alarm(&mut self, name: &str) -> Result<()> {
        wakes::clear(self.sql, &alarm_timer(name)?)
    }

    /// When an alarm is due, milliseconds since 1970.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn alarm(&self, name: &str) -> Result<Option<i64>> {
        wakes::at(self.sql, &alarm_timer(name)?)
    }

    /// Sends a message to an object, which need not exist yet. It leaves once the turn is durable,
    /// and is handled exactly once; messages to one object arrive in order. If the receiver refuses
    /// it, it is kept among the object's failed messages; nobody is called back.
    ///
    /// # Errors
    /// `invalid_name`, `invalid_object_id`; `message_too_large`; `too_many_messages`.
    pub fn send<T: Serialize>(
        &mut self,
        type_name: &str,
        id: &str,
        message: &str,
        body: &T,
    ) -> Result<()> {
        let to = Address::object(type_name, id)?;
        check_name("message", message)?;
        if self.sends.len() >= SENDS_MAX {
            let text = format!("a turn sends at most {SENDS_MAX} messages");
            return Err(Error::too_large("too_many_messages", text));
        }
        let body = serde_json::to_value(body)
            .map_err(|e| Error::internal(format!("the message {message} is no JSON: {e}")))?;
        let text = body.to_string();
        check_size(text.len())?;
        let message = message.to_owned();
        self.sends.push(Send {
            to,
            message,
            body,
            text,
        });
        Ok(())
    }
}

/// What the timers of alarms are named by.
pub(super) const ALARM: &str = "alarm:";

fn alarm_timer(name: &str) -> Result<String> {
    let fits = (1..=ALARM_NAME_BYTES_MAX).contains(&name.len());
    if fits && !name.chars().any(char::is_control) {
        return Ok(format!("{ALARM}{name}"));
    }
    let message =
        format!("an alarm's name is 1 to {ALARM_NAME_BYTES_MAX} bytes without control characters");
    Err(Error::invalid("invalid_name", message).at("alarm"))
}

pub(super) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let text = format!("the message has {bytes} bytes; {MESSAGE_BYTES_MAX} are allowed");
    Err(Error::too_large("message_too_large", text).with("limit", MESSAGE_BYTES_MAX))
}

fn members<T: Serialize>(document: &T) -> Result<JsonObject> {
    match serde_json::to_value(document) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(Error::internal("a document is a JSON object")),
        Err(e) => Err(Error::internal(format!("a document is no JSON: {e}"))),
    }
}

fn shaped<T: DeserializeOwned>(collection: &str, key: &str, document: JsonObject) -> Result<T> {
    serde_json::from_value(Json::Object(document)).map_err(|e| {
        let message = format!("a document of {collection} is of another shape: {key} {e}");
        Error::internal(message)
    })
}
