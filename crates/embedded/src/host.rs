//! The HTTP contract's port, fulfilled by this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tidelog_api::metrics::TableGauges;
use tidelog_api::{
    ApiSettings, Costs, Directory, Figures, FileBytes, FilePart, Host, LakeStatus, LoadedTable,
    Look, Meter, ObjectHost, ObjectList, ObjectPage, QueryAnswer, StateAnswer, TableName, Tier,
    TypeSummary, WarmHost, WarmStatus, figures_text, found, meters_text, metrics,
};
use tidelog_core::snapshot_file::Frame;
use tidelog_core::{
    ActorCommand, Address, AdminCommand, Caller, ChangesPage, ChangesRequest, ColdFound, Command,
    Found, MessageReply, Mutation, ObjectState, Query, Reply, SnapshotReply, Stamp, TurnReply,
    TypeSchema, TypeSpec,
};
use tidelog_log::{Error, Offset, Result, Sequence};
use tokio::sync::watch;

use crate::admission;
use crate::carrier::Carrier;
use crate::clock;
use crate::cold::ColdReads;
use crate::lake_restore::LakeRestore;
use crate::post::Post;
use crate::pump::Pump;
use crate::readers::Readers;
use crate::s3::S3Credentials;
use crate::shards::{Shards, Shared};
use crate::signals::Tip;
use crate::tables::Tables;
use crate::warm::Warm;

/// How many rounds of push and flush `sync` makes while writes go on.
const SYNC_ROUNDS: usize = 8;

/// What requests reach of the embedded host.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) cold: Arc<ColdReads>,
    pub(crate) pump: Arc<Pump>,
    pub(crate) warm: Arc<Warm>,
    pub(crate) post: Arc<Post>,
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) api: ApiSettings,
    pub(crate) credentials: S3Credentials,
    pub(crate) s3_address: SocketAddr,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Host for Embedded {
    fn now(&self) -> i64 {
        clock::now()
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    fn settings(&self) -> &ApiSettings {
        &self.api
    }
}

impl WarmHost for Embedded {
    type Cache = Warm;

    fn cache(&self) -> &Warm {
        &self.warm
    }

    fn figures(&self) -> &Figures {
        &self.warm.figures
    }

    async fn newest(&self, type_name: &str) -> Result<Arc<TypeSchema>> {
        self.shared.registry.newest(type_name)
    }

    fn entropy(&self) -> [u8; 16] {
        clock::entropy()
    }
}

impl ObjectHost for Embedded {
    async fn write(
        &self,
        object: &Address,
        caller: Caller,
        mutations: Vec<Mutation>,
    ) -> Result<TurnReply> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        for mutation in &mutations {
            // Refuse before an object is made for it.
            schema.collection(mutation.collection())?;
        }
        match self
            .shards
            .turn(
                object,
                Command::Write {
                    schema,
                    caller,
                    mutations,
                },
            )
            .await?
        {
            Reply::Turn(reply) => Ok(reply),
            other => Err(Error::internal(format!("a write answered {other:?}"))),
        }
    }

    async fn message(
        &self,
        object: &Address,
        caller: Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        let name = name.to_owned();
        let command = ActorCommand::Message {
            schema,
            caller,
            name,
            body,
        };
        match self
            .shards
            .turn(object, Command::Actor(Box::new(command)))
            .await?
        {
            Reply::Message(reply) => Ok(reply),
            other => Err(Error::internal(format!("a message answered {other:?}"))),
        }
    }

    async fn get(
        &self,
        object: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<(Found, Stamp)> {
        self.check_collection(object, collection)?;
        let (collection, key) = (collection.to_owned(), key.to_owned());
        let touched = self.shared.touches.of(object);
        let read = self.readers.read(object, move |view, sql| {
            found(view, sql, (&collection, &key), at_least, touched.as_ref())
        });
        read.await
    }

    async fn get_cold(
        &self,
        object: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<ColdFound> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        let table = schema.cold_table(collection)?;
        let check = self
            .readers
            .read(object, move |view, sql| view.check_cold(sql, at_least));
        check.await?;
        let wanted = (object, key);
        let image = self.cold.document(&self.tables, &table, &schema, wanted);
        let image = image.await?;
        let (collection, key) = (collection.to_owned(), key.to_owned());
        let found = self.readers.read(object, move |view, sql| {
            view.cold(sql, (&collection, &key), image, at_least, clock::now())
        });
        found.await
    }

    async fn query(&self, object: &Address, collection: &str, query: Json) -> Result<QueryAnswer> {
        let schema = self.check_collection(object, collection)?;
        let query = Query::parse(schema.collection(collection)?, &query)?;
        let collection = collection.to_owned();
        let touched = self.shared.touches.of(object);
        let answer = self.readers.read(object, move |view, sql| {
            QueryAnswer::of(view, sql, &collection, &query, touched.as_ref())
        });
        answer.await
    }

    async fn delete_object(&self, object: &Address, caller: Caller) -> Result<ObjectState> {
        match self
            .shards
            .turn(object, Command::DeleteObject { caller })
            .await?
        {
            Reply::State(state) => Ok(*state),
            other => Err(Error::internal(format!("a delete answered {other:?}"))),
        }
    }

    async fn changes(&self, object: &Address, request: ChangesRequest) -> Result<ChangesPage> {
        self.shared.registry.newest(&object.type_name)?;
        self.readers
            .read(object, move |view, sql| view.changes(sql, &request))
            .await
    }

    async fn changed(&self, object: &Address, after: Sequence, timeout_millis: u64) -> Result<()> {
        // Follow first, then read: a change between the two is in the log we read.
        let mut tips = self.shared.signals.follow(object);
        let now = self.readers.read(object, |view, sql| {
            Ok(Tip {
                head: view.offset(sql)?.sequence,
                closed: view.is_closed(sql)?,
            })
        });
        let now = now.await?;
        let news = |tip: &Tip| tip.head > after || tip.closed;
        if news(&now) {
            return Ok(());
        }
        let mut stop = self.stop.clone();
        let timeout = Duration::from_millis(timeout_millis);
        tokio::select! {
            _ = tips.wait_for(news) => {}
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(timeout) => {}
        }
        Ok(())
    }

    async fn state(&self, object: &Address) -> Result<StateAnswer> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        let pushed = self.warm.cursor(object);
        let first = pushed.unwrap_or_default().next();
        let read = self.readers.read(object, move |view, sql| {
            let since = view.time_of(sql, first)?;
            Ok((view.state(sql)?, sql.database_bytes(), since))
        });
        let (state, stored_bytes, since) = read.await?;
        let waits = since.map(|since| clock::now() - since);
        let meter = Meter {
            stored_bytes,
            ..self.shared.meters.of(object)
        };
        let figures = self.warm.figures.of(object);
        let warm = WarmStatus::of(&schema, state.head, (pushed, waits), figures);
        let mut lake = Vec::new();
        for collection in schema.collections.iter().filter(|c| c.cold.enabled) {
            let table = Address::table(&object.type_name, &collection.name)?;
            lake.push(self.lake_status(object, &table, state.head).await?);
        }
        Ok(StateAnswer {
            object: state,
            lake,
            costs: Some(Costs::of(meter)),
            warm,
            memory_bytes: None,
        })
    }

    async fn sync(&self, object: &Address, tier: Tier) -> Result<StateAnswer> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        if tier.is_warm() {
            self.warm.push(object, &schema).await?;
        }
        if !tier.is_cold() {
            return self.state(object).await;
        }
        let head = self
            .readers
            .read(object, |view, sql| view.offset(sql))
            .await?
            .sequence;
        for _ in 0..SYNC_ROUNDS {
            match self.pump.push(object).await {
                Err(error) if error.code() != "inbox_full" => return Err(error),
                _ => {}
            }
            let mut committed = true;
            for collection in schema.collections.iter().filter(|c| c.cold.enabled) {
                let table = Address::table(&object.type_name, &collection.name)?;
                self.tables.flush(&table).await?;
                let mark = self.tables.mark(&table, &object.to_string()).await?;
                committed &= mark.map(|mark| mark.committed).unwrap_or_default() >= head;
            }
            if committed {
                self.pump.push(object).await?;
                return self.state(object).await;
            }
        }
        Err(Error::unavailable(
            "busy",
            "the lake does not catch up; try again later",
        ))
    }

    async fn administer(
        &self,
        object: &Address,
        command: impl FnOnce(Arc<TypeSchema>) -> AdminCommand + Send,
    ) -> Result<SnapshotReply> {
        let command = command(self.shared.registry.newest(&object.type_name)?);
        let command = Command::Admin(Box::new(command));
        match self.shards.turn(object, command).await? {
            Reply::Snapshot(SnapshotReply::Restore(restore)) => {
                let reading = LakeRestore {
                    shards: Arc::clone(&self.shards),
                    tables: Arc::clone(&self.tables),
                    cold: Arc::clone(&self.cold),
                    object: object.clone(),
                };
                let restore = reading.run(*restore).await?;
                Ok(SnapshotReply::Restore(Box::new(restore)))
            }
            Reply::Snapshot(reply) => Ok(reply),
            other => Err(Error::internal(format!(
                "an administrator was answered {other:?}"
            ))),
        }
    }

    async fn admit(&self, frames: Vec<Frame>) -> Result<Vec<Frame>> {
        admission::admitted(frames).await
    }

    async fn look(&self, object: &Address, wanted: Look) -> Result<Json> {
        self.shared.registry.newest(&object.type_name)?;
        let read = self
            .readers
            .read(object, move |view, sql| wanted.of(view, sql));
        read.await
    }

    async fn snapshot_file(&self, object: &Address, wanted: FilePart) -> Result<FileBytes> {
        self.shared.registry.newest(&object.type_name)?;
        let read = self
            .readers
            .read(object, move |view, sql| wanted.of(view, sql));
        read.await
    }
}

impl Directory for Embedded {
    async fn register_type(&self, spec: TypeSpec) -> Result<(TypeSchema, bool)> {
        let registry = Arc::clone(&self.shared.registry);
        let done = tokio::task::spawn_blocking(move || registry.register_type(&spec)).await;
        let (schema, new) = done.map_err(|e| Error::internal(e.to_string()))??;
        Ok((TypeSchema::clone(&schema), new))
    }

    async fn type_schema(&self, name: &str, version: Option<u32>) -> Result<TypeSchema> {
        match version {
            Some(version) => self.shared.registry.version(name, version),
            None => Ok(TypeSchema::clone(&*self.shared.registry.newest(name)?)),
        }
    }

    async fn types(&self) -> Result<Vec<TypeSummary>> {
        self.shared.registry.summaries()
    }

    async fn objects(&self, list: ObjectList) -> Result<ObjectPage> {
        let registry = Arc::clone(&self.shared.registry);
        let done = tokio::task::spawn_blocking(move || registry.objects(&list)).await;
        done.map_err(|e| Error::internal(e.to_string()))?
    }

    async fn tables(&self) -> Result<Vec<TableName>> {
        let known = self.tables.known()?;
        let mut names = Vec::new();
        for table in known.into_iter().filter(|table| self.tables.exists(table)) {
            if self.tables.metadata(&table).await?.is_some() {
                let name = format!("{}{CHANGES}", table.id);
                names.push(TableName {
                    namespace: table.type_name,
                    name,
                });
            }
        }
        names.sort();
        Ok(names)
    }

    async fn table(&self, namespace: &str, name: &str) -> Result<LoadedTable> {
        let unknown = || {
            Error::not_found(
                "unknown_table",
                format!("no table {namespace}.{name} has a commit"),
            )
        };
        let collection = name.strip_suffix(CHANGES).ok_or_else(unknown)?;
        let table = Address::table(namespace, collection).map_err(|_| unknown())?;
        if !self.tables.exists(&table) {
            return Err(unknown());
        }
        let (metadata_location, metadata_json) =
            self.tables.metadata(&table).await?.ok_or_else(unknown)?;
        Ok(LoadedTable {
            metadata_location,
            metadata_json,
        })
    }

    fn s3_config(&self, request_host: Option<&str>) -> BTreeMap<String, String> {
        if let Some(s3) = &self.shared.settings.lake.s3 {
            // The operator's store: readers bring their own credentials.
            let endpoint = s3.endpoint.clone().map(|e| ("s3.endpoint".to_owned(), e));
            let region = ("s3.region".to_owned(), s3.region.clone());
            return endpoint.into_iter().chain([region]).collect();
        }
        // The name by which the reader reached us, with the port of the S3 endpoint.
        let name = request_host.map_or("127.0.0.1", |host| match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        });
        let config = [
            (
                "s3.endpoint",
                format!("http://{name}:{}", self.s3_address.port()),
            ),
            ("s3.access-key-id", self.credentials.access_key_id.clone()),
            (
                "s3.secret-access-key",
                self.credentials.secret_access_key.clone(),
            ),
            ("s3.region", "us-east-1".to_owned()),
            ("client.region", "us-east-1".to_owned()),
            ("s3.path-style-access", "true".to_owned()),
        ];
        config
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    async fn metrics(&self) -> Result<String> {
        let mut out = self.shared.metrics.text();
        metrics::head(
            &mut out,
            "followed_objects",
            "Objects with live readers.",
            "gauge",
        );
        let _ = writeln!(
            out,
            "tidelog_followed_objects {}",
            self.shared.signals.followed()
        );
        out.push_str(&meters_text(&self.shared.meters.by_type()));
        out.push_str(&figures_text(&self.warm.figures.by_type()));
        out.push_str(&self.warm.sizes_text());
        metrics::head(
            &mut out,
            "blob_memory_bytes",
            "Bytes of blobs held in memory.",
            "gauge",
        );
        let held = self.shared.folder.blobs().bytes();
        let _ = writeln!(out, "tidelog_blob_memory_bytes {held}");
        out.push_str(&self.shared.dirty.text(clock::now()));
        let mut tables = Vec::new();
        for table in self
            .tables
            .known()?
            .into_iter()
            .filter(|table| self.tables.exists(table))
        {
            let state = self.tables.state(&table).await?;
            tables.push(TableGauges {
                type_name: table.type_name,
                collection: table.id,
                gauges: state.status.gauges(clock::now()).to_vec(),
                failing: state.error.is_some(),
            });
        }
        metrics::tables(&mut out, &tables);
        Ok(out)
    }

    async fn ready(&self) -> Result<()> {
        if self.stopping() {
            return Err(Error::unavailable("not_ready", "the server is stopping"));
        }
        self.shared.registry.types().map(|_| ())
    }
}

/// What follows a collection's name in the name of its changes table.
const CHANGES: &str = "_changes";

impl Embedded {
    fn check_collection(&self, object: &Address, collection: &str) -> Result<Arc<TypeSchema>> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        schema.collection(collection)?;
        Ok(schema)
    }

    async fn lake_status(
        &self,
        object: &Address,
        table: &Address,
        newest: Sequence,
    ) -> Result<LakeStatus> {
        let mut status = LakeStatus {
            collection: table.id.clone(),
            accepted: Sequence(0),
            committed: Sequence(0),
            lag_events: newest.0,
            lag_millis: 0,
            error: self.pump.error(object),
        };
        if self.tables.exists(table) {
            let mark = self.tables.mark(table, &object.to_string()).await?;
            if let Some(mark) = mark {
                (status.accepted, status.committed) = (mark.accepted, mark.committed);
                status.lag_events = newest.0.saturating_sub(mark.committed.0);
            }
            let state = self.tables.state(table).await?;
            status.error = status.error.or(state.error);
        }
        if status.lag_events > 0 {
            let oldest = status.committed.next();
            let time = self
                .readers
                .read_own(object, move |view, sql| view.time_of(sql, oldest))
                .await?;
            status.lag_millis = time.map_or(0, |time| (clock::now() - time).max(0));
        }
        Ok(status)
    }
}
