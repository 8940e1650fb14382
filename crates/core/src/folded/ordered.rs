//! A collection's documents by ascending key, from its row table and its blobs at once.

use std::collections::VecDeque;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, StringArray};
use tidelog_log::{Error, Result};

use super::blob::{Blob, Page};
use super::columns::wrong_column;
use super::main::{Place, Stored};
use super::manifest::Entry;
use super::state::MainState;
use super::write::raw_bytes;
use crate::Document;
use crate::document::Prepared;
use crate::sql::{Sql, SqlValue, all, int};
use crate::table::blobs::BlobId;
use crate::table::masks::Mask;

/// Blobs whose keys are looked at together.
const BLOBS_AT_ONCE: usize = 16;
/// No more are opened once their pages may take so many bytes, before any encoding: in memory they take
/// some times as much.
const PAGES_BYTES: u64 = 4_000_000;
/// Documents of the row table read at once: one may be 1.5 MB.
const READ_ROWS: usize = 64;

impl MainState {
    /// The first documents of a collection, at most `most` and about `bytes` of them. They are by key as
    /// long as few blobs, within [`BLOBS_AT_ONCE`] and [`PAGES_BYTES`], have keys between each other's:
    /// of more, some come after others that are later, so that a step opens few, however many there are.
    pub(crate) fn first(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        (most, bytes): (usize, usize),
    ) -> Result<Vec<Stored>> {
        let folded = self.folded(sql, prepared.collection.id)?;
        let mut closed = folded.entries().iter().peekable();
        let mut cursors: Vec<Cursor<'_>> = Vec::new();
        let mut rows = Rows::new(sql, prepared)?;
        let (mut first, mut taken) = (Vec::new(), 0);
        while first.len() < most && taken < bytes {
            cursors.retain(|cursor| cursor.at.is_some());
            // Blobs are ascending by their first key: later ones are opened when they may be next.
            let keys = cursors.iter().map(Cursor::key).chain(rows.key());
            let least = keys.min();
            let is_next = |entry: &&Entry| !least.is_some_and(|key| entry.starts_after(key));
            let pages = cursors.iter().map(|cursor| cursor.page_bytes);
            let has_room = pages.fold(0, u64::saturating_add) < PAGES_BYTES;
            if cursors.len() < BLOBS_AT_ONCE
                && has_room
                && let Some(entry) = closed.next_if(is_next)
            {
                if self.masked_of(sql, entry.id)? < entry.rows {
                    let (blob, mask) = (folded.blob(entry)?, self.mask(sql, entry.id)?);
                    cursors.push(Cursor::new(entry, blob, mask.into_owned())?);
                }
                continue;
            }
            let next = cursors.iter_mut().min_by(|a, b| a.key().cmp(b.key()));
            let stored = match (next, rows.key()) {
                (Some(blob), Some(key)) if key < blob.key() => rows.take()?,
                (Some(blob), _) => Some(blob.take()?),
                (None, _) => rows.take()?,
            };
            let Some(stored) = stored else {
                break;
            };
            taken += raw_bytes(&stored.document);
            first.push(stored);
        }
        Ok(first)
    }
}

/// A place in a blob: the next row that is not masked.
struct Cursor<'s> {
    id: BlobId,
    /// Bytes of a page's documents before any encoding, about.
    page_bytes: u64,
    blob: Blob<'s>,
    mask: Mask,
    /// Its page, with the keys of it, and the row in the page; none at the end.
    at: Option<(usize, StringArray, usize)>,
    /// The documents of the page, once one was taken.
    decoded: Option<Page>,
}

impl<'s> Cursor<'s> {
    fn new(entry: &Entry, blob: Blob<'s>, mask: Mask) -> Result<Self> {
        let pages = blob.decoder.page_count().max(1) as u64;
        let mut cursor = Self {
            id: entry.id,
            page_bytes: entry.raw_bytes / pages,
            blob,
            mask,
            at: None,
            decoded: None,
        };
        cursor.go_to(0, 0)?;
        Ok(cursor)
    }

    /// The key here; empty, before all others, at the end.
    fn key(&self) -> &str {
        self.at.as_ref().map_or("", |(_, keys, at)| keys.value(*at))
    }

    /// Goes to the first row from there on that is not masked.
    fn go_to(&mut self, mut page: usize, from: usize) -> Result<()> {
        let mut from = from;
        while page < self.blob.decoder.page_count() {
            let rows = self.blob.rows_of(page);
            let is_live = |at: &usize| !self.mask.has(row_of(rows.start + at));
            if let Some(at) = (from..rows.len()).find(is_live) {
                match &mut self.at {
                    Some((known, _, place)) if *known == page => *place = at,
                    other => {
                        let keys = self.blob.keys(page)?;
                        let keys = keys.as_string_opt::<i32>();
                        let keys = keys.filter(|keys| keys.len() == rows.len());
                        let keys = keys.ok_or_else(|| wrong_column("text"))?;
                        *other = Some((page, keys.clone(), at));
                        self.decoded = None;
                    }
                }
                return Ok(());
            }
            (page, from) = (page + 1, 0);
        }
        (self.at, self.decoded) = (None, None);
        Ok(())
    }

    fn take(&mut self) -> Result<Stored> {
        let place = self.at.as_ref().map(|(page, _, at)| (*page, *at));
        let (page, at) = place.ok_or_else(|| Error::internal("a document behind the end"))?;
        let decoded = match &self.decoded {
            Some(decoded) => decoded,
            None => self.decoded.insert(self.blob.decode(page, |_| true)?),
        };
        let document = decoded.document(at)?;
        let row = row_of(self.blob.rows_of(page).start + at);
        self.go_to(page, at + 1)?;
        Ok(Stored {
            document,
            place: Place::Blob(self.id, row),
        })
    }
}

fn row_of(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// The row table from its first key on.
struct Rows<'s> {
    sql: &'s dyn Sql,
    prepared: &'s Prepared,
    read: VecDeque<Document>,
    is_last: bool,
}

impl<'s> Rows<'s> {
    fn new(sql: &'s dyn Sql, prepared: &'s Prepared) -> Result<Self> {
        let mut rows = Self {
            sql,
            prepared,
            read: VecDeque::new(),
            is_last: false,
        };
        // Keys are never empty, so all come after the empty one.
        rows.read_after("")?;
        Ok(rows)
    }

    fn read_after(&mut self, key: &str) -> Result<()> {
        let table = &self.prepared.table;
        let text = format!("{} WHERE _key > ?1 ORDER BY _key LIMIT ?2", table.select);
        let args = [SqlValue::Text(key), int(READ_ROWS as u64)];
        let page = all(self.sql, &text, &args, |row| table.read(row))?;
        self.is_last = page.len() < READ_ROWS;
        self.read.extend(page);
        Ok(())
    }

    fn key(&self) -> Option<&str> {
        self.read.front().map(|document| document.key.as_str())
    }

    fn take(&mut self) -> Result<Option<Stored>> {
        let Some(document) = self.read.pop_front() else {
            return Ok(None);
        };
        if self.read.is_empty() && !self.is_last {
            self.read_after(&document.key)?;
        }
        Ok(Some(Stored {
            document,
            place: Place::Row,
        }))
    }
}
