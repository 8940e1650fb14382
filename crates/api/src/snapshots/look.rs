//! Reads about snapshots, over what a connection sees.

use serde_json::{Value as Json, json};
use tidelog_core::{SNAPSHOTS_PAGE_MAX, Snapshot, SnapshotKind, SnapshotTier, Sql, View};
use tidelog_log::Result;

use super::show;

/// Something to be read about snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// One page of snapshots, newest first.
    Snapshots {
        /// Which of them.
        filter: SnapshotFilter,
        /// Those before this id.
        before: Option<String>,
        /// So many at most.
        limit: usize,
    },
    /// The snapshot with this id.
    Snapshot(String),
    /// The restore under way, or the last one.
    Restore,
    /// The import of a file that is under way.
    Import,
    /// The fork under way, or the last one.
    Fork,
    /// How long snapshots are kept, and how far the schedule is.
    Retention,
    /// A page of a check for damage, behind this place.
    Check(Option<String>),
    /// The healing under way, or the last one.
    Heal,
    /// The search for snapshots under way, or the last one.
    Discovery,
    /// One page of the audit log, newest first.
    Audit {
        /// Those before this number.
        before: Option<u64>,
        /// So many at most.
        limit: usize,
    },
}

/// Which snapshots are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Only of this kind.
    pub kind: Option<SnapshotKind>,
    /// Only those that are there.
    pub tier: Option<SnapshotTier>,
    /// Only those that build on this one.
    pub parent: Option<String>,
    /// Only those of so many bytes: at least, and at most.
    pub bytes: (Option<u64>, Option<u64>),
    /// Only states after one of these events: from, and to.
    pub sequence: (Option<u64>, Option<u64>),
}

fn within(value: u64, (least, most): (Option<u64>, Option<u64>)) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}

impl SnapshotFilter {
    fn takes(&self, snapshot: &Snapshot) -> bool {
        let parent = self.parent.as_ref();
        self.kind.is_none_or(|kind| kind == snapshot.kind)
            && self.tier.is_none_or(|tier| tier == snapshot.tier)
            && within(snapshot.bytes, self.bytes)
            && within(snapshot.sequence.0, self.sequence)
            && parent.is_none_or(|parent| snapshot.parent.as_ref() == Some(parent))
    }
}

impl Look {
    /// Reads it, as it is answered.
    ///
    /// # Errors
    /// `unknown_snapshot`, `no_restore`, `no_import`, `no_discovery`, `no_heal`, `invalid_cursor`,
    /// `limit_out_of_range`.
    pub fn of(&self, view: &View, sql: &dyn Sql) -> Result<Json> {
        match self {
            Self::Snapshots {
                filter,
                before,
                limit,
            } => snapshots(view, sql, filter, (before.as_deref(), *limit)),
            Self::Snapshot(id) => Ok(show::snapshot(&view.snapshot(sql, id)?)),
            Self::Restore => Ok(show::restore(&view.last_restore(sql)?)),
            Self::Import => Ok(json!(view.import_under_way(sql)?)),
            Self::Fork => Ok(show::fork(&view.last_fork(sql)?)),
            Self::Retention => Ok(json!(view.snapshot_retention(sql)?)),
            Self::Check(after) => Ok(json!(view.check(sql, after.as_deref())?)),
            Self::Heal => Ok(show::heal(&view.last_heal(sql)?)),
            Self::Discovery => Ok(show::discovery(&view.discovery(sql)?)),
            Self::Audit { before, limit } => {
                let page = view.audit(sql, *before, *limit)?;
                let entries: Vec<Json> = page.entries.iter().map(show::audit_entry).collect();
                Ok(with_next(json!({ "entries": entries }), json!(page.next)))
            }
        }
    }
}

/// A page of those that the filter takes: an object has so few that all of them are looked at.
fn snapshots(
    view: &View,
    sql: &dyn Sql,
    filter: &SnapshotFilter,
    (before, limit): (Option<&str>, usize),
) -> Result<Json> {
    let mut page = view.snapshots(sql, before, SNAPSHOTS_PAGE_MAX)?;
    page.snapshots.retain(|snapshot| filter.takes(snapshot));
    let next = match page.snapshots.len() > limit {
        true => page.snapshots.get(limit - 1).map(|last| last.id.clone()),
        false => page.next,
    };
    let shown: Vec<Json> = page
        .snapshots
        .iter()
        .take(limit)
        .map(show::snapshot)
        .collect();
    Ok(with_next(json!({ "snapshots": shown }), json!(next)))
}

fn with_next(mut page: Json, next: Json) -> Json {
    if !next.is_null() {
        page["next"] = next;
    }
    page
}
