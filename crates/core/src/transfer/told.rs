//! What became of a step, as the host tells it.

use tidelog_log::{Error, Result};

use super::ask::Outcome;
use super::layout::{manifest_key, object_prefix, snapshot_prefix};
use super::{RANK_PROMOTE, Transfer, TransferAsk, TransferStep, discover, promote, recall};
use crate::engine::Reply;
use crate::mutate::IdMaker;
use crate::snapshot::{Job, fork_part, sources};
use crate::sql::{Sql, atomically};
use crate::table::transfers::{self, Row};
use crate::table::{snapshots, wakes};
use crate::{Engine, Failure, View};

/// The outcome of one step.
#[derive(Clone, Debug)]
pub struct TransferCommand {
    /// The transfer.
    pub number: u64,
    /// The step that was asked for; another one's outcome comes too late.
    pub step: u64,
    /// What became of it.
    pub outcome: Outcome,
}

impl View {
    /// The next step to be made outside of the object, if one is due.
    ///
    /// # Errors
    /// What the database says.
    pub fn transfer_due(&self, sql: &dyn Sql, now: i64) -> Result<Option<TransferAsk>> {
        // A promotion takes away what a restore reads.
        let rank = match Job::load(sql)? {
            Some(Job::Restoring(_)) => RANK_PROMOTE - 1,
            _ => RANK_PROMOTE,
        };
        let Some(row) = transfers::due(sql, rank, now)? else {
            return Ok(None);
        };
        let what = match &row.body {
            body @ Transfer::Promote { .. } => promote::step(self, sql, body),
            body @ Transfer::Recall { .. } => recall::step(self, sql, body),
            Transfer::Fork {
                snapshot,
                frames,
                offset,
            } => fork_part(self, sql, (snapshot, *frames, *offset))
                .map(|(to, order, bytes)| TransferStep::Fork { to, order, bytes }),
            Transfer::Forget { snapshot } => Ok(TransferStep::Forget {
                manifest: manifest_key(&self.address, snapshot),
                prefix: snapshot_prefix(&self.address, snapshot),
            }),
            Transfer::Discover { after } => Ok(TransferStep::Discover {
                prefix: object_prefix(&self.address),
                after: after.clone(),
            }),
        };
        Ok(Some(TransferAsk {
            number: row.number,
            step: row.step,
            what: what.unwrap_or_else(TransferStep::Broken),
        }))
    }
}

impl Engine {
    /// Takes note of what became of a step.
    pub(crate) fn transferred(
        &mut self,
        sql: &dyn Sql,
        (now, entropy): (i64, [u8; 16]),
        told: TransferCommand,
    ) -> Result<Reply> {
        let found = transfers::find(sql, told.number)?;
        let Some(row) = found.filter(|row| row.step == told.step) else {
            return Ok(Reply::Done);
        };
        let made = 0;
        let mut ids = IdMaker { now, entropy, made };
        let before = self.kept();
        let mut outcome = Some(told.outcome);
        let done = atomically(sql, || match outcome.take() {
            Some(outcome) => self.step_is_done(sql, &mut ids, row.clone(), outcome),
            None => Err(Error::internal("an outcome was taken twice")),
        });
        if let Err(error) = done {
            self.put_back(before);
            self.step_failed(sql, now, &row, &error)?;
        }
        self.look_after_transfers(sql, now)?;
        Ok(Reply::Done)
    }

    fn step_is_done(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        row: Row,
        outcome: Outcome,
    ) -> Result<()> {
        match outcome {
            Outcome::Put(part) => self.part_is_put(sql, row, &part),
            Outcome::Committed => self.is_promoted(sql, ids.now, &row),
            Outcome::Got(_) if matches!(row.body, Transfer::Promote { .. }) => {
                self.part_is_there(sql, row)
            }
            Outcome::Got(frames) => self.part_is_got(sql, ids, row, frames),
            Outcome::Forgotten => self.is_forgotten(sql, &row),
            Outcome::Found(manifests, next) => self.are_found(sql, row, manifests, next),
            Outcome::Forked(place) => self.fork_is_at(sql, ids.now, row, place),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Tries again later what may mend, and gives up the rest; either shows.
    fn step_failed(&mut self, sql: &dyn Sql, now: i64, row: &Row, error: &Error) -> Result<()> {
        // What is to be deleted stays to be deleted.
        let is_end = Self::is_lost(error) && !matches!(row.body, Transfer::Forget { .. });
        let failure = Failure::of(error);
        if !is_end {
            self.put_transfer_off(sql, now, row)?;
        }
        match &row.body {
            Transfer::Discover { .. } => discover::failed(sql, &self.view, failure, is_end)?,
            Transfer::Fork { .. } => self.fork_failed(sql, failure, is_end)?,
            body => {
                if is_end && matches!(body, Transfer::Recall { .. }) {
                    recall::drop_recall(sql, row)?;
                }
                let id = body.snapshot().unwrap_or_default();
                let mut snapshot = sources::find(sql, id)?;
                snapshot.failure = Some(failure);
                if is_end {
                    snapshot.moving = None;
                    if matches!(body, Transfer::Promote { .. }) {
                        // It is not whole there, if it was: the next promotion puts what lacks.
                        snapshot.cold = None;
                    }
                }
                snapshots::put(sql, &snapshot)?;
            }
        }
        if is_end {
            transfers::remove(sql, row.number)?;
        }
        match &row.body {
            Transfer::Recall { snapshot, .. } => self.recall_failed(sql, snapshot, error, is_end),
            _ => Ok(()),
        }
    }

    pub(super) fn put_transfer_off(&mut self, sql: &dyn Sql, now: i64, row: &Row) -> Result<()> {
        transfers::put_off(sql, row.number, now + wakes::backoff(row.attempts))
    }
}
