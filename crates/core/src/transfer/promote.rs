//! A snapshot's file into object storage, part by part, then the manifest; then the hot copy goes.

use tidelog_log::{Error, Result};

use super::layout::{ColdManifest, PARTS_MAX, manifest_key, part_key};
use super::{ColdPart, PartStart, Transfer, TransferStep};
use crate::snapshot::{Job, drop_hot_parts, sources};
use crate::sql::Sql;
use crate::table::snapshots::{self, PartKind};
use crate::table::transfers::{self, Row};
use crate::{ColdCopy, Engine, Moving, Snapshot, SnapshotFile, SnapshotTier, View};

impl Engine {
    /// Begins to bring a snapshot to object storage; one that is there stays as it is.
    ///
    /// # Errors
    /// `unknown_snapshot`, `snapshot_incomplete`, `snapshot_moving`.
    pub(crate) fn promote_snapshot(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        id: &str,
    ) -> Result<Snapshot> {
        let mut snapshot = sources::complete(sql, id)?;
        match (snapshot.tier, snapshot.moving) {
            // One that is on its way back is wanted.
            (_, Some(Moving::Recalling)) => return Err(super::moving(&snapshot)),
            (SnapshotTier::Cold, None) | (_, Some(Moving::Promoting)) => return Ok(snapshot),
            (SnapshotTier::Hot, None) => {}
        }
        snapshot.moving = Some(Moving::Promoting);
        snapshot.failure = None;
        snapshots::put(sql, &snapshot)?;
        let part_bytes = self.policy.snapshots.step_bytes as u64 / 4 * 3;
        let promote = Transfer::Promote {
            snapshot: id.to_owned(),
            part_bytes,
            part: 0,
            frames: 0,
            offset: 0,
        };
        self.add_transfer(sql, &promote, now)?;
        Ok(snapshot)
    }

    /// A part is there.
    pub(super) fn part_is_put(
        &mut self,
        sql: &dyn Sql,
        mut row: Row,
        put: &ColdPart,
    ) -> Result<()> {
        let Transfer::Promote {
            snapshot,
            part,
            frames,
            offset,
            ..
        } = &mut row.body
        else {
            return Ok(());
        };
        if *part >= PARTS_MAX {
            let message = format!("a snapshot has at most {PARTS_MAX} parts in object storage");
            return Err(Error::too_large("snapshot_too_large", message));
        }
        put_cold_part(sql, snapshot, *part, put)?;
        (*part, *frames, *offset) = (*part + 1, *frames + put.frames, *offset + put.bytes);
        transfers::advance(sql, &row)
    }

    /// A part was looked at and is there still.
    pub(super) fn part_is_there(&mut self, sql: &dyn Sql, row: Row) -> Result<()> {
        let Transfer::Promote { snapshot, part, .. } = &row.body else {
            return Ok(());
        };
        let part = cold_part(sql, snapshot, *part)?;
        self.part_is_put(sql, row, &part)
    }

    /// All of it is there: the hot copy goes.
    pub(super) fn is_promoted(&mut self, sql: &dyn Sql, now: i64, row: &Row) -> Result<()> {
        let Transfer::Promote {
            snapshot,
            part,
            offset,
            ..
        } = &row.body
        else {
            return Ok(());
        };
        if matches!(self.job, Some(Job::Restoring(_))) {
            // The restore reads it, perhaps. The manifest is found again then.
            return self.put_transfer_off(sql, now, row);
        }
        let mut snapshot = sources::find(sql, snapshot)?;
        drop_hot_parts(sql, &snapshot.id)?;
        snapshots::trim_parts(sql, &snapshot.id, PartKind::Cold, *part)?;
        snapshot.tier = SnapshotTier::Cold;
        snapshot.cold = Some(ColdCopy {
            parts: *part,
            bytes: *offset,
        });
        (snapshot.moving, snapshot.failure) = (None, None);
        // One more is in storage: perhaps one too many.
        self.arm_retain(sql, now)?;
        snapshots::put(sql, &snapshot)?;
        transfers::remove(sql, row.number)
    }
}

/// What the host is to do next for a promotion.
pub(super) fn step(view: &View, sql: &dyn Sql, transfer: &Transfer) -> Result<TransferStep> {
    let Transfer::Promote {
        snapshot: id,
        part_bytes,
        part,
        frames,
        offset,
    } = transfer
    else {
        return Err(Error::internal("not a promotion"));
    };
    let file = SnapshotFile::open_link(view, sql, id)?;
    let manifest = manifest_key(&view.address, id);
    if *offset >= file.bytes() {
        let parts = (0..*part).map(|part| cold_part(sql, id, part));
        let parts = parts.collect::<Result<_>>()?;
        let body = ColdManifest::new(&view.address, file.snapshot(), parts).encode()?;
        return Ok(TransferStep::Commit {
            key: manifest,
            body,
        });
    }
    let key = part_key(&view.address, id, *part);
    let at = PartStart {
        snapshot: id.clone(),
        frames: *frames,
        offset: *offset,
    };
    let known = known_part(sql, id, *part)?;
    if let Some(part) = known.clone().filter(|_| file.snapshot().cold.is_some()) {
        // It was recalled: what is there is only looked at.
        return Ok(TransferStep::Get { key, part, at });
    }
    let most = known.as_ref().map_or(*part_bytes, |known| known.bytes);
    let body = file.read(sql, *offset, usize::try_from(most).unwrap_or(usize::MAX))?;
    let hash = blake3::hash(&body).to_hex();
    Ok(TransferStep::Put {
        key,
        manifest,
        is_there: known.is_some_and(|known| known.blake3 == hash.as_str()),
        body,
        at,
    })
}

/// Notes a part of a snapshot in object storage.
pub(super) fn put_cold_part(
    sql: &dyn Sql,
    snapshot: &str,
    number: u64,
    part: &ColdPart,
) -> Result<()> {
    let body = serde_json::to_vec(part).map_err(|e| Error::internal(e.to_string()))?;
    snapshots::put_part(sql, snapshot, PartKind::Cold, (0, number), &body)
}

/// A part of a snapshot in object storage.
pub(super) fn cold_part(sql: &dyn Sql, snapshot: &str, number: u64) -> Result<ColdPart> {
    known_part(sql, snapshot, number)?
        .ok_or_else(|| Error::corrupt(format!("part {number} of snapshot {snapshot} is not known")))
}

fn known_part(sql: &dyn Sql, snapshot: &str, number: u64) -> Result<Option<ColdPart>> {
    let body = snapshots::part(sql, snapshot, PartKind::Cold, (0, number))?;
    let odd = |e| Error::corrupt(format!("a part of snapshot {snapshot} does not read: {e}"));
    let read = body.map(|body| serde_json::from_slice(&body).map_err(odd));
    read.transpose()
}
