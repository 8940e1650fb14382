//! What an operator or a source may ask of a table.

use serde::{Deserialize, Serialize};
use tidelog_core::{Sql, SqlValue, all, int, one};
use tidelog_log::{Epoch, Result, Sequence};

use crate::TableActor;
use crate::actor::narrow;
use crate::flush::attempts;
use crate::limits::STATUS_MARKS_MAX;

/// How far a table has taken one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The source's epoch at the accepted mark.
    pub epoch: Epoch,
    /// In the inbox.
    pub accepted: Sequence,
    /// In a durable Iceberg snapshot.
    pub committed: Sequence,
}

/// A source and its mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// The object's permanent address.
    pub source: String,
    /// How far it is.
    pub mark: Mark,
}

/// How a table stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStatus {
    /// Events waiting in the inbox.
    pub inbox_events: u64,
    /// Their bytes.
    pub inbox_bytes: u64,
    /// When the oldest of them came in, milliseconds since 1970.
    pub inbox_oldest: Option<i64>,
    /// Commits that added rows, since the table was made.
    pub commits: u64,
    /// Rows in the table.
    pub rows: u64,
    /// Data files of the table.
    pub data_files: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// The current Iceberg snapshot.
    pub snapshot_id: Option<i64>,
    /// Where the current metadata file is (`s3://...`).
    pub metadata_location: Option<String>,
    /// When rows were committed last, milliseconds since 1970.
    pub committed_at: Option<i64>,
    /// The schema version the table has.
    pub schema_version: u32,
    /// The attempt an unfinished flush is at; 0 when there is none. Over 1, attempts failed.
    pub attempts: u32,
    /// Blobs waiting to be deleted.
    pub garbage: u64,
    /// How many objects feed the table.
    pub sources: u64,
    /// The sources furthest behind, at most [`STATUS_MARKS_MAX`].
    pub marks: Vec<SourceMark>,
}

impl TableActor {
    /// How the table stands.
    pub fn status(&self, sql: &dyn Sql) -> Result<TableStatus> {
        let number = |value: SqlValue<'_>| value.optional().map(SqlValue::integer).transpose();
        let status = one(
            sql,
            "SELECT inbox_events, inbox_bytes,
               (SELECT received_at FROM lake_inbox ORDER BY id LIMIT 1),
               commits, rows, files, bytes, snapshot_id, location, committed_at, written_version,
               (SELECT count(*) FROM lake_garbage
                WHERE after_sequence <= lake_table.oldest_sequence),
               (SELECT count(*) FROM lake_sources)
             FROM lake_table",
            &[],
            |row| {
                let location = row[8].optional().map(SqlValue::text).transpose()?;
                Ok(TableStatus {
                    inbox_events: row[0].unsigned()?,
                    inbox_bytes: row[1].unsigned()?,
                    inbox_oldest: number(row[2])?,
                    commits: row[3].unsigned()?,
                    rows: row[4].unsigned()?,
                    data_files: row[5].unsigned()?,
                    bytes: row[6].unsigned()?,
                    snapshot_id: number(row[7])?,
                    metadata_location: location.map(str::to_owned),
                    committed_at: number(row[9])?,
                    schema_version: narrow(row[10].unsigned()?)?,
                    garbage: row[11].unsigned()?,
                    sources: row[12].unsigned()?,
                    ..TableStatus::default()
                })
            },
        )?;
        Ok(TableStatus {
            attempts: attempts(sql)?,
            marks: furthest_behind(sql)?,
            ..status.unwrap_or_default()
        })
    }

    /// How far the table has taken `source`, an object's permanent address.
    pub fn mark(&self, sql: &dyn Sql, source: &str) -> Result<Option<Mark>> {
        let text = "SELECT epoch, accepted, committed FROM lake_sources WHERE source = ?";
        one(sql, text, &[SqlValue::Text(source)], read_mark)
    }
}

impl TableStatus {
    /// What operators watch of a table: a metric's name, what it says, its value. `now` is
    /// milliseconds since 1970.
    pub fn gauges(&self, now: i64) -> [(&'static str, &'static str, u64); 6] {
        let age = self
            .inbox_oldest
            .map_or(0, |oldest| now.saturating_sub(oldest));
        [
            (
                "lake_inbox_events",
                "Events accepted and not committed.",
                self.inbox_events,
            ),
            (
                "lake_inbox_bytes",
                "Bytes of those events.",
                self.inbox_bytes,
            ),
            (
                "lake_inbox_age_millis",
                "Age of the oldest of those events.",
                u64::try_from(age).unwrap_or(0),
            ),
            ("lake_rows", "Rows of the changes table.", self.rows),
            (
                "lake_data_files",
                "Data files of the changes table.",
                self.data_files,
            ),
            ("lake_bytes", "Bytes of the data files.", self.bytes),
        ]
    }
}

fn furthest_behind(sql: &dyn Sql) -> Result<Vec<SourceMark>> {
    all(
        sql,
        "SELECT epoch, accepted, committed, source FROM lake_sources
         ORDER BY accepted - committed DESC, source LIMIT ?",
        &[int(STATUS_MARKS_MAX)],
        |row| {
            Ok(SourceMark {
                source: row[3].text()?.to_owned(),
                mark: read_mark(row)?,
            })
        },
    )
}

pub(crate) fn read_mark(row: &[SqlValue<'_>]) -> Result<Mark> {
    Ok(Mark {
        epoch: Epoch(row[0].unsigned()?),
        accepted: Sequence(row[1].unsigned()?),
        committed: Sequence(row[2].unsigned()?),
    })
}
