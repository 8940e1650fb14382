//! When a flush is due, its beginning and its end. The I/O between them is the plan's.

use tidelog_core::{Sql, SqlExt, SqlValue, all, atomically, int, one};
use tidelog_log::{Error, Result, Sequence};
use uuid::Uuid;

use crate::actor::{TableRow, narrow, write_metadata};
use crate::inbox::{BATCH_PARTS_MAX, move_committed};
use crate::limits::WAITING_BYTES_MAX;
use crate::plan::InboxBatch;
use crate::{FlushOutcome, FlushPlan, TableActor};

/// A source whose events are in the table up to `sequence`, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The object's permanent address.
    pub source: String,
    /// Its committed mark.
    pub sequence: Sequence,
}

struct Intent {
    uuid: Uuid,
    attempt: u64,
    last_inbox: u64,
}

impl TableActor {
    /// True when a flush is due: by size, count or age, for a new schema, or because an earlier
    /// one did not finish.
    pub fn flush_due(&self, sql: &dyn Sql, now: i64) -> Result<bool> {
        Ok(self.next_due(sql)?.is_some_and(|due| due <= now))
    }

    /// When a flush becomes due, milliseconds since 1970; in the past when it is due.
    pub fn next_due(&self, sql: &dyn Sql) -> Result<Option<i64>> {
        let row = self.row(sql)?;
        let Some(schema) = self.schema(sql)? else {
            return Ok(None);
        };
        if row.schema_version > row.written_version || read_intent(sql)?.is_some() {
            return Ok(Some(0));
        }
        let sums = "SELECT inbox_events, inbox_bytes FROM lake_table";
        let sums = one(sql, sums, &[], |row| {
            Ok((row[0].unsigned()?, row[1].unsigned()?))
        })?;
        let (events, bytes) = sums.unwrap_or_default();
        let oldest = "SELECT received_at FROM lake_inbox ORDER BY id LIMIT 1";
        let oldest = one(sql, oldest, &[], |row| row[0].integer())?;
        let Some(oldest) = oldest else {
            return Ok(None);
        };
        let settings = &self.settings;
        let full = events >= settings.flush_events.max(1) || bytes >= settings.flush_bytes.max(1);
        let wait = schema.schedule_millis.unwrap_or(settings.flush_millis);
        let due = if full { 0 } else { oldest.saturating_add(wait) };
        Ok(Some(match bytes >= WAITING_BYTES_MAX {
            true => due,
            false if schema.min_age_millis > 0 => {
                due.max(oldest.saturating_add(schema.min_age_millis))
            }
            false => due,
        }))
    }

    /// Persists what the next flush will do and hands out the plan of its I/O; `None` when there
    /// is nothing to do. An unfinished flush is taken up again, as its next attempt. Events younger
    /// than the collection's `cold.min_age` stay in the inbox.
    ///
    /// # Errors
    /// `schema_missing` or `schema_behind`: call [`TableActor::set_schema`] with the version that
    /// [`TableActor::schema_wanted`] names, then begin again.
    pub fn begin_flush(
        &self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
    ) -> Result<Option<FlushPlan>> {
        let min_age = self.schema(sql)?.map_or(0, |schema| schema.min_age_millis);
        let until = match min_age > 0 && inbox_bytes(sql)? < WAITING_BYTES_MAX {
            true => now.saturating_sub(min_age),
            false => i64::MAX,
        };
        self.begin(sql, now, entropy, until)
    }

    /// As [`TableActor::begin_flush`], with the events that `cold.min_age` would keep waiting: for
    /// who asks for everything.
    pub fn begin_flush_of_all(
        &self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
    ) -> Result<Option<FlushPlan>> {
        self.begin(sql, now, entropy, i64::MAX)
    }

    /// Begins a flush of what came in by `until`, milliseconds since 1970.
    fn begin(
        &self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        until: i64,
    ) -> Result<Option<FlushPlan>> {
        atomically(sql, || {
            let row = self.row(sql)?;
            let Some(intent) = self.next_intent(sql, now, entropy, until, &row)? else {
                return Ok(None);
            };
            if let Some(wanted) = self.schema_wanted(sql)? {
                let message = format!("an event needs schema version {wanted}");
                return Err(Error::conflict("schema_behind", message).with("version", wanted));
            }
            let Some(schema) = self.schema(sql)? else {
                let message = "the table has no schema yet";
                return Err(Error::conflict("schema_missing", message));
            };
            Ok(Some(FlushPlan {
                address: self.address.clone(),
                places: self.places(&schema),
                target_file_bytes: self.settings.target_file_bytes.max(1),
                now,
                intent: intent.uuid,
                attempt: intent.attempt,
                number: row.metadata_number + 1,
                table_uuid: row.uuid,
                write_schema: row.schema_version > row.written_version,
                schema,
                base: self.metadata(sql)?,
                batches: read_inbox(sql, intent.last_inbox)?,
            }))
        })
    }

    fn next_intent(
        &self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        until: i64,
        row: &TableRow,
    ) -> Result<Option<Intent>> {
        if let Some(intent) = read_intent(sql)? {
            sql.exec("UPDATE lake_intent SET attempt = attempt + 1", &[])?;
            let attempt = intent.attempt + 1;
            return Ok(Some(Intent { attempt, ..intent }));
        }
        let last_inbox = inbox_to_take(sql, self.settings.flush_bytes_max, until)?;
        if last_inbox == 0 && row.schema_version == row.written_version {
            return Ok(None);
        }
        let uuid = *uuid::Builder::from_random_bytes(entropy).as_uuid();
        sql.exec(
            "INSERT INTO lake_intent (one, uuid, attempt, last_inbox, begun_at)
             VALUES (1, ?, 1, ?, ?)",
            &[
                SqlValue::Blob(uuid.as_bytes()),
                int(last_inbox),
                SqlValue::Integer(now),
            ],
        )?;
        Ok(Some(Intent {
            uuid,
            attempt: 1,
            last_inbox,
        }))
    }

    /// Records what a plan's I/O brought about: the pointer and the committed marks move, and the
    /// inbox lets go of what is in the table. Answers every source that moved.
    ///
    /// # Errors
    /// `stale_attempt` (conflict) for the outcome of an attempt that is not the newest one; its
    /// files are orphans that the newest attempt removes.
    pub fn finish_flush(
        &self,
        sql: &dyn Sql,
        now: i64,
        outcome: &FlushOutcome,
    ) -> Result<Vec<Committed>> {
        atomically(sql, || {
            let intent = read_intent(sql)?
                .filter(|i| (i.uuid, i.attempt) == (outcome.intent, outcome.attempt))
                .ok_or_else(|| Error::conflict("stale_attempt", "this attempt was given up"))?;
            write_metadata(sql, &outcome.metadata)?;
            move_pointer(sql, now, outcome)?;
            add_garbage(sql, outcome)?;
            let committed = settle_inbox(sql, intent.last_inbox)?;
            sql.exec("DELETE FROM lake_intent", &[])?;
            Ok(committed)
        })
    }
}

fn read_intent(sql: &dyn Sql) -> Result<Option<Intent>> {
    let text = "SELECT uuid, attempt, last_inbox FROM lake_intent";
    one(sql, text, &[], |row| {
        Ok(Intent {
            uuid: Uuid::from_slice(row[0].blob()?)
                .map_err(|_| Error::corrupt("an intent's uuid is not 16 bytes"))?,
            attempt: row[1].unsigned()?,
            last_inbox: row[2].unsigned()?,
        })
    })
}

/// The last inbox row that the next flush takes, from the oldest on; 0 when there is none. What came
/// in after `until` stays, and what came after it too: ranges of a source are taken in order.
fn inbox_to_take(sql: &dyn Sql, bytes_max: u64, until: i64) -> Result<u64> {
    let text = "SELECT min(id) FROM lake_inbox WHERE received_at > ?";
    let until = SqlValue::Integer(until.clamp(0, TIME_MAX));
    let young = one(sql, text, &[until], |row| {
        row[0].optional().map(SqlValue::unsigned).transpose()
    })?;
    let young = young.flatten().unwrap_or(TIME_MAX.unsigned_abs());
    let text = "SELECT id, total FROM (SELECT id, sum(bytes) OVER (ORDER BY id) AS total
                FROM lake_inbox) WHERE total <= ?1 AND id < ?2
                UNION ALL SELECT id, 0 FROM (SELECT id FROM lake_inbox WHERE id < ?2
                                             ORDER BY id LIMIT 1)
                ORDER BY id DESC LIMIT 1";
    let last = one(sql, text, &[int(bytes_max), int(young)], |row| {
        row[0].unsigned()
    })?;
    Ok(last.unwrap_or(0))
}

fn inbox_bytes(sql: &dyn Sql) -> Result<u64> {
    let text = "SELECT inbox_bytes FROM lake_table";
    Ok(one(sql, text, &[], |row| row[0].unsigned())?.unwrap_or(0))
}

/// Numbers beyond this do not cross into a Durable Object's database.
const TIME_MAX: i64 = (1 << 53) - 1;

fn read_inbox(sql: &dyn Sql, last: u64) -> Result<Vec<InboxBatch>> {
    let mut batches = all(
        sql,
        "SELECT i.id, s.source, i.bytes FROM lake_inbox i JOIN lake_sources s ON s.id = i.source
         WHERE i.id <= ? ORDER BY i.id",
        &[int(last)],
        |row| {
            let bytes = usize::try_from(row[2].unsigned()?).unwrap_or(0);
            Ok((
                row[0].unsigned()?,
                InboxBatch {
                    source: row[1].text()?.to_owned(),
                    body: Vec::with_capacity(bytes),
                },
            ))
        },
    )?;
    let parts = BATCH_PARTS_MAX as u64;
    let mut at = 0;
    let text = "SELECT id, body FROM lake_parts WHERE id < ? ORDER BY id";
    sql.run(text, &[int((last + 1) * parts)], &mut |row| {
        let inbox = row[0].unsigned()? / parts;
        while batches.get(at).is_some_and(|(id, _)| *id < inbox) {
            at += 1;
        }
        let missing = || Error::corrupt("a part of a batch that the inbox does not have");
        let (id, batch) = batches.get_mut(at).ok_or_else(missing)?;
        if *id != inbox {
            return Err(missing());
        }
        batch.body.extend_from_slice(row[1].blob()?);
        Ok(())
    })?;
    Ok(batches.into_iter().map(|(_, batch)| batch).collect())
}

fn move_pointer(sql: &dyn Sql, now: i64, outcome: &FlushOutcome) -> Result<()> {
    let snapshot = outcome
        .snapshot_id
        .map_or(SqlValue::Null, SqlValue::Integer);
    let committed_at = match outcome.snapshot_id {
        Some(_) => SqlValue::Integer(now),
        None => SqlValue::Null,
    };
    sql.exec(
        "UPDATE lake_table SET location = ?, metadata_number = ?, written_version = ?,
         snapshot_id = coalesce(?, snapshot_id), oldest_sequence = ?, commits = commits + ?,
         rows = rows + ?, files = files + ?, bytes = bytes + ?,
         committed_at = coalesce(?, committed_at)",
        &[
            SqlValue::Text(&outcome.location),
            int(outcome.number),
            int(u64::from(outcome.schema_version)),
            snapshot,
            int(outcome.oldest_sequence),
            int(u64::from(outcome.snapshot_id.is_some())),
            int(outcome.added_rows),
            int(outcome.added_files),
            int(outcome.added_bytes),
            committed_at,
        ],
    )
}

fn add_garbage(sql: &dyn Sql, outcome: &FlushOutcome) -> Result<()> {
    for (key, after) in &outcome.garbage {
        sql.exec(
            "INSERT INTO lake_garbage (key, after_sequence) VALUES (?, ?) ON CONFLICT DO NOTHING",
            &[SqlValue::Text(key), int(*after)],
        )?;
    }
    Ok(())
}

/// Removes inbox rows up to `last` and moves their sources' committed marks: to where the next
/// waiting row starts, or to the accepted mark, since only empty ranges lie between.
fn settle_inbox(sql: &dyn Sql, last: u64) -> Result<Vec<Committed>> {
    let moved = all(
        sql,
        "SELECT s.id, s.source, coalesce((SELECT n.start FROM lake_inbox n
           WHERE n.source = s.id AND n.id > ?1 ORDER BY n.id LIMIT 1), s.accepted)
         FROM lake_sources s
         WHERE s.id IN (SELECT DISTINCT source FROM lake_inbox WHERE id <= ?1) ORDER BY s.id",
        &[int(last)],
        |row| {
            Ok((
                row[0].integer()?,
                row[1].text()?.to_owned(),
                Sequence(row[2].unsigned()?),
            ))
        },
    )?;
    let mut committed = Vec::with_capacity(moved.len());
    for (id, source, sequence) in moved {
        move_committed(sql, id, sequence)?;
        committed.push(Committed { source, sequence });
    }
    sql.exec(
        "UPDATE lake_table SET
         inbox_events = inbox_events - (SELECT coalesce(sum(events), 0) FROM lake_inbox
                                        WHERE id <= ?1),
         inbox_bytes = inbox_bytes - (SELECT coalesce(sum(bytes), 0) FROM lake_inbox
                                      WHERE id <= ?1)",
        &[int(last)],
    )?;
    let parts = int((last + 1) * BATCH_PARTS_MAX as u64);
    sql.exec("DELETE FROM lake_parts WHERE id < ?", &[parts])?;
    sql.exec("DELETE FROM lake_inbox WHERE id <= ?", &[int(last)])?;
    Ok(committed)
}

/// The flush that has not ended, if there is one.
pub(crate) fn unfinished(sql: &dyn Sql) -> Result<Option<String>> {
    Ok(read_intent(sql)?.map(|intent| intent.uuid.to_string()))
}

/// Which attempt an unfinished flush is at; 0 when there is none.
pub(crate) fn attempts(sql: &dyn Sql) -> Result<u32> {
    read_intent(sql)?.map_or(Ok(0), |intent| narrow(intent.attempt))
}
