//! Pushes what is new in objects' logs to their table actors. The log and the tables' marks are
//! the only state: after a crash the pump asks where each table is and goes on there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tidelog_core::{Address, Command};
use tidelog_lake::PushReply;
use tidelog_log::{Error, Kind, Result, Sequence};

use crate::clock;
use crate::readers::Readers;
use crate::shards::{Shards, Shared};
use crate::tables::Tables;
use crate::warm::Warm;

/// Log bytes of one batch, give or take one turn.
const BATCH_BYTES: usize = 4_000_000;
/// Objects pushed at once.
const OBJECTS_AT_ONCE: usize = 4;
/// Longest wait before a push that failed is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Objects whose newest failure is remembered.
const ERRORS_MAX: usize = 1_000;

/// The one task that pushes, and what it needs.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) warm: Arc<Warm>,
    pub(crate) errors: Mutex<BTreeMap<Address, String>>,
}

impl Pump {
    /// Pushes until the runtime ends. An object that has grown waits for its type's interval: a
    /// pause lets many small turns share one push.
    pub(crate) async fn run(&self) {
        let mut waiting: BTreeMap<Address, Instant> = BTreeMap::new();
        loop {
            match waiting.values().min() {
                Some(due) => tokio::select! {
                    () = self.shared.dirty.marked() => {}
                    () = tokio::time::sleep_until((*due).into()) => {}
                },
                None => self.shared.dirty.marked().await,
            }
            let now = clock::instant();
            for object in self.shared.dirty.take() {
                let due = now + self.interval(&object);
                waiting.entry(object).or_insert(due);
            }
            let due = waiting.extract_if(.., |_, due| *due <= now);
            let due: Vec<Address> = due.map(|(object, _)| object).collect();
            for object in self.push_some(due).await {
                let retry = now + self.interval(&object).min(RETRY);
                waiting.entry(object).or_insert(retry);
            }
        }
    }

    /// Pushes several objects; answers those to try again.
    async fn push_some(&self, objects: Vec<Address>) -> Vec<Address> {
        let push = |object| async move {
            let done = self_push(self, &object).await;
            done.is_err().then_some(object)
        };
        let pushes = futures_util::stream::iter(objects).map(push);
        let failed = pushes.buffer_unordered(OBJECTS_AT_ONCE);
        failed.filter_map(std::future::ready).collect().await
    }

    /// How long an object's new events wait for others: as its type says, or else the host.
    fn interval(&self, object: &Address) -> Duration {
        let schema = self.shared.registry.newest(&object.type_name).ok();
        let declared = schema.and_then(|schema| schema.sync.interval_millis);
        let millis = declared.and_then(|millis| u64::try_from(millis).ok());
        Duration::from_millis(millis.unwrap_or(self.shared.settings.lake.push_millis))
    }

    /// Pushes everything one object has. The failure, if any, is kept for `state`.
    pub(crate) async fn push(&self, object: &Address) -> Result<()> {
        self.shared.dirty.begin(object);
        let done = self.push_all(object).await;
        // An object that is not there has nothing that waits.
        let ended = |error: &Error| error.kind() == Kind::NotFound;
        let ended = done.as_ref().err().is_none_or(ended);
        self.shared.dirty.end(object, ended);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        match &done {
            Err(error) if errors.len() < ERRORS_MAX => {
                errors.insert(object.clone(), error.to_string());
            }
            _ => drop(errors.remove(object)),
        }
        done
    }

    /// The newest failure to push an object.
    pub(crate) fn error(&self, object: &Address) -> Option<String> {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(object)
            .cloned()
    }

    async fn push_all(&self, object: &Address) -> Result<()> {
        let schema = self.shared.registry.newest(&object.type_name)?;
        // What the cache has not been told it will find out: its failure must not hold up the tables.
        let warmed = self.warm.push(object, &schema).await;
        let mut sent = false;
        for collection in schema.collections.iter().filter(|c| c.cold.enabled) {
            let table = Address::table(&object.type_name, &collection.name)?;
            sent |= self.push_to(object, &table).await?;
        }
        if sent {
            self.shared.meters.alarm(object);
        }
        warmed
    }

    /// True when there was something to send.
    async fn push_to(&self, object: &Address, table: &Address) -> Result<bool> {
        let mark = self.tables.mark(table, &object.to_string()).await?;
        if let Some(mark) = mark {
            self.reconcile(object, table, mark.committed).await?;
        }
        let start = mark.map(|mark| mark.accepted).unwrap_or_default();
        let mut from = start;
        loop {
            let collection = table.id.clone();
            let batch = self.readers.read_own(object, move |view, sql| {
                // A collection the object has not met yet has no events in its log.
                view.batch(sql, &collection, from, BATCH_BYTES)
            });
            let batch = match batch.await {
                Err(error) if error.code() == "not_a_turn_boundary" => {
                    return Err(self.fenced(object, table, from).await);
                }
                other => other?,
            };
            if batch.range.to == from {
                return Ok(from != start);
            }
            from = match self.tables.accept(table, batch).await? {
                PushReply::Accepted { mark, .. } | PushReply::Behind { mark, .. } => mark,
                PushReply::Fenced { mark } => return Err(self.fenced(object, table, mark).await),
            };
        }
    }

    /// Repeats a commit's news that a crash swallowed.
    async fn reconcile(
        &self,
        object: &Address,
        table: &Address,
        committed: Sequence,
    ) -> Result<()> {
        let destination = table.to_string();
        let cursors = self
            .readers
            .read_own(object, |view, sql| view.cursors(sql))
            .await?;
        let known = cursors
            .iter()
            .find(|cursor| cursor.destination == destination);
        if known.map(|cursor| cursor.committed).unwrap_or_default() < committed {
            let command = Command::Committed {
                destination,
                sequence: committed,
            };
            self.shards.turn(object, command).await?;
        }
        Ok(())
    }

    /// The table knows another history under this address: open a new epoch, and say so.
    async fn fenced(&self, object: &Address, table: &Address, mark: Sequence) -> Error {
        drop(self.shards.turn(object, Command::Fenced).await);
        Error::new(
            Kind::Fenced,
            "fenced",
            format!(
                "{table} has another history of {} at {mark}",
                object.short()
            ),
        )
    }
}

async fn self_push(pump: &Pump, object: &Address) -> Result<()> {
    match pump.push(object).await {
        // Trying again cannot mend these: they show in `state`.
        Err(error) if matches!(error.kind(), Kind::Fenced | Kind::Gone | Kind::Corrupt) => Ok(()),
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        other => other,
    }
}
