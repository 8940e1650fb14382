//! Snapshots that an object takes of itself, as its type says: after a time or so many changes.
//!
//! The timer [`SCHEDULE`] rings when one is due, so an object in which nothing changes sleeps. What the
//! next incremental needs stays in the log, as long as there is room for it: else the next one is full.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidelog_log::{Error, Kind, Result, Sequence};

use super::info::Failure;
use super::job::Job;
use super::take::{Purpose, Taking};
use super::{Snapshot, SnapshotKind, SnapshotRetention};
use crate::Engine;
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::{meta, snapshots, wakes};

/// Timer: take a snapshot by schedule.
pub(crate) const SCHEDULE: &str = "schedule";
/// The fact of `_meta` that keeps how far the schedule is.
const FACT: &str = "schedule";
/// The note of such a snapshot, and who stands for it in the audit log.
const NAME: &str = "schedule";

/// How far a schedule is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Schedule {
    /// The newest snapshot it took, which the next incremental builds on; none: the next one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<String>,
    /// Changes are counted from after this event.
    pub(crate) sequence: Sequence,
    /// Time is counted from then, milliseconds since 1970.
    pub(crate) since: i64,
    /// Incrementals since the last full one.
    incrementals: u64,
    /// Attempts that failed, one after the other.
    failures: u32,
    /// No other attempt before then, milliseconds since 1970.
    retry: i64,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

impl Schedule {
    pub(crate) fn load(sql: &dyn Sql) -> Result<Option<Self>> {
        meta::fact(sql, FACT)
    }
}

impl Engine {
    /// Sees to it that a snapshot is taken when it is due. A timer that is set already is not written
    /// again.
    pub(crate) fn arm_schedule(&mut self, sql: &dyn Sql) -> Result<()> {
        if !self.view.snapshots.is_scheduled() {
            return Ok(());
        }
        if self.schedule.is_none() {
            let since = self.head.timestamp;
            self.set_schedule(
                sql,
                Schedule {
                    since,
                    ..Schedule::default()
                },
            )?;
        }
        self.schedule_due()
            .map_or(Ok(()), |at| wakes::set(sql, SCHEDULE, at))
    }

    /// When the next one is due, milliseconds since 1970; none: not before the next change.
    fn schedule_due(&self) -> Option<i64> {
        let (policy, schedule) = (self.view.snapshots, self.schedule.as_ref()?);
        let changes = self.head.sequence.0.saturating_sub(schedule.sequence.0);
        let by_changes = policy.changes.filter(|wanted| changes >= *wanted);
        let by_time = policy.every_millis.map(|every| schedule.since + every);
        let due = by_changes
            .map(|_| self.head.timestamp)
            .into_iter()
            .chain(by_time)
            .min();
        due.filter(|_| changes > 0).map(|at| at.max(schedule.retry))
    }

    /// The timer.
    pub(crate) fn schedule_wake(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
    ) -> Result<()> {
        match self.schedule_due() {
            Some(at) if at > now => return wakes::set(sql, SCHEDULE, at),
            Some(_) if self.status == meta::Status::Active => {}
            _ => return Ok(()),
        }
        let mut ids = IdMaker {
            now,
            entropy,
            made: 0,
        };
        let mut taking = self.next_of_schedule(sql, &mut ids)?;
        taking.purpose = Purpose::Schedule;
        let taken = snapshots::find(sql, &taking.id)?;
        let details = taken.map(|taken| json!({"kind": taken.kind, "parent": taken.parent}));
        self.note(
            sql,
            now,
            (NAME, "snapshot.create"),
            &taking.id,
            details.unwrap_or_default(),
        )?;
        self.set_job(sql, Some(Job::Taking(taking)))?;
        self.take_steps(sql, now).map(drop)
    }

    /// An incremental on the last one where that is wanted and can be; else a full one.
    fn next_of_schedule(&mut self, sql: &dyn Sql, ids: &mut IdMaker) -> Result<Taking> {
        let rules = self.snapshot_rules(sql)?;
        let parent = self.schedule_parent(&rules).map(str::to_owned);
        if let Some(parent) = parent {
            let kind = SnapshotKind::Incremental;
            match self.new_snapshot(sql, ids, kind, Some(&parent), NAME) {
                Err(error)
                    if matches!(error.kind(), Kind::Conflict | Kind::NotFound | Kind::Gone) => {}
                made => return made,
            }
        }
        self.new_snapshot(sql, ids, SnapshotKind::Full, None, NAME)
    }

    /// What the next one builds on, unless it is to be full.
    fn schedule_parent(&self, rules: &SnapshotRetention) -> Option<&str> {
        let schedule = self.schedule.as_ref()?;
        let most = rules
            .chain
            .min(self.view.snapshots.full_every.saturating_sub(1));
        let builds = schedule.incrementals < most && schedule.failures == 0;
        schedule.last.as_deref().filter(|_| builds)
    }

    /// The log is needed from after this event on, for the next incremental. A log that is large, or that
    /// takes half of the object, is needed no more.
    pub(crate) fn schedule_holds(&self, sql: &dyn Sql) -> Result<Option<Sequence>> {
        let Some(schedule) = self
            .schedule
            .as_ref()
            .filter(|_| self.view.snapshots.is_scheduled())
        else {
            return Ok(None);
        };
        let most = self.policy.bytes_max.min(self.view.hot.max_bytes) / 2;
        let builds =
            self.log_bytes < most && self.schedule_parent(&self.snapshot_rules(sql)?).is_some();
        Ok(builds.then_some(schedule.sequence))
    }

    /// A snapshot of the schedule is complete.
    pub(super) fn scheduled_is_taken(&mut self, sql: &dyn Sql, taken: &Snapshot) -> Result<()> {
        let before = self.schedule.take().unwrap_or_default();
        let incrementals = match taken.kind {
            SnapshotKind::Full => 0,
            SnapshotKind::Incremental => before.incrementals + 1,
        };
        let schedule = Schedule {
            last: Some(taken.id.clone()),
            sequence: taken.sequence,
            since: taken.created,
            incrementals,
            ..Schedule::default()
        };
        self.set_schedule(sql, schedule)?;
        self.trim_later(sql)?;
        self.arm_schedule(sql)
    }

    /// An attempt failed, and another one would now: later, and then a full one.
    pub(crate) fn schedule_failed(&mut self, sql: &dyn Sql, now: i64, error: &Error) -> Result<()> {
        let mut schedule = self.schedule.clone().unwrap_or_default();
        schedule.retry = now + wakes::backoff(schedule.failures);
        schedule.failures = schedule.failures.saturating_add(1);
        schedule.failure = Some(Failure::of(error));
        let retry = schedule.retry;
        self.set_schedule(sql, schedule)?;
        wakes::reset(sql, SCHEDULE, retry)
    }

    /// The schedule's newest snapshot may be gone: then the next one is full.
    pub(super) fn schedule_forgets(&mut self, sql: &dyn Sql, id: &str) -> Result<()> {
        match &self.schedule {
            Some(schedule) if schedule.last.as_deref() == Some(id) => {
                let mut schedule = schedule.clone();
                schedule.last = None;
                self.set_schedule(sql, schedule)?;
                self.trim_later(sql)
            }
            _ => Ok(()),
        }
    }

    fn set_schedule(&mut self, sql: &dyn Sql, schedule: Schedule) -> Result<()> {
        meta::set_fact(sql, FACT, Some(&schedule))?;
        self.schedule = Some(schedule);
        Ok(())
    }
}
