//! What a deleted snapshot has in object storage goes, and only then its row.

use tidelog_log::Result;

use super::{Transfer, recall};
use crate::snapshot::drop_hot_parts;
use crate::sql::Sql;
use crate::table::snapshots::{self, PartKind};
use crate::table::transfers::{self, Row};
use crate::{Engine, Snapshot, SnapshotStatus};

impl Engine {
    /// Lets go of a snapshot that has, or may have, something in object storage: false where it has not.
    pub(crate) fn forget_cold(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        snapshot: &mut Snapshot,
    ) -> Result<bool> {
        let of_it = transfers::list(sql)?.into_iter();
        let mut of_it = of_it.filter(|row| row.body.snapshot() == Some(&snapshot.id));
        let known = snapshots::last_number(sql, &snapshot.id, PartKind::Cold, 0)?;
        match of_it.next() {
            Some(row) if matches!(row.body, Transfer::Forget { .. }) => return Ok(true),
            Some(row) if matches!(row.body, Transfer::Recall { .. }) => {
                recall::drop_recall(sql, &row)?;
            }
            Some(row) => transfers::remove(sql, row.number)?,
            None if snapshot.cold.is_none() && known.is_none() => return Ok(false),
            None => {}
        }
        drop_hot_parts(sql, &snapshot.id)?;
        snapshot.status = SnapshotStatus::Deleting;
        (snapshot.moving, snapshot.failure) = (None, None);
        snapshots::put(sql, snapshot)?;
        let forget = Transfer::Forget {
            snapshot: snapshot.id.clone(),
        };
        self.add_transfer(sql, &forget, now)?;
        Ok(true)
    }

    /// Nothing is left of it.
    pub(super) fn is_forgotten(&mut self, sql: &dyn Sql, row: &Row) -> Result<()> {
        if let Transfer::Forget { snapshot } = &row.body {
            snapshots::remove(sql, snapshot)?;
        }
        transfers::remove(sql, row.number)
    }
}
