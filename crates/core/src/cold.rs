//! A document as the lake has it, held against the log that it came from.

use serde::{Deserialize, Serialize};
use tidelog_log::{BatchRange, Epoch, Error, Hash, Kind, Offset, Result, Sequence};

use crate::sql::Sql;
use crate::table::{lineage, log};
use crate::view::unknown_document;
use crate::{Address, TypeSchema, View};

/// What a collection's table has of a document, in its newest snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeImage {
    /// The object's epoch at `accepted`.
    pub epoch: Epoch,
    /// The table was given the object's events up to here.
    pub accepted: Sequence,
    /// The snapshot has them up to here.
    pub committed: Sequence,
    /// The document's newest change in it, if there is one.
    pub change: Option<LakeChange>,
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeChange {
    /// Its position in the log: the document's version.
    pub sequence: Sequence,
    /// The document after it, as JSON; `None` when it was deleted.
    pub document: Option<String>,
}

/// A document read from the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdFound {
    /// The sequence of its last event in the lake.
    pub version: Sequence,
    /// Its members, as JSON.
    pub document: String,
    /// The newest event that the lake has of the object.
    pub offset: Offset,
    /// Age of the oldest event that the lake lacks, milliseconds; 0 when it lacks none.
    pub age_millis: i64,
}

impl TypeSchema {
    /// The table actor of a collection.
    ///
    /// # Errors
    /// `unknown_collection`; `cold_disabled` when the collection has no cold sync.
    pub fn cold_table(&self, collection: &str) -> Result<Address> {
        let found = self.collection(collection)?;
        if !found.cold.enabled {
            let message = format!("{collection} has no table in the lake: cold.enabled is false");
            return Err(Error::invalid("cold_disabled", message).at("tier"));
        }
        Address::table(&self.name, &found.name)
    }
}

impl View {
    /// Refuses a read from the lake that the object itself can refuse.
    ///
    /// # Errors
    /// `object_deleted`; `not_caught_up` or `offset_outside_lineage` for `at_least`.
    pub fn check_cold(&self, sql: &dyn Sql, at_least: Option<Offset>) -> Result<()> {
        self.check_alive(sql)?;
        at_least.map_or(Ok(()), |wanted| self.check_at_least(sql, wanted))
    }

    /// A document that the lake gave, and which state of the object it is of. `now` is milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// Those of [`check_cold`](Self::check_cold), also `not_caught_up` when the lake is before
    /// `at_least`; `fenced` when the lake has another history of the object; `unknown_document`.
    pub fn cold(
        &self,
        sql: &dyn Sql,
        (collection, key): (&str, &str),
        image: LakeImage,
        at_least: Option<Offset>,
        now: i64,
    ) -> Result<ColdFound> {
        self.check_cold(sql, at_least)?;
        self.check_history(sql, &image)?;
        let offset = offset_of(sql, image.committed)?;
        if at_least.is_some_and(|wanted| image.committed < wanted.sequence) {
            let message = format!("the lake is at {offset}, before atLeast");
            return Err(Error::unavailable("not_caught_up", message).at("atLeast"));
        }
        let lacks = || unknown_document(collection, key).with("lakeOffset", offset.to_string());
        let change = image.change.ok_or_else(lacks)?;
        let document = change.document.ok_or_else(lacks)?;
        let waits = log::time_of(sql, image.committed.next())?;
        Ok(ColdFound {
            version: change.sequence,
            document,
            offset,
            age_millis: waits.map_or(0, |since| (now - since).max(0)),
        })
    }

    /// After a point-in-time recovery the lake may have events that this log never had.
    pub(crate) fn check_history(&self, sql: &dyn Sql, image: &LakeImage) -> Result<()> {
        let accepted = Offset {
            epoch: image.epoch,
            sequence: image.accepted,
        };
        if image.accepted == Sequence(0) {
            return Ok(());
        }
        self.check_at_least(sql, accepted)
            .map_err(|error| match error.code() {
                "offset_outside_lineage" | "not_caught_up" => {
                    let name = self.address.short();
                    let message =
                        format!("the lake has another history of {name}, up to {accepted}");
                    Error::new(Kind::Fenced, "fenced", message)
                }
                _ => error,
            })
    }
}

impl View {
    /// How a table marks that it has this object's events up to one, which must be the last of its turn.
    ///
    /// # Errors
    /// `not_a_turn_boundary`.
    pub fn mark_at(&self, sql: &dyn Sql, at: Sequence) -> Result<BatchRange> {
        let to_hash = log::hash_at(sql, at, &log::head(sql)?)?;
        Ok(BatchRange {
            source: self.address.to_string(),
            epoch: offset_of(sql, at)?.epoch,
            from: Sequence(0),
            from_hash: Hash::default(),
            to: at,
            to_hash,
        })
    }
}

/// The position of an event, with the epoch it is of.
fn offset_of(sql: &dyn Sql, sequence: Sequence) -> Result<Offset> {
    let epochs = lineage::epochs(sql)?;
    let mut before = epochs.iter().rev();
    let opened = before.find(|opened| opened.first_sequence <= sequence);
    let epoch = opened.map_or(Epoch(0), |opened| opened.epoch);
    Ok(Offset { epoch, sequence })
}
