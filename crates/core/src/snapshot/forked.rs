//! The other side of a fork: an object that comes to be as another one was.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidelog_log::Result;

use super::file::FileReader;
use super::fork::exists;
use super::restore::Wanted;
use super::{ForkOrder, ForkPlace, RestoreStatus, RestoreTarget, remove, restore, sources};
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::{meta, snapshots};
use crate::{Caller, Engine, TypeSchema};

/// The fact of `_meta` that says what the object is a fork of.
const FACT: &str = "forked";

/// What an object is a fork of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Forked {
    /// The fork.
    id: String,
    /// The object.
    from: String,
    /// The snapshot here, once all of it was taken.
    snapshot: Option<String>,
    /// Bytes of its file.
    bytes: u64,
    frames: u64,
    /// Only what the object is to hold is left of it.
    is_tidy: bool,
}

impl Engine {
    /// Takes a part, or says how far it is: parts come again after a crash.
    pub(super) fn take_fork(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        schema: &TypeSchema,
        order: &ForkOrder,
        bytes: &[u8],
    ) -> Result<ForkPlace> {
        let known: Option<Forked> = meta::fact(sql, FACT)?;
        let mut forked = match known.filter(|forked| forked.id == order.id) {
            Some(forked) => forked,
            None => self.new_fork(sql, ids.now, order)?,
        };
        if forked.snapshot.is_none() {
            self.take_part(sql, ids, schema, order, bytes, &mut forked)?;
        }
        let restored = match &forked.snapshot {
            Some(_) => restore::last(sql)?,
            None => None,
        };
        let is_complete = restored
            .as_ref()
            .is_some_and(|r| r.status == RestoreStatus::Complete);
        if is_complete && !forked.is_tidy {
            let undo = restored.as_ref().and_then(|restored| restored.undo.clone());
            self.tidy_fork(sql, &mut forked, undo)?;
        }
        meta::set_fact(sql, FACT, Some(&forked))?;
        Ok(ForkPlace {
            frames: forked.frames,
            bytes: forked.bytes,
            restore: restored.as_ref().map(|restored| restored.status),
            offset: restored
                .as_ref()
                .and_then(|restored| restored.offset.clone()),
            failure: restored.and_then(|restored| restored.failure),
        })
    }

    /// Only what was never written to, and has no snapshots, becomes a fork.
    fn new_fork(&mut self, sql: &dyn Sql, now: i64, order: &ForkOrder) -> Result<Forked> {
        self.make_snapshot_tables(sql)?;
        if self.head.sequence.0 > 0 || snapshots::count(sql)? > 0 {
            return Err(exists(&self.view.address.id));
        }
        if let Some(at) = order.expires {
            self.make_scratch(sql, at)?;
        }
        let details = json!({"from": order.from, "sequence": order.sequence});
        self.note(sql, now, ("fork", "fork.from"), &order.id, details)?;
        Ok(Forked {
            id: order.id.clone(),
            from: order.from.clone(),
            snapshot: None,
            bytes: 0,
            frames: 0,
            is_tidy: false,
        })
    }

    fn take_part(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        schema: &TypeSchema,
        order: &ForkOrder,
        bytes: &[u8],
        forked: &mut Forked,
    ) -> Result<()> {
        if (order.frames, order.offset) != (forked.frames, forked.bytes) {
            return Ok(());
        }
        let mut reader = match order.frames {
            0 => FileReader::default(),
            frames => FileReader::resume(frames, order.offset, &order.snapshot),
        };
        let frames = reader.push(bytes)?;
        let import = self.import(sql, ids, schema, frames)?;
        (forked.frames, forked.bytes) = (import.frames, import.offset);
        let Some(id) = import.snapshot else {
            return Ok(());
        };
        forked.snapshot = Some(id.clone());
        let wanted = Wanted {
            target: RestoreTarget::Snapshot(id),
            collections: Vec::new(),
            dry_run: false,
            to: Some(order.sequence),
        };
        let caller = Caller {
            source: "fork".to_owned(),
            ..Caller::default()
        };
        self.restore(sql, ids, schema, &caller, wanted).map(drop)
    }

    /// Lets go of what came, and of the state before, which was none.
    fn tidy_fork(
        &mut self,
        sql: &dyn Sql,
        forked: &mut Forked,
        undo: Option<String>,
    ) -> Result<()> {
        let mut gone: Vec<String> = undo.into_iter().collect();
        if let Some(id) = &forked.snapshot
            && let Some(snapshot) = snapshots::find(sql, id)?
        {
            let chain = sources::chain(sql, &snapshot)?;
            gone.extend(chain.into_iter().rev().map(|link| link.id));
        }
        for id in gone {
            if let Some(snapshot) = snapshots::find(sql, &id)? {
                remove::forget(sql, &snapshot)?;
            }
        }
        forked.is_tidy = true;
        Ok(())
    }
}
