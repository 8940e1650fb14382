//! Where a state comes from: a full snapshot, and the events after it.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Kind, Result, Sequence};

use super::lake::LakeSpan;
use super::restore::Wanted;
use super::{RestoreTarget, Snapshot, SnapshotKind, SnapshotStatus, SnapshotTier};
use crate::Engine;
use crate::sql::Sql;
use crate::table::log::{self, Head};
use crate::table::snapshots;

/// A state: documents of a full snapshot, overlaid with events up to one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    /// The full snapshot; none: nothing before the log.
    pub(crate) full: Option<String>,
    /// Snapshots whose events follow, in order; the full one is among them, for those of its taking.
    pub(super) links: Vec<String>,
    /// Events of the changes tables follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lake: Option<LakeSpan>,
    /// Events of the log follow, from after this one.
    pub(super) log_after: Option<Sequence>,
    /// The last event that counts.
    pub(super) to: Sequence,
}

/// A snapshot by its id.
///
/// # Errors
/// `unknown_snapshot`, or `snapshot_expired` for one that its age or the number of snapshots made go.
pub(crate) fn find(sql: &dyn Sql, id: &str) -> Result<Snapshot> {
    if let Some(found) = snapshots::find(sql, id)? {
        return Ok(found);
    }
    let shown: String = id.chars().take(80).collect();
    if super::retain::is_expired(sql, id)? {
        let message = format!("snapshot {shown} was too old, or one too many, and is gone");
        return Err(Error::new(Kind::Gone, "snapshot_expired", message).at("snapshot"));
    }
    let message = format!("there is no snapshot {shown:?}");
    Err(Error::not_found("unknown_snapshot", message).at("snapshot"))
}

/// A snapshot that is whole.
///
/// # Errors
/// `unknown_snapshot`, `snapshot_incomplete`.
pub(crate) fn complete(sql: &dyn Sql, id: &str) -> Result<Snapshot> {
    let snapshot = find(sql, id)?;
    if snapshot.is_complete() {
        return Ok(snapshot);
    }
    let why = snapshot.failure.map(|failure| failure.message);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let message = format!("snapshot {id} is not complete{why}");
    Err(Error::conflict("snapshot_incomplete", message).at("snapshot"))
}

/// The newest snapshot of this object's own history that is whole.
pub(crate) fn newest(sql: &dyn Sql) -> Result<Option<Snapshot>> {
    let all = snapshots::list(sql, None, ALL)?;
    let mut own = all.into_iter().filter(Snapshot::is_of_this_history);
    Ok(own.find(Snapshot::is_complete))
}

/// Snapshots of this object's own history that are whole, the oldest first.
pub(super) fn of_history(sql: &dyn Sql) -> Result<Vec<Snapshot>> {
    let mut all = snapshots::list(sql, None, ALL)?;
    all.retain(|s| s.is_complete() && s.is_of_this_history());
    all.sort_by_key(|s| s.sequence);
    Ok(all)
}

/// True for a snapshot whose last event is in this object's log, or ends it.
pub(crate) fn is_own_history(sql: &dyn Sql, head: &Head, snapshot: &Snapshot) -> Result<bool> {
    let at = snapshot.sequence;
    if at == Sequence(0)
        || at > head.sequence
        || at.next() < log::earliest(sql)?.unwrap_or(at.next())
    {
        return Ok(false);
    }
    let hash = log::hash_at(sql, at, head);
    Ok(hash.is_ok_and(|hash| hash.to_string() == snapshot.hash))
}

/// A snapshot that builds on this one.
pub(crate) fn child(sql: &dyn Sql, id: &str) -> Result<Option<String>> {
    let all = snapshots::list(sql, None, ALL)?;
    let builds =
        |s: &Snapshot| s.parent.as_deref() == Some(id) && s.status != SnapshotStatus::Deleting;
    let child = all.into_iter().find(builds);
    Ok(child.map(|child| child.id))
}

/// A snapshot and those it builds on, the full one first.
///
/// # Errors
/// `snapshot_chain_broken` with the link that is missing.
pub(crate) fn chain(sql: &dyn Sql, snapshot: &Snapshot) -> Result<Vec<Snapshot>> {
    let mut chain = vec![snapshot.clone()];
    while let Some(parent) = chain.last().and_then(|last| last.parent.clone()) {
        let broken = |what: &str| {
            let message = format!("snapshot {} builds on {parent}, which {what}", snapshot.id);
            Error::conflict("snapshot_chain_broken", message)
                .at("snapshot")
                .with("link", parent.clone())
        };
        let found = snapshots::find(sql, &parent)?.ok_or_else(|| broken("is missing"))?;
        if !found.is_complete() {
            return Err(broken("is not complete"));
        }
        if chain.len() > super::SNAPSHOTS_MAX {
            return Err(broken("builds on itself"));
        }
        chain.push(found);
    }
    chain.reverse();
    match chain.first().map(|first| first.kind) {
        Some(SnapshotKind::Full) => Ok(chain),
        _ => Err(Error::corrupt(
            "a chain of snapshots begins without a full one",
        )),
    }
}

impl Sources {
    /// Finds what makes the state that is wanted.
    ///
    /// # Errors
    /// `unknown_snapshot`, `snapshot_incomplete`, `snapshot_chain_broken`; `restore_beyond_horizon` with
    /// the first sequence that can be had, `restore_in_future`.
    pub(crate) fn of(sql: &dyn Sql, target: &RestoreTarget, head: &Head) -> Result<Self> {
        match target {
            RestoreTarget::Snapshot(id) => {
                let snapshot = complete(sql, id)?;
                let chain = chain(sql, &snapshot)?;
                Ok(Self {
                    full: chain.first().map(|full| full.id.clone()),
                    links: chain.into_iter().map(|link| link.id).collect(),
                    to: snapshot.sequence,
                    ..Self::default()
                })
            }
            RestoreTarget::Sequence(to) if *to > head.sequence => {
                let message = format!("the object's last event is {}", head.sequence);
                Err(Error::invalid("restore_in_future", message)
                    .at("sequence")
                    .with("head", head.sequence.0))
            }
            RestoreTarget::Sequence(to) => Self::at(sql, *to),
            RestoreTarget::Time(millis) => Self::at(sql, sequence_at(sql, *millis, head)?),
        }
    }

    /// The state after an event of this object's history.
    fn at(sql: &dyn Sql, to: Sequence) -> Result<Self> {
        let all = snapshots::list(sql, None, ALL)?;
        let own: Vec<Snapshot> = all
            .into_iter()
            .filter(|s| s.is_complete() && s.is_of_this_history())
            .collect();
        // What is at hand is not waited for.
        let hot = own.iter().filter(|s| s.tier == SnapshotTier::Hot);
        match Self::among(sql, hot.cloned().collect(), to) {
            Err(error) if error.kind() == Kind::Gone => Self::among(sql, own, to),
            found => found,
        }
    }

    /// The state after an event, of these snapshots and the log.
    fn among(sql: &dyn Sql, own: Vec<Snapshot>, to: Sequence) -> Result<Self> {
        let earliest = log::earliest(sql)?;
        let in_log = |after: Sequence| earliest.is_some_and(|first| first <= after.next());
        let fulls = own.iter().filter(|s| s.kind == SnapshotKind::Full);
        let mut before: Vec<&Snapshot> = fulls.filter(|s| s.sequence <= to).collect();
        before.sort_by_key(|s| std::cmp::Reverse(s.sequence));
        for full in before {
            if let Some(sources) = Self::from_full(full, &own, to, in_log) {
                return Ok(sources);
            }
        }
        if to == Sequence(0) || in_log(Sequence(0)) {
            return Ok(Self {
                log_after: (to > Sequence(0)).then_some(Sequence(0)),
                to,
                ..Self::default()
            });
        }
        Err(beyond_horizon(&own, earliest, to))
    }

    /// Reaches from a full snapshot to an event, over incrementals and the log.
    fn from_full(
        full: &Snapshot,
        own: &[Snapshot],
        to: Sequence,
        in_log: impl Fn(Sequence) -> bool,
    ) -> Option<Self> {
        let mut sources = Self {
            full: Some(full.id.clone()),
            links: vec![full.id.clone()],
            to,
            ..Self::default()
        };
        let mut at = full;
        while at.sequence < to {
            if in_log(at.sequence) {
                sources.log_after = Some(at.sequence);
                return Some(sources);
            }
            let children = own.iter().filter(|s| s.parent.as_ref() == Some(&at.id));
            let further = children.filter(|s| s.sequence > at.sequence);
            at = further.max_by_key(|s| s.sequence.min(to))?;
            sources.links.push(at.id.clone());
        }
        Some(sources)
    }
}

impl Sources {
    /// The link that the state ends with; none where events of the log or the lake follow.
    pub(super) fn last_link(&self) -> Option<&String> {
        let ends = self.log_after.is_none() && self.lake.is_none();
        self.links.last().filter(|_| ends)
    }

    /// The newest full snapshot that is not after an event, and the incrementals that do not lead past it.
    fn reaching(sql: &dyn Sql, to: Sequence, until: Option<i64>) -> Result<(Self, Sequence)> {
        let all = snapshots::list(sql, None, ALL)?;
        let early = |s: &&Snapshot| {
            let own = s.is_complete() && s.is_of_this_history() && s.tier == SnapshotTier::Hot;
            own && s.sequence <= to && until.is_none_or(|until| s.timestamp <= until)
        };
        let early: Vec<&Snapshot> = all.iter().filter(early).collect();
        let fulls = early.iter().filter(|s| s.kind == SnapshotKind::Full);
        let mut at = fulls.max_by_key(|s| s.sequence).copied();
        let (mut sources, mut reached) = (Self::default(), Sequence(0));
        sources.full = at.map(|full| full.id.clone());
        while let Some(link) = at {
            reached = link.sequence;
            sources.links.push(link.id.clone());
            let mut further = early.iter().filter(|s| s.sequence > reached);
            at = further
                .find(|s| s.parent.as_ref() == Some(&link.id))
                .copied();
        }
        Ok((sources, reached))
    }
}

impl Engine {
    /// Finds what makes the state that is wanted, the changes tables included where nothing else reaches
    /// as far.
    ///
    /// # Errors
    /// Those of [`Sources::of`]; `restore_beyond_horizon` also names a collection that is in no table.
    pub(super) fn sources_of(&self, sql: &dyn Sql, wanted: &Wanted) -> Result<Sources> {
        let found = Sources::of(sql, &wanted.target, &self.head);
        let earliest = log::earliest(sql)?.unwrap_or(self.head.sequence.next());
        let last_gone = Sequence(earliest.0.saturating_sub(1));
        let mut until = None;
        if let RestoreTarget::Time(millis) = wanted.target
            && log::time_of(sql, earliest)?.is_some_and(|first| first > millis)
        {
            until = Some(millis);
        }
        let beyond = |e: &Error| e.code() == "restore_beyond_horizon";
        let reaches = !found.as_ref().is_err_and(beyond);
        if last_gone == Sequence(0) || (reaches && until.is_none()) {
            return found;
        }
        let to = match (&wanted.target, until) {
            (_, Some(_)) => last_gone,
            (RestoreTarget::Sequence(to), _) => *to,
            (RestoreTarget::Time(millis), _) => sequence_at(sql, *millis, &self.head)?,
            (RestoreTarget::Snapshot(_), _) => return found,
        };
        let gone = to.min(last_gone);
        let (mut sources, reached) = Sources::reaching(sql, gone, until)?;
        if reached >= gone {
            return found;
        }
        let names = &wanted.collections;
        match self.view.lake_span(sql, names, (reached, gone), until) {
            Ok(span) => {
                sources.lake = Some(span);
                sources.log_after = (to > gone).then_some(gone);
                sources.to = to;
                Ok(sources)
            }
            Err(error) => found.map_err(|first| both(&first, &error)),
        }
    }
}

/// The horizon of snapshots and log, and why the lake reaches no further.
fn both(first: &Error, lake: &Error) -> Error {
    let message = format!("{}; {}", first.message(), lake.message());
    let error = Error::new(Kind::Gone, "restore_beyond_horizon", message).at("sequence");
    let details = ["horizon", "collection"].into_iter().filter_map(|name| {
        let of = [first, lake].into_iter();
        let found = of.filter_map(|e| e.details().get(name)).next()?;
        Some((name, found.clone()))
    });
    details.fold(error, |error, (name, value)| error.with(name, value))
}

impl Snapshot {
    /// False of one that was imported: its sequences are another log's.
    fn is_of_this_history(&self) -> bool {
        !self.imported
    }
}

fn beyond_horizon(own: &[Snapshot], earliest: Option<Sequence>, to: Sequence) -> Error {
    let fulls = own.iter().filter(|s| s.kind == SnapshotKind::Full);
    let first = fulls.map(|s| s.sequence).min();
    let of_log = earliest
        .filter(|first| *first == Sequence(1))
        .map(|_| Sequence(0));
    let horizon = first.into_iter().chain(of_log).min();
    let message = match horizon {
        Some(first) if first <= to => format!(
            "the events up to {to} are trimmed and in no snapshot; the first state that can be had is that at {first}"
        ),
        Some(first) => format!("the first state that can be had is that at {first}"),
        None => "there is no snapshot, and the log was trimmed".to_owned(),
    };
    let error = Error::new(Kind::Gone, "restore_beyond_horizon", message).at("sequence");
    horizon
        .into_iter()
        .fold(error, |e, first| e.with("horizon", first.0))
}

/// The refusal of a moment before the object's first event, which is of that time.
pub(super) fn before_all(first: i64) -> Error {
    let message = format!(
        "the object's first event is of {first} ms since 1970; sequence 0 is the state before it"
    );
    let error = Error::new(Kind::Gone, "restore_beyond_horizon", message);
    error.at("time").with("horizonTime", first)
}

/// The last event up to a moment.
fn sequence_at(sql: &dyn Sql, millis: i64, head: &Head) -> Result<Sequence> {
    if millis >= head.timestamp {
        return Ok(head.sequence);
    }
    let earliest = log::earliest(sql)?.unwrap_or(head.sequence.next());
    let is_after = |at: Sequence| -> Result<bool> {
        Ok(log::time_of(sql, at)?.is_none_or(|time| time > millis))
    };
    // Times never decrease: the first event after the moment, by halves.
    let (mut low, mut high) = (earliest.0, head.sequence.0 + 1);
    while low < high {
        let middle = low.midpoint(high);
        match is_after(Sequence(middle))? {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    if low > earliest.0 {
        return Ok(Sequence(low - 1));
    }
    if earliest == Sequence(1) {
        let first = log::time_of(sql, earliest)?.unwrap_or(head.timestamp);
        return Err(before_all(first));
    }
    // Before the log begins, only snapshots say what time it was.
    let all = snapshots::list(sql, None, ALL)?;
    let before = all
        .iter()
        .filter(|s| s.is_complete() && s.is_of_this_history() && s.timestamp <= millis);
    let newest = before.map(|s| s.sequence).max();
    newest.ok_or_else(|| {
        let message = "no snapshot is as old, and the log was trimmed";
        Error::new(Kind::Gone, "restore_beyond_horizon", message).at("time")
    })
}

/// All snapshots of an object.
const ALL: usize = super::SNAPSHOTS_MAX + 1;
