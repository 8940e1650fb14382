//! Retention: snapshots that are too old, or too many, are forgotten, a few a turn.
//!
//! A snapshot goes only when nothing that stays builds on it: a chain goes from its end, or not at all.
//! The newest complete one of the object's own history stays whatever its age, and so does what it builds
//! on: there is always something to restore. Where snapshots move to object storage by their age, what is
//! over the rules of the object moves instead of going.

use std::collections::BTreeSet;

use serde_json::json;
use tidelog_log::Result;

use super::{
    Snapshot, SnapshotRetention, SnapshotRetentionSpec, SnapshotStatus, SnapshotTier, remove,
};
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
        let plan = plan(&all, &rules, now);
        let mut gone = Vec::new();
        for (snapshot, what) in plan.iter().take(STEP) {
            let id = &snapshot.id;
            match what {
                What::Promote => drop(self.promote_snapshot(sql, now, id)?),
                What::Forget => {
                    let mut snapshot = (*snapshot).clone();
                    if !self.forget_cold(sql, now, &mut snapshot)? {
                        remove::forget(sql, &snapshot)?;
                    }
                    self.schedule_forgets(sql, id)?;
                    gone.push(id.clone());
                }
            }
            let details = json!({"kind": snapshot.kind, "sequence": snapshot.sequence});
            self.note(sql, now, (NAME, what.name()), id, details)?;
        }
        remember(sql, gone)?;
        if plan.len() > STEP {
            return wakes::set(sql, RETAIN, now);
        }
        next_look(&all, &rules, now).map_or(Ok(()), |at| wakes::set(sql, RETAIN, at))
    }
}

/// What becomes of a snapshot.
#[derive(Clone, Copy)]
enum What {
    Forget,
    Promote,
}

impl What {
    /// As the audit log calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Forget => "snapshot.expire",
            Self::Promote => "snapshot.promote",
        }
    }
}

/// The snapshots that go now, or move to object storage; what builds on others first.
fn plan<'a>(all: &'a [Snapshot], rules: &SnapshotRetention, now: i64) -> Vec<(&'a Snapshot, What)> {
    let newest = all.iter().find(|s| s.is_complete() && !s.imported);
    let newest = newest.map(|newest| newest.id.as_str());
    let (mut held, mut found) = (BTreeSet::new(), Vec::new());
    let mut counts = [0_u64; 2];
    for snapshot in all.iter().filter(|s| s.status != SnapshotStatus::Deleting) {
        let hot = snapshot.tier == SnapshotTier::Hot;
        let (age, most) = limits(snapshot, rules);
        let count = &mut counts[usize::from(hot)];
        *count += u64::from(!snapshot.is_under_way());
        let over = (most > 0 && *count > most) || is_past(snapshot, age, now);
        let exempt = snapshot.is_under_way() || snapshot.keep;
        let moves = hot
            && snapshot.is_complete()
            && match over {
                true => rules.promote_age_millis > 0 || snapshot.cold.is_some(),
                false => snapshot.cold.is_none() && is_due(snapshot, rules, now),
            };
        let stays = held.contains(snapshot.id.as_str()) || newest == Some(snapshot.id.as_str());
        if moves && !exempt {
            found.push((snapshot, What::Promote));
        } else if over && !exempt && !stays {
            found.push((snapshot, What::Forget));
            continue;
        }
        held.extend(snapshot.parent.as_deref());
    }
    found
}

/// The age and the number that a snapshot's tier allows; 0: any.
fn limits(snapshot: &Snapshot, rules: &SnapshotRetention) -> (i64, u64) {
    match snapshot.tier {
        SnapshotTier::Hot => (rules.hot_age_millis, rules.hot_count),
        SnapshotTier::Cold => (rules.cold_age_millis, rules.cold_count),
    }
}

fn is_past(snapshot: &Snapshot, age: i64, now: i64) -> bool {
    age > 0 && snapshot.created.saturating_add(age) <= now
}

/// True where one is old enough, or large enough, to be in object storage.
fn is_due(snapshot: &Snapshot, rules: &SnapshotRetention, now: i64) -> bool {
    let large = rules.promote_bytes > 0 && snapshot.own_bytes > rules.promote_bytes;
    large || is_past(snapshot, rules.promote_age_millis, now)
}

/// When the next one is too old, or old enough to move.
fn next_look(all: &[Snapshot], rules: &SnapshotRetention, now: i64) -> Option<i64> {
    let each = all.iter().flat_map(|snapshot| {
        let ages = [limits(snapshot, rules).0, rules.promote_age_millis];
        let ages = ages.into_iter().filter(|age| *age > 0);
        ages.map(|age| snapshot.created.saturating_add(age))
    });
    each.filter(|at| *at > now).min()
}

/// Keeps the ids of those that went, so that who asks for one is told.
fn remember(sql: &dyn Sql, gone: Vec<String>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<String> = meta::fact(sql, EXPIRED)?.unwrap_or_default();
    ids.extend(gone);
    let most = ids.len().saturating_sub(EXPIRED_MAX);
    ids.drain(..most);
    meta::set_fact(sql, EXPIRED, Some(&ids))
}

impl Snapshot {
    /// True while it is taken, comes in, goes, or is on its way between the tiers.
    fn is_under_way(&self) -> bool {
        use SnapshotStatus::{Complete, Failed};
        self.moving.is_some() || !matches!(self.status, Complete | Failed)
    }
}
