//! A fork: a state of this object becomes another object of the type.
//!
//! The state is brought to the form of a snapshot, taken for it where there is none, and sent as its file,
//! some MB at a time, by the transfers of this object; the other one takes it and restores it. What is
//! persisted is a row of `_transfers` and the fact [`FACT`], so a fork goes on after a crash of either.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result, Sequence};

use super::info::Failure;
use super::job::Job;
use super::scratch::check_life;
use super::sources::Sources;
use super::take::{Purpose, Taking, next_id};
use super::{RestoreStatus, RestoreTarget, Snapshot, SnapshotKind, SnapshotStatus, remove};
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::{log, meta, snapshots, transfers, wakes};
use crate::transfer::Transfer;
use crate::{Engine, View, check_object_id};

/// The fact of `_meta` that keeps the fork under way, or the last one.
const FACT: &str = "fork";
/// The note of snapshots that are taken for it.
const NAME: &str = "fork";
/// Between two questions whether the other object has restored what was sent, milliseconds.
const ASK_AGAIN_MILLIS: i64 = 250;

/// A fork of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fork {
    /// A UUIDv7.
    pub id: String,
    /// How far it is.
    pub status: RestoreStatus,
    /// The id of the object that it becomes, of the same type.
    pub to: String,
    /// It is the state after this event.
    pub sequence: Sequence,
    /// When it was asked for, milliseconds since 1970.
    pub created: i64,
    /// Bytes that the other object has taken.
    pub bytes: u64,
    /// When the other object ends by itself, milliseconds since 1970; none: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Where a reader of the other object stands who has seen what it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Why it failed, or why the last attempt to go on did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A fork, and what was made for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Forking {
    fork: Fork,
    /// Snapshots that go at the end, the newest first.
    temporary: Vec<String>,
}

/// What the other object is told with every part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkOrder {
    /// The fork.
    pub id: String,
    /// The id of the object that it is of.
    pub from: String,
    /// The snapshot, as its file calls it.
    pub snapshot: String,
    /// The state that is wanted is after this event.
    pub sequence: Sequence,
    /// Frames and bytes before the part.
    pub frames: u64,
    /// Bytes before it.
    pub offset: u64,
    /// When the object ends by itself, milliseconds since 1970.
    pub expires: Option<i64>,
}

/// How far the other object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkPlace {
    /// Frames it has taken.
    pub frames: u64,
    /// Bytes it has taken.
    pub bytes: u64,
    /// All was taken, and the restore is so far; none: more is wanted.
    pub restore: Option<RestoreStatus>,
    /// Where a reader stands who has seen it all.
    pub offset: Option<String>,
    /// Why the restore failed.
    pub failure: Option<Failure>,
}

impl View {
    /// The fork under way, or the last one.
    ///
    /// # Errors
    /// `no_fork` where there never was one.
    pub fn last_fork(&self, sql: &dyn Sql) -> Result<Fork> {
        Ok(forking(sql)?.ok_or_else(no_fork)?.fork)
    }
}

fn forking(sql: &dyn Sql) -> Result<Option<Forking>> {
    meta::fact(sql, FACT)
}

fn no_fork() -> Error {
    Error::not_found("no_fork", "no fork of this object is under way")
}

impl Engine {
    /// Begins a fork.
    pub(super) fn begin_fork(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        to: &str,
        target: Option<&RestoreTarget>,
        life: Option<i64>,
    ) -> Result<Fork> {
        check_object_id(to)?;
        check_life(life)?;
        self.check_idle()?;
        if forking(sql)?.is_some_and(|f| f.fork.status == RestoreStatus::Running) {
            let message = "a fork of this object is under way; wait for it, or cancel it";
            return Err(Error::conflict("fork_running", message));
        }
        if to == self.view.address.id {
            return Err(exists(to));
        }
        self.make_snapshot_tables(sql)?;
        let mut forking = Forking {
            fork: Fork {
                id: ids.next(),
                status: RestoreStatus::Running,
                to: to.to_owned(),
                sequence: self.head.sequence,
                created: ids.now,
                bytes: 0,
                expires: life.map(|life| ids.now + life),
                offset: None,
                failure: None,
            },
            temporary: Vec::new(),
        };
        match self.whole(sql, ids, target, &mut forking)? {
            Whole::Is(snapshot) => {
                meta::set_fact(sql, FACT, Some(&forking))?;
                self.send_fork(sql, ids.now, snapshot)?;
            }
            Whole::Takes(mut taking) => {
                forking.temporary.insert(0, taking.id.clone());
                taking.purpose = Purpose::Fork;
                meta::set_fact(sql, FACT, Some(&forking))?;
                self.set_job(sql, Some(Job::Taking(taking)))?;
                self.take_steps(sql, ids.now)?;
            }
        }
        self.view.last_fork(sql)
    }

    /// A snapshot whose chain holds the state that is wanted, or one to be taken.
    fn whole(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        target: Option<&RestoreTarget>,
        forking: &mut Forking,
    ) -> Result<Whole> {
        let Some(target) = target else {
            let full = self.new_snapshot(sql, ids, SnapshotKind::Full, None, NAME)?;
            return Ok(Whole::Takes(full));
        };
        let sources = Sources::of(sql, target, &self.head)?;
        forking.fork.sequence = sources.to;
        let base = match sources.links.last() {
            Some(last) => last.clone(),
            None => {
                let nothing = self.nothing(sql, ids)?;
                forking.temporary.push(nothing.clone());
                nothing
            }
        };
        if sources.log_after.is_none_or(|after| after >= sources.to) {
            return Ok(Whole::Is(base));
        }
        let kind = SnapshotKind::Incremental;
        let mut events = self.new_snapshot(sql, ids, kind, Some(&base), NAME)?;
        // It ends where a turn does; the other object leaves out what came after the event.
        let last = log::read(sql, sources.to, 0, 1)?;
        let last = last.first().map(tidelog_log::Record::last_sequence);
        events.to = Some(last.unwrap_or(sources.to));
        Ok(Whole::Takes(events))
    }

    /// A snapshot of the object before its first event.
    fn nothing(&mut self, sql: &dyn Sql, ids: &mut IdMaker) -> Result<String> {
        let (id, created) = next_id(sql, ids)?;
        let nothing = Snapshot {
            sequence: Sequence(0),
            from: Sequence(0),
            hash: tidelog_log::Hash::default().to_string(),
            created,
            status: SnapshotStatus::Complete,
            ..self.blank_snapshot(id, SnapshotKind::Full, NAME)
        };
        snapshots::put(sql, &nothing)?;
        Ok(nothing.id)
    }

    /// A snapshot for a fork is complete. One of the present state is cut when it is, not when it was
    /// asked for.
    pub(super) fn fork_is_taken(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        taken: &Snapshot,
    ) -> Result<()> {
        if taken.kind == SnapshotKind::Full {
            let mut forking = forking(sql)?.ok_or_else(no_fork)?;
            forking.fork.sequence = taken.sequence;
            meta::set_fact(sql, FACT, Some(&forking))?;
        }
        self.send_fork(sql, now, taken.id.clone())
    }

    fn send_fork(&mut self, sql: &dyn Sql, now: i64, snapshot: String) -> Result<()> {
        let (frames, offset) = (0, 0);
        let transfer = Transfer::Fork {
            snapshot,
            frames,
            offset,
        };
        self.add_transfer(sql, &transfer, now)
    }

    /// The other object says how far it is.
    pub(crate) fn fork_is_at(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        mut row: transfers::Row,
        place: ForkPlace,
    ) -> Result<()> {
        let Transfer::Fork { frames, offset, .. } = &mut row.body else {
            return Ok(());
        };
        let mut forking = forking(sql)?.ok_or_else(no_fork)?;
        let moved = *offset != place.bytes;
        (*frames, *offset) = (place.frames, place.bytes);
        forking.fork.bytes = forking.fork.bytes.max(place.bytes);
        forking.fork.failure = place.failure.clone();
        meta::set_fact(sql, FACT, Some(&forking))?;
        match place.restore {
            None | Some(RestoreStatus::Running) => {
                transfers::advance(sql, &row)?;
                if !moved {
                    transfers::put_off(sql, row.number, now + ASK_AGAIN_MILLIS)?;
                }
                Ok(())
            }
            Some(status) => {
                forking.fork.offset = place.offset;
                transfers::remove(sql, row.number)?;
                self.end_fork(sql, forking, status).map(drop)
            }
        }
    }

    /// It could not go on; `is_end`: and never will.
    pub(crate) fn fork_failed(
        &mut self,
        sql: &dyn Sql,
        failure: Failure,
        is_end: bool,
    ) -> Result<()> {
        let Some(mut forking) = forking(sql)? else {
            return Ok(());
        };
        forking.fork.failure = Some(failure);
        match is_end {
            true => self.end_fork(sql, forking, RestoreStatus::Failed).map(drop),
            false => meta::set_fact(sql, FACT, Some(&forking)),
        }
    }

    /// Gives up the fork under way.
    pub(super) fn cancel_fork(&mut self, sql: &dyn Sql) -> Result<Fork> {
        let forking = forking(sql)?.filter(|f| f.fork.status == RestoreStatus::Running);
        let forking = forking.ok_or_else(no_fork)?;
        if matches!(&self.job, Some(Job::Taking(taking)) if taking.purpose == Purpose::Fork) {
            self.set_job(sql, None)?;
            wakes::clear(sql, super::SNAPSHOT)?;
        }
        for row in transfers::list(sql)? {
            if matches!(row.body, Transfer::Fork { .. }) {
                transfers::remove(sql, row.number)?;
            }
        }
        self.end_fork(sql, forking, RestoreStatus::Cancelled)
    }

    fn end_fork(
        &mut self,
        sql: &dyn Sql,
        mut forking: Forking,
        status: RestoreStatus,
    ) -> Result<Fork> {
        for id in std::mem::take(&mut forking.temporary) {
            if let Some(snapshot) = snapshots::find(sql, &id)? {
                remove::forget(sql, &snapshot)?;
            }
        }
        forking.fork.status = status;
        meta::set_fact(sql, FACT, Some(&forking))?;
        Ok(forking.fork)
    }
}

/// Where the state that is wanted is.
enum Whole {
    /// In this snapshot and those it builds on.
    Is(String),
    /// In one that is to be taken.
    Takes(Taking),
}

/// What is to be sent next.
pub(crate) fn next_part(
    view: &View,
    sql: &dyn Sql,
    (snapshot, frames, offset): (&str, u64, u64),
) -> Result<(String, ForkOrder, Vec<u8>)> {
    /// Bytes of a part, about.
    const PART_BYTES: usize = 4_000_000;
    let fork = view.last_fork(sql)?;
    let file = super::SnapshotFile::open(view, sql, snapshot)?;
    let bytes = file.read(sql, offset, PART_BYTES)?;
    let order = ForkOrder {
        id: fork.id,
        from: view.address.id.clone(),
        snapshot: snapshot.to_owned(),
        sequence: fork.sequence,
        frames,
        offset,
        expires: fork.expires,
    };
    Ok((fork.to, order, bytes))
}

/// The refusal to make an object that there is.
pub(super) fn exists(id: &str) -> Error {
    let message = format!("object {id:?} has been written to, or has snapshots");
    Error::conflict("object_exists", message).at("to")
}
