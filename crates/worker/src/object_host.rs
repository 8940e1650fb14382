//! The ports of the HTTP contract, fulfilled by one object's Durable Object.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde_json::Value as Json;
use tidelog_api::{
    ApiSettings, Costs, FileBytes, FilePart, Host, LakeStatus, Look, ObjectHost, QueryAnswer,
    StateAnswer, Tier, found,
};
use tidelog_core::{
    ActorCommand, Address, AdminCommand, Caller, ChangesPage, ChangesRequest, ColdFound, Command,
    Found, LakeImage, MessageReply, Mutation, ObjectState, Query, Reply, SnapshotReply, Stamp,
    TurnReply, TypeSchema,
};
use tidelog_log::{Error, Offset, Result, Sequence};
use worker::Delay;

use crate::messages::TableAsk;
use crate::object::Object;
use crate::table::TableAnswer;
use crate::{js, schemas};

/// How many rounds of push and flush `sync` makes while writes go on.
const SYNC_ROUNDS: usize = 8;

impl Host for Object {
    fn now(&self) -> i64 {
        js::now()
    }

    fn stopping(&self) -> bool {
        false
    }

    fn settings(&self) -> &ApiSettings {
        &self.settings.api
    }
}

impl ObjectHost for Object {
    async fn write(
        &self,
        _: &Address,
        caller: Caller,
        mutations: Vec<Mutation>,
    ) -> Result<TurnReply> {
        let schema = self.schema().await?;
        for mutation in &mutations {
            // Refuse before an object is made for it.
            schema.collection(mutation.collection())?;
        }
        let command = Command::Write {
            schema,
            caller,
            mutations,
        };
        let reply = self.turn(command)?;
        self.settled().await?;
        match reply {
            Reply::Turn(reply) => Ok(reply),
            other => Err(Error::internal(format!("a write answered {other:?}"))),
        }
    }

    async fn message(
        &self,
        _: &Address,
        caller: Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply> {
        let (schema, name) = (self.schema().await?, name.to_owned());
        let command = ActorCommand::Message {
            schema,
            caller,
            name,
            body,
        };
        let reply = self.turn(Command::Actor(Box::new(command)))?;
        self.settled().await?;
        match reply {
            Reply::Message(reply) => Ok(reply),
            other => Err(Error::internal(format!("a message answered {other:?}"))),
        }
    }

    async fn get(
        &self,
        _: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<(Found, Stamp)> {
        self.schema().await?.collection(collection)?;
        self.read_engine(|engine, sql| {
            let touched = Some(engine.touched());
            found(engine.view(), sql, (collection, key), at_least, touched)
        })
    }

    async fn get_cold(
        &self,
        _: &Address,
        collection: &str,
        key: &str,
        at_least: Option<Offset>,
    ) -> Result<ColdFound> {
        let table = self.schema().await?.cold_table(collection)?;
        self.read(|view, sql| view.check_cold(sql, at_least))?;
        let ask = TableAsk::Document {
            object: self.address.to_string(),
            key: key.to_owned(),
        };
        let image: LakeImage = self.peers.table(&table, &ask, None).await?;
        self.read(|view, sql| view.cold(sql, (collection, key), image, at_least, js::now()))
    }

    async fn query(&self, _: &Address, collection: &str, query: Json) -> Result<QueryAnswer> {
        let schema = self.schema().await?;
        let query = Query::parse(schema.collection(collection)?, &query)?;
        self.read_engine(|engine, sql| {
            let touched = Some(engine.touched());
            QueryAnswer::of(engine.view(), sql, collection, &query, touched)
        })
    }

    async fn delete_object(&self, _: &Address, caller: Caller) -> Result<ObjectState> {
        let reply = self.turn(Command::DeleteObject { caller })?;
        self.settled().await?;
        match reply {
            Reply::State(state) => Ok(*state),
            other => Err(Error::internal(format!("a delete answered {other:?}"))),
        }
    }

    async fn changes(&self, _: &Address, request: ChangesRequest) -> Result<ChangesPage> {
        self.schema().await?;
        self.read(|view, sql| view.changes(sql, &request))
    }

    async fn changed(&self, _: &Address, after: Sequence, timeout_millis: u64) -> Result<()> {
        let ends = js::now() + i64::try_from(timeout_millis).unwrap_or(i64::MAX);
        loop {
            let now = self
                .read(|view, sql| Ok((view.offset(sql)?.sequence > after) | view.is_closed(sql)?));
            let left = u64::try_from(ends - js::now()).unwrap_or(0);
            if now? || left == 0 {
                return Ok(());
            }
            let growth = self.next_growth();
            let timeout = Delay::from(Duration::from_millis(left));
            match select(growth, timeout).await {
                Either::Left(_) => {}
                Either::Right(_) => return Ok(()),
            }
        }
    }

    async fn state(&self, _: &Address) -> Result<StateAnswer> {
        let schema = self.schema().await?;
        let state = self.read(|view, sql| view.state(sql))?;
        let mut lake = Vec::new();
        for table in schema.cold_tables() {
            lake.push(self.lake_status(&table, state.head).await?);
        }
        Ok(StateAnswer {
            warm: self.warm_status(&schema, state.head),
            object: state,
            lake,
            costs: Some(Costs::of(self.meter()?)),
            memory_bytes: Some(js::memory_bytes()),
        })
    }

    async fn sync(&self, object: &Address, tier: Tier) -> Result<StateAnswer> {
        let schema = self.schema().await?;
        if tier.is_warm() {
            self.push_warm(&schema).await?;
        }
        if !tier.is_cold() {
            return self.state(object).await;
        }
        let head = self.read(|view, sql| view.offset(sql))?.sequence;
        for _ in 0..SYNC_ROUNDS {
            match self.push().await {
                Err(error) if error.code() != "inbox_full" => return Err(error),
                _ => {}
            }
            let mut committed = true;
            for table in schema.cold_tables() {
                let () = self.peers.table(&table, &TableAsk::Flush, None).await?;
                let mark = self.mark(&table).await?.mark;
                committed &= mark.map(|mark| mark.committed).unwrap_or_default() >= head;
            }
            if committed {
                self.push().await?;
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
        _: &Address,
        command: impl FnOnce(Arc<TypeSchema>) -> AdminCommand + Send,
    ) -> Result<SnapshotReply> {
        let command = command(self.schema().await?);
        let mut reply = self.turn(Command::Admin(Box::new(command)))?;
        if let Reply::Snapshot(SnapshotReply::Restore(restore)) = reply {
            let restore = Box::new(self.bring_lake(*restore).await?);
            reply = Reply::Snapshot(SnapshotReply::Restore(restore));
        }
        self.settled().await?;
        match reply {
            Reply::Snapshot(reply) => Ok(reply),
            other => Err(Error::internal(format!(
                "an administrator was answered {other:?}"
            ))),
        }
    }

    async fn look(&self, _: &Address, wanted: Look) -> Result<Json> {
        self.schema().await?;
        self.read(|view, sql| wanted.of(view, sql))
    }

    async fn snapshot_file(&self, _: &Address, wanted: FilePart) -> Result<FileBytes> {
        self.schema().await?;
        self.read(|view, sql| wanted.of(view, sql))
    }
}

impl Object {
    pub(crate) async fn schema(&self) -> Result<Arc<TypeSchema>> {
        let (name, trusted) = (&self.address.type_name, self.settings.schema_millis);
        schemas::newest(&self.peers, name, trusted).await
    }

    /// After a turn: known to its readers once it is durable, and listed. The answer itself is held
    /// back by the platform until the turn is durable.
    pub(crate) async fn settled(&self) -> Result<()> {
        if self.has_readers() {
            self.gate.pass().await?;
            self.wake_readers();
        }
        // The write stands whatever the registry says; the alarm tells it again.
        if let Err(error) = self.note().await {
            self.error.replace(Some(error.to_string()));
        }
        Ok(())
    }

    pub(crate) async fn mark(&self, table: &Address) -> Result<TableAnswer> {
        let source = self.address.to_string();
        self.peers
            .table(table, &TableAsk::Mark { source }, None)
            .await
    }

    async fn lake_status(&self, table: &Address, newest: Sequence) -> Result<LakeStatus> {
        let TableAnswer { mark, error } = self.mark(table).await?;
        let mark = mark.unwrap_or_default();
        let lag_events = newest.0.saturating_sub(mark.committed.0);
        let mut lag_millis = 0;
        if lag_events > 0 {
            let oldest = mark.committed.next();
            let time = self.read(|view, sql| view.time_of(sql, oldest))?;
            lag_millis = time.map_or(0, |time| (js::now() - time).max(0));
        }
        Ok(LakeStatus {
            collection: table.id.clone(),
            accepted: mark.accepted,
            committed: mark.committed,
            lag_events,
            lag_millis,
            error: self.error.borrow().clone().or(error),
        })
    }
}
