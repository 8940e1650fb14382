//! A restore, step by step: what is wanted, how it differs, an undo snapshot, the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Offset, Result, Sequence};

use super::job::Job;
use super::sources::Sources;
use super::stage::Staging;
use super::take::Taking;
use super::{
    Budget, Failure, Restore, RestoreStatus, RestoreTarget, SNAPSHOT, SnapshotKind, SnapshotTier,
};
use crate::document::Prepared;
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::blobs::BlobId;
use crate::table::restore::Staged;
use crate::table::{meta, restore, wakes};
use crate::write::check_caller;
use crate::{Caller, Engine, TypeSchema, View};

/// The fact of `_meta` that says what the last restore did.
const LAST: &str = "restore";

/// A restore under way, and how far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Restoring {
    /// What is said of it.
    pub(super) restore: Restore,
    /// What makes the state that is wanted.
    pub(super) sources: Sources,
    /// Where it is.
    pub(super) phase: Phase,
    /// Bytes of the documents that change, before and after.
    pub(super) bytes: u64,
    /// Ids of the collections of which no key is in two blobs of the full snapshot.
    #[serde(default)]
    pub(super) distinct: BTreeSet<u32>,
    /// The caller's labels: source, correlation id, trace parent.
    labels: [String; 3],
    /// Why, as it stands in the log.
    pub(super) cause: String,
}

/// A place in the work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Links are on their way from object storage.
    Recall,
    /// Documents of the full snapshot that are in no blob, behind this part.
    Large { after: Option<(u32, u64)> },
    /// Events of a link, behind this part.
    Links { link: usize, after: u64 },
    /// Events of the changes tables, after this one: the host brings them.
    Lake { after: Sequence },
    /// Events of the log, after this one.
    Log { after: Sequence },
    /// Keys of an imported snapshot are looked at, those of a part of a collection.
    Keys { collection: usize, part: u64 },
    /// Blobs of the full snapshot are compared with what there is.
    Base {
        collection: usize,
        blob: BlobId,
        page: usize,
    },
    /// The overlay is.
    Overlay { collection: u32, key: String },
    /// Rows of the row table that should not be are looked for.
    Rows { collection: usize, key: String },
    /// Rows of live blobs that should not be are.
    Blobs {
        collection: usize,
        blob: BlobId,
        page: usize,
    },
    /// The undo snapshot is being taken.
    Undo(Taking),
    /// Changes are staged beside what there is.
    Stage(Box<Staging>),
}

impl Phase {
    pub(super) fn first_of_keys() -> Self {
        Self::Keys {
            collection: 0,
            part: 0,
        }
    }

    pub(super) fn first_of_comparing() -> Self {
        Self::Base {
            collection: 0,
            blob: 0,
            page: 0,
        }
    }
}

impl Restoring {
    /// The collections that are brought back.
    pub(super) fn collections(&self, view: &View) -> Vec<Arc<Prepared>> {
        let names = &self.restore.collections;
        let wanted = view.collections.iter();
        wanted
            .filter(|p| names.is_empty() || names.contains(&p.collection.name))
            .cloned()
            .collect()
    }

    /// True for the id of a collection that is brought back.
    pub(super) fn wants(&self, view: &View, collection: u32) -> bool {
        let names = &self.restore.collections;
        let found = view
            .collections
            .iter()
            .find(|p| p.collection.id == collection);
        found.is_some_and(|p| names.is_empty() || names.contains(&p.collection.name))
    }

    pub(super) fn caller(&self) -> Caller {
        let [source, correlation_id, trace_parent] = self.labels.clone();
        Caller {
            source,
            correlation_id,
            trace_parent,
            idempotency_key: String::new(),
        }
    }

    /// The log is needed from after this event on.
    pub(crate) fn needs_log_after(&self) -> Option<Sequence> {
        match &self.phase {
            Phase::Log { after } => Some(*after),
            _ => self.sources.log_after,
        }
    }

    /// True while what it needs is on its way; writes go on until it is there.
    pub(super) fn waits(&self) -> bool {
        matches!(self.phase, Phase::Recall)
    }

    fn total(&self) -> u64 {
        let each = self.restore.differences.values();
        each.map(|difference| difference.total()).sum()
    }
}

/// What a restore is asked.
pub(super) struct Wanted {
    pub(super) target: RestoreTarget,
    pub(super) collections: Vec<String>,
    pub(super) dry_run: bool,
    /// Only as far as this event.
    pub(super) to: Option<Sequence>,
}

impl Engine {
    /// A link is there: a restore that waits looks whether it has them all.
    pub(crate) fn link_is_recalled(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        match &self.job {
            Some(job) if job.waits() => wakes::set(sql, SNAPSHOT, now),
            _ => Ok(()),
        }
    }

    /// A link does not come: a restore that waits says so, and ends when it never will.
    pub(crate) fn recall_failed(
        &mut self,
        sql: &dyn Sql,
        link: &String,
        error: &Error,
        is_end: bool,
    ) -> Result<()> {
        let Some(Job::Restoring(mut restoring)) = self.job.clone() else {
            return Ok(());
        };
        if !restoring.waits() || !restoring.sources.links.contains(link) {
            return Ok(());
        }
        if is_end {
            return self.give_up(sql, self.head.timestamp, error);
        }
        restoring.restore.failure = Some(Failure::of(error));
        self.set_job(sql, Some(Job::Restoring(restoring)))
    }

    pub(super) fn restore(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        schema: &TypeSchema,
        caller: &Caller,
        wanted: Wanted,
    ) -> Result<Restore> {
        check_caller(caller)?;
        self.check_idle()?;
        if !wanted.dry_run {
            self.check_room()?;
            self.upgrade(sql, schema)?;
        }
        for name in &wanted.collections {
            self.view.prepared(name)?;
        }
        let mut sources = self.sources_of(sql, &wanted)?;
        sources.to = wanted.to.map_or(sources.to, |to| to.min(sources.to));
        self.check_schema(sql, &sources)?;
        self.make_snapshot_tables(sql)?;
        restore::create(sql)?;
        restore::clear(sql)?;
        let reached = Offset {
            epoch: self.epoch_of(sql, &sources)?,
            sequence: sources.to,
        };
        let restore = Restore {
            id: ids.next(),
            status: RestoreStatus::Running,
            target: wanted.target,
            sequence: sources.to,
            collections: wanted.collections,
            dry_run: wanted.dry_run,
            created: ids.now,
            differences: BTreeMap::new(),
            undo: None,
            offset: None,
            lake: None,
            failure: None,
        };
        let mut restoring = Restoring {
            restore,
            sources,
            phase: Phase::Recall,
            bytes: 0,
            distinct: BTreeSet::new(),
            labels: [
                caller.source.clone(),
                caller.correlation_id.clone(),
                caller.trace_parent.clone(),
            ],
            cause: format!("restore:{reached}"),
        };
        for id in &restoring.sources.links {
            let link = super::sources::find(sql, id)?;
            self.recall_link(sql, ids.now, link, true)?;
        }
        if let Some(span) = &restoring.sources.lake {
            restoring.restore.lake = restoring.lake_wanted(&self.view, span.after);
        }
        self.set_job(sql, Some(Job::Restoring(Box::new(restoring))))?;
        self.restore_steps(sql, ids)
    }

    /// Takes steps until it is done or a turn's work is; then the timer goes on.
    pub(super) fn restore_steps(&mut self, sql: &dyn Sql, ids: &mut IdMaker) -> Result<Restore> {
        let mut budget = Budget::of(&self.policy.snapshots);
        loop {
            let Some(Job::Restoring(mut restoring)) = self.job.take() else {
                return Err(Error::internal("no restore is under way"));
            };
            if matches!(restoring.phase, Phase::Lake { .. }) {
                self.await_lake(sql, ids.now, &mut restoring)?;
                let restore = restoring.restore.clone();
                self.set_job(sql, Some(Job::Restoring(restoring)))?;
                return Ok(restore);
            }
            let done = self.restore_step(sql, ids, &mut restoring, &mut budget)?;
            let restore = restoring.restore.clone();
            if done {
                return self.end_restore(sql, restore, RestoreStatus::Complete);
            }
            let waits = restoring.waits();
            self.set_job(sql, Some(Job::Restoring(restoring)))?;
            if waits {
                return Ok(restore);
            }
            if budget.is_spent() {
                wakes::set(sql, SNAPSHOT, ids.now)?;
                return Ok(restore);
            }
        }
    }

    /// One step; true once it is done.
    fn restore_step(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        restoring: &mut Restoring,
        budget: &mut Budget,
    ) -> Result<bool> {
        match &mut restoring.phase {
            Phase::Recall => recalled(sql, restoring).map(|()| false),
            Phase::Large { .. } | Phase::Links { .. } | Phase::Log { .. } => {
                self.overlay_step(sql, restoring, budget)?;
                Ok(false)
            }
            Phase::Keys { .. } => {
                self.keys_step(sql, restoring, budget)?;
                Ok(false)
            }
            Phase::Base { .. } | Phase::Overlay { .. } | Phase::Rows { .. } => {
                self.compare_step(sql, restoring, budget)?;
                Ok(false)
            }
            Phase::Blobs { .. } => match self.compare_step(sql, restoring, budget)? {
                true => self.compared(sql, ids, restoring),
                false => Ok(false),
            },
            Phase::Undo(taking) => {
                let mut taking = taking.clone();
                let done = self.take_step(sql, &mut taking, budget)?;
                restoring.phase = Phase::Undo(taking);
                match done {
                    true => self.undo_is_taken(sql, ids.now, restoring),
                    false => Ok(false),
                }
            }
            Phase::Lake { .. } => Err(Error::internal("the host brings what the lake has")),
            Phase::Stage(_) => self.stage_step(sql, ids.now, restoring, budget),
        }
    }

    /// The difference is known: true where nothing is to be done.
    fn compared(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        restoring: &mut Restoring,
    ) -> Result<bool> {
        if restoring.restore.dry_run || restoring.total() == 0 {
            if !restoring.restore.dry_run {
                restoring.restore.offset = Some(self.offset().to_string());
            }
            return Ok(true);
        }
        let undo = self.new_snapshot(sql, ids, SnapshotKind::Full, None, "undo")?;
        restoring.restore.undo = Some(undo.id.clone());
        restoring.phase = Phase::Undo(undo);
        Ok(false)
    }

    /// Applies a small difference, or begins to stage a large one.
    fn undo_is_taken(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        restoring: &mut Restoring,
    ) -> Result<bool> {
        let policy = self.policy.snapshots;
        let (rows, bytes) = (policy.direct_rows as u64, policy.direct_bytes as u64);
        let adopts = !restore::after(sql, Staged::Adopt, (0, ""), (1, usize::MAX))?.is_empty();
        if restoring.total() <= rows && restoring.bytes <= bytes && !adopts {
            self.apply(sql, now, restoring)?;
            restoring.restore.offset = Some(self.offset().to_string());
            return Ok(true);
        }
        restoring.phase = Phase::Stage(Box::new(Staging::new(&self.head, now)));
        Ok(false)
    }

    pub(super) fn end_restore(
        &mut self,
        sql: &dyn Sql,
        mut done: Restore,
        status: RestoreStatus,
    ) -> Result<Restore> {
        (done.status, done.lake) = (status, None);
        if done.undo.is_some() {
            self.arm_retain(sql, self.head.timestamp)?;
        }
        restore::clear(sql)?;
        meta::set_fact(sql, LAST, Some(&done))?;
        self.set_job(sql, None)?;
        Ok(done)
    }

    pub(super) fn cancel_restore(&mut self, sql: &dyn Sql) -> Result<Restore> {
        let Some(Job::Restoring(restoring)) = self.job.take() else {
            let message = "no restore of this object is under way";
            return Err(Error::not_found("no_restore", message));
        };
        if let Phase::Undo(taking) = &restoring.phase {
            let undo = super::sources::find(sql, &taking.id)?;
            super::remove::forget(sql, &undo)?;
        }
        self.unstage(sql)?;
        self.drop_recalls(sql)?;
        wakes::clear(sql, SNAPSHOT)?;
        let mut restore = restoring.restore;
        if matches!(restoring.phase, Phase::Undo(_)) {
            restore.undo = None;
        }
        self.end_restore(sql, restore, RestoreStatus::Cancelled)
    }
}

/// Begins to read once every link is hot.
fn recalled(sql: &dyn Sql, restoring: &mut Restoring) -> Result<()> {
    for id in &restoring.sources.links {
        if super::sources::complete(sql, id)?.tier == SnapshotTier::Cold {
            return Ok(());
        }
    }
    restoring.restore.failure = None;
    restoring.phase = Phase::Large { after: None };
    Ok(())
}

/// The restore that is under way, or the last one.
pub(super) fn last(sql: &dyn Sql) -> Result<Option<Restore>> {
    match Job::load(sql)? {
        Some(Job::Restoring(restoring)) => Ok(Some(restoring.restore)),
        _ => meta::fact(sql, LAST),
    }
}
