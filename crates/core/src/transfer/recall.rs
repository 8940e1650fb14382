//! A snapshot's file back from object storage, part by part, through the checks of an import.

use tidelog_log::{Error, Kind, Result};

use super::layout::{damaged, part_key};
use super::promote::cold_part;
use super::{PartStart, Transfer, TransferStep};
use crate::mutate::IdMaker;
use crate::snapshot::file::Frame;
use crate::snapshot::{Importing, drop_hot_parts, sources};
use crate::sql::Sql;
use crate::table::snapshots;
use crate::table::transfers::{self, Row};
use crate::{Engine, Moving, Snapshot, SnapshotTier, View};

impl Engine {
    /// Begins to bring a snapshot back from object storage, with those that it builds on; what is hot
    /// stays as it is.
    ///
    /// # Errors
    /// `unknown_snapshot`, `snapshot_incomplete`, `snapshot_chain_broken`, `snapshot_moving`.
    pub(crate) fn recall_snapshot(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        id: &str,
    ) -> Result<Snapshot> {
        let snapshot = sources::complete(sql, id)?;
        if snapshot.moving == Some(Moving::Promoting) {
            return Err(super::moving(&snapshot));
        }
        for link in sources::chain(sql, &snapshot)? {
            self.recall_link(sql, now, link, false)?;
        }
        sources::find(sql, id)
    }

    /// Begins to bring one link back, unless it is hot or on its way.
    pub(crate) fn recall_link(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        mut link: Snapshot,
        for_restore: bool,
    ) -> Result<()> {
        if link.tier == SnapshotTier::Hot || link.moving.is_some() {
            return Ok(());
        }
        link.moving = Some(Moving::Recalling);
        link.failure = None;
        snapshots::put(sql, &link)?;
        let recall = Transfer::Recall {
            importing: Importing::recalling(&link.id),
            snapshot: link.id,
            part: 0,
            for_restore,
        };
        self.add_transfer(sql, &recall, now)
    }

    /// Takes a part that came.
    pub(super) fn part_is_got(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        mut row: Row,
        frames: Vec<Frame>,
    ) -> Result<()> {
        let Transfer::Recall {
            snapshot,
            part,
            importing,
            ..
        } = &mut row.body
        else {
            return Ok(());
        };
        self.view.check_size(sql)?;
        let mut known = sources::find(sql, snapshot)?;
        let as_damaged = |e: Error| match e.kind() {
            Kind::Corrupt => damaged(format!(
                "part {part} of snapshot {snapshot}: {}",
                e.message()
            )),
            _ => e,
        };
        let ended = self.take_recalled(sql, ids, importing, frames);
        let ended = ended.map_err(as_damaged)?;
        *part += 1;
        if !ended && known.cold.as_ref().is_some_and(|cold| *part >= cold.parts) {
            let message = format!("snapshot {snapshot} ends before all of it was there");
            return Err(damaged(message));
        }
        if !ended {
            return transfers::advance(sql, &row);
        }
        known.tier = SnapshotTier::Hot;
        (known.moving, known.failure) = (None, None);
        snapshots::put(sql, &known)?;
        transfers::remove(sql, row.number)?;
        self.link_is_recalled(sql, ids.now)
    }

    /// Gives up what a restore wanted that is no more.
    pub(crate) fn drop_recalls(&mut self, sql: &dyn Sql) -> Result<()> {
        for row in transfers::list(sql)? {
            if matches!(
                row.body,
                Transfer::Recall {
                    for_restore: true,
                    ..
                }
            ) {
                drop_recall(sql, &row)?;
            }
        }
        Ok(())
    }
}

/// Gives a recall up: what came of the snapshot goes, and it is cold as before.
pub(super) fn drop_recall(sql: &dyn Sql, row: &Row) -> Result<()> {
    if let Some(id) = row.body.snapshot() {
        drop_hot_parts(sql, id)?;
        let mut snapshot = sources::find(sql, id)?;
        snapshot.moving = None;
        snapshots::put(sql, &snapshot)?;
    }
    transfers::remove(sql, row.number)
}

/// What the host is to do next for a recall.
pub(super) fn step(view: &View, sql: &dyn Sql, transfer: &Transfer) -> Result<TransferStep> {
    let Transfer::Recall {
        snapshot,
        part,
        importing,
        ..
    } = transfer
    else {
        return Err(Error::internal("not a recall"));
    };
    let (frames, offset) = importing.place();
    Ok(TransferStep::Get {
        key: part_key(&view.address, snapshot, *part),
        part: cold_part(sql, snapshot, *part)?,
        at: PartStart {
            snapshot: snapshot.clone(),
            frames,
            offset,
        },
    })
}
