//! One collection's Iceberg tables in their Durable Object. Pushes are taken while a flush runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_api::Meter;
use tidelog_core::{Address, LakeImage, SqlExt};
use tidelog_lake::{Mark, SnapshotScan, TableActor as Table, TableStatus};
use tidelog_log::{Error, Kind, PackedBatch, Result};
use wasm_bindgen::{JsCast, JsValue};

use crate::alarm::Alarm;
use crate::blobs::R2Blobs;
use crate::counts::Counts;
use crate::gate::Gate;
use crate::messages::{ChangesAnswer, TableAsk, value};
use crate::peers::Peers;
use crate::settings::Settings;
use crate::sql::DurableSql;
use crate::{js, kept};

mod actor;
pub use actor::TableActor;

mod cold;
mod flush;

/// When an alarm's handler that died is called again.
const ALARM_AGAIN_MILLIS: i64 = 30_000;
/// When an alarm that found a flush running looks again, milliseconds.
const FLUSHING_MILLIS: i64 = 2_000;

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
    env: JsValue,
    /// The warehouse.
    blobs: R2Blobs,
    table: RefCell<Option<Table>>,
    flushing: Cell<bool>,
    /// Who waits for the flush that runs.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    failures: Cell<u32>,
    retry_at: Cell<i64>,
    error: RefCell<Option<String>>,
    counts: Counts,
    /// Reads of documents under way.
    reading: Cell<usize>,
    /// The files of the snapshot that was read last.
    remembered: RefCell<Option<SnapshotScan>>,
}

/// The binding of a bucket that a collection names: `flights-eu` is `LAKE_FLIGHTS_EU`.
fn bucket_binding(bucket: &str) -> String {
    let name = bucket.to_ascii_uppercase().replace(['-', '.'], "_");
    format!("LAKE_{name}")
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
            TableAsk::Mark { .. }
            | TableAsk::Metadata
            | TableAsk::Status
            | TableAsk::Document { .. }
            | TableAsk::Changes { .. }
                if !self.exists()? =>
            {
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
            TableAsk::Document { object, key } => value(self.document(&object, &key).await?),
            TableAsk::Changes { object, after, to } => {
                value(self.changes(&object, (after, to)).await?)
            }
        }
    }

    fn nothing(&self, ask: &TableAsk) -> Result<Json> {
        match ask {
            TableAsk::Mark { .. } => value(TableAnswer {
                mark: None,
                error: None,
            }),
            TableAsk::Status => value(TableState::default()),
            TableAsk::Document { .. } => value(LakeImage::default()),
            TableAsk::Changes { .. } => value(ChangesAnswer::default()),
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

    /// The bucket of the table's files: the warehouse, or the one that the collection names.
    ///
    /// # Errors
    /// `bucket_unreachable` where the Worker has no binding for it.
    fn blobs(&self, table: &Table) -> Result<R2Blobs> {
        let name = table.bucket(&self.sql)?;
        if name.is_empty() || name == self.settings.table.warehouse {
            return Ok(self.blobs.clone());
        }
        let binding = bucket_binding(&name);
        let bucket = js_sys::Reflect::get(&self.env, &JsValue::from_str(&binding));
        match bucket {
            Ok(bucket) if bucket.is_object() => Ok(self.blobs.beside(bucket.unchecked_into())),
            _ => {
                let message = format!("the Worker has no R2 binding {binding} for bucket {name:?}");
                let error = Error::new(Kind::Unsupported, "bucket_unreachable", message);
                Err(error.at("cold.bucket"))
            }
        }
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
