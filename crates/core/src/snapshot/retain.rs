//! Retention: snapshots that are too old, or too many, are forgotten, a few a turn.
//!
//! A snapshot goes only when nothing that stays builds on it: a chain goes from its end, or not at all.
//! The newest complete one of the object's own history stays whatever its age, and so does what it builds
//! on: there is always something to restore.

use std::collections::BTreeSet;

use serde_json::json;
use tidelog_log::Result;

use super::{Snapshot, SnapshotRetention, SnapshotRetentionSpec, SnapshotStatus, remove};
use crate::Engine;
use crate::sql::Sql;
use crate::table::{meta, snapshots, wakes};

/// Timer: forget snapshots that are too old, or too many.
pub(crate) const RETAIN: &str = "retain";
/// The fact of `_meta` that keeps the object's own retention.
const FACT: &str = "retention";
/// The fact that keeps the newest ids which were forgotten by their age or number.
const EXPIRED: &str = "expired";
/// How many of them.
const EXPIRED_MAX: usize = 100;
/// Snapshots that one turn forgets at most: each may hold thousands of blobs.
const STEP: usize = 4;
/// Who stands for it in the audit log.
const NAME: &str = "retention";

/// What an object declares of its own, instead of its type.
pub(super) fn own(sql: &dyn Sql) -> Result<SnapshotRetentionSpec> {
    Ok(meta::fact(sql, FACT)?.unwrap_or_default())
}

/// True for the id of a snapshot that was forgotten by its age or number, not long ago.
pub(super) fn is_expired(sql: &dyn Sql, id: &str) -> Result<bool> {
    let expired: Option<Vec<String>> = meta::fact(sql, EXPIRED)?;
    Ok(expired.is_some_and(|ids| ids.iter().any(|expired| expired == id)))
}

impl Engine {
    /// The rules in force: the object's own over its type's.
    pub(crate) fn snapshot_rules(&self, sql: &dyn Sql) -> Result<SnapshotRetention> {
        own(sql)?.over(self.view.snapshots.retention)
    }

    /// Declares the object's own rules, in the place of those before.
    pub(super) fn set_retention(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        retention: &SnapshotRetentionSpec,
    ) -> Result<()> {
        retention.over(self.view.snapshots.retention)?;
        let plain = *retention == SnapshotRetentionSpec::default();
        meta::set_fact(sql, FACT, (!plain).then_some(retention))?;
        self.arm_retain(sql, now)
    }

    /// Sees to it that what is too old, or too many now, is looked for.
    pub(crate) fn arm_retain(&self, sql: &dyn Sql, now: i64) -> Result<()> {
        wakes::set(sql, RETAIN, now)
    }

    /// One step of the timer.
    pub(crate) fn retain_wake(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        let rules = self.snapshot_rules(sql)?;
        let all = snapshots::list(sql, None, super::SNAPSHOTS_MAX + 1)?;
        let gone = over(&all, &rules, now);
        for snapshot in gone.iter().take(STEP) {
            remove::forget(sql, snapshot)?;
            self.schedule_forgets(sql, &snapshot.id)?;
            let details = json!({"kind": snapshot.kind, "sequence": snapshot.sequence});
            self.note(sql, now, (NAME, "snapshot.expire"), &snapshot.id, details)?;
        }
        if !gone.is_empty() {
            remember(sql, gone.iter().take(STEP))?;
        }
        if gone.len() > STEP {
            return wakes::set(sql, RETAIN, now);
        }
        next_look(&all, &rules, now).map_or(Ok(()), |at| wakes::set(sql, RETAIN, at))
    }
}

/// The snapshots that go now, what builds on others first.
fn over<'a>(all: &'a [Snapshot], rules: &SnapshotRetention, now: i64) -> Vec<&'a Snapshot> {
    let newest = all.iter().find(|s| s.is_complete() && !s.imported);
    let newest = newest.map(|newest| newest.id.as_str());
    let (mut held, mut gone, mut count) = (BTreeSet::new(), Vec::new(), 0);
    for snapshot in all {
        count += u64::from(!snapshot.is_under_way());
        let many = rules.hot_count > 0 && count > rules.hot_count;
        let old = expires(snapshot, rules).is_some_and(|at| at <= now);
        let exempt = snapshot.is_under_way()
            || snapshot.keep
            || held.contains(snapshot.id.as_str())
            || newest == Some(snapshot.id.as_str());
        if (many || old) && !exempt {
            gone.push(snapshot);
        } else {
            held.extend(snapshot.parent.as_deref());
        }
    }
    gone
}

/// When a snapshot is too old.
fn expires(snapshot: &Snapshot, rules: &SnapshotRetention) -> Option<i64> {
    let age = rules.hot_age_millis;
    (age > 0).then(|| snapshot.created.saturating_add(age))
}

/// When the next one is too old.
fn next_look(all: &[Snapshot], rules: &SnapshotRetention, now: i64) -> Option<i64> {
    let each = all.iter().filter_map(|snapshot| expires(snapshot, rules));
    each.filter(|at| *at > now).min()
}

/// Keeps the ids of those that went, so that who asks for one is told.
fn remember<'a>(sql: &dyn Sql, gone: impl Iterator<Item = &'a &'a Snapshot>) -> Result<()> {
    let mut ids: Vec<String> = meta::fact(sql, EXPIRED)?.unwrap_or_default();
    ids.extend(gone.map(|snapshot| snapshot.id.clone()));
    let most = ids.len().saturating_sub(EXPIRED_MAX);
    ids.drain(..most);
    meta::set_fact(sql, EXPIRED, Some(&ids))
}

impl Snapshot {
    /// True while it is taken or comes in.
    fn is_under_way(&self) -> bool {
        matches!(
            self.status,
            SnapshotStatus::Running | SnapshotStatus::Importing
        )
    }
}
