//! The ports: what a host does for the HTTP contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_core::snapshot_file::Frame;
use tidelog_core::{
    Address, AdminCommand, Caller, ChangesPage, ChangesRequest, ColdFound, Found, JsonObject,
    MessageReply, Mutation, ObjectState, Query, SnapshotReply, Sql, Stamp, Touched, TurnReply,
    TypeSchema, TypeSpec, View,
};
use tidelog_log::{Offset, Result, Sequence};

use crate::{Costs, FileBytes, FilePart, Look, Push, WarmFigures};

/// What every route needs of the host it runs in: a clock and settings.
///
/// Futures of these traits need not be `Send`, so JavaScript promises fit; on a concrete host whose
/// futures are `Send`, [`handle`](crate::handle) is `Send` too. Addresses arrive checked.
pub trait Host {
    /// Milliseconds since 1970.
    fn now(&self) -> i64;

    /// True once the host is stopping: live reads end instead of waiting again.
    fn stopping(&self) -> bool;

    /// What the operator chose.
    fn settings(&self) -> &ApiSettings;
}

/// What the routes of one object need. A host may keep it where the object lives.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait ObjectHost: Host {
    /// Handles the mutations as one turn.
    async fn write(
        &self,
        object: &Address,
        caller: Caller,
        mutations: Vec<Mutation>,
    ) -> Result<TurnReply>;

    /// Hands a message to the object's actor.
    ///
    /// # Errors
    /// `unknown_message`, `invalid_message`, and the actor's own.
    async fn message(
        &self,
        object: &Address,
        caller: Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply>;

    /// Reads one document, and says of which state of its collection it is; [`found`].
    ///
    /// # Errors
    /// `unknown_document`, `unknown_object`, `unknown_collection` or `object_deleted`;
    /// `not_caught_up` or `offset_outside_lineage` for `at_least`.
    async fn get(
        &self,
        object: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<(Found, Stamp)>;

    /// Reads one document as the lake's newest snapshot has it.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), where `unknown_document` and `not_caught_up` say what the lake has;
    /// `cold_disabled`, `cold_read_too_large`, `fenced`; those of the blob store.
    async fn get_cold(
        &self,
        object: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<ColdFound>;

    /// Runs a query, given as it came.
    async fn query(&self, object: &Address, collection: &str, query: Json) -> Result<QueryAnswer>;

    /// Deletes an object: logs the deletes, closes its stream, keeps a tombstone.
    async fn delete_object(&self, object: &Address, caller: Caller) -> Result<ObjectState>;

    /// Reads a page of the log.
    ///
    /// # Errors
    /// Kind `Gone` with `earliestOffset` among its details when the position is no longer there.
    async fn changes(&self, object: &Address, request: ChangesRequest) -> Result<ChangesPage>;

    /// Waits until the head is past `after`, the object closes, `timeout_millis` have passed or
    /// the host stops, whichever is first. Never resolves early otherwise.
    async fn changed(&self, object: &Address, after: Sequence, timeout_millis: u64) -> Result<()>;

    /// Where an object and its lake tables stand.
    async fn state(&self, object: &Address) -> Result<StateAnswer>;

    /// Returns once everything up to the present head is in `tier`.
    async fn sync(&self, object: &Address, tier: Tier) -> Result<StateAnswer>;

    /// Does what an administrator asks, and notes it in the object's audit log. `command` is given the
    /// newest version of the type.
    ///
    /// # Errors
    /// `unknown_object`, and what the object refuses.
    async fn administer(
        &self,
        object: &Address,
        command: impl FnOnce(Arc<TypeSchema>) -> AdminCommand + Send,
    ) -> Result<SnapshotReply>;

    /// Looks at frames of a snapshot's file before the object takes them, where other threads can:
    /// [`Frame::admit`].
    async fn admit(&self, frames: Vec<Frame>) -> Result<Vec<Frame>> {
        Ok(frames)
    }

    /// Reads about snapshots, restores or administrators: [`Look::of`].
    async fn look(&self, object: &Address, wanted: Look) -> Result<Json>;

    /// Reads a part of a snapshot's file: [`FilePart::of`].
    async fn snapshot_file(&self, object: &Address, wanted: FilePart) -> Result<FileBytes>;
}

/// What the routes that are no object's need: types, the list of objects, the catalog, the host.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait Directory: Host {
    /// Registers a declaration; true when it made a new version.
    ///
    /// # Errors
    /// What [`TypeSchema::register`] refuses.
    async fn register_type(&self, spec: TypeSpec) -> Result<(TypeSchema, bool)>;

    /// One version of a type, the newest when `version` is `None`.
    ///
    /// # Errors
    /// `unknown_type` for a name or version never registered.
    async fn type_schema(&self, name: &str, version: Option<u32>) -> Result<TypeSchema>;

    /// Every registered type, by name.
    async fn types(&self) -> Result<Vec<TypeSummary>>;

    /// One page of objects, by type and then id.
    ///
    /// # Errors
    /// `invalid_parameter` at `after` for a cursor this host did not give.
    async fn objects(&self, list: ObjectList) -> Result<ObjectPage>;

    /// Every Iceberg table, by namespace and name.
    async fn tables(&self) -> Result<Vec<TableName>>;

    /// One Iceberg table.
    ///
    /// # Errors
    /// `unknown_table`.
    async fn table(&self, namespace: &str, name: &str) -> Result<LoadedTable>;

    /// Iceberg client properties that let a reader open the data files (`s3.endpoint`,
    /// `s3.access-key-id`, …). `request_host` is the request's `Host` header.
    fn s3_config(&self, request_host: Option<&str>) -> BTreeMap<String, String>;

    /// The metrics in Prometheus text form.
    async fn metrics(&self) -> Result<String>;

    /// Whether requests can be served now.
    async fn ready(&self) -> Result<()>;
}

/// What the operator chose about the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// The bearer token every route but `/healthz` asks for; `None`: open.
    pub token: Option<String>,
    /// The bearer token of administrators, which opens every route; `None`: what only they may ask is
    /// refused.
    pub admin_token: Option<String>,
    /// Longest wait of a long-poll, milliseconds.
    pub long_poll_millis: u64,
    /// Life of a server-sent event stream, milliseconds.
    pub sse_millis: u64,
    /// Silence after which such a stream sends a comment, milliseconds.
    pub keep_alive_millis: u64,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            token: None,
            admin_token: None,
            long_poll_millis: 20_000,
            sse_millis: 60_000,
            keep_alive_millis: 15_000,
        }
    }
}

/// One line of the list of types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeSummary {
    /// The type's name.
    #[serde(rename = "type")]
    pub name: String,
    /// Its newest version.
    pub version: u32,
    /// What it is for.
    pub description: String,
    /// Its collections' names.
    pub collections: Vec<String>,
}

impl TypeSummary {
    /// The line of a type's version.
    pub fn of(schema: &TypeSchema) -> Self {
        Self {
            name: schema.name.clone(),
            version: schema.version,
            description: schema.description.clone(),
            collections: schema.collections.iter().map(|c| c.name.clone()).collect(),
        }
    }
}

/// Which objects to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectList {
    /// Only this type.
    pub type_name: Option<String>,
    /// Only ids that start with this; empty for all.
    pub prefix: String,
    /// Continue after this cursor ([`ObjectPage::next`]).
    pub after: Option<String>,
    /// Most objects to return, 1 to [`OBJECTS_MAX`](crate::limits::OBJECTS_MAX).
    pub limit: usize,
}

/// One page of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectPage {
    /// By type and then id, byte order.
    pub objects: Vec<ObjectEntry>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One object in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its id.
    pub id: String,
    /// `active`, `deleting` or `deleted`.
    pub status: String,
}

/// What a query answers.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryAnswer {
    /// The rows, in order.
    pub rows: Vec<JsonObject>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The state of the collection that the rows are of; its offset is the newest event they include.
    pub stamp: Stamp,
}

/// Reads one document from what a connection sees. `touched` as for [`View::stamp`].
///
/// # Errors
/// Those of [`ObjectHost::get`].
pub fn found(
    view: &View,
    sql: &dyn Sql,
    (collection, key): (&str, &str),
    at_least: Option<Offset>,
    touched: Option<&Touched>,
) -> Result<(Found, Stamp)> {
    if let Some(wanted) = at_least {
        view.check_at_least(sql, wanted)?;
    }
    let found = view.get(sql, collection, key)?;
    Ok((found, view.stamp(sql, touched, collection)?))
}

impl QueryAnswer {
    /// Runs a parsed query over what a connection sees.
    ///
    /// # Errors
    /// `object_deleted`; `not_caught_up` when the object is before `atLeast`,
    /// `offset_outside_lineage` when that is of another history; those of the query.
    pub fn of(
        view: &View,
        sql: &dyn Sql,
        collection: &str,
        query: &Query,
        touched: Option<&Touched>,
    ) -> Result<Self> {
        view.check_alive(sql)?;
        if let Some(wanted) = query.at_least {
            view.check_at_least(sql, wanted)?;
        }
        let stamp = view.stamp(sql, touched, collection)?;
        let page = query.run(sql, &view.prepared(collection)?.collection)?;
        Ok(Self {
            rows: page.rows,
            next: page.next,
            stamp,
        })
    }
}

/// Where an object and its tables stand.
#[derive(Clone, Debug, PartialEq)]
pub struct StateAnswer {
    /// The object.
    pub object: ObjectState,
    /// One per collection with cold sync.
    pub lake: Vec<LakeStatus>,
    /// What the object itself has done and what that costs, where the host meters it. The
    /// lake's share is its table actors' and stands in `/metrics`.
    pub costs: Option<Costs>,
    /// The cache's part, where the type has one.
    pub warm: Option<WarmStatus>,
    /// High-water mark of the WebAssembly memory that the object shares, bytes; where there is one.
    pub memory_bytes: Option<u64>,
}

/// How far a tier has taken an object's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierMark {
    /// Everything up to here is in the tier.
    pub sequence: Sequence,
    /// Age of the oldest event that is not, milliseconds; 0 when there is none.
    pub lag_millis: i64,
}

impl StateAnswer {
    /// How far the tables are, all of them: the mark of the one furthest behind; `None` without any.
    pub fn cold(&self) -> Option<TierMark> {
        let sequence = self.lake.iter().map(|table| table.committed).min()?;
        let lag_millis = self.lake.iter().map(|table| table.lag_millis).max()?;
        Some(TierMark {
            sequence,
            lag_millis,
        })
    }
}

/// How far the cache has followed an object, and what became of reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmStatus {
    /// Pushed up to here; 0 until the first push since the object was loaded.
    #[serde(skip)]
    pub last_sequence: Sequence,
    /// Events of the log not pushed yet; 0 where no collection is pushed.
    pub lag_events: u64,
    /// Age of the oldest such event, milliseconds; 0 when there is none.
    pub lag_millis: i64,
    /// What became of its warm reads.
    #[serde(flatten)]
    pub figures: WarmFigures,
}

impl WarmStatus {
    /// The cache's part in an object of this type; `None` where the type has none. `waits` is the age
    /// of the first event after the pushed ones, milliseconds.
    pub fn of(
        schema: &TypeSchema,
        head: Sequence,
        (pushed, waits): (Option<Sequence>, Option<i64>),
        figures: WarmFigures,
    ) -> Option<Self> {
        let warm = schema.warm.enabled || schema.collections.iter().any(|c| c.warm.enabled);
        let last_sequence = pushed.unwrap_or_default();
        let lag = if Push::wanted(schema) { head.0 } else { 0 };
        let lag_events = lag.saturating_sub(last_sequence.0);
        warm.then_some(Self {
            last_sequence,
            lag_events,
            lag_millis: waits.filter(|_| lag_events > 0).unwrap_or(0).max(0),
            figures,
        })
    }
}

/// How far one collection's Iceberg tables are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LakeStatus {
    /// The collection's name.
    pub collection: String,
    /// Accepted into the table's inbox up to here.
    pub accepted: Sequence,
    /// In a durable Iceberg snapshot up to here.
    pub committed: Sequence,
    /// Events of the log not committed yet.
    pub lag_events: u64,
    /// Age of the oldest such event, milliseconds; 0 when there is none.
    pub lag_millis: i64,
    /// The newest failure, if the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where changes can be brought up to date on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Every tier there is.
    All,
    /// The cache: the changes of the collections that are pushed.
    Warm,
    /// The Iceberg tables.
    Cold,
}

impl Tier {
    /// True when the cache is to be brought up to date.
    pub fn is_warm(self) -> bool {
        matches!(self, Self::All | Self::Warm)
    }

    /// True when the tables are to be brought up to date.
    pub fn is_cold(self) -> bool {
        matches!(self, Self::All | Self::Cold)
    }
}

/// The name of an Iceberg table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The Iceberg namespace: the type's name.
    pub namespace: String,
    /// The table's name.
    pub name: String,
}

/// An Iceberg table's present metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedTable {
    /// Where the metadata file is, `s3://…`.
    pub metadata_location: String,
    /// The file's content.
    pub metadata_json: String,
}
