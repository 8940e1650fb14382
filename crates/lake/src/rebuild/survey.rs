//! What the data files under a table's prefix hold, whatever the metadata says of them.

use std::collections::BTreeMap;

use iceberg::spec::{DataFile, PartitionSpec, Struct, TableMetadata};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidelog_log::{Error, Result, Sequence};

use super::Runs;
use crate::columns::{OBJECT, SEQUENCE, TableSchema};
use crate::limits::SYSTEM_COLUMN_ID_MIN;
use crate::parquet_file::{FilePlace, data_file};
use crate::partition;
use crate::scan::Columns;
use crate::settings::Places;
use crate::{BlobMeta, BlobStore, foreign};

/// A data file as its own bytes say it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) intent: String,
    pub(super) attempt: u64,
    /// By object.
    pub(super) sequences: BTreeMap<String, Runs>,
    pub(super) file: DataFile,
    /// It is of the newest partition spec; else of none.
    pub(super) is_partitioned: bool,
}

/// What the names of a data file say: its flush, and which attempt of it.
pub(super) fn named(name: &str) -> Option<(String, u64)> {
    let stem = name.strip_suffix(".parquet")?;
    let (intent, rest) = stem.split_at_checked(36)?;
    let (attempt, number) = rest.strip_prefix('-')?.split_once('-')?;
    number.parse::<u64>().ok()?;
    uuid::Uuid::parse_str(intent).ok()?;
    Some((intent.to_owned(), attempt.parse().ok()?))
}

/// How files are read.
pub(super) struct Survey<'s> {
    pub(super) schema: &'s TableSchema,
    pub(super) places: &'s Places,
    /// The table as it is to be; its first partition spec has no fields.
    pub(super) table: &'s TableMetadata,
}

impl Survey<'_> {
    /// Reads a whole data file.
    ///
    /// # Errors
    /// `corrupt` when it is none of this table.
    pub(super) async fn read<B: BlobStore>(&self, blobs: &B, blob: &BlobMeta) -> Result<Found> {
        let name = blob.key.rsplit('/').next().unwrap_or_default();
        let (intent, attempt) = named(name)
            .ok_or_else(|| Error::corrupt(format!("{name} is not the name of a data file")))?;
        let body = blobs.get(&blob.key, None).await?;
        let bytes = body.len() as u64;
        let reader = ParquetRecordBatchReaderBuilder::try_new(body).map_err(foreign::parquet)?;
        let parquet = reader.metadata().clone();
        let rows = u64::try_from(parquet.file_metadata().num_rows()).unwrap_or(0);
        let (mut sequences, mut partition) = (BTreeMap::new(), None);
        let spec = self.table.default_partition_spec();
        for batch in reader.build().map_err(foreign::parquet)? {
            let batch = batch.map_err(foreign::arrow)?;
            let columns = Columns::of(&batch);
            self.check(&columns)?;
            note(&columns, batch.num_rows(), &mut sequences)?;
            join(&mut partition, &batch, spec);
        }
        let partition = partition.flatten();
        let is_partitioned = partition.is_some();
        let spec_id = if is_partitioned { spec.spec_id() } else { 0 };
        let place = FilePlace {
            location: self.places.url(&blob.key),
            partition: partition.unwrap_or_else(Struct::empty),
            spec_id,
            sort_order_id: i32::try_from(self.table.default_sort_order_id()).unwrap_or(0),
            schema: self.table.current_schema().clone(),
            codec: self.schema.compression_codec,
        };
        Ok(Found {
            key: blob.key.clone(),
            intent,
            attempt,
            sequences,
            file: data_file(&parquet, rows, bytes, place)?,
            is_partitioned,
        })
    }

    /// Refuses a file with columns that the table has not.
    fn check(&self, columns: &Columns) -> Result<()> {
        let types = self.schema.types();
        for id in columns.ids() {
            if id < SYSTEM_COLUMN_ID_MIN && !types.contains_key(&id) {
                let message = format!("a data file has column {id}, which the table has not");
                return Err(Error::corrupt(message));
            }
        }
        Ok(())
    }
}

/// Notes the sequences of a batch's rows.
fn note(columns: &Columns, rows: usize, found: &mut BTreeMap<String, Runs>) -> Result<()> {
    let objects = columns.text(OBJECT)?;
    for at in 0..rows {
        let sequence = Sequence(columns.long(SEQUENCE, at)?);
        let object = objects.value(at);
        match found.get_mut(object) {
            Some(runs) => runs.push(sequence)?,
            None => found.entry(object.to_owned()).or_default().push(sequence)?,
        }
    }
    Ok(())
}

/// The partition of all rows so far; the inner `None` when they are not of one.
fn join(
    known: &mut Option<Option<Struct>>,
    batch: &arrow_array::RecordBatch,
    spec: &PartitionSpec,
) {
    let parts = partition::split(batch, spec).unwrap_or_default();
    let one = match &parts[..] {
        [(partition, _)] => Some(partition.clone()),
        _ => None,
    };
    *known = Some(match known.take() {
        None => one,
        Some(before) => before.filter(|before| one.as_ref() == Some(before)),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_attempt_it_was() {
        let intent = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(
            named(&format!("{intent}-3-12.parquet")),
            Some((intent.to_owned(), 3))
        );
        for odd in [
            "a.parquet",
            "",
            &format!("{intent}-3.parquet"),
            &format!("{intent}-x-1.parquet"),
        ] {
            assert_eq!(named(odd), None);
        }
    }
}
