//! Which of the documents that events tell of lie in the damaged blob: those that lie nowhere else.

use tidelog_log::Result;

use super::super::Budget;
use super::super::check::damage_of;
use super::Healing;
use super::events::Noted;
use super::rebuild::Wreck;
use crate::Engine;
use crate::document::Prepared;
use crate::folded::{Entry, Folded, Wanted};
use crate::sql::{Sql, SqlValue, one};
use crate::table::restore::{self, Staged};

/// Keys looked at at once.
const STEP_KEYS: usize = 1_000;

impl Engine {
    /// Lets go of noted documents behind a key that are deleted or lie elsewhere. Returns the last key it
    /// looked at; none: it is through, or the blob's own keys say it all.
    pub(super) fn claim(
        &mut self,
        sql: &dyn Sql,
        healing: &Healing,
        after: &str,
        budget: &mut Budget,
    ) -> Result<Option<String>> {
        let Some((prepared, entry)) = self.damaged(sql, healing)? else {
            return Ok(None);
        };
        let id = prepared.collection.id;
        if Wreck::open(sql, &entry)?.unknown == 0 {
            return Ok(None);
        }
        let step = (STEP_KEYS.min(budget.rows), budget.bytes);
        let rows = restore::after(sql, Staged::Overlay, (id, after), step)?;
        budget.spend(rows.len(), 0);
        let folded = Folded::open(sql, id)?;
        for row in &rows {
            let noted = Noted::decode(row.body.as_deref().unwrap_or_default())?;
            let is_elsewhere = noted.row.is_none()
                || in_table(sql, prepared, &row.key)?
                || in_others(&folded, prepared, &entry, &row.key)?;
            if is_elsewhere {
                restore::remove(sql, Staged::Overlay, id, &row.key)?;
            }
        }
        Ok(rows.into_iter().next_back().map(|last| last.key))
    }
}

fn in_table(sql: &dyn Sql, prepared: &Prepared, key: &str) -> Result<bool> {
    let table = &prepared.table;
    let found = one(sql, &table.select_one, &[SqlValue::Text(key)], |_| Ok(()))?;
    Ok(found.is_some())
}

/// True where another blob has the document, or may have it as it is damaged too.
fn in_others(folded: &Folded<'_>, prepared: &Prepared, damaged: &Entry, key: &str) -> Result<bool> {
    let wanted = Wanted::of(&prepared.collection, key);
    let others = folded.entries().iter();
    for entry in others.filter(|entry| entry.id != damaged.id && wanted.may_be_in(entry)) {
        let row = match damage_of(folded.blob(entry))? {
            Ok(blob) => blob.find(&wanted)?,
            Err(_) => return Ok(true),
        };
        if let Some(row) = row
            && !folded.mask(entry.id)?.has(row)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
