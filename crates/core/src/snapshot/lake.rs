//! Events that are in no snapshot and not in the log any more, but in the changes tables of the lake.
//!
//! The engine reads no object storage: the host reads a page of the tables, by sequence, and brings it
//! here. A host that comes no more has its restore given up by the timer; nothing was changed then.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Kind, Operation, Reader, Result, Sequence, put_bytes, put_varint};

use super::SNAPSHOT;
use super::info::{LakeWanted, Restore};
use super::job::Job;
use super::restore::{Phase, Restoring};
use super::sources::before_all;
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::restore::{self, Staged};
use crate::table::{cursors, wakes};
use crate::{Address, Engine, LakeImage, View};

/// A restore goes on without its host for so long, milliseconds; then it is given up.
const HOST_MILLIS_MAX: i64 = 60_000;

/// The part of a state that the changes tables have to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LakeSpan {
    /// Events after this one.
    pub(super) after: Sequence,
    /// Up to this one.
    pub(super) to: Sequence,
    /// And not later than this moment, milliseconds since 1970; none: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
    /// No number may be missing: the tables have every collection there is.
    pub(super) whole: bool,
}

/// An event as a changes table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeEvent {
    /// Its position in the log.
    pub sequence: Sequence,
    /// When, milliseconds since 1970.
    pub timestamp: i64,
    /// What happened.
    pub operation: Operation,
    /// The document's key.
    pub key: String,
    /// The document after it, as [`Row::encode`](tidelog_log::Row::encode) writes it; empty for DELETE.
    pub row: Vec<u8>,
}

/// What the table of a collection has of an object in a range of its sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LakeChanges {
    /// How far the table is, and of which history; it has no `change`.
    pub image: LakeImage,
    /// All of the collection's events up to here are in `events`.
    pub upto: Sequence,
    /// By ascending sequence.
    pub events: Vec<LakeEvent>,
}

impl LakeEvent {
    /// Appends it to a page that goes from one actor to another.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.sequence.0);
        put_varint(out, self.timestamp.cast_unsigned());
        out.push(self.operation.to_byte());
        put_bytes(out, self.key.as_bytes());
        put_bytes(out, &self.row);
    }

    /// Reads what [`encode`](Self::encode) wrote, one after the other.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>> {
        let (mut reader, mut events) = (Reader::new(bytes), Vec::new());
        while !reader.is_empty() {
            events.push(Self {
                sequence: Sequence(reader.varint()?),
                timestamp: reader.varint()?.cast_signed(),
                operation: Operation::from_byte(reader.byte()?)?,
                key: reader.text()?.to_owned(),
                row: reader.bytes()?.to_vec(),
            });
        }
        Ok(events)
    }
}

/// One page of the changes of several collections: all of their events after `after` and up to `upto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LakePage {
    after: Sequence,
    upto: Sequence,
    images: Vec<(String, LakeImage)>,
    /// By ascending sequence, each with the place of its collection in `images`.
    events: Vec<(usize, LakeEvent)>,
}

impl LakePage {
    /// Joins what the tables of collections have after `after`. They may not all have come equally far:
    /// the page ends where the first one does.
    pub fn of(after: Sequence, tables: Vec<(String, LakeChanges)>) -> Self {
        let upto = tables.iter().map(|(_, changes)| changes.upto).min();
        let upto = upto.unwrap_or(after);
        let (mut images, mut events) = (Vec::new(), Vec::new());
        for (at, (collection, changes)) in tables.into_iter().enumerate() {
            images.push((collection, changes.image));
            let within = changes.events.into_iter();
            let within = within.take_while(|event| event.sequence <= upto);
            events.extend(within.map(|event| (at, event)));
        }
        events.sort_by_key(|(_, event)| event.sequence);
        Self {
            after,
            upto,
            images,
            events,
        }
    }

    /// Refuses events that cannot be all that there were.
    fn check_sequences(&self, whole: bool) -> Result<()> {
        let mut last = self.after;
        for (_, event) in &self.events {
            if event.sequence <= last {
                let what = format!("event {} is there twice", event.sequence);
                return Err(gap(&what, event.sequence, event.sequence));
            }
            if whole && event.sequence != last.next() {
                return Err(missing(last, event.sequence));
            }
            last = event.sequence;
        }
        match whole && last < self.upto {
            true => Err(missing(last, self.upto.next())),
            false => Ok(()),
        }
    }
}

fn missing(last: Sequence, next: Sequence) -> Error {
    let (from, to) = (last.next(), Sequence(next.0 - 1));
    let what = format!("events {from} to {to} are missing");
    gap(&what, from, to)
}

fn gap(what: &str, from: Sequence, to: Sequence) -> Error {
    let message = format!("the changes tables do not have this state: {what}");
    Error::new(Kind::Gone, "lake_gap", message)
        .at("sequence")
        .with("from", from.0)
        .with("to", to.0)
}

impl View {
    /// What the tables have to give for a state that neither snapshots nor the log reach: events after
    /// `after` and up to `to`.
    ///
    /// # Errors
    /// `restore_beyond_horizon` that names a collection whose table does not have them.
    pub(super) fn lake_span(
        &self,
        sql: &dyn Sql,
        collections: &[String],
        (after, to): (Sequence, Sequence),
        until: Option<i64>,
    ) -> Result<LakeSpan> {
        let cursors = cursors::list(sql)?;
        let mut whole = true;
        for prepared in self.collections.iter() {
            let (name, cold) = (&prepared.collection.name, prepared.collection.cold.enabled);
            whole &= cold && (collections.is_empty() || collections.contains(name));
            if !collections.is_empty() && !collections.contains(name) {
                continue;
            }
            let table = Address::table(&self.address.type_name, name)?.to_string();
            let cursor = cursors.iter().find(|cursor| cursor.destination == table);
            let committed = cursor.map(|cursor| cursor.committed).unwrap_or_default();
            if !cold || committed < to {
                let why = match cold {
                    true => format!("the lake has its events up to {committed} only"),
                    false => "it has no table in the lake".to_owned(),
                };
                let message = format!(
                    "events {} to {to} are trimmed and in no snapshot, and of collection {name} {why}",
                    after.next()
                );
                let error = Error::new(Kind::Gone, "restore_beyond_horizon", message);
                return Err(error.at("sequence").with("collection", name.as_str()));
            }
        }
        Ok(LakeSpan {
            after,
            to,
            until,
            whole,
        })
    }
}

impl Restoring {
    /// What the host has to bring next.
    pub(super) fn lake_wanted(&self, view: &View, after: Sequence) -> Option<LakeWanted> {
        let span = self.sources.lake.as_ref()?;
        let collections = self.collections(view);
        let names = collections.iter().map(|p| p.collection.name.clone());
        Some(LakeWanted {
            collections: names.collect(),
            after,
            to: span.to,
            ready: matches!(self.phase, Phase::Lake { .. }),
        })
    }
}

impl Engine {
    /// Says what the host has to bring, and waits for it.
    pub(super) fn await_lake(
        &self,
        sql: &dyn Sql,
        now: i64,
        restoring: &mut Restoring,
    ) -> Result<()> {
        if let Phase::Lake { after } = restoring.phase {
            restoring.restore.lake = restoring.lake_wanted(&self.view, after);
            // One for the next step may be set, which would ring before the host comes.
            wakes::clear(sql, SNAPSHOT)?;
            wakes::set(sql, SNAPSHOT, now + HOST_MILLIS_MAX)?;
        }
        Ok(())
    }

    /// The host did not come back.
    pub(super) fn lake_is_late() -> Error {
        let message = "the reading of the changes tables stopped; ask again";
        Error::conflict("lake_read_stopped", message)
    }

    /// Takes a page that the host has read, or the reason why it could not.
    ///
    /// # Errors
    /// `restore_moved` when the restore is not where the page is for; `lake_gap` when events are missing;
    /// `fenced` when the lake has another history. The host then brings that error as the outcome.
    pub(super) fn lake_page(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        id: &str,
        page: Result<LakePage>,
    ) -> Result<Restore> {
        let moved = || {
            let message = "the restore is not where this page of the lake would be read";
            Error::conflict("restore_moved", message)
        };
        let Some(Job::Restoring(restoring)) = &self.job else {
            return Err(moved());
        };
        let (restoring, phase) = (restoring.clone(), restoring.phase.clone());
        if restoring.restore.id != id || restoring.restore.lake.is_none() {
            return Err(moved());
        }
        match (&page, phase) {
            // What comes before is laid out, or was meanwhile.
            (Ok(page), _) if page.images.is_empty() => return self.restore_steps(sql, ids),
            (Ok(page), Phase::Lake { after }) if page.after != after => return Err(moved()),
            (_, Phase::Lake { .. }) | (Err(_), _) => {}
            _ => return Err(moved()),
        }
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                self.give_up(sql, ids.now, &error)?;
                return super::restore::last(sql)?.ok_or_else(moved);
            }
        };
        let restoring = self.overlay_page(sql, restoring, page)?;
        wakes::clear(sql, SNAPSHOT)?;
        self.set_job(sql, Some(Job::Restoring(restoring)))?;
        self.restore_steps(sql, ids)
    }

    fn overlay_page(
        &self,
        sql: &dyn Sql,
        mut restoring: Box<Restoring>,
        page: LakePage,
    ) -> Result<Box<Restoring>> {
        let Some(span) = restoring.sources.lake.clone() else {
            return Err(Error::internal("a page of the lake without a span"));
        };
        for (_, image) in &page.images {
            self.view.check_history(sql, image)?;
        }
        let short = page
            .images
            .iter()
            .any(|(_, image)| image.committed < span.to);
        if short || page.upto <= page.after {
            return Err(missing(page.after, span.to.next()));
        }
        page.check_sequences(span.whole)?;
        let (mut last, mut ended) = (page.after, false);
        for (at, event) in &page.events {
            ended = span.until.is_some_and(|until| event.timestamp > until);
            if ended {
                break;
            }
            let (collection, _) = &page.images[*at];
            self.overlay_event(sql, &restoring, collection, event)?;
            last = event.sequence;
        }
        if ended && last == Sequence(0) {
            let first = page.events.first().map(|(_, event)| event.timestamp);
            return Err(before_all(first.unwrap_or_default()));
        }
        if ended || page.upto >= span.to {
            if span.until.is_some() {
                restoring.sources.to = if ended { last } else { span.to };
                restoring.restore.sequence = restoring.sources.to;
            }
            restoring.restore.lake = None;
            restoring.phase = match restoring.sources.log_after.filter(|_| !ended) {
                Some(after) => Phase::Log { after },
                None => Phase::first_of_keys(),
            };
        } else {
            restoring.phase = Phase::Lake { after: page.upto };
        }
        Ok(restoring)
    }

    /// Notes what an event makes of its document, which must fit what was there before.
    fn overlay_event(
        &self,
        sql: &dyn Sql,
        restoring: &Restoring,
        collection: &str,
        event: &LakeEvent,
    ) -> Result<()> {
        let id = self.view.prepared(collection)?.collection.id;
        let known = restore::get(sql, Staged::Overlay, id, &event.key)?;
        let there = match known {
            Some(row) => Some(row.is_some()),
            // A full snapshot may have it in a blob.
            None => restoring.sources.full.is_none().then_some(false),
        };
        let inserts = event.operation == Operation::Insert;
        if there.is_some_and(|there| there == inserts) {
            let what = format!(
                "{} of {collection} {:?} at {} does not follow on what they have before it",
                event.operation.name(),
                event.key,
                event.sequence
            );
            return Err(gap(&what, restoring.first_of_lake(), event.sequence));
        }
        let row = (event.operation != Operation::Delete).then_some(event.row.as_slice());
        restore::put(sql, Staged::Overlay, id, &event.key, row)
    }
}

impl Restoring {
    fn first_of_lake(&self) -> Sequence {
        let span = self.sources.lake.as_ref();
        span.map_or(Sequence(1), |span| span.after.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64) -> LakeEvent {
        LakeEvent {
            sequence: Sequence(sequence),
            timestamp: -5,
            operation: Operation::Update,
            key: format!("k{sequence}"),
            row: vec![1, 2, 3],
        }
    }

    fn changes(upto: u64, sequences: &[u64]) -> LakeChanges {
        LakeChanges {
            upto: Sequence(upto),
            events: sequences.iter().map(|at| event(*at)).collect(),
            ..LakeChanges::default()
        }
    }

    fn page(tables: Vec<LakeChanges>) -> LakePage {
        let named = (0..)
            .zip(tables)
            .map(|(at, changes)| (format!("c{at}"), changes));
        LakePage::of(Sequence(2), named.collect())
    }

    #[test]
    fn events_cross_between_actors() {
        let (mut bytes, all) = (Vec::new(), vec![event(3), event(9)]);
        for event in &all {
            event.encode(&mut bytes);
        }
        assert_eq!(LakeEvent::decode_all(&bytes).unwrap(), all);
        assert_eq!(
            LakeEvent::decode_all(&bytes[1..]).unwrap_err().code(),
            "corrupt"
        );
    }

    #[test]
    fn a_page_ends_where_its_first_table_does_and_has_no_gap() {
        let joined = page(vec![changes(9, &[3, 6, 8]), changes(6, &[4, 5])]);
        assert_eq!(joined.upto, Sequence(6));
        joined.check_sequences(true).unwrap();
        let cut = page(vec![changes(6, &[3]), changes(6, &[4, 6])]);
        cut.check_sequences(false).unwrap();
        let error = cut.check_sequences(true).unwrap_err();
        assert_eq!(
            (error.code(), error.details()["from"].as_u64()),
            ("lake_gap", Some(5))
        );
        let end = page(vec![changes(6, &[3, 4])]).check_sequences(true);
        assert_eq!(end.unwrap_err().details()["to"].as_u64(), Some(6));
        let twice = page(vec![changes(4, &[3]), changes(4, &[3, 4])]);
        assert_eq!(twice.check_sequences(false).unwrap_err().code(), "lake_gap");
    }
}
