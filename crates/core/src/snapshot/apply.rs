//! A small difference, applied in one turn.

use std::collections::BTreeSet;

use tidelog_log::{ChangeRef, Error, Reader, Result, Row};

use super::restore::Restoring;
use crate::document::Prepared;
use crate::folded::{Stored, no_duplicates};
use crate::mutate::OpenTurn;
use crate::sql::Sql;
use crate::table::restore::{self, Staged};
use crate::table::schema;
use crate::{Engine, View};

/// One document, as it is and as it is to be.
pub(super) struct Change<'v> {
    pub(super) prepared: &'v Prepared,
    pub(super) key: String,
    pub(super) before: Option<Stored>,
    pub(super) after: Option<Row>,
}

impl Engine {
    /// Makes every change that was noted.
    pub(super) fn apply(&mut self, sql: &dyn Sql, now: i64, restoring: &Restoring) -> Result<()> {
        let view = self.view.clone();
        let rows = restore::after(sql, Staged::Change, (0, ""), (usize::MAX, usize::MAX))?;
        let changes = self.changes_of(sql, &view, rows)?;
        // A restore opens an epoch, as a fence does.
        self.fenced = true;
        let mut turn = self.begin_restored(now, &restoring.caller(), &restoring.cause)?;
        // All that was goes first: values of unique indexes may move from one document to another.
        for change in &changes {
            if let Some(before) = &change.before {
                turn.take_out(sql, change.prepared, &change.key, before.place)?;
            }
        }
        for change in &changes {
            turn.put_back(sql, change)?;
        }
        self.finish(sql, turn)?;
        self.check_unique_values(sql, changes.iter().map(|c| c.prepared.collection.id))?;
        self.arm_expire(sql, now)
    }

    /// Changes as they were noted, with the documents as they are.
    pub(super) fn changes_of<'v>(
        &mut self,
        sql: &dyn Sql,
        view: &'v View,
        rows: Vec<restore::Row>,
    ) -> Result<Vec<Change<'v>>> {
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let mut all = view.collections.iter();
            let prepared = all.find(|p| p.collection.id == row.collection);
            let prepared = prepared.ok_or_else(|| Error::internal("a change of no collection"))?;
            let body = row.body.as_deref();
            let after = body.map(|body| Row::decode(&mut Reader::new(body)));
            changes.push(Change {
                prepared,
                before: self.main.stored(sql, prepared, &row.key)?,
                after: after.transpose()?,
                key: row.key,
            });
        }
        Ok(changes)
    }

    /// Refuses a state that breaks a unique index which came later than it. Without an upgrade there is
    /// none: the state was checked as it was written.
    pub(super) fn check_unique_values(
        &self,
        sql: &dyn Sql,
        changed: impl Iterator<Item = u32>,
    ) -> Result<()> {
        if schema::is_first(sql)? {
            return Ok(());
        }
        let changed: BTreeSet<u32> = changed.collect();
        let all = self.view.collections.iter().map(|p| &p.collection);
        for collection in all.filter(|c| changed.contains(&c.id)) {
            if collection.indexes.iter().any(|index| index.unique) {
                no_duplicates(sql, collection).map_err(|error| match error.code() {
                    "schema_upgrade_failed" => Error::conflict(
                        "restore_breaks_index",
                        format!("two documents of {} would have the same values of a unique index that came later", collection.name),
                    ),
                    _ => error,
                })?;
            }
        }
        Ok(())
    }
}

/// A violated index as what it means here.
pub(super) fn breaks_index(error: Error) -> Error {
    match error.code() {
        "unique_violation" | "constraint" => {
            let message = format!(
                "the state breaks a unique index that came later: {}",
                error.message()
            );
            Error::conflict("restore_breaks_index", message)
        }
        _ => error,
    }
}

impl Change<'_> {
    /// Appends its event.
    pub(super) fn log(&self, writer: &mut tidelog_log::RecordWriter) -> Result<()> {
        let collection = &self.prepared.collection;
        let of = (collection.id, collection.name.as_str());
        match (&self.before, &self.after) {
            (None, Some(after)) => writer.push(of, &self.key, ChangeRef::Insert { after }),
            (Some(before), Some(after)) => {
                let old = after.changes_from(&before.document.row);
                let old = old.as_slice();
                writer.push(of, &self.key, ChangeRef::Update { after, old });
            }
            (Some(before), None) => {
                let before = &before.document.row;
                writer.push(of, &self.key, ChangeRef::Delete { before });
            }
            (None, None) => return Err(Error::internal("a change of nothing")),
        }
        Ok(())
    }
}

impl OpenTurn {
    /// Writes a document whose earlier self was taken out, and its event.
    fn put_back(&mut self, sql: &dyn Sql, change: &Change<'_>) -> Result<()> {
        let version = self.next_version();
        if let Some(after) = &change.after {
            let done = self.insert_row(sql, change.prepared, &change.key, version, after);
            done.map_err(breaks_index)?;
        }
        change.log(&mut self.writer)
    }
}
