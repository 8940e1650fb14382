//! The newest change of one document, from as few pages as bounds allow.

use std::cmp::Reverse;

use parquet::arrow::arrow_reader::RowSelection;
use tidelog_core::{Collection, key_values};
use tidelog_log::{Error, Result, Sequence, Value};

use crate::columns::{KEY, OBJECT, SEQUENCE};
use crate::limits::COLD_READ_FILES_MAX;
use crate::page_values::Raw;
use crate::parquet_parts::{ParquetParts, Probe, Wanted, group_max, group_may_hold};
use crate::scan::Columns;
use crate::{BlobStore, ChangeRow, ChangesScan, DataFileRef};

impl ChangesScan {
    /// Reads the newest change of a document; none when the table has no change of it. Of a deleted
    /// document that is the DELETE, with the document as it was before.
    ///
    /// Files, row groups and pages are not read whose bounds say that they hold nothing of the object,
    /// of the key, or of the values that the key says its fields in `collection` have. Of the others the
    /// object and key columns are, and of the change found one page per column.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when a file is; `cold_read_too_large` when
    /// [`COLD_READ_FILES_MAX`] files do not decide it.
    pub async fn newest<B: BlobStore>(
        &self,
        blobs: &B,
        collection: &Collection,
        object: &str,
        key: &str,
    ) -> Result<Option<ChangeRow>> {
        self.newest_to(blobs, &Document::new(collection, object, key))
            .await
    }

    pub(crate) async fn newest_to<B: BlobStore>(
        &self,
        blobs: &B,
        document: &Document<'_>,
    ) -> Result<Option<ChangeRow>> {
        let last = |at: &usize| self.files()[*at].sequence_max.unwrap_or(Sequence(u64::MAX));
        let files = 0..self.files().len();
        let mut files: Vec<usize> = files
            .filter(|at| document.may_be_in(&self.files()[*at]))
            .collect();
        files.sort_by_key(|at| Reverse(last(at)));
        let mut newest: Option<ChangeRow> = None;
        for (opened, at) in files.into_iter().enumerate() {
            let after = newest.as_ref().map(|row| row.sequence);
            if after.is_some_and(|after| last(&at) <= after) {
                break;
            }
            if opened == COLD_READ_FILES_MAX {
                return Err(too_large("data files", COLD_READ_FILES_MAX));
            }
            if let Some(row) = self.newest_of(blobs, at, document, after).await? {
                newest = Some(row);
            }
        }
        Ok(newest)
    }

    /// The newest change of a document in file `at`, if there is one after `after`.
    async fn newest_of<B: BlobStore>(
        &self,
        blobs: &B,
        at: usize,
        document: &Document<'_>,
        after: Option<Sequence>,
    ) -> Result<Option<ChangeRow>> {
        let parts = ParquetParts::open(blobs, &self.files()[at]).await?;
        // Rows are by object and sequence: of one object, later groups are newer.
        for (group, said) in parts.groups().iter().enumerate().rev() {
            let last = group_max(said, SEQUENCE).map(|last| Sequence(last.cast_unsigned()));
            let too_old = last.zip(after).is_some_and(|(last, after)| last <= after);
            let mut probes = document.probes.iter();
            if too_old || !probes.all(|(id, probe)| group_may_hold(said, *id, probe)) {
                continue;
            }
            let Some(row) = document.last_row(blobs, &parts, group).await? else {
                continue;
            };
            let found = self.change(blobs, &parts, group, row).await?;
            return Ok(after.is_none_or(|a| found.sequence > a).then_some(found));
        }
        Ok(None)
    }

    /// The change in one row of a group.
    async fn change<B: BlobStore>(
        &self,
        blobs: &B,
        parts: &ParquetParts<'_>,
        group: usize,
        row: usize,
    ) -> Result<ChangeRow> {
        let all: Vec<usize> = (0..parts.columns()).collect();
        let rows = usize::try_from(parts.groups()[group].num_rows()).unwrap_or(0);
        let wanted = Wanted {
            group,
            columns: &all,
            rows: RowSelection::from_consecutive_ranges(std::iter::once(row..row + 1), rows),
        };
        let columns = parts.read(blobs, wanted).await?.row()?;
        self.read_row(&Columns::of_row(columns), 0)
    }
}

pub(crate) fn too_large(what: &str, most: usize) -> Error {
    let message =
        format!("more than {most} {what} may hold the document; read it with a query engine");
    Error::too_large("cold_read_too_large", message)
}

/// What is looked for.
pub(crate) struct Document<'d> {
    object: &'d str,
    key: &'d str,
    /// What every change of it has, by column.
    probes: Vec<(u32, Probe)>,
}

impl<'d> Document<'d> {
    pub(crate) fn new(collection: &Collection, object: &'d str, key: &'d str) -> Self {
        let mut probes = vec![
            (OBJECT, Probe::Text(object.to_owned())),
            (KEY, Probe::Text(key.to_owned())),
        ];
        for (id, value) in key_values(collection, key) {
            let probe = match value {
                Value::Text(text) => Probe::Text(text),
                Value::Int(whole) | Value::Timestamp(whole) => Probe::Whole(whole),
                Value::Date(days) => Probe::Whole(i64::from(days)),
                _ => continue,
            };
            probes.push((id, probe));
        }
        Self {
            object,
            key,
            probes,
        }
    }

    pub(crate) fn may_be_in(&self, file: &DataFileRef) -> bool {
        let wholes = self.probes.iter().all(|(id, probe)| match probe {
            Probe::Whole(whole) => file.may_hold_whole(*id, *whole),
            Probe::Text(_) | Probe::Within(..) => true,
        });
        wholes && file.may_hold(self.object) && file.may_hold_key(self.key)
    }

    /// The last row of a group that is of this document.
    async fn last_row<B: BlobStore>(
        &self,
        blobs: &B,
        parts: &ParquetParts<'_>,
        group: usize,
    ) -> Result<Option<usize>> {
        let columns = [OBJECT, KEY].map(|id| parts.column(id));
        let [Some(object), Some(key)] = columns else {
            return Err(Error::corrupt("a data file without objects or keys"));
        };
        let mut probes = self.probes.iter();
        let rows = probes.try_fold(None, |rows: Option<RowSelection>, (id, probe)| {
            let with = parts.rows_with(group, *id, probe);
            let rows = rows.map_or(with.clone(), |rows| rows.intersection(&with));
            rows.selects_any().then_some(Some(rows))
        });
        let Some(Some(rows)) = rows else {
            return Ok(None);
        };
        let wanted = Wanted {
            group,
            columns: &[object, key],
            rows,
        };
        let read = parts.read(blobs, wanted).await?;
        let mut of_object: Vec<usize> = Vec::new();
        let is = |values: Option<&[Raw<'_>]>, text: &str| {
            values.is_some_and(|values| values == [Raw::Bytes(text.as_bytes())])
        };
        read.visit(object, &mut |row, values| {
            if is(values, self.object) {
                of_object.push(row);
            }
            Ok(())
        })?;
        let mut last = None;
        read.visit(key, &mut |row, values| {
            if is(values, self.key) && of_object.binary_search(&row).is_ok() {
                last = Some(row);
            }
            Ok(())
        })?;
        Ok(last)
    }
}
