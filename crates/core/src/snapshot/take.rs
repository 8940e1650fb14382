//! Taking a snapshot: copy what is in no blob, note the events meanwhile, then cut, in one turn.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result, Sequence};

use super::job::Job;
use super::{
    Budget, CHAIN_MAX, NOTE_BYTES_MAX, SNAPSHOT, SNAPSHOTS_MAX, Snapshot, SnapshotKind,
    SnapshotStatus, SnapshotTier, copy, records, sources,
};
use crate::Engine;
use crate::folded::BLOBS_MAX;
use crate::mutate::IdMaker;
use crate::sql::{Sql, one, quoted};
use crate::table::snapshots::{self, PartKind};
use crate::table::{blobs, log, masks, meta, wakes};

/// A snapshot that is being taken, and how far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Taking {
    /// Its id.
    pub(super) id: String,
    /// The collection being copied: its place in the schema; past the last one: all are.
    collection: usize,
    /// The last key copied of it.
    key: String,
    /// Events up to here need not be noted.
    packed: Sequence,
    /// An incremental ends here.
    pub(super) to: Option<Sequence>,
    /// What it is for.
    #[serde(default)]
    pub(super) purpose: Purpose,
}

/// What a snapshot is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// Who asked for it.
    #[default]
    Asked,
    /// The type's schedule.
    Schedule,
    /// A fork.
    Fork,
}

impl Taking {
    /// The log is needed from after this event on.
    pub(crate) fn needs_log_after(&self) -> Sequence {
        self.packed
    }
}

impl Engine {
    /// Starts to take a snapshot; what is small is done at once.
    pub(super) fn take_snapshot(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        kind: SnapshotKind,
        parent: Option<&str>,
        note: &str,
    ) -> Result<Snapshot> {
        self.check_idle()?;
        let taking = self.new_snapshot(sql, ids, kind, parent, note)?;
        self.set_job(sql, Some(Job::Taking(taking)))?;
        self.take_steps(sql, ids.now)
    }

    /// Makes the row of a snapshot that is to be taken.
    pub(super) fn new_snapshot(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        kind: SnapshotKind,
        parent: Option<&str>,
        note: &str,
    ) -> Result<Taking> {
        if note.len() > NOTE_BYTES_MAX {
            let message = format!("note is at most {NOTE_BYTES_MAX} bytes");
            return Err(Error::too_large("label_too_long", message).at("note"));
        }
        self.make_snapshot_tables(sql)?;
        check_count(sql)?;
        let parent = match kind {
            SnapshotKind::Full => None,
            SnapshotKind::Incremental => Some(self.parent_of(sql, parent)?),
        };
        let from = parent.as_ref().map_or(self.head.sequence, |p| p.sequence);
        let (id, created) = next_id(sql, ids)?;
        let snapshot = Snapshot {
            parent: parent.map(|parent| parent.id),
            sequence: from,
            from,
            created,
            ..self.blank_snapshot(id, kind, note)
        };
        snapshots::put(sql, &snapshot)?;
        let incremental = kind == SnapshotKind::Incremental;
        Ok(Taking {
            id: snapshot.id,
            collection: if incremental { usize::MAX } else { 0 },
            key: String::new(),
            packed: from,
            to: incremental.then_some(self.head.sequence),
            purpose: Purpose::default(),
        })
    }

    /// What is said of a snapshot of which nothing is there yet.
    pub(super) fn blank_snapshot(&self, id: String, kind: SnapshotKind, note: &str) -> Snapshot {
        Snapshot {
            id,
            kind,
            status: SnapshotStatus::Running,
            parent: None,
            note: note.to_owned(),
            imported: false,
            keep: false,
            epoch: self.head.epoch,
            sequence: self.head.sequence,
            from: self.head.sequence,
            hash: self.head.hash.to_string(),
            timestamp: self.head.timestamp,
            schema_version: self.view.version,
            created: 0,
            documents: Default::default(),
            bytes: 0,
            own_bytes: 0,
            tier: SnapshotTier::Hot,
            cold: None,
            moving: None,
            failure: None,
        }
    }

    pub(crate) fn make_snapshot_tables(&mut self, sql: &dyn Sql) -> Result<()> {
        snapshots::create(sql)?;
        meta::holds_snapshots(sql)
    }

    /// The snapshot an incremental builds on.
    fn parent_of(&self, sql: &dyn Sql, wanted: Option<&str>) -> Result<Snapshot> {
        let parent = match wanted {
            Some(id) => sources::complete(sql, id)?,
            None => sources::newest(sql)?.ok_or_else(|| {
                let message =
                    "an incremental builds on a snapshot, and there is none; take a full one";
                Error::conflict("snapshot_parent_missing", message).at("parent")
            })?,
        };
        let most = self.snapshot_rules(sql)?.chain;
        if sources::chain(sql, &parent)?.len() as u64 > most.min(CHAIN_MAX as u64) {
            let message = format!("a chain has at most {most} incrementals; take a full one");
            return Err(Error::conflict("snapshot_chain_too_long", message).at("parent"));
        }
        let trimmed = || {
            let message = "the log no longer reaches back to the parent, or is another history; take a full snapshot";
            Error::conflict("snapshot_parent_trimmed", message).at("parent")
        };
        let earliest = log::earliest(sql)?.unwrap_or(self.head.sequence.next());
        if parent.sequence > self.head.sequence || parent.sequence.next() < earliest {
            return Err(trimmed());
        }
        let hash = match parent.sequence {
            Sequence(0) => return Ok(parent),
            at => log::hash_at(sql, at, &self.head).map_err(|_| trimmed())?,
        };
        match hash.to_string() == parent.hash {
            true => Ok(parent),
            false => Err(trimmed()),
        }
    }

    /// Takes steps until it is done or a turn's work is; then the timer goes on.
    pub(super) fn take_steps(&mut self, sql: &dyn Sql, now: i64) -> Result<Snapshot> {
        let mut budget = Budget::of(&self.policy.snapshots);
        loop {
            let Some(Job::Taking(mut taking)) = self.job.clone() else {
                return Err(Error::internal("no snapshot is being taken"));
            };
            let done = self.take_step(sql, &mut taking, &mut budget)?;
            let snapshot = snapshots::find(sql, &taking.id)?;
            let snapshot = snapshot.ok_or_else(|| Error::corrupt("a snapshot is missing"))?;
            if done {
                self.set_job(sql, None)?;
                match taking.purpose {
                    Purpose::Asked => {}
                    Purpose::Schedule => self.scheduled_is_taken(sql, &snapshot)?,
                    Purpose::Fork => self.fork_is_taken(sql, now, &snapshot)?,
                }
                self.arm_retain(sql, now)?;
                return Ok(snapshot);
            }
            self.set_job(sql, Some(Job::Taking(taking)))?;
            if budget.is_spent() {
                wakes::set(sql, SNAPSHOT, now)?;
                return Ok(snapshot);
            }
        }
    }

    /// One step; true once the snapshot is complete.
    pub(super) fn take_step(
        &mut self,
        sql: &dyn Sql,
        taking: &mut Taking,
        budget: &mut Budget,
    ) -> Result<bool> {
        let snapshot = snapshots::find(sql, &taking.id)?;
        let mut snapshot = snapshot.ok_or_else(|| Error::corrupt("a snapshot is missing"))?;
        let view = self.view.clone();
        if let Some(prepared) = view.collections.get(taking.collection) {
            let copied = copy::step(sql, &taking.id, prepared, &taking.key, budget)?;
            snapshot.bytes += copied.bytes;
            snapshot.own_bytes += copied.bytes;
            match copied.is_end {
                true => (taking.collection, taking.key) = (taking.collection + 1, String::new()),
                false => taking.key = copied.last.unwrap_or_default(),
            }
            snapshots::put(sql, &snapshot)?;
            return Ok(false);
        }
        let to = taking.to.unwrap_or(self.head.sequence);
        if taking.packed < to {
            let most = self.policy.snapshots.step_bytes / 2;
            let (last, bytes) = records::pack(sql, &taking.id, (taking.packed, to), most)?;
            taking.packed = last;
            snapshot.sequence = last;
            snapshot.bytes += bytes;
            snapshot.own_bytes += bytes;
            snapshots::put(sql, &snapshot)?;
            budget.spend(0, most);
            if last < to {
                return Ok(false);
            }
        }
        self.cut(sql, &mut snapshot, to)?;
        Ok(true)
    }

    /// The snapshot is complete with this turn.
    fn cut(&mut self, sql: &dyn Sql, snapshot: &mut Snapshot, at: Sequence) -> Result<()> {
        let is_head = at == self.head.sequence;
        if snapshot.kind == SnapshotKind::Full {
            for prepared in self.view.clone().collections.iter() {
                let id = prepared.collection.id;
                let documents =
                    self.cut_collection(sql, snapshot, id, &prepared.collection.name)?;
                let name = prepared.collection.name.clone();
                snapshot.documents.insert(name, documents);
            }
        } else if is_head {
            for prepared in self.view.clone().collections.iter() {
                let name = &prepared.collection.name;
                let folded = self.main.folded(sql, prepared.collection.id)?.state(name)?;
                let documents = rows(sql, name)? + folded.documents;
                snapshot.documents.insert(name.clone(), documents);
            }
        }
        if is_head {
            snapshot.epoch = self.head.epoch;
            snapshot.hash = self.head.hash.to_string();
            snapshot.timestamp = self.head.timestamp;
        } else {
            snapshot.hash = log::hash_at(sql, at, &self.head)?.to_string();
            snapshot.timestamp = log::time_of(sql, at)?.unwrap_or(snapshot.timestamp);
        }
        snapshot.sequence = at;
        snapshot.schema_version = self.view.version;
        snapshot.status = SnapshotStatus::Complete;
        snapshots::put(sql, snapshot)
    }

    /// Holds the blobs that are live now, with a copy of their masks. Returns how many documents the
    /// collection has.
    fn cut_collection(
        &mut self,
        sql: &dyn Sql,
        snapshot: &mut Snapshot,
        id: u32,
        name: &str,
    ) -> Result<u64> {
        let folded = self.main.folded(sql, id)?;
        let documents = rows(sql, name)? + folded.state(name)?.documents;
        if folded.is_empty() {
            return Ok(documents);
        }
        let masked = self.main.masked(sql)?.clone();
        let mut manifest = copy::manifest(sql, &snapshot.id, id)?;
        for entry in folded.entries() {
            blobs::hold(sql, entry.id)?;
            snapshot.bytes += entry.bytes;
            if masked.contains_key(&entry.id) {
                let mask = masks::get(sql, entry.id)?;
                let place = (id, entry.id);
                snapshots::put_part(sql, &snapshot.id, PartKind::Mask, place, mask.bits())?;
            }
            manifest.add(entry.unversioned());
        }
        if manifest.blobs.len() > 2 * BLOBS_MAX {
            return Err(Error::internal("a snapshot has too many blobs"));
        }
        copy::put_manifest(sql, &snapshot.id, id, &manifest)?;
        Ok(documents)
    }
}

/// The id of the next snapshot, and its time: ids sort by their times, so no two have the same.
pub(super) fn next_id(sql: &dyn Sql, ids: &mut IdMaker) -> Result<(String, i64)> {
    let newest = snapshots::list(sql, None, 1)?;
    let newest = newest.first().map(|newest| newest.created + 1);
    let now = newest.map_or(ids.now, |next| ids.now.max(next));
    let id = IdMaker { now, ..*ids }.next();
    ids.made += 1;
    Ok((id, now))
}

/// Refuses one more snapshot than an object may have.
pub(crate) fn check_count(sql: &dyn Sql) -> Result<()> {
    if snapshots::count(sql)? < SNAPSHOTS_MAX as u64 {
        return Ok(());
    }
    let message = format!("an object has at most {SNAPSHOTS_MAX} snapshots; delete some");
    Err(Error::conflict("too_many_snapshots", message))
}

/// Documents in a collection's row table.
fn rows(sql: &dyn Sql, name: &str) -> Result<u64> {
    let count = format!("SELECT count(*) FROM {}", quoted(name));
    Ok(one(sql, &count, &[], |row| row[0].unsigned())?.unwrap_or(0))
}
