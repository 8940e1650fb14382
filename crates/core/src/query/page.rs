//! One page: the first rows after a place, within a count and a size, whatever order they come in.

use std::cmp::Ordering;
use std::io;

use tidelog_log::limits::PAGE_BYTES_MAX;
use tidelog_log::{Error, Result, Value};

use super::cursor::write_cursor;
use super::parse::Query;
use super::sorting::{Cell, Rank, Sorting};
use crate::JsonObject;

/// One page of a query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryPage {
    /// Documents with `_key` and `_version`, or groups.
    pub rows: Vec<JsonObject>,
    /// What the next page's `after` takes; none on the last page.
    pub next: Option<String>,
    /// Documents read to make the page; in SQL only those that SQL handed over.
    pub scanned: u64,
}

/// Collects the rows of one page in bounded memory.
#[derive(Debug)]
pub(super) struct PageBuilder<'q> {
    query: &'q Query,
    sorting: &'q Sorting,
    kept: Vec<Entry>,
    kept_bytes: usize,
    /// Where the next pruning is due.
    prune_at: (usize, usize),
    /// Nothing at or after this place can be on the page.
    cutoff: Option<Rank>,
    /// Documents looked at.
    pub(super) scanned: u64,
}

#[derive(Debug)]
struct Entry {
    rank: Rank,
    row: JsonObject,
    bytes: usize,
}

impl<'q> PageBuilder<'q> {
    /// An empty page of a query.
    pub(super) fn new(query: &'q Query) -> Self {
        Self {
            query,
            sorting: query.shape.sorting(),
            kept: Vec::new(),
            kept_bytes: 0,
            prune_at: (2 * (query.limit + 1), 2 * PAGE_BYTES_MAX),
            cutoff: None,
            scanned: 0,
        }
    }

    /// False when a row of this rank cannot be on the page.
    pub(super) fn wants(&self, rank: &Rank) -> bool {
        let after = self.query.after.as_ref();
        let past = |place: &Rank| self.sorting.compare(rank, place).is_gt();
        after.is_none_or(past)
            && self
                .cutoff
                .as_ref()
                .is_none_or(|cutoff| self.sorting.compare(rank, cutoff).is_lt())
    }

    /// False when no key from `least` to `greatest` can be on a page that is ordered by key alone.
    pub(super) fn reaches(&self, (least, greatest): (Option<&[u8]>, Option<&[u8]>)) -> bool {
        let descending = self
            .sorting
            .0
            .first()
            .is_some_and(|column| column.descending);
        let (nearest, farthest) = match descending {
            false => (least, greatest),
            true => (greatest, least),
        };
        // Bounds may be wider than the keys, so that equal ones are looked at.
        let place = |bound: Option<&[u8]>, place: Option<&Rank>| {
            let key = match place.map(Vec::as_slice) {
                Some([Some(Cell::Value(Value::Text(key)))]) => key.as_bytes(),
                _ => return Ordering::Equal,
            };
            let order = bound.map_or(Ordering::Equal, |bound| bound.cmp(key));
            if descending { order.reverse() } else { order }
        };
        let is_before = place(farthest, self.query.after.as_ref()).is_lt();
        let is_after = place(nearest, self.cutoff.as_ref()).is_gt();
        !is_before && !is_after
    }

    /// Takes a row that the page wants.
    pub(super) fn push(&mut self, rank: Rank, row: JsonObject) -> Result<()> {
        let bytes = json_bytes(&row)?;
        self.kept_bytes += bytes;
        self.kept.push(Entry { rank, row, bytes });
        if self.kept.len() >= self.prune_at.0 || self.kept_bytes >= self.prune_at.1 {
            self.prune();
        }
        Ok(())
    }

    /// True when rows that come in order cannot change the page any more.
    pub(super) fn is_full(&self) -> bool {
        let bytes_over = self.kept_bytes > PAGE_BYTES_MAX && self.kept.len() > 1;
        self.kept.len() > self.query.limit || bytes_over
    }

    /// The page.
    pub(super) fn finish(mut self) -> QueryPage {
        self.prune();
        let rows = self.page_rows();
        let more = self.kept.len() > rows;
        self.kept.truncate(rows);
        let last = self.kept.last().filter(|_| more);
        let next = last.map(|entry| write_cursor(self.query.fingerprint, &entry.rank));
        QueryPage {
            rows: self.kept.into_iter().map(|entry| entry.row).collect(),
            next,
            scanned: self.scanned,
        }
    }

    /// Keeps what the page holds and one row more, which tells that there is a next page.
    fn prune(&mut self) {
        let sorting = self.sorting;
        self.kept.sort_by(|a, b| sorting.compare(&a.rank, &b.rank));
        let rows = self.page_rows();
        self.kept.truncate(rows + 1);
        self.kept_bytes = self.kept.iter().map(|entry| entry.bytes).sum();
        self.cutoff = self.kept.get(rows).map(|entry| entry.rank.clone());
        self.prune_at.1 = self.kept_bytes + PAGE_BYTES_MAX;
    }

    /// How many of the sorted rows fit the page: at least one, if there is one.
    fn page_rows(&self) -> usize {
        let mut bytes = 0;
        let fit = self.kept.iter().take(self.query.limit).take_while(|entry| {
            bytes += entry.bytes;
            bytes <= PAGE_BYTES_MAX
        });
        fit.count().max(1).min(self.kept.len())
    }
}

/// The row's length as compact JSON.
fn json_bytes(row: &JsonObject) -> Result<usize> {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, row).map_err(|e| Error::internal(e.to_string()))?;
    Ok(counter.0)
}
