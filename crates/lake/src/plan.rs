//! One flush's I/O: data files, manifests and metadata, from what the actor persisted.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesOrdered;
use iceberg::spec::{DataFile, TableMetadata};
use tidelog_core::Address;
use tidelog_log::{Error, PackedBatch, Result, Sequence};
use uuid::Uuid;

use crate::columns::TableSchema;
use crate::inbox::object_of;
use crate::limits::FILES_AT_ONCE;
use crate::parquet_file::{FilePlace, encode};
use crate::record_batch::ChangeColumns;
use crate::settings::Places;
use crate::store::{keys_except, put_once};
use crate::{BlobStore, commit, foreign, metadata, partition};

/// A batch as the inbox holds it.
#[derive(Clone, Debug)]
pub(crate) struct InboxBatch {
    pub(crate) source: String,
    pub(crate) body: Vec<u8>,
}

/// What one attempt of a flush writes. Everything is chosen; running it again does no harm.
#[derive(Clone, Debug)]
pub struct FlushPlan {
    pub(crate) address: Address,
    pub(crate) places: Places,
    pub(crate) target_file_bytes: u64,
    pub(crate) now: i64,
    pub(crate) intent: Uuid,
    pub(crate) attempt: u64,
    pub(crate) number: u64,
    pub(crate) table_uuid: Uuid,
    pub(crate) write_schema: bool,
    pub(crate) schema: TableSchema,
    pub(crate) base: Option<(String, String)>,
    pub(crate) batches: Vec<InboxBatch>,
}

/// What an attempt brought about, for [`TableActor::finish_flush`](crate::TableActor).
#[derive(Clone, Debug)]
pub struct FlushOutcome {
    pub(crate) intent: Uuid,
    pub(crate) attempt: u64,
    pub(crate) number: u64,
    pub(crate) schema_version: u32,
    pub(crate) location: String,
    pub(crate) metadata: String,
    pub(crate) snapshot_id: Option<i64>,
    pub(crate) oldest_sequence: u64,
    pub(crate) added_rows: u64,
    pub(crate) added_files: u64,
    pub(crate) added_bytes: u64,
    /// Blob keys, each with the Iceberg sequence number that the oldest kept snapshot must have
    /// reached before it may go.
    pub(crate) garbage: Vec<(String, u64)>,
}

/// A range of one source that a commit holds.
#[derive(Clone, Debug)]
pub(crate) struct SourceRange {
    pub(crate) object: String,
    pub(crate) from: Sequence,
    pub(crate) to: Sequence,
}

impl FlushPlan {
    /// The attempt this is, from 1.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Inbox bytes it takes.
    pub fn bytes(&self) -> u64 {
        self.batches
            .iter()
            .map(|batch| batch.body.len() as u64)
            .sum()
    }

    /// Writes every file of this attempt; nothing refers to them until the outcome is recorded.
    ///
    /// # Errors
    /// Those of the blob store: run the plan again, or begin the flush again for a new attempt.
    pub async fn write<B: BlobStore>(&self, blobs: &B) -> Result<FlushOutcome> {
        let mut garbage = self.orphans(blobs).await?;
        let (table, dropped) = self.base()?;
        garbage.extend(dropped);
        let (rows, ranges) = self.rows()?;
        let files = self.write_files(blobs, &table, &rows).await?;
        let mut outcome = commit::write(self, blobs, table, files, &ranges).await?;
        outcome
            .garbage
            .extend(garbage.into_iter().map(|key| (key, 0)));
        Ok(outcome)
    }

    /// The name of a file of this attempt.
    pub(crate) fn file_name(&self, rest: &str) -> String {
        format!("{}-{}-{rest}", self.intent, self.attempt)
    }

    /// The name of the metadata file of this attempt.
    pub(crate) fn metadata_name(&self) -> String {
        let name = self.file_name("");
        format!(
            "{:05}-{}.metadata.json",
            self.number,
            name.trim_end_matches('-')
        )
    }

    /// Files of earlier attempts, which nothing will ever refer to.
    async fn orphans<B: BlobStore>(&self, blobs: &B) -> Result<Vec<String>> {
        if self.attempt == 1 {
            return Ok(Vec::new());
        }
        let number = format!("{:05}-", self.number);
        let mut keys = Vec::new();
        for (prefix, except) in [
            (
                self.places.data(&self.intent.to_string()),
                self.places.data(&self.file_name("")),
            ),
            (
                self.places.metadata(&self.intent.to_string()),
                self.places.metadata(&self.file_name("")),
            ),
            (
                self.places.metadata(&format!("{number}{}", self.intent)),
                self.places.metadata(&self.metadata_name()),
            ),
        ] {
            keys.extend(keys_except(blobs, &prefix, &except).await?);
        }
        Ok(keys)
    }

    /// The metadata to build on, with the schema of this flush, and metadata files that are out
    /// of the log now.
    fn base(&self) -> Result<(TableMetadata, Vec<String>)> {
        let mut dropped = Vec::new();
        let mut table = match &self.base {
            Some((location, text)) => {
                let mut table = serde_json::from_str(text).map_err(foreign::json)?;
                dropped = metadata::log_previous(&mut table, location);
                Some(table)
            }
            None => None,
        };
        if self.write_schema || table.is_none() {
            table = Some(metadata::with_schema(
                table,
                &self.schema,
                self.table_uuid,
                &self.places.location(),
                &self.address,
                self.now,
            )?);
        }
        let dropped = dropped.iter().map(|location| self.places.key(location));
        let table = metadata::parsed(table.unwrap_or_default())?;
        Ok((table, dropped.collect::<Result<_>>()?))
    }

    /// The events as rows sorted by object and sequence, and the ranges they came in.
    fn rows(&self) -> Result<(RecordBatch, Vec<SourceRange>)> {
        let mut columns = ChangeColumns::new(&self.schema);
        let mut ranges = Vec::with_capacity(self.batches.len());
        let mut batches: Vec<(&str, &InboxBatch)> = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let object = object_of(&batch.source, &self.address.type_name);
            let object = object.ok_or_else(|| Error::corrupt("a batch of another type"))?;
            batches.push((object, batch));
        }
        // Stable: batches of one object stay in the order of their ranges.
        batches.sort_by_key(|(object, _)| *object);
        for (object, batch) in batches {
            let range = PackedBatch::walk(&batch.body, |event| columns.append(object, event))?;
            ranges.push(SourceRange {
                object: object.to_owned(),
                from: range.from,
                to: range.to,
            });
        }
        Ok((columns.finish()?, ranges))
    }

    pub(crate) async fn write_files<B: BlobStore>(
        &self,
        blobs: &B,
        table: &TableMetadata,
        rows: &RecordBatch,
    ) -> Result<Vec<DataFile>> {
        let (mut files, mut written) = (Vec::new(), FuturesOrdered::new());
        if rows.num_rows() == 0 {
            return Ok(files);
        }
        let mut count = 0;
        let (spec, schema) = (table.default_partition_spec(), table.current_schema());
        for (partition, part) in partition::split(rows, spec)? {
            for slice in self.cut(&part, rows.num_rows()) {
                let name = self.file_name(&format!("{count}.parquet"));
                let key = self.places.data(&name);
                let place = FilePlace {
                    location: self.places.url(&key),
                    partition: partition.clone(),
                    spec_id: spec.spec_id(),
                    sort_order_id: i32::try_from(table.default_sort_order_id()).unwrap_or(0),
                    schema: Arc::clone(schema),
                    codec: self.schema.compression_codec,
                };
                if written.len() == FILES_AT_ONCE {
                    files.extend(written.try_next().await?);
                }
                written.push_back(write_file(blobs, key, slice, place));
                count += 1;
            }
        }
        while let Some(file) = written.try_next().await? {
            files.push(file);
        }
        Ok(files)
    }

    /// Cuts a partition's rows so that each file takes about the target size of events.
    fn cut(&self, part: &RecordBatch, all_rows: usize) -> Vec<RecordBatch> {
        let (rows, all_rows) = (part.num_rows() as u64, all_rows.max(1) as u64);
        let bytes = self.bytes().saturating_mul(rows) / all_rows;
        let files = bytes.div_ceil(self.target_file_bytes).max(1);
        let length = usize::try_from(rows.div_ceil(files))
            .unwrap_or(usize::MAX)
            .max(1);
        (0..part.num_rows())
            .step_by(length)
            .map(|at| part.slice(at, length.min(part.num_rows() - at)))
            .collect()
    }
}

async fn write_file<B: BlobStore>(
    blobs: &B,
    key: String,
    rows: RecordBatch,
    place: FilePlace,
) -> Result<DataFile> {
    let (body, file) = blobs.compute(move || encode(&rows, place)).await??;
    put_once(blobs, &key, body).await?;
    Ok(file)
}
