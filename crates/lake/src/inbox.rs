//! Taking batches: one contiguous range after the other, each exactly once.

use serde::{Deserialize, Serialize};
use tidelog_core::{Address, NAMESPACE, Sql, SqlExt, SqlValue, atomically, int, one};
use tidelog_log::limits::PART_BYTES_MAX;
use tidelog_log::{BatchRange, Error, Hash, PackedBatch, Result, Sequence};

use crate::TableActor;
use crate::limits::{BATCH_EVENTS_MAX, INBOX_BYTES_MAX};

/// Parts one batch may have: `inbox id * 256 + part` is the row id of `lake_parts`.
pub(crate) const BATCH_PARTS_MAX: usize = 256;

/// What a source hears about its push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PushReply {
    /// The range is in the inbox, durable with this step.
    Accepted {
        /// The source's mark now.
        mark: Sequence,
        /// How far the source's events are in a durable Iceberg snapshot.
        committed: Sequence,
    },
    /// The range does not start at the mark, or was taken before: go on from the mark.
    Behind {
        /// The source's mark.
        mark: Sequence,
        /// How far the source's events are in a durable Iceberg snapshot.
        committed: Sequence,
    },
    /// The source's history at the mark is not the one the table has.
    Fenced {
        /// The source's mark.
        mark: Sequence,
    },
}

/// A source as `lake_sources` has it.
struct Source {
    id: Option<i64>,
    accepted: Sequence,
    hash: Hash,
    committed: Sequence,
}

impl TableActor {
    /// Takes one range of a source's log into the inbox. `now` is milliseconds since 1970.
    ///
    /// # Errors
    /// `inbox_full` (unavailable: flush, then push again), `malformed_batch`, `batch_too_large`.
    pub fn accept(&self, sql: &dyn Sql, now: i64, batch: &PackedBatch) -> Result<PushReply> {
        self.check_batch(batch)?;
        let range = &batch.range;
        atomically(sql, || {
            let source = source_of(sql, &range.source)?;
            let (mark, committed) = (source.accepted, source.committed);
            if range.from != mark {
                return Ok(PushReply::Behind { mark, committed });
            }
            if range.from_hash != source.hash {
                return Ok(PushReply::Fenced { mark });
            }
            let id = match source.id {
                Some(id) => id,
                None => new_source(sql, range)?,
            };
            self.put_in_inbox(sql, now, id, batch)?;
            move_accepted(sql, id, range)?;
            let committed = match batch.events == 0 && !has_events(sql, id)? {
                true => move_committed(sql, id, range.to)?,
                false => committed,
            };
            let mark = range.to;
            Ok(PushReply::Accepted { mark, committed })
        })
    }

    fn check_batch(&self, batch: &PackedBatch) -> Result<()> {
        let malformed = |message: String| Err(Error::invalid("malformed_batch", message));
        let range = &batch.range;
        if object_of(&range.source, &self.address.type_name).is_none() {
            let name = &self.address.type_name;
            return malformed(format!("{:?} is no object of type {name}", range.source));
        }
        if batch.events > BATCH_EVENTS_MAX as u64 {
            return Err(Error::too_large(
                "batch_too_large",
                format!("{} events, at most {BATCH_EVENTS_MAX}", batch.events),
            ));
        }
        if range.to < range.from {
            return malformed(format!("the range ({}, {}]", range.from, range.to));
        }
        if batch.events > 0 && batch.collection != self.address.id {
            return malformed(format!("events of collection {}", batch.collection));
        }
        Ok(())
    }

    fn put_in_inbox(
        &self,
        sql: &dyn Sql,
        now: i64,
        source: i64,
        batch: &PackedBatch,
    ) -> Result<()> {
        if batch.events == 0 {
            return Ok(());
        }
        let (range, version) = (&batch.range, batch.schema_version);
        let body = batch.as_bytes();
        let bytes = body.len() as u64;
        check_room(sql, bytes)?;
        let id = next_inbox_id(sql)?;
        sql.exec(
            "INSERT INTO lake_inbox (id, source, start, stop, events, bytes, schema_version,
             received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                int(id),
                SqlValue::Integer(source),
                int(range.from.0),
                int(range.to.0),
                int(batch.events),
                int(bytes),
                int(u64::from(version)),
                SqlValue::Integer(now),
            ],
        )?;
        for (part, body) in (id * BATCH_PARTS_MAX as u64..).zip(body.chunks(PART_BYTES_MAX)) {
            sql.exec(
                "INSERT INTO lake_parts (id, body) VALUES (?, ?)",
                &[int(part), SqlValue::Blob(body)],
            )?;
        }
        sql.exec(
            "UPDATE lake_table SET inbox_events = inbox_events + ?, inbox_bytes = inbox_bytes + ?",
            &[int(batch.events), int(bytes)],
        )
    }
}

/// The object id in the address of an object of this type.
pub(crate) fn object_of<'a>(source: &'a str, type_name: &str) -> Option<&'a str> {
    let id = source
        .strip_prefix(NAMESPACE)?
        .strip_prefix("/object/")?
        .strip_prefix(type_name)?
        .strip_prefix('/')?
        .strip_suffix("/0")?;
    Address::object(type_name, id).is_ok().then_some(id)
}

fn source_of(sql: &dyn Sql, source: &str) -> Result<Source> {
    let known = one(
        sql,
        "SELECT id, accepted, hash, committed FROM lake_sources WHERE source = ?",
        &[SqlValue::Text(source)],
        |row| {
            Ok(Source {
                id: Some(row[0].integer()?),
                accepted: Sequence(row[1].unsigned()?),
                hash: Hash::try_from(row[2].blob()?)?,
                committed: Sequence(row[3].unsigned()?),
            })
        },
    )?;
    Ok(known.unwrap_or(Source {
        id: None,
        accepted: Sequence(0),
        hash: Hash::default(),
        committed: Sequence(0),
    }))
}

fn new_source(sql: &dyn Sql, range: &BatchRange) -> Result<i64> {
    let id = one(
        sql,
        "INSERT INTO lake_sources (source, epoch, accepted, hash, committed)
         VALUES (?, ?, 0, ?, 0) RETURNING id",
        &[
            SqlValue::Text(&range.source),
            int(range.epoch.0),
            SqlValue::Blob(&range.from_hash.0),
        ],
        |row| row[0].integer(),
    )?;
    id.ok_or_else(|| Error::internal("an inserted source has no id"))
}

fn move_accepted(sql: &dyn Sql, id: i64, range: &BatchRange) -> Result<()> {
    sql.exec(
        "UPDATE lake_sources SET epoch = ?, accepted = ?, hash = ? WHERE id = ?",
        &[
            int(range.epoch.0),
            int(range.to.0),
            SqlValue::Blob(&range.to_hash.0),
            SqlValue::Integer(id),
        ],
    )
}

/// Moves a source's committed mark; its events up to there are in the table.
pub(crate) fn move_committed(sql: &dyn Sql, id: i64, to: Sequence) -> Result<Sequence> {
    sql.exec(
        "UPDATE lake_sources SET committed = ? WHERE id = ?",
        &[int(to.0), SqlValue::Integer(id)],
    )?;
    Ok(to)
}

fn has_events(sql: &dyn Sql, source: i64) -> Result<bool> {
    let text = "SELECT 1 FROM lake_inbox WHERE source = ? LIMIT 1";
    Ok(one(sql, text, &[SqlValue::Integer(source)], |_| Ok(()))?.is_some())
}

fn next_inbox_id(sql: &dyn Sql) -> Result<u64> {
    let text = "SELECT coalesce(max(id), 0) + 1 FROM lake_inbox";
    Ok(one(sql, text, &[], |row| row[0].unsigned())?.unwrap_or(1))
}

fn check_room(sql: &dyn Sql, bytes: u64) -> Result<()> {
    let text = "SELECT inbox_bytes FROM lake_table";
    let held = one(sql, text, &[], |row| row[0].unsigned())?.unwrap_or(0);
    if bytes > (PART_BYTES_MAX * BATCH_PARTS_MAX) as u64 {
        return Err(Error::too_large(
            "batch_too_large",
            format!("a batch of {bytes} bytes"),
        ));
    }
    if held > 0 && held + bytes > INBOX_BYTES_MAX {
        return Err(Error::unavailable(
            "inbox_full",
            format!("the inbox holds {held} bytes that no flush has taken yet"),
        ));
    }
    Ok(())
}
