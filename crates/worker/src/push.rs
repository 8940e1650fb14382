//! Pushes what is new in the log to the table actors. The log and the tables' marks are the only
//! state: after a crash the object asks where each table is and goes on there.

use tidelog_core::{Address, Command};
use tidelog_lake::PushReply;
use tidelog_log::{Error, Kind, Result, Sequence};

use crate::messages::TableAsk;
use crate::object::Object;

/// Log bytes of one batch, give or take one turn: a step stays small in memory.
const BATCH_BYTES: usize = 1_000_000;

/// False for failures that trying again cannot mend: they show in `state`.
pub(crate) fn may_mend(error: &Error) -> bool {
    !matches!(
        error.kind(),
        Kind::Fenced | Kind::Gone | Kind::Corrupt | Kind::NotFound
    )
}

impl Object {
    /// Pushes everything there is, one bounded batch after the other.
    pub(crate) async fn push(&self) -> Result<()> {
        let due = self.push_at.take();
        let done = self.push_all().await;
        if done.is_err() && self.push_at.get().is_none() {
            // Who called may be no alarm: what was due is due still.
            self.push_at.set(due);
        }
        done
    }

    async fn push_all(&self) -> Result<()> {
        let schema = self.schema().await?;
        // What the cache has not been told it will find out: its failure must not hold up the tables.
        let warmed = self.push_warm(&schema).await;
        for table in schema.cold_tables() {
            self.push_to(&table).await?;
        }
        warmed
    }

    async fn push_to(&self, table: &Address) -> Result<()> {
        let mark = self.mark(table).await?.mark;
        if let Some(mark) = mark {
            self.reconcile(table, mark.committed)?;
        }
        let mut from = mark.map(|mark| mark.accepted).unwrap_or_default();
        loop {
            let batch = self.read(|view, sql| view.batch(sql, &table.id, from, BATCH_BYTES));
            let batch = match batch {
                Err(error) if error.code() == "not_a_turn_boundary" => {
                    return Err(self.fenced(table, from));
                }
                other => other?,
            };
            if batch.range.to == from {
                return Ok(());
            }
            self.gate.pass().await?;
            let bytes = Some(batch.as_bytes());
            let reply: PushReply = self.peers.table(table, &TableAsk::Accept, bytes).await?;
            from = match reply {
                PushReply::Accepted { mark, .. } | PushReply::Behind { mark, .. } => mark,
                PushReply::Fenced { mark } => return Err(self.fenced(table, mark)),
            };
        }
    }

    /// Repeats a commit's news that a crash swallowed.
    fn reconcile(&self, table: &Address, committed: Sequence) -> Result<()> {
        let destination = table.to_string();
        let known = self.read(|view, sql| view.cursors(sql))?;
        let known = known
            .iter()
            .find(|cursor| cursor.destination == destination)
            .map(|cursor| cursor.committed);
        if known.unwrap_or_default() < committed {
            let command = Command::Committed {
                destination,
                sequence: committed,
            };
            self.turn(command)?;
        }
        Ok(())
    }

    /// The table knows another history under this address: open a new epoch, and say so.
    fn fenced(&self, table: &Address, mark: Sequence) -> Error {
        drop(self.turn(Command::Fenced));
        let message = format!(
            "{table} has another history of {} at {mark}",
            self.address.short()
        );
        Error::new(Kind::Fenced, "fenced", message)
    }
}
