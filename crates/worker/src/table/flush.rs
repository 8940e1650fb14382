//! A flush from its intent to the news of it: the files go to R2 between two turns.

use futures_channel::oneshot;
use tidelog_core::Address;
use tidelog_lake::{BlobStore, Committed, TableActor as Table};
use tidelog_log::{Error, Result};

use super::Inner;
use crate::messages::{CatalogAsk, ObjectAsk};
use crate::{js, kept, schemas};

/// Longest wait between two attempts of a failing flush, milliseconds.
const BACKOFF_MILLIS_MAX: i64 = 60_000;
/// Flushes that one request makes: each is a commit, and an invocation is bounded.
const FLUSH_ROUNDS: usize = 4;
/// Blobs deleted in one go.
const GARBAGE_MAX: u32 = 500;
/// Objects told of one commit; the others hear of it with their next push.
const TOLD_MAX: usize = 200;

impl Inner {
    /// Flushes what is there, in a few rounds at most: who wants more asks again. One flush runs at a
    /// time; others wait for it.
    pub(super) async fn flush_all(&self) -> Result<()> {
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
    pub(super) async fn flush_once(&self, wanted: bool) -> Result<bool> {
        let (table, now) = (self.table()?, js::now());
        if !wanted && !table.flush_due(&self.sql, now)? && table.schema_wanted(&self.sql)?.is_none()
        {
            self.finish_up(&table).await?;
            return Ok(false);
        }
        let begin = |now| match wanted {
            // Who asks for a flush asks for all of it; one that is due leaves young events.
            true => table.begin_flush_of_all(&self.sql, now, js::random()),
            false => table.begin_flush(&self.sql, now, js::random()),
        };
        let begun = begin(now);
        let plan = match begun {
            Err(error) if matches!(error.code(), "schema_behind" | "schema_missing") => {
                self.follow_schema(&table).await?;
                begin(js::now())?
            }
            other => other?,
        };
        let Some(plan) = plan else {
            self.finish_up(&table).await?;
            return Ok(false);
        };
        self.gate.wrote();
        self.gate.pass().await?;
        let outcome = plan.write(&self.blobs(&table)?).await?;
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
    pub(super) async fn finish_up(&self, table: &Table) -> Result<()> {
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

    pub(super) fn failed(&self, error: Error) -> Error {
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
            let Ok(object) = Address::parse(&source) else {
                continue;
            };
            let ask = ObjectAsk::Committed {
                destination: self.address.to_string(),
                sequence,
            };
            let told: Result<()> = self.peers.object(&object, &ask, None).await;
            drop(told);
        }
    }

    async fn sweep(&self, table: &Table) -> Result<()> {
        let garbage = table.garbage(&self.sql, GARBAGE_MAX)?;
        if garbage.is_empty() {
            return Ok(());
        }
        self.blobs(table)?.delete(&garbage).await?;
        table.garbage_deleted(&self.sql, &garbage)
    }
}
