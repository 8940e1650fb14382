//! Reading the log: pages for readers, batches for table actors.

use tidelog_log::limits::{CHANGES_EVENTS_MAX, PAGE_BYTES_MAX};
use tidelog_log::{
    BatchWriter, Epoch, Error, Event, Hash, Kind, Offset, PackedBatch, RawRecord, Record, Result,
    Sequence, StartAt,
};

use crate::sql::Sql;
use crate::table::lineage::{self, Opened};
use crate::table::log::{self, Head};
use crate::table::meta;
use crate::{ChangesPage, ChangesRequest, Images, View};

impl View {
    /// Reads one page of the log. Bounded by the request's limit and by 8 MB of records; under a
    /// filter, `next` is the position scanned to.
    ///
    /// # Errors
    /// `limit_out_of_range`; `unknown_collection` in the filter; `offset_trimmed` and
    /// `offset_outside_lineage` (kind Gone) with the earliest offset still there.
    pub fn changes(&self, sql: &dyn Sql, request: &ChangesRequest) -> Result<ChangesPage> {
        if !(1..=CHANGES_EVENTS_MAX).contains(&request.limit) {
            let message = format!("limit is 1 to {CHANGES_EVENTS_MAX}");
            return Err(Error::invalid("limit_out_of_range", message).at("limit"));
        }
        for name in &request.filter.collections {
            self.prepared(name)?;
        }
        let head = log::head(sql)?;
        let start = self.start(sql, request.start, &head)?;
        let mut page = ChangesPage {
            events: Vec::new(),
            offsets: Vec::new(),
            next: start,
            up_to_date: false,
            closed: false,
        };
        // Without a filter every event read is one of the page: none is decoded in vain.
        let events_max = if request.filter.is_empty() {
            request.limit as u64
        } else {
            u64::MAX
        };
        for record in log::read(sql, start.sequence.next(), PAGE_BYTES_MAX, events_max)? {
            if self.render(record, start.sequence, request, &mut page) {
                break;
            }
        }
        page.up_to_date = page.next.sequence == head.sequence;
        page.closed = page.up_to_date && meta::status(sql)? == meta::Status::Deleted;
        Ok(page)
    }

    /// Adds a record's events to the page; true when the page is full.
    fn render(
        &self,
        record: Record,
        after: Sequence,
        request: &ChangesRequest,
        page: &mut ChangesPage,
    ) -> bool {
        let object = self.address.short();
        for event in record.into_events().filter(|event| event.sequence > after) {
            if page.events.len() >= request.limit {
                return true;
            }
            page.next = event.offset();
            if request.filter.matches(&event) {
                page.events
                    .push(self.event_json(&object, &event, request.images));
                page.offsets.push(event.offset());
            }
        }
        false
    }

    fn event_json(&self, object: &str, event: &Event, images: Images) -> serde_json::Value {
        let prepared = self
            .collections
            .iter()
            .find(|p| p.collection.name == *event.collection);
        let name_of = |id| prepared.and_then(|p| p.collection.field_name(id));
        event.to_json(object, name_of, images == Images::Full)
    }

    /// Turns what the reader asked for into a position that is in the log.
    fn start(&self, sql: &dyn Sql, start: StartAt, head: &Head) -> Result<Offset> {
        let epochs = lineage::epochs(sql)?;
        let earliest = log::earliest(sql)?.unwrap_or(head.sequence.next());
        let at = |sequence: Sequence| Offset {
            epoch: epoch_of(&epochs, sequence),
            sequence,
        };
        let gone = |code, message: &str| {
            Error::new(Kind::Gone, code, message).at("offset").with(
                "earliestOffset",
                at(Sequence(earliest.0.saturating_sub(1))).to_string(),
            )
        };
        let offset = match start {
            StartAt::Now => return Ok(at(head.sequence)),
            // What a reader of a log without events was given.
            StartAt::Beginning
            | StartAt::After(Offset {
                epoch: Epoch(0),
                sequence: Sequence(0),
            }) => at(Sequence(0)),
            StartAt::After(offset) => {
                let known = epochs.iter().any(|opened| opened.epoch == offset.epoch);
                if !known || offset.sequence > head.sequence || at(offset.sequence) != offset {
                    let message = "the offset is not in this object's history; start again";
                    return Err(gone("offset_outside_lineage", message));
                }
                offset
            }
        };
        if offset.sequence.next() < earliest {
            let message = "events after this offset were trimmed; start again from a copy";
            return Err(gone("offset_trimmed", message));
        }
        Ok(offset)
    }

    /// Where a reader starts who wants every event that is still there.
    pub(crate) fn earliest_offset(&self, sql: &dyn Sql) -> Result<Offset> {
        let head = log::head(sql)?;
        let earliest = log::earliest(sql)?.unwrap_or(head.sequence.next());
        let sequence = Sequence(earliest.0.saturating_sub(1));
        Ok(Offset {
            epoch: epoch_of(&lineage::epochs(sql)?, sequence),
            sequence,
        })
    }

    /// The contiguous range after `from` for the table of one collection: whole turns, about
    /// `bytes_max` of log and at most `sync.batch_size` events, but at least one turn. Empty ranges move the marks of idle collections.
    ///
    /// # Errors
    /// `not_a_turn_boundary` when no turn ends at `from`, `offset_trimmed` when it is gone.
    pub fn batch(
        &self,
        sql: &dyn Sql,
        collection: &str,
        from: Sequence,
        bytes_max: usize,
    ) -> Result<PackedBatch> {
        let head = log::head(sql)?;
        let from_hash = match from {
            Sequence(0) => Hash::default(),
            from => match log::earliest(sql)? {
                Some(earliest) if from.next() < earliest => return Err(range_trimmed()),
                _ => log::hash_at(sql, from, &head)?,
            },
        };
        let (source, start) = (self.address.to_string(), (from, from_hash));
        let mut batch = BatchWriter::new(source, head.epoch, start, collection);
        if crate::snapshot::ends_at(sql)?.is_some() {
            // A scratch fork is in no table.
            return Ok(batch.finish());
        }
        let events_max = self.sync.batch_size.unwrap_or(u64::MAX);
        for found in log::read_bytes(sql, from.next(), bytes_max, events_max)? {
            let mut record = RawRecord::read(&found.bytes)?;
            record.hash = found.hash.unwrap_or(record.hash);
            if record.last_sequence() <= from {
                continue;
            }
            let at = batch.range();
            if at.to > from && record.last_sequence().0 - from.0 > events_max {
                break;
            }
            if record.header.first_sequence != at.to.next() {
                return Err(range_trimmed());
            }
            if record.header.previous != at.to_hash {
                let message = format!("the chain breaks after {}", at.to);
                return Err(Error::corrupt(message));
            }
            batch.push(&record)?;
        }
        Ok(batch.finish())
    }

    /// Walks the whole log: every hash, every link, no gap. Returns the number of events.
    ///
    /// # Errors
    /// `corrupt` with the sequence at which the first fault is.
    pub fn check_log(&self, sql: &dyn Sql) -> Result<u64> {
        let head = log::head(sql)?;
        let Some(earliest) = log::earliest(sql)? else {
            return Ok(0);
        };
        let (mut at, mut events) = (Sequence(earliest.0.saturating_sub(1)), 0);
        let mut previous = (earliest == Sequence(1)).then(Hash::default);
        while at < head.sequence {
            let records = log::read(sql, at.next(), PAGE_BYTES_MAX, u64::MAX)?;
            if records.is_empty() {
                return Err(Error::corrupt(format!(
                    "the log ends at {at}, before its head"
                )));
            }
            for record in records {
                let linked = previous.is_none_or(|hash| hash == record.header.previous);
                if record.header.first_sequence != at.next() || !linked {
                    return Err(Error::corrupt(format!("the chain breaks after {at}")));
                }
                (at, previous) = (record.last_sequence(), Some(record.hash));
                events += record.count();
            }
        }
        Ok(events)
    }
}

fn range_trimmed() -> Error {
    Error::new(Kind::Gone, "offset_trimmed", "the range was trimmed")
}

/// The epoch an event of this sequence was written in. Position 0 belongs to the first epoch.
fn epoch_of(epochs: &[Opened], sequence: Sequence) -> Epoch {
    let after = epochs
        .iter()
        .rposition(|opened| opened.first_sequence <= sequence);
    epochs
        .get(after.unwrap_or(0))
        .map(|opened| opened.epoch)
        .unwrap_or_default()
}
