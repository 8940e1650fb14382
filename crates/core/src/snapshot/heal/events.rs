//! What events say of the documents that may lie in a damaged blob: of each key the newest.

use tidelog_log::{Reader, Record, Result, Row, Sequence, put_varint};

use super::super::check::{LogPage, damage_of};
use super::super::{Budget, records, sources};
use super::{Healing, Step};
use crate::Engine;
use crate::document::Prepared;
use crate::folded::{Entry, Manifest};
use crate::sql::Sql;
use crate::table::restore::{self, Staged};
use crate::table::{blobs, log};

impl Engine {
    /// Takes a part of a snapshot of this object's own history: the log may reach back less far, or be
    /// damaged too.
    pub(super) fn note_link(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        (link, after): (usize, u64),
        budget: &mut Budget,
    ) -> Result<()> {
        let earliest = log::earliest(sql)?.unwrap_or(Sequence(1));
        let links = sources::of_history(sql)?;
        let Some(snapshot) = links.get(link) else {
            let after = Sequence(earliest.0.saturating_sub(1));
            healing.step = Step::Log { after };
            return Ok(());
        };
        let next = damage_of(records::next(sql, &snapshot.id, after))?;
        healing.step = match next {
            Ok(Some((records, after))) => {
                budget.spend(0, self.policy.snapshots.step_bytes / 2);
                self.note_records(sql, healing, records)?;
                Step::Links { link, after }
            }
            Ok(None) => Step::next_link(link),
            Err(_) => {
                healing.has_gaps = true;
                Step::next_link(link)
            }
        };
        Ok(())
    }

    /// Takes some of the log.
    pub(super) fn note_log(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        after: Sequence,
        budget: &mut Budget,
    ) -> Result<()> {
        if after >= self.head.sequence {
            let key = String::new();
            healing.step = Step::Claim { key };
            return Ok(());
        }
        let bytes_max = self.policy.snapshots.step_bytes / 2;
        let page = LogPage::read(sql, after, bytes_max)?;
        budget.spend(0, page.bytes);
        let last = page.records.last().map(Record::last_sequence);
        let behind = match page.damaged {
            None => last,
            // Records of the damaged blob itself are there only as its rows.
            Some(_) => {
                healing.has_gaps = true;
                page.next.map(|next| Sequence(next.0 - 1))
            }
        };
        self.note_records(sql, healing, page.records)?;
        let after = behind.unwrap_or(self.head.sequence);
        healing.step = Step::Log { after };
        Ok(())
    }

    /// Notes events of keys that may be in the blob, unless a newer one is noted.
    fn note_records(&self, sql: &dyn Sql, healing: &Healing, records: Vec<Record>) -> Result<()> {
        let Some((prepared, entry)) = self.damaged(sql, healing)? else {
            return Ok(());
        };
        let collection = &prepared.collection;
        for event in records.into_iter().flat_map(Record::into_events) {
            if *event.collection != *collection.name || !entry.may_hold(&event.key) {
                continue;
            }
            let known = restore::get(sql, Staged::Overlay, collection.id, &event.key)?;
            let known = known
                .flatten()
                .map(|body| Noted::decode(&body))
                .transpose()?;
            if known.is_none_or(|known| known.version < event.sequence) {
                let noted = Noted {
                    version: event.sequence,
                    row: event.after,
                };
                let body = noted.encode();
                let key = &event.key;
                restore::put(sql, Staged::Overlay, collection.id, key, Some(&body))?;
            }
        }
        Ok(())
    }

    /// The blob that is being healed, with its collection.
    pub(super) fn damaged(
        &self,
        sql: &dyn Sql,
        healing: &Healing,
    ) -> Result<Option<(&Prepared, Entry)>> {
        let Some(prepared) = self.view.collections.get(healing.collection) else {
            return Ok(None);
        };
        let bytes = blobs::manifest(sql, prepared.collection.id)?;
        let manifest = bytes.map(|bytes| Manifest::decode(&bytes)).transpose()?;
        let entries = manifest.unwrap_or_default().blobs;
        let found = entries.into_iter().find(|entry| entry.id == healing.blob);
        Ok(found.map(|entry| (prepared.as_ref(), entry)))
    }
}

/// What an event left of a document.
pub(super) struct Noted {
    pub(super) version: Sequence,
    /// None: it was deleted.
    pub(super) row: Option<Row>,
}

impl Noted {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.version.0);
        put_varint(&mut out, u64::from(self.row.is_some()));
        if let Some(row) = &self.row {
            row.encode(&mut out);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let version = Sequence(reader.varint()?);
        let row = match reader.varint()? {
            0 => None,
            _ => Some(Row::decode(&mut reader)?),
        };
        Ok(Self { version, row })
    }
}
