//! A table whose metadata is lost, made again from its data files.
//!
//! A flush is an intent with attempts; what became part of the table is its last attempt, whole, or nothing
//! of it. Which flushes did is known from how far each object was told that it is committed: a flush that
//! nobody was told of is left out, since its objects still have its events and send them again.

use std::collections::{BTreeMap, BTreeSet};

use iceberg::spec::DataFile;
use serde_json::Value as Json;
use tidelog_core::{Sql, SqlExt, SqlValue, atomically, int};
use tidelog_log::{BatchRange, Error, PackedBatch, Result, Sequence};
use uuid::Uuid;

use crate::actor::write_metadata;
use crate::columns::TableSchema;
use crate::limits::{FLUSH_BYTES_MAX, ORPHANS_PAGE};
use crate::record_batch::ChangeColumns;
use crate::settings::Places;
use crate::{BlobMeta, BlobStore, FlushOutcome, FlushPlan, Mark, TableActor, commit, metadata};

mod runs;
pub use runs::Runs;

mod survey;
use survey::{Found, Survey};

/// A table that is being made again. Nothing is written before [`Rebuild::write`].
#[derive(Debug)]
pub struct Rebuild {
    actor: TableActor,
    schema: TableSchema,
    places: Places,
    uuid: Uuid,
    entropy: [u8; 16],
    now: i64,
    /// The number of the first metadata file.
    number: u64,
    /// A flush that has not ended: the actor makes another attempt of it.
    unfinished: Option<String>,
    found: Vec<Found>,
    /// Files that can not be read, and why.
    damaged: Vec<(String, String)>,
    dropped: Vec<String>,
    old_metadata: Vec<String>,
    refilled: Vec<DataFile>,
    refilled_rows: u64,
}

/// What became of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Data files that it has now.
    pub files: u64,
    /// Rows that it has now.
    pub rows: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// Of those, rows that came again from the logs of objects.
    pub refilled: u64,
    /// Data files that are no part of it: of attempts that failed, or that nobody was told of.
    pub dropped: Vec<String>,
    /// Data files that cannot be read, each with the reason. They are left where they are.
    pub damaged: Vec<(String, String)>,
}

impl TableActor {
    /// Reads every data file under the table's prefix. `entropy` names what will be written.
    ///
    /// # Errors
    /// Those of the blob store; `schema_missing` before [`TableActor::set_schema`].
    pub async fn begin_rebuild<B: BlobStore>(
        &self,
        sql: &dyn Sql,
        blobs: &B,
        now: i64,
        entropy: [u8; 16],
    ) -> Result<Rebuild> {
        let missing = || Error::conflict("schema_missing", "the table has no schema yet");
        let schema = self.schema(sql)?.ok_or_else(missing)?;
        let (places, row) = (self.places(&schema), self.row(sql)?);
        let old_metadata = listed(blobs, &places.metadata("")).await?;
        let old_metadata: Vec<String> = old_metadata.into_iter().map(|blob| blob.key).collect();
        let mut rebuild = Rebuild {
            actor: self.clone(),
            uuid: row.uuid,
            number: row.metadata_number.max(newest_number(&old_metadata)) + 1,
            unfinished: crate::flush::unfinished(sql)?,
            schema,
            places,
            entropy,
            now,
            found: Vec::new(),
            damaged: Vec::new(),
            dropped: Vec::new(),
            old_metadata,
            refilled: Vec::new(),
            refilled_rows: 0,
        };
        rebuild.survey(blobs).await?;
        Ok(rebuild)
    }

    /// Every object that the table has a mark of, with how far it is.
    pub fn marks(&self, sql: &dyn Sql) -> Result<Vec<(String, Mark)>> {
        let text = "SELECT epoch, accepted, committed, source FROM lake_sources ORDER BY source";
        tidelog_core::all(sql, text, &[], |row| {
            let mark = crate::status::read_mark(row)?;
            Ok((row[3].text()?.to_owned(), mark))
        })
    }
}

impl Rebuild {
    async fn survey<B: BlobStore>(&mut self, blobs: &B) -> Result<()> {
        let table = metadata::parsed(self.evolved(self.plain()?)?)?;
        for blob in listed(blobs, &self.places.data("")).await? {
            let survey = Survey {
                schema: &self.schema,
                places: &self.places,
                table: &table,
            };
            match survey.read(blobs, &blob).await {
                Ok(found) => self.found.push(found),
                Err(error) if error.code() == "corrupt" => {
                    self.damaged.push((blob.key, error.message().to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The metadata of the table without partitions: files of an older spec are of this one.
    fn plain(&self) -> Result<Json> {
        let mut schema = self.schema.clone();
        schema.partition_by.clear();
        let location = self.places.location();
        metadata::with_schema(
            None,
            &schema,
            self.uuid,
            &location,
            &self.actor.address,
            self.now,
        )
    }

    fn evolved(&self, base: Json) -> Result<Json> {
        let (location, address) = (self.places.location(), &self.actor.address);
        metadata::with_schema(
            Some(base),
            &self.schema,
            self.uuid,
            &location,
            address,
            self.now,
        )
    }

    /// The ids of all objects that data files have rows of.
    pub fn objects(&self) -> BTreeSet<String> {
        let objects = self.found.iter().flat_map(|found| found.sequences.keys());
        objects.cloned().collect()
    }

    /// Leaves out the files that never became part of the table. `committed` says of an object how far it
    /// is known to be in the table; none: nobody has its events any more, so all rows of it stay.
    ///
    /// # Errors
    /// `corrupt` when two files that stay have the same event.
    pub fn choose(&mut self, committed: impl Fn(&str) -> Option<Sequence>) -> Result<()> {
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let mut settled: BTreeSet<String> = BTreeSet::new();
        for found in &self.found {
            let attempt = newest.entry(found.intent.clone()).or_default();
            *attempt = found.attempt.max(*attempt);
            let mut each = found.sequences.iter();
            let told = each.any(|(object, runs)| {
                committed(object).is_none_or(|to| runs.first().is_some_and(|first| first <= to))
            });
            if told && self.unfinished.as_ref() != Some(&found.intent) {
                settled.insert(found.intent.clone());
            }
        }
        let stays = |found: &Found| {
            settled.contains(&found.intent) && newest.get(&found.intent) == Some(&found.attempt)
        };
        let (stay, go): (Vec<_>, Vec<_>) = self.found.drain(..).partition(stays);
        self.found = stay;
        let unfinished = self.unfinished.take();
        let go = go
            .into_iter()
            .filter(|found| Some(&found.intent) != unfinished.as_ref());
        self.dropped = go.map(|found| found.key).collect();
        for object in self.objects() {
            self.rows_of(&object)?;
        }
        Ok(())
    }

    /// The sequences of an object that the table will have.
    ///
    /// # Errors
    /// `corrupt` when one of them is there twice.
    pub fn rows_of(&self, object: &str) -> Result<Runs> {
        let mut all = Runs::default();
        for runs in self
            .found
            .iter()
            .filter_map(|found| found.sequences.get(object))
        {
            all.merge(runs).map_err(|at| {
                Error::corrupt(format!("event {at} of {object} is in two data files"))
            })?;
        }
        Ok(all)
    }

    /// Writes events into a data file of their own. `lacks` says which of a batch's events are wanted.
    ///
    /// # Errors
    /// Those of the blob store.
    pub async fn refill<B: BlobStore>(
        &mut self,
        blobs: &B,
        batches: &[(String, PackedBatch)],
        lacks: impl Fn(&str, Sequence) -> bool,
    ) -> Result<()> {
        let mut columns = ChangeColumns::new(&self.schema);
        let mut rows = 0;
        for (object, batch) in batches {
            PackedBatch::walk(batch.as_bytes(), |event| {
                if lacks(object, event.sequence) {
                    rows += 1;
                    columns.append(object, event)?;
                }
                Ok(())
            })?;
        }
        if rows == 0 {
            return Ok(());
        }
        let batch = columns.finish()?;
        let table = metadata::parsed(self.evolved(self.plain()?)?)?;
        let mut plan = self.plan(1);
        // A second rebuild takes it for a flush of its own.
        let mut name = self.entropy;
        for (byte, more) in name
            .iter_mut()
            .zip((self.refilled.len() as u64 + 1).to_le_bytes())
        {
            *byte ^= more;
        }
        plan.intent = *uuid::Builder::from_random_bytes(name).as_uuid();
        self.refilled
            .extend(plan.write_files(blobs, &table, &batch).await?);
        self.refilled_rows += rows;
        Ok(())
    }

    fn plan(&self, attempt: u64) -> FlushPlan {
        FlushPlan {
            address: self.actor.address.clone(),
            places: self.places.clone(),
            target_file_bytes: FLUSH_BYTES_MAX,
            now: self.now,
            intent: *uuid::Builder::from_random_bytes(self.entropy).as_uuid(),
            attempt,
            number: self.number + attempt - 1,
            table_uuid: self.uuid,
            write_schema: true,
            schema: self.schema.clone(),
            base: None,
            batches: Vec::new(),
        }
    }

    /// What the table would be.
    pub fn summary(&self) -> Rebuilt {
        let rows = self.found.iter().map(|found| found.file.record_count());
        let files = self.found.iter().map(|found| &found.file);
        let bytes = files
            .chain(&self.refilled)
            .map(DataFile::file_size_in_bytes);
        Rebuilt {
            bytes: bytes.sum(),
            files: (self.found.len() + self.refilled.len()) as u64,
            rows: rows.sum::<u64>() + self.refilled_rows,
            refilled: self.refilled_rows,
            dropped: self.dropped.clone(),
            damaged: self.damaged.clone(),
        }
    }

    /// Writes the metadata, then makes it the table's. What was there before is garbage from then on.
    /// `marks` are those of objects that the actor has none of.
    ///
    /// # Errors
    /// Those of the blob store and the database: nothing has changed then.
    pub async fn write<B: BlobStore>(
        mut self,
        sql: &dyn Sql,
        blobs: &B,
        marks: &[BatchRange],
    ) -> Result<Rebuilt> {
        let summary = self.summary();
        let (partitioned, plain): (Vec<_>, Vec<_>) =
            self.found.drain(..).partition(|found| found.is_partitioned);
        let files = |all: Vec<Found>| all.into_iter().map(|found| found.file).collect::<Vec<_>>();
        let mut table = self.plain()?;
        if !plain.is_empty() {
            let parsed = metadata::parsed(table)?;
            let made = commit::write(&self.plan(1), blobs, parsed, files(plain), &[]).await?;
            table = serde_json::from_str(&made.metadata).map_err(crate::foreign::json)?;
            metadata::log_previous(&mut table, &made.location);
        }
        let table = metadata::parsed(self.evolved(table)?)?;
        let mut all = files(partitioned);
        all.append(&mut self.refilled);
        let outcome = commit::write(&self.plan(2), blobs, table, all, &[]).await?;
        atomically(sql, || {
            write_metadata(sql, &outcome.metadata)?;
            self.point(sql, &outcome, &summary)?;
            self.discard(sql)?;
            marks.iter().try_for_each(|mark| put_mark(sql, mark))
        })?;
        Ok(summary)
    }

    fn point(&self, sql: &dyn Sql, outcome: &FlushOutcome, summary: &Rebuilt) -> Result<()> {
        let snapshot = outcome
            .snapshot_id
            .map_or(SqlValue::Null, SqlValue::Integer);
        sql.exec(
            "UPDATE lake_table SET location = ?, metadata_number = ?, written_version = ?,
             snapshot_id = ?, oldest_sequence = ?, commits = commits + 1, rows = ?, files = ?,
             bytes = ?, committed_at = ?",
            &[
                SqlValue::Text(&outcome.location),
                int(outcome.number),
                int(u64::from(outcome.schema_version)),
                snapshot,
                int(outcome.oldest_sequence),
                int(summary.rows),
                int(summary.files),
                int(summary.bytes),
                SqlValue::Integer(self.now),
            ],
        )
    }

    /// What the table no longer refers to may be deleted, and nothing that it does.
    fn discard(&self, sql: &dyn Sql) -> Result<()> {
        sql.exec("DELETE FROM lake_garbage", &[])?;
        for key in self.old_metadata.iter().chain(&self.dropped) {
            let text = "INSERT INTO lake_garbage (key, after_sequence) VALUES (?, 0)
                        ON CONFLICT DO NOTHING";
            sql.exec(text, &[SqlValue::Text(key)])?;
        }
        Ok(())
    }
}

fn put_mark(sql: &dyn Sql, mark: &BatchRange) -> Result<()> {
    sql.exec(
        "INSERT INTO lake_sources (source, epoch, accepted, hash, committed) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
        &[
            SqlValue::Text(&mark.source),
            int(mark.epoch.0),
            int(mark.to.0),
            SqlValue::Blob(&mark.to_hash.0),
            int(mark.to.0),
        ],
    )
}

/// The number of the newest metadata file of these.
fn newest_number(keys: &[String]) -> u64 {
    let numbers = keys.iter().filter_map(|key| {
        let name = key.rsplit('/').next()?.strip_suffix(".metadata.json")?;
        name.split('-').next()?.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

async fn listed<B: BlobStore>(blobs: &B, prefix: &str) -> Result<Vec<BlobMeta>> {
    let mut all: Vec<BlobMeta> = Vec::new();
    loop {
        let after = all.last().map(|blob| blob.key.clone());
        let page = blobs.list(prefix, after.as_deref(), ORPHANS_PAGE).await?;
        let is_last = page.len() < ORPHANS_PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
