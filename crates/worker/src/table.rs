//! One collection's Iceberg tables in their Durable Object. Pushes are taken while a flush runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_core::{Address, SqlExt};
use tidelog_lake::{BlobStore, Committed, Mark, TableActor as Table, TableStatus};
use tidelog_log::{Error, PackedBatch, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use tidelog_api::Meter;

use crate::alarm::Alarm;
use crate::blobs::R2Blobs;
use crate::counts::Counts;
use crate::gate::Gate;
use crate::js;
use crate::kept;
use crate::messages::{self, CatalogAsk, ObjectAsk, TableAsk, value};
use crate::peers::{Peers, address_of};
use crate::schemas;
use crate::settings::Settings;
use crate::sql::DurableSql;

/// When an alarm's handler that died is called again.
const ALARM_AGAIN_MILLIS: i64 = 30_000;
/// Longest wait between two attempts of a failing flush, milliseconds.
const BACKOFF_MILLIS_MAX: i64 = 60_000;
/// Flushes that one request makes: each is a commit, and an invocation is bounded.
const FLUSH_ROUNDS: usize = 4;
/// When an alarm that found a flush running looks again, milliseconds.
const FLUSHING_MILLIS: i64 = 2_000;
/// Blobs deleted in one go.
const GARBAGE_MAX: u32 = 500;
/// Objects told of one commit; the others hear of it with their next push.
const TOLD_MAX: usize = 200;

/// How far a table is with one source.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableAnswer {
    pub(crate) mark: Option<Mark>,
    /// The newest failure, if the last attempt to flush failed.
    pub(crate) error: Option<String>,
}

/// A table as operators see it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TableState {
    pub(crate) status: TableStatus,
    pub(crate) error: Option<String>,
    pub(crate) meter: Meter,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    settings: Settings,
    sql: DurableSql,
    gate: Gate,
    alarm: Alarm,
    peers: Peers,
    blobs: R2Blobs,
    table: RefCell<Option<Table>>,
    flushing: Cell<bool>,
    /// Who waits for the flush that runs.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    failures: Cell<u32>,
    retry_at: Cell<i64>,
    error: RefCell<Option<String>>,
    counts: Counts,
}

impl Inner {
    fn exists(&self) -> Result<bool> {
        let text = "SELECT 1 FROM sqlite_master WHERE name = 'lake_table'";
        Ok(self.sql.first(text, &[], |_| Ok(()))?.is_some())
    }

    /// The actor, its database made if need be.
    fn table(&self) -> Result<Table> {
        let mut table = self.table.borrow_mut();
        if let Some(table) = &*table {
            return Ok(table.clone());
        }
        let opened = Table::open(&self.sql, &self.address, self.settings.table.clone())?;
        kept::create(&self.sql)?;
        Ok(table.insert(opened).clone())
    }

    async fn asked(&self, ask: TableAsk, bytes: Option<Vec<u8>>) -> Result<Json> {
        match ask {
            TableAsk::Accept => self.accept(bytes.unwrap_or_default()),
            // Asking makes no table.
            TableAsk::Mark { .. } | TableAsk::Metadata | TableAsk::Status if !self.exists()? => {
                self.nothing(&ask)
            }
            TableAsk::Mark { source } => value(TableAnswer {
                mark: self.table()?.mark(&self.sql, &source)?,
                error: self.error.borrow().clone(),
            }),
            TableAsk::Flush => self.flush_all().await.and_then(value),
            TableAsk::Status => value(TableState {
                status: self.table()?.status(&self.sql)?,
                error: self.error.borrow().clone(),
                meter: self.meter()?,
            }),
            TableAsk::Metadata => value(self.table()?.metadata(&self.sql)?),
        }
    }

    fn nothing(&self, ask: &TableAsk) -> Result<Json> {
        match ask {
            TableAsk::Mark { .. } => value(TableAnswer {
                mark: None,
                error: None,
            }),
            TableAsk::Status => value(TableState::default()),
            _ => Ok(Json::Null),
        }
    }

    fn accept(&self, bytes: Vec<u8>) -> Result<Json> {
        let batch = PackedBatch::read(bytes)?;
        let table = self.table()?;
        let reply = table.accept(&self.sql, js::now(), &batch)?;
        self.gate.wrote();
        match self.flushing.get() {
            // A flush that runs looks at what has come when it ends, if it ends.
            true => self.alarm.arm(js::now() + ALARM_AGAIN_MILLIS),
            false => self.arm(&table)?,
        }
        value(reply)
    }

    /// Sets the alarm for the next flush.
    fn arm(&self, table: &Table) -> Result<()> {
        // Until the schema is known nothing is due; the first flush asks for it.
        let due = match table.next_due(&self.sql)? {
            None if table.schema_wanted(&self.sql)?.is_some() => {
                Some(js::now() + self.settings.table.flush_millis)
            }
            due => due,
        };
        if let Some(due) = due {
            self.alarm.arm(due.max(self.retry_at.get()).max(js::now()));
        }
        Ok(())
    }

    /// Flushes what is there, in a few rounds at most: who wants more asks again. One flush runs at a
    /// time; others wait for it.
    async fn flush_all(&self) -> Result<()> {
        while self.flushing.get() {
            let (sender, receiver) = oneshot::channel();
            self.waiting.borrow_mut().push(sender);
            let _ = receiver.await;
        }
        self.flushing.set(true);
        let done = self.flush_rounds(true).await;
        self.flushing.set(false);
        for waiting in self.waiting.borrow_mut().drain(..) {
            let _ = waiting.send(());
        }
        self.arm(&self.table()?)?;
        done
    }

    async fn flush_rounds(&self, wanted: bool) -> Result<()> {
        for _ in 0..FLUSH_ROUNDS {
            match self.flush_once(wanted).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    /// One flush: the intent, the files, the outcome. False when there was nothing to do.
    async fn flush_once(&self, wanted: bool) -> Result<bool> {
        let (table, now) = (self.table()?, js::now());
        if !wanted && !table.flush_due(&self.sql, now)? && table.schema_wanted(&self.sql)?.is_none()
        {
            self.finish_up(&table).await?;
            return Ok(false);
        }
        let begun = table.begin_flush(&self.sql, now, js::random());
        let plan = match begun {
            Err(error) if matches!(error.code(), "schema_behind" | "schema_missing") => {
                self.follow_schema(&table).await?;
                table.begin_flush(&self.sql, js::now(), js::random())?
            }
            other => other?,
        };
        let Some(plan) = plan else {
            self.finish_up(&table).await?;
            return Ok(false);
        };
        self.gate.wrote();
        self.gate.pass().await?;
        let outcome = plan.write(&self.blobs).await?;
        drop(plan);
        let committed = table.finish_flush(&self.sql, js::now(), &outcome)?;
        self.gate.wrote();
        self.gate.pass().await?;
        self.retry_at.set(0);
        self.tell(committed).await;
        self.finish_up(&table).await?;
        Ok(true)
    }

    /// What follows a commit, and may have failed after an earlier one.
    async fn finish_up(&self, table: &Table) -> Result<()> {
        if table.metadata(&self.sql)?.is_some() {
            self.list().await?;
        }
        self.sweep(table).await?;
        self.failures.set(0);
        self.error.replace(None);
        Ok(())
    }

    async fn follow_schema(&self, table: &Table) -> Result<()> {
        let schema = schemas::newest(&self.peers, &self.address.type_name, 0).await?;
        let collection = schema.collection(&self.address.id)?;
        let version = schema.version;
        table.set_schema(&self.sql, js::now(), js::random(), collection, version)
    }

    fn failed(&self, error: Error) -> Error {
        let failures = self.failures.get();
        self.failures.set(failures + 1);
        let wait = (500_i64 << failures.min(20)).min(BACKOFF_MILLIS_MAX);
        self.retry_at.set(js::now() + wait);
        self.alarm.arm(js::now() + wait);
        self.error.replace(Some(error.to_string()));
        worker::console_error!("tidelog: flush of {} failed: {error}", self.address);
        error
    }

    /// Enters the table in the catalog, once.
    async fn list(&self) -> Result<()> {
        if kept::get(&self.sql, "listed")?.is_some() {
            return Ok(());
        }
        let ask = CatalogAsk::Note {
            namespace: self.address.type_name.clone(),
            name: self.address.id.clone(),
        };
        let () = self.peers.catalog(&ask).await?;
        kept::put(&self.sql, "listed", "yes")
    }

    /// Tells objects how far they are committed. One that cannot be told now hears it with its
    /// next push: the marks here are what counts.
    async fn tell(&self, committed: Vec<Committed>) {
        for Committed { source, sequence } in committed.into_iter().take(TOLD_MAX) {
            let Ok(object) = address_of(&source) else {
                continue;
            };
            let ask = ObjectAsk::Committed {
                destination: self.address.to_string(),
                sequence,
            };
            let told: Result<()> = self.peers.object(&object, &ask).await;
            drop(told);
        }
    }

    async fn sweep(&self, table: &Table) -> Result<()> {
        let garbage = table.garbage(&self.sql, GARBAGE_MAX)?;
        if garbage.is_empty() {
            return Ok(());
        }
        self.blobs.delete(&garbage).await?;
        table.garbage_deleted(&self.sql, &garbage)
    }

    fn note_r2(&self) {
        self.counts.note(self.alarm.sets(), self.blobs.operations());
    }

    /// What the table's actor has done so far.
    fn meter(&self) -> Result<Meter> {
        self.note_r2();
        let lake_bytes = self.table()?.status(&self.sql)?.bytes;
        let total = self.counts.total(&self.sql)?;
        Ok(Meter {
            lake_bytes,
            ..total
        })
    }

    /// What the alarm has to do: flush what is due, one flush a ring, so that a step stays small.
    async fn ring(&self) -> Result<()> {
        self.alarm.rung(js::now() + ALARM_AGAIN_MILLIS);
        self.counts.alarm();
        if !self.exists()? {
            self.alarm.settle(None);
            return Ok(());
        }
        let table = self.table()?;
        if !self.flushing.replace(true) {
            let done = self.flush_once(false).await;
            self.flushing.set(false);
            for waiting in self.waiting.borrow_mut().drain(..) {
                let _ = waiting.send(());
            }
            if let Err(error) = done {
                self.failed(error);
            }
        }
        self.note_r2();
        self.counts.keep(&self.sql)?;
        self.alarm.settle(None);
        match self.flushing.get() {
            // Somebody else's flush goes on: what is due after it is looked at then.
            true => self.alarm.arm(js::now() + FLUSHING_MILLIS),
            false => {
                self.arm(&table)?;
                if self.failures.get() > 0 {
                    self.alarm.arm(self.retry_at.get());
                }
            }
        }
        Ok(())
    }

    /// After a start: a table with work left and no alarm gets one.
    async fn repair(self: Rc<Self>) {
        let Ok(true) = self.exists() else { return };
        self.alarm.learn(js::now()).await;
        let Ok(table) = self.table() else { return };
        let committed = matches!(table.metadata(&self.sql), Ok(Some(_)));
        if committed && matches!(kept::get(&self.sql, "listed"), Ok(None)) {
            self.alarm.arm(js::now() + FLUSHING_MILLIS);
        }
        if let Err(error) = self.arm(&table) {
            self.failed(error);
        }
    }
}

/// One table, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct TableActor(Rc<Inner>);

#[wasm_bindgen]
impl TableActor {
    /// The table with this name (its permanent address) over its storage; without a name, the one
    /// that the storage holds.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Self, JsValue> {
        let opened = open(storage, env, name);
        let inner = Rc::new(opened.map_err(|e| JsValue::from_str(&e.to_string()))?);
        spawn_local(Rc::clone(&inner).repair());
        Ok(Self(inner))
    }

    /// Answers another actor.
    pub async fn ask(&self, message: String, bytes: Option<Uint8Array>) -> String {
        let inner = Rc::clone(&self.0);
        inner.counts.request();
        let answer = async {
            let ask = messages::read(&message)?;
            inner.asked(ask, bytes.map(|bytes| bytes.to_vec())).await
        };
        messages::reply(answer.await)
    }

    /// The alarm's handler.
    pub async fn alarm(&self) {
        let inner = Rc::clone(&self.0);
        if let Err(error) = inner.ring().await {
            inner.failed(error);
        }
    }
}

fn open(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Inner> {
    let sql = DurableSql::of(storage.clone())?;
    let name = match name {
        Some(name) => name,
        None => Table::stored_address(&sql)?.unwrap_or_default(),
    };

    let bucket = js_sys::Reflect::get(env, &JsValue::from_str("LAKE"));
    let bucket = bucket.map_err(|e| Error::internal(js::text_of(&e)))?;
    Ok(Inner {
        address: address_of(&name)?,
        settings: Settings::read(env)?,
        sql,
        gate: Gate::of(storage.clone()),
        alarm: Alarm::of(storage.clone()),
        peers: Peers::of(env),
        blobs: R2Blobs::new(bucket.unchecked_into()),
        table: RefCell::default(),
        flushing: Cell::default(),
        waiting: RefCell::default(),
        failures: Cell::default(),
        retry_at: Cell::default(),
        error: RefCell::default(),
        counts: Counts::default(),
    })
}
