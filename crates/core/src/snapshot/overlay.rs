//! The state that is wanted, where it is not as in the full snapshot: documents that are in no blob,
//! and what events have changed since.

use tidelog_log::{Error, Kind, Record, Result, Sequence};

use super::restore::{Phase, Restoring};
use super::{Budget, copy, records, sound, stream};
use crate::sql::Sql;
use crate::table::log;
use crate::table::restore::{self, Staged};
use crate::table::snapshots::{self, PartKind};
use crate::{Engine, View};

impl Engine {
    /// Takes a document that is in no blob, the events of a part, or some of the log.
    pub(super) fn overlay_step(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        budget: &mut Budget,
    ) -> Result<()> {
        match restoring.phase.clone() {
            Phase::Large { after } => self.overlay_large(sql, restoring, after, budget),
            Phase::Links { link, after } => {
                self.overlay_link(sql, restoring, (link, after), budget)
            }
            Phase::Log { after } => self.overlay_log(sql, restoring, after, budget),
            _ => Err(Error::internal("not a phase of overlaying")),
        }
    }

    fn overlay_large(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        after: Option<(u32, u64)>,
        budget: &mut Budget,
    ) -> Result<()> {
        let full = restoring.sources.full.clone().unwrap_or_default();
        let part = snapshots::next_part(sql, &full, PartKind::Documents, after)?;
        let Some(part) = part else {
            restoring.phase = Phase::Links { link: 0, after: 0 };
            return Ok(());
        };
        let bytes = stream::join(sql, &full, PartKind::Documents, &part)?;
        budget.spend(1, bytes.len());
        let document = copy::decode(&bytes)?;
        sound::check_bytes(&document)?;
        let mut all = self.view.collections.iter();
        let prepared = all.find(|p| p.collection.id == part.collection);
        if let Some(prepared) = prepared.filter(|_| restoring.wants(&self.view, part.collection)) {
            sound::check(prepared, &document.key, Some(&document.row))?;
            let mut row = Vec::new();
            document.row.encode(&mut row);
            let key = &document.key;
            restore::put(sql, Staged::Overlay, part.collection, key, Some(&row))?;
        }
        let behind = part.number + stream::first_part(1) - 1;
        restoring.phase = Phase::Large {
            after: Some((part.collection, behind)),
        };
        Ok(())
    }

    fn overlay_link(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        (link, after): (usize, u64),
        budget: &mut Budget,
    ) -> Result<()> {
        let Some(id) = restoring.sources.links.get(link).cloned() else {
            let sources = &restoring.sources;
            restoring.phase = match (&sources.lake, sources.log_after) {
                (Some(span), _) => Phase::Lake { after: span.after },
                (None, Some(after)) => Phase::Log { after },
                (None, None) => Phase::first_of_keys(),
            };
            return Ok(());
        };
        restoring.phase = match records::next(sql, &id, after)? {
            None => Phase::Links {
                link: link + 1,
                after: 0,
            },
            Some((records, behind)) => {
                budget.spend(0, self.policy.snapshots.step_bytes / 2);
                overlay(sql, &self.view, restoring, records)?;
                Phase::Links {
                    link,
                    after: behind,
                }
            }
        };
        Ok(())
    }

    fn overlay_log(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        after: Sequence,
        budget: &mut Budget,
    ) -> Result<()> {
        let to = restoring.sources.to;
        if after >= to {
            restoring.phase = Phase::first_of_keys();
            return Ok(());
        }
        let bytes_max = self.policy.snapshots.step_bytes / 2;
        let records = log::read(sql, after.next(), bytes_max, u64::MAX)?;
        let Some(last) = records.last().map(Record::last_sequence) else {
            return Err(Error::corrupt(format!(
                "the log has no record after {after}"
            )));
        };
        if records[0].header.first_sequence > after.next() {
            // Trimmed meanwhile: nothing holds the log for a dry run.
            let message = "events that the restore needs were trimmed; ask again";
            return Err(Error::new(Kind::Gone, "restore_beyond_horizon", message));
        }
        budget.spend(0, bytes_max);
        overlay(sql, &self.view, restoring, records)?;
        restoring.phase = Phase::Log { after: last };
        Ok(())
    }
}

/// Notes what the events of these records make of their documents.
fn overlay(sql: &dyn Sql, view: &View, restoring: &Restoring, records: Vec<Record>) -> Result<()> {
    let to = restoring.sources.to;
    for record in records {
        for event in record.into_events().take_while(|e| e.sequence <= to) {
            let prepared = view
                .collections
                .iter()
                .find(|p| p.collection.name == *event.collection);
            let Some(prepared) = prepared else {
                continue;
            };
            let collection = prepared.collection.id;
            if !restoring.wants(view, collection) {
                continue;
            }
            sound::check(prepared, &event.key, event.after.as_ref())?;
            let row = event.after.map(|row| {
                let mut bytes = Vec::new();
                row.encode(&mut bytes);
                bytes
            });
            restore::put(sql, Staged::Overlay, collection, &event.key, row.as_deref())?;
        }
    }
    Ok(())
}
