//! Reading parts of a Parquet file: its footer, then the pages that are wanted, and nothing else.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use bytes::{Buf as _, Bytes};
use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesOrdered;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use tidelog_log::{Error, Result};

use crate::array_of_one::array_of_one;
use crate::limits::{FOOTER_BYTES, READ_GAP_BYTES};
use crate::page_values::{Visit, visit_rows};
use crate::{BlobStore, DataFileRef, foreign};

/// A Parquet file of which only the footer was read.
pub(crate) struct ParquetParts<'f> {
    file: &'f DataFileRef,
    metadata: ParquetMetaData,
}

/// A value that rows must have to be wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Text(String),
    /// Of a long, a timestamp or a date.
    Whole(i64),
    /// Of a long: between these two, themselves included.
    Within(i64, i64),
}

impl Probe {
    /// False when it is outside of these bounds.
    fn is_within<T: AsRef<[u8]>>(&self, least: Option<Bound<T>>, most: Option<Bound<T>>) -> bool {
        // What it is at most is held against the least, and the other way round.
        let side = |bound: Option<Bound<T>>, at: Ordering| match (self, bound?) {
            (Self::Text(text), Bound::Bytes(bytes)) => Some(text.as_bytes().cmp(bytes.as_ref())),
            (Self::Whole(whole), Bound::Whole(bound)) => Some(whole.cmp(&bound)),
            (Self::Within(low, high), Bound::Whole(bound)) => match at {
                Ordering::Less => Some(high.cmp(&bound)),
                _ => Some(low.cmp(&bound)),
            },
            _ => None,
        };
        let outside = |bound, at| side(bound, at) == Some(at);
        !outside(least, Ordering::Less) && !outside(most, Ordering::Greater)
    }
}

/// A bound as Parquet has it.
enum Bound<T> {
    Bytes(T),
    Whole(i64),
}

/// Some rows of some columns of one row group.
pub(crate) struct Wanted<'w> {
    pub(crate) group: usize,
    pub(crate) columns: &'w [usize],
    pub(crate) rows: RowSelection,
}

impl<'f> ParquetParts<'f> {
    /// Reads a file's footer with its page indexes.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when it is no Parquet file.
    pub(crate) async fn open<B: BlobStore>(blobs: &B, file: &'f DataFileRef) -> Result<Self> {
        let mut wanted = FOOTER_BYTES;
        let parsed = loop {
            let from = file.bytes.saturating_sub(wanted);
            let tail = blobs.get(&file.key, Some(from..file.bytes)).await?;
            match footer(&tail, file.bytes) {
                Err(ParquetError::NeedMoreData(more)) if from > 0 => {
                    wanted = u64::try_from(more).unwrap_or(u64::MAX).max(wanted + 1);
                }
                other => break other.map_err(foreign::parquet)?,
            }
        };
        check_places(&parsed)?;
        Ok(Self {
            file,
            metadata: parsed,
        })
    }

    pub(crate) fn groups(&self) -> &[RowGroupMetaData] {
        self.metadata.row_groups()
    }

    /// The place of the column with this Iceberg id, if the file has it.
    pub(crate) fn column(&self, id: u32) -> Option<usize> {
        let columns = self.groups().first()?.columns();
        columns.iter().position(|column| has_id(column, id))
    }

    /// The Iceberg ids of the columns, in the order of the file; that of a list, not of its elements.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let schema = self.metadata.file_metadata().schema_descr();
        let id = |at| {
            let info = schema.get_column_root(at).get_basic_info();
            info.has_id().then(|| info.id().cast_unsigned())
        };
        (0..self.columns()).map(|at| id(at).unwrap_or(0)).collect()
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.groups()
            .first()
            .map_or(0, RowGroupMetaData::num_columns)
    }

    /// The rows of a group whose pages of a column may hold a value; all where pages have no bounds.
    pub(crate) fn rows_with(&self, group: usize, id: u32, probe: &Probe) -> RowSelection {
        let all = usize::try_from(self.groups()[group].num_rows()).unwrap_or(0);
        let pages = self.column(id).and_then(|column| {
            let metadata = &self.metadata;
            let bounds = metadata.column_index()?.get(group)?.get(column)?;
            let places = metadata.offset_index()?.get(group)?.get(column)?;
            Some((bounds, places.page_locations()))
        });
        let Some((bounds, places)) = pages else {
            return RowSelection::from_consecutive_ranges(std::iter::once(0..all), all);
        };
        let start = |page: usize| {
            let first = places.get(page).map(|page| page.first_row_index);
            first.map_or(all, |first| usize::try_from(first).unwrap_or(all))
        };
        let pages = (0..places.len()).filter(|page| page_may_hold(bounds, *page, probe));
        RowSelection::from_consecutive_ranges(pages.map(|page| start(page)..start(page + 1)), all)
    }

    /// Reads the pages that are wanted, to be looked into.
    ///
    /// # Errors
    /// Those of the blob store.
    pub(crate) async fn read<'p, B: BlobStore>(
        &'p self,
        blobs: &B,
        wanted: Wanted<'p>,
    ) -> Result<ReadParts<'p>> {
        let ranges = merged(self.ranges(&wanted)?);
        let gets = ranges.into_iter().map(|range| async move {
            let body = blobs.get(&self.file.key, Some(range.clone())).await?;
            Ok::<_, Error>((range.start, body))
        });
        let pieces = gets.collect::<FuturesOrdered<_>>().try_collect().await?;
        let bytes = self.file.bytes;
        Ok(ReadParts {
            parts: self,
            rows: ranges_of(&wanted.rows),
            group: wanted.group,
            pieces: Arc::new(Pieces { bytes, pieces }),
        })
    }

    /// Where the pages of a column are in a group.
    fn pages(&self, group: usize, column: usize) -> Result<&[PageLocation]> {
        let index = self.metadata.offset_index();
        let index = index.and_then(|index| index.get(group)?.get(column));
        let index = index.ok_or_else(|| Error::corrupt("a data file without an index of pages"))?;
        Ok(index.page_locations())
    }

    /// Where the wanted pages are, with the dictionaries they need.
    fn ranges(&self, wanted: &Wanted<'_>) -> Result<Vec<Range<u64>>> {
        let rows = ranges_of(&wanted.rows);
        let mut ranges = Vec::new();
        for column in wanted.columns {
            let (start, _) = self.groups()[wanted.group].column(*column).byte_range();
            let pages = self.pages(wanted.group, *column)?;
            let first = pages
                .first()
                .map_or(start, |page| page.offset.unsigned_abs());
            // What comes before the first page of values is the dictionary.
            ranges.extend((start < first).then_some(start..first));
            for (at, page) in pages.iter().enumerate() {
                let next = pages.get(at + 1).map(first_row);
                let here = first_row(page)..next.unwrap_or(usize::MAX);
                let mut rows = rows.iter();
                if rows.any(|range| range.start < here.end && here.start < range.end) {
                    let offset = page.offset.unsigned_abs();
                    let bytes = u64::from(page.compressed_page_size.unsigned_abs());
                    ranges.push(offset..offset.saturating_add(bytes));
                }
            }
        }
        match ranges.iter().all(|range| range.end <= self.file.bytes) {
            true => Ok(ranges),
            false => Err(Error::corrupt("a page that is outside of its data file")),
        }
    }
}

/// The parquet crate takes it for granted that places are positive and in order.
fn check_places(metadata: &ParquetMetaData) -> Result<()> {
    let pages = |group: usize, column: usize| {
        let index = metadata.offset_index()?.get(group)?.get(column)?;
        Some(index.page_locations().as_slice())
    };
    for (at, group) in metadata.row_groups().iter().enumerate() {
        for (column, chunk) in group.columns().iter().enumerate() {
            let start = chunk.dictionary_page_offset();
            let start = start.unwrap_or_else(|| chunk.data_page_offset());
            let mut pages = pages(at, column).unwrap_or_default().iter();
            let odd = pages.any(|page| page.offset < start || page.compressed_page_size < 0);
            if odd || start < 0 || chunk.compressed_size() < 0 || chunk.data_page_offset() < start {
                return Err(Error::corrupt("a data file with pages in no place"));
            }
        }
    }
    Ok(())
}

fn first_row(page: &PageLocation) -> usize {
    usize::try_from(page.first_row_index).unwrap_or(0)
}

/// The wanted rows of a group, their pages read.
pub(crate) struct ReadParts<'p> {
    parts: &'p ParquetParts<'p>,
    group: usize,
    rows: Vec<Range<usize>>,
    pieces: Arc<Pieces>,
}

impl ReadParts<'_> {
    /// Visits the rows of one of the columns that were wanted.
    ///
    /// # Errors
    /// `corrupt`; those of `visit`.
    pub(crate) fn visit(&self, column: usize, visit: &mut Visit<'_>) -> Result<()> {
        let group = &self.parts.groups()[self.group];
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let pages = self.parts.pages(self.group, column)?;
        let mut starts: Vec<usize> = pages.iter().map(first_row).collect();
        starts.push(rows);
        let (pieces, chunk) = (Arc::clone(&self.pieces), group.column(column));
        let reader = SerializedPageReader::new(pieces, chunk, rows, Some(pages.to_vec()));
        let mut reader = reader.map_err(foreign::parquet)?;
        visit_rows(
            chunk.column_descr(),
            &mut reader,
            &starts,
            &self.rows,
            visit,
        )
    }

    /// The columns of the one row that was wanted, each an array of one.
    ///
    /// # Errors
    /// `corrupt`.
    pub(crate) fn row(&self) -> Result<Vec<(u32, ArrayRef)>> {
        let group = &self.parts.groups()[self.group];
        let ids = self.parts.ids();
        let mut arrays = Vec::with_capacity(group.num_columns());
        for ((at, chunk), id) in group.columns().iter().enumerate().zip(ids) {
            self.visit(at, &mut |_, values| {
                arrays.push((id, array_of_one(chunk.column_descr(), values)?));
                Ok(())
            })?;
        }
        Ok(arrays)
    }
}

fn ranges_of(rows: &RowSelection) -> Vec<Range<usize>> {
    let (mut at, mut ranges) = (0, Vec::new());
    for run in rows.iter() {
        if !run.skip {
            ranges.push(at..at + run.row_count);
        }
        at += run.row_count;
    }
    ranges
}

fn footer(tail: &Bytes, file_bytes: u64) -> parquet::errors::Result<ParquetMetaData> {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.try_parse_sized(tail, file_bytes)?;
    reader.finish()
}

/// Ranges in order, those close to each other as one.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(READ_GAP_BYTES) => {
                last.end = last.end.max(range.end);
            }
            _ => out.push(range),
        }
    }
    out
}

/// The parts of a file that were read.
struct Pieces {
    /// Of the whole file.
    bytes: u64,
    /// By where they start.
    pieces: Vec<(u64, Bytes)>,
}

impl Pieces {
    /// What was read from `start` on.
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let at = self.pieces.partition_point(|(at, _)| *at <= start);
        let piece = at.checked_sub(1).and_then(|at| self.pieces.get(at));
        let skipped = piece.and_then(|(at, body)| {
            let skipped = usize::try_from(start - at).ok()?;
            (skipped <= body.len()).then(|| body.slice(skipped..))
        });
        skipped.ok_or_else(|| ParquetError::EOF(format!("no page was expected at {start}")))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Pieces {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let from = self.from(start)?;
        match from.len() < length {
            true => Err(ParquetError::EOF(format!("a page at {start} is cut"))),
            false => Ok(from.slice(..length)),
        }
    }
}

fn has_id(column: &ColumnChunkMetaData, id: u32) -> bool {
    let info = column.column_descr().self_type().get_basic_info();
    info.has_id() && info.id() == id.cast_signed()
}

fn statistics(group: &RowGroupMetaData, id: u32) -> Option<&Statistics> {
    let column = group.columns().iter().find(|column| has_id(column, id));
    column?.statistics()
}

fn page_may_hold(bounds: &ColumnIndexMetaData, page: usize, probe: &Probe) -> bool {
    let whole = |bound: i64| Bound::<&[u8]>::Whole(bound);
    let (least, most) = match bounds {
        ColumnIndexMetaData::BYTE_ARRAY(bounds) => (
            bounds.min_value(page).map(Bound::Bytes),
            bounds.max_value(page).map(Bound::Bytes),
        ),
        ColumnIndexMetaData::INT64(bounds) => (
            bounds.min_value(page).copied().map(whole),
            bounds.max_value(page).copied().map(whole),
        ),
        _ => return true,
    };
    probe.is_within(least, most)
}

/// False when no row of a group has this value in the column with this Iceberg id.
pub(crate) fn group_may_hold(group: &RowGroupMetaData, id: u32, probe: &Probe) -> bool {
    let whole = |bound: i64| Bound::<&[u8]>::Whole(bound);
    let (least, most) = match statistics(group, id) {
        Some(Statistics::Int64(s)) => (
            s.min_opt().copied().map(whole),
            s.max_opt().copied().map(whole),
        ),
        Some(Statistics::Int32(s)) => (
            s.min_opt().copied().map(i64::from).map(whole),
            s.max_opt().copied().map(i64::from).map(whole),
        ),
        Some(Statistics::ByteArray(s)) => (
            s.min_bytes_opt().map(Bound::Bytes),
            s.max_bytes_opt().map(Bound::Bytes),
        ),
        _ => return true,
    };
    probe.is_within(least, most)
}

/// The greatest whole number of a group in the column with this Iceberg id.
pub(crate) fn group_max(group: &RowGroupMetaData, id: u32) -> Option<i64> {
    match statistics(group, id)? {
        Statistics::Int64(statistics) => statistics.max_opt().copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_close_is_read_at_once() {
        let (near, far) = (READ_GAP_BYTES + 10, 2 * READ_GAP_BYTES + 100);
        let ranges = merged(vec![far..far + 5, 4..10, 0..8, near..near + 20]);
        assert_eq!(ranges, [0..near + 20, far..far + 5]);
    }

    #[test]
    fn bounds_rule_out_what_is_outside_of_them() {
        let (five, nine) = (Bound::<&[u8]>::Whole(5), Bound::Whole(9));
        assert!(Probe::Whole(9).is_within(Some(five), Some(nine)));
        let outside =
            |n| Probe::Whole(n).is_within::<&[u8]>(Some(Bound::Whole(5)), Some(Bound::Whole(9)));
        assert!(!outside(4) && !outside(10) && outside(5));
        assert!(Probe::Whole(4).is_within::<&[u8]>(None, Some(Bound::Whole(9))));
        let text = |t: &str| {
            Probe::Text(t.to_owned()).is_within(Some(Bound::Bytes("b")), Some(Bound::Bytes("d")))
        };
        assert!(!text("a") && text("b") && text("cc") && !text("da"));
        // Of another type: nothing is known.
        assert!(Probe::Text("a".to_owned()).is_within::<&[u8]>(Some(Bound::Whole(5)), None));
    }

    #[test]
    fn what_was_not_read_is_an_error() {
        let pieces = Pieces {
            bytes: 100,
            pieces: vec![
                (10, Bytes::from_static(b"abc")),
                (40, Bytes::from_static(b"d")),
            ],
        };
        assert_eq!(pieces.get_bytes(11, 2).unwrap(), "bc");
        assert_eq!(pieces.get_bytes(40, 1).unwrap(), "d");
        for (start, length) in [(9, 1), (11, 3), (20, 1), (40, 2)] {
            assert!(pieces.get_bytes(start, length).is_err(), "{start}");
        }
    }
}
