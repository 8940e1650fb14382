//! Table actors: one task each, with a database of its own. Pushes are taken while a flush runs.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidelog_api::Meter;
use tidelog_core::{ActorKind, Address, Command};
use tidelog_lake::{
    BlobStore, Committed, FlushOutcome, Mark, PushReply, SnapshotScan, TableActor, TableStatus,
};
use tidelog_log::{Error, PackedBatch, Result};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::buckets::Buckets;
use crate::clock;
use crate::counted_blobs::CountedBlobs;
use crate::readers::stopping;
use crate::shards::{Shards, Shared, tracing_failure};
use crate::sqlite::Sqlite;

/// Messages that may wait for one table.
const QUEUE: usize = 64;
/// Largest database of one table actor: its inbox is bounded by itself.
pub(crate) const TABLE_BYTES_MAX: u64 = 1 << 40;
/// Longest wait between two attempts of a failing flush, milliseconds.
const BACKOFF_MILLIS_MAX: i64 = 60_000;
/// Blobs deleted in one go.
const GARBAGE_MAX: u32 = 500;

type Answer<T> = oneshot::Sender<Result<T>>;

/// A read from the lake, and the bucket it reads.
type ColdRead = (tidelog_lake::ColdRead, CountedBlobs);

enum Message {
    Accept(Box<PackedBatch>, Answer<PushReply>),
    Mark(String, Answer<Option<Mark>>),
    Flush(Answer<()>),
    Status(Answer<TableState>),
    Metadata(Answer<Option<(String, String)>>),
    BeginColdRead(Box<(Address, Option<SnapshotScan>)>, Answer<ColdRead>),
    Stop(Answer<()>),
}

/// A table actor as operators see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableState {
    pub(crate) status: TableStatus,
    pub(crate) error: Option<String>,
}

/// The way to the table actors.
#[derive(Debug)]
pub(crate) struct Tables {
    shared: Arc<Shared>,
    shards: Arc<Shards>,
    buckets: Buckets,
    runtime: Handle,
    open: Mutex<BTreeMap<Address, mpsc::Sender<Message>>>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Tables {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        shards: &Arc<Shards>,
        buckets: Buckets,
        runtime: Handle,
    ) -> Self {
        let (shared, shards) = (Arc::clone(shared), Arc::clone(shards));
        Self {
            shared,
            shards,
            buckets,
            runtime,
            open: Mutex::default(),
        }
    }

    /// Opens every table that has a file, so that unfinished flushes go on.
    pub(crate) fn resume(&self) -> Result<()> {
        for table in self.known()? {
            if self.shared.folder.actor(&table).exists() {
                self.sender(&table)?;
            }
        }
        Ok(())
    }

    /// The address of every collection with cold sync.
    pub(crate) fn known(&self) -> Result<Vec<Address>> {
        let mut tables = Vec::new();
        for schema in self.shared.registry.types()? {
            for collection in schema.collections.iter().filter(|c| c.cold.enabled) {
                tables.push(Address::table(&schema.name, &collection.name)?);
            }
        }
        Ok(tables)
    }

    pub(crate) async fn accept(&self, table: &Address, batch: PackedBatch) -> Result<PushReply> {
        self.ask(table, |answer| Message::Accept(Box::new(batch), answer))
            .await
    }

    pub(crate) async fn mark(&self, table: &Address, source: &str) -> Result<Option<Mark>> {
        self.ask(table, |answer| Message::Mark(source.to_owned(), answer))
            .await
    }

    /// Returns once everything accepted so far is committed.
    pub(crate) async fn flush(&self, table: &Address) -> Result<()> {
        self.ask(table, Message::Flush).await
    }

    pub(crate) async fn state(&self, table: &Address) -> Result<TableState> {
        self.ask(table, Message::Status).await
    }

    pub(crate) async fn metadata(&self, table: &Address) -> Result<Option<(String, String)>> {
        self.ask(table, Message::Metadata).await
    }

    /// Chooses the snapshot for a read of a document of `object`.
    pub(crate) async fn begin_cold_read(
        &self,
        table: &Address,
        object: &Address,
        remembered: Option<SnapshotScan>,
    ) -> Result<ColdRead> {
        let wanted = Box::new((object.clone(), remembered));
        self.ask(table, |answer| Message::BeginColdRead(wanted, answer))
            .await
    }

    /// True when the table has a database already.
    pub(crate) fn exists(&self, table: &Address) -> bool {
        self.shared.folder.actor(table).exists()
    }

    /// Closes every table; a flush that runs is left to the next start.
    pub(crate) async fn stop(&self) {
        let senders: Vec<_> = std::mem::take(&mut *self.lock()).into_values().collect();
        for sender in senders {
            let (answer, answered) = oneshot::channel();
            if sender.send(Message::Stop(answer)).await.is_ok() {
                drop(answered.await);
            }
        }
    }

    async fn ask<T>(
        &self,
        table: &Address,
        message: impl FnOnce(Answer<T>) -> Message,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let sender = self.sender(table)?;
        sender.send(message(answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }

    fn sender(&self, table: &Address) -> Result<mpsc::Sender<Message>> {
        let mut open = self.lock();
        if let Some(sender) = open.get(table).filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let path = self.shared.folder.make_room(table)?;
        let sql = Sqlite::writer(&path, TABLE_BYTES_MAX)?;
        let actor = TableActor::open(&sql, table, self.shared.settings.table())?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let task = Task {
            shared: Arc::clone(&self.shared),
            shards: Arc::clone(&self.shards),
            blobs: CountedBlobs::new(self.buckets.warehouse().clone()),
            buckets: self.buckets.clone(),
            bucket: String::new(),
            runtime: self.runtime.clone(),
            table: table.clone(),
            sql,
            actor,
            waiting: Vec::new(),
            failures: 0,
            retry_at: 0,
            error: None,
            requests: 0,
        };
        self.runtime.spawn(task.run(messages));
        open.insert(table.clone(), sender.clone());
        Ok(sender)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, mpsc::Sender<Message>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One table actor at work.
struct Task {
    shared: Arc<Shared>,
    shards: Arc<Shards>,
    /// The bucket of the table's files.
    blobs: CountedBlobs,
    /// Its name as the collection declares it.
    bucket: String,
    buckets: Buckets,
    runtime: Handle,
    table: Address,
    sql: Sqlite,
    actor: TableActor,
    /// Who waits for a flush of everything that is there.
    waiting: Vec<Answer<()>>,
    failures: u32,
    retry_at: i64,
    error: Option<String>,
    /// Messages taken since they were last metered.
    requests: u64,
}

type Running = JoinHandle<Result<FlushOutcome>>;

impl Task {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut running: Option<Running> = None;
        // Without a schema nothing would ever be due.
        if let Err(error) = self.follow_schema(clock::now()) {
            self.failed(&error);
        }
        self.meter_stored();
        loop {
            if running.is_none() {
                running = self.start_flush();
            }
            let wait = self.until_due();
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Stop(answer)) => {
                        if let Some(running) = running {
                            running.abort();
                        }
                        drop(answer.send(Ok(())));
                        return;
                    }
                    Some(message) => {
                        self.requests += 1;
                        self.take(message);
                    }
                    None => return,
                },
                outcome = finished(&mut running) => {
                    running = None;
                    self.finish(outcome).await;
                }
                () = tokio::time::sleep(wait), if running.is_none() => {}
            }
            self.meter();
        }
    }

    fn take(&mut self, message: Message) {
        let now = clock::now();
        match message {
            Message::Accept(batch, answer) => {
                let reply = self.actor.accept(&self.sql, now, &batch);
                if let Ok(PushReply::Accepted { .. }) = &reply {
                    self.shared.metrics.pushes.add(1);
                    self.shared.metrics.pushed_events.add(batch.events);
                }
                drop(answer.send(reply));
            }
            Message::Mark(source, answer) => {
                drop(answer.send(self.actor.mark(&self.sql, &source)));
            }
            Message::Flush(answer) => {
                self.retry_at = 0;
                self.waiting.push(answer);
            }
            Message::Status(answer) => {
                let status = self.actor.status(&self.sql);
                let error = self.error.clone();
                drop(answer.send(status.map(|status| TableState { status, error })));
            }
            Message::Metadata(answer) => drop(answer.send(self.actor.metadata(&self.sql))),
            Message::BeginColdRead(wanted, answer) => {
                let (object, remembered) = *wanted;
                drop(answer.send(self.begin_cold_read(&object, remembered.as_ref())));
            }
            Message::Stop(answer) => drop(answer.send(Ok(()))),
        }
    }

    /// How long until a flush may be due.
    fn until_due(&self) -> Duration {
        let due = self.actor.next_due(&self.sql).ok().flatten();
        let now = clock::now();
        let wait = due.map_or(60_000, |due| due.max(self.retry_at).saturating_sub(now));
        Duration::from_millis(u64::try_from(wait).unwrap_or(0).clamp(5, 60_000))
    }

    /// Starts a flush if one is due or asked for; answers those who wait when nothing is left.
    fn start_flush(&mut self) -> Option<Running> {
        let now = clock::now();
        if now < self.retry_at {
            return None;
        }
        match self.begin(now) {
            Ok(Some(plan)) => {
                if self.waiting.is_empty() {
                    // Due by itself, which on Cloudflare an alarm says.
                    self.shared.meters.alarm(&self.table);
                }
                let blobs = self.blobs.clone();
                Some(self.runtime.spawn(async move { plan.write(&blobs).await }))
            }
            Ok(None) => {
                self.answer_waiting(&Ok(()));
                None
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn begin(&mut self, now: i64) -> Result<Option<tidelog_lake::FlushPlan>> {
        if self.waiting.is_empty() && !self.actor.flush_due(&self.sql, now)? {
            return Ok(None);
        }
        let begun = match self.begin_now(now) {
            Err(error) if matches!(error.code(), "schema_behind" | "schema_missing") => {
                self.follow_schema(now)?;
                self.begin_now(now)
            }
            other => other,
        };
        self.open_bucket()?;
        begun
    }

    /// Who waits for a flush waits for all of it; one that is due by itself leaves young events.
    fn begin_now(&self, now: i64) -> Result<Option<tidelog_lake::FlushPlan>> {
        match self.waiting.is_empty() {
            true => self.actor.begin_flush(&self.sql, now, clock::entropy()),
            false => self
                .actor
                .begin_flush_of_all(&self.sql, now, clock::entropy()),
        }
    }

    fn begin_cold_read(
        &mut self,
        object: &Address,
        remembered: Option<&SnapshotScan>,
    ) -> Result<ColdRead> {
        self.open_bucket()?;
        let read = self.actor.begin_cold_read(&self.sql, object, remembered)?;
        Ok((read, self.blobs.clone()))
    }

    /// Opens the bucket that the collection names, if it is not open yet.
    fn open_bucket(&mut self) -> Result<()> {
        let bucket = self.actor.bucket(&self.sql)?;
        if bucket != self.bucket {
            self.blobs = CountedBlobs::new(self.buckets.of(&bucket)?);
            self.bucket = bucket;
        }
        Ok(())
    }

    fn follow_schema(&self, now: i64) -> Result<()> {
        let schema = self.shared.registry.newest(&self.table.type_name)?;
        let collection = schema.collection(&self.table.id)?;
        self.actor
            .set_schema(&self.sql, now, clock::entropy(), collection, schema.version)
    }

    async fn finish(&mut self, outcome: Result<FlushOutcome>) {
        let started = clock::instant();
        let done =
            outcome.and_then(|outcome| self.actor.finish_flush(&self.sql, clock::now(), &outcome));
        match done {
            Ok(committed) => {
                (self.failures, self.retry_at, self.error) = (0, 0, None);
                self.shared.metrics.flushes.add(1);
                let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(0);
                self.shared.metrics.flush_micros.add(micros);
                self.meter_stored();
                self.tell(committed).await;
                if let Err(error) = self.sweep().await {
                    tracing_failure("blobs could not be deleted", &error);
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Meters what was done since the last call.
    fn meter(&mut self) {
        let mut did = self.sql.take_rows();
        did.requests = std::mem::take(&mut self.requests);
        (did.r2_class_a, did.r2_class_b) = self.blobs.take();
        if did != Meter::default() {
            self.shared.meters.add(&self.table, &did);
        }
    }

    /// Meters what is stored: it changes notably with flushes alone.
    fn meter_stored(&self) {
        let status = self.actor.status(&self.sql);
        let stored = Meter {
            stored_bytes: self.sql.database_bytes(),
            lake_bytes: status.map_or(0, |status| status.bytes),
            ..Meter::default()
        };
        self.shared.meters.add(&self.table, &stored);
    }

    fn failed(&mut self, error: &Error) {
        self.failures += 1;
        self.shared.metrics.flush_failures.add(1);
        let wait = (250_i64 << self.failures.min(20)).min(BACKOFF_MILLIS_MAX);
        self.retry_at = clock::now() + wait;
        self.error = Some(error.to_string());
        self.answer_waiting(&Err(error.clone()));
        tracing_failure(
            &format!("flush of {} failed, attempt {}", self.table, self.failures),
            error,
        );
    }

    fn answer_waiting(&mut self, answer: &Result<()>) {
        for waiting in self.waiting.drain(..) {
            drop(waiting.send(answer.clone()));
        }
    }

    /// Tells every object how far it is committed. One that cannot be told now is told at the
    /// next start or commit: the marks here are what counts.
    async fn tell(&mut self, committed: Vec<Committed>) {
        for Committed { source, sequence } in committed {
            let Some(object) = object_of(&source) else {
                continue;
            };
            let destination = self.table.to_string();
            let command = Command::Committed {
                destination,
                sequence,
            };
            drop(self.shards.turn(&object, command).await);
        }
    }

    async fn sweep(&mut self) -> Result<()> {
        let garbage = self.actor.garbage(&self.sql, GARBAGE_MAX)?;
        if garbage.is_empty() {
            return Ok(());
        }
        self.blobs.delete(&garbage).await?;
        self.actor.garbage_deleted(&self.sql, &garbage)
    }
}

async fn finished(running: &mut Option<Running>) -> Result<FlushOutcome> {
    match running {
        Some(running) => match running.await {
            Ok(outcome) => outcome,
            Err(e) => Err(Error::internal(format!("a flush failed: {e}"))),
        },
        None => pending().await,
    }
}

/// The object at a permanent address.
pub(crate) fn object_of(address: &str) -> Option<Address> {
    let rest = address
        .strip_prefix(tidelog_core::NAMESPACE)?
        .strip_prefix("/object/")?;
    let (type_name, rest) = rest.split_once('/')?;
    let object = Address::object(type_name, rest.strip_suffix("/0")?).ok()?;
    (object.kind == ActorKind::Object).then_some(object)
}
