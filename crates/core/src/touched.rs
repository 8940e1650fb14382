//! Which state of a collection an answer is of: the name under which a cache may keep it.
//!
//! The name is the last event that touched the collection. The log alone tells it, at the price of a
//! walk back; so the engine remembers it as it writes, and whoever does not know takes the newest event
//! of the object instead: a later name of the same state, which costs a miss and is never wrong.

use std::collections::BTreeSet;

use tidelog_log::limits::PAGE_BYTES_MAX;
use tidelog_log::{Epoch, Error, Kind, Offset, Result, Sequence};

use crate::View;
use crate::sql::Sql;
use crate::table::lineage;
use crate::table::log::{self, Head};

/// An event, and the beginning of its record's hash: two histories of one object have equal
/// sequences, but not both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    sequence: Sequence,
    mark: u64,
}

impl Place {
    fn of(head: &Head) -> Self {
        let mut mark = [0; 8];
        mark.copy_from_slice(&head.hash.0[..8]);
        Self {
            sequence: head.sequence,
            mark: u64::from_be_bytes(mark),
        }
    }
}

/// The last event of each collection that turns since this object was opened have touched.
///
/// A turn that is undone leaves its place here. That is harmless: the place names the state the
/// collection still has, until the next turn that touches it, and no other.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Up to here every event is accounted for.
    head: Sequence,
    /// Of the collections that no turn has touched since.
    base: Place,
    last: Vec<(u32, Place)>,
}

impl Touched {
    pub(crate) fn since(head: &Head) -> Self {
        Self {
            head: head.sequence,
            base: Place::of(head),
            last: Vec::new(),
        }
    }

    /// What happened after this event, the engine that remembers it has written.
    pub fn known_since(&self) -> Sequence {
        self.base.sequence
    }

    /// Notes the record that became the head, and the ids of the collections in it.
    pub(crate) fn note(&mut self, head: &Head, collections: &[u32]) {
        let place = Place::of(head);
        self.head = head.sequence;
        if collections.is_empty() {
            (self.base, self.last) = (place, Vec::new());
        }
        for id in collections {
            match self.last.iter_mut().find(|(known, _)| known == id) {
                Some((_, last)) => *last = place,
                None => self.last.push((*id, place)),
            }
        }
    }

    /// The place that names a collection's state at `head`.
    fn place(&self, collection: u32, head: &Head) -> Place {
        let known = self.last.iter().find(|(id, _)| *id == collection);
        let known = known.map_or(self.base, |(_, place)| *place);
        if self.head < head.sequence || known.sequence > head.sequence {
            return Place::of(head);
        }
        known
    }
}

/// Which state of a collection an answer is of. Answers to one question with equal stamps are equal,
/// whatever their offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The newest event the answer has seen.
    pub offset: Offset,
    /// An event after which, up to `offset`, none touched the collection.
    pub touched: Sequence,
    /// The beginning of the hash of that event's record.
    pub mark: u64,
    /// The object's schema version.
    pub schema_version: u32,
}

/// What changed in some collections after a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// Collection and key of each changed document, once.
    pub keys: BTreeSet<(String, String)>,
    /// There were more than asked for, or they cannot be told: some are missing.
    pub more: bool,
}

impl View {
    /// Names the collection's state that this reader sees. `touched` is what the object's engine
    /// remembers, of any time; without it the name is that of the newest event.
    ///
    /// # Errors
    /// `unknown_collection`, and what the database says.
    pub fn stamp(
        &self,
        sql: &dyn Sql,
        touched: Option<&Touched>,
        collection: &str,
    ) -> Result<Stamp> {
        let id = self.prepared(collection)?.collection.id;
        let head = log::head(sql)?;
        let place = touched.map_or_else(|| Place::of(&head), |known| known.place(id, &head));
        Ok(Stamp {
            offset: Offset {
                epoch: head.epoch,
                sequence: head.sequence,
            },
            touched: place.sequence,
            mark: place.mark,
            schema_version: self.version,
        })
    }

    /// Whether the cache keeps anything of this object's collections.
    pub fn is_warm(&self) -> bool {
        self.collections.iter().any(|p| p.collection.warm.enabled)
    }

    /// Refuses to answer a reader who has seen more than is here, or another history.
    ///
    /// # Errors
    /// `not_caught_up`; `offset_outside_lineage` with the earliest offset still there.
    pub fn check_at_least(&self, sql: &dyn Sql, wanted: Offset) -> Result<()> {
        let head = log::head(sql)?;
        let epochs = lineage::epochs(sql)?;
        let known = epochs
            .iter()
            .position(|opened| opened.epoch == wanted.epoch);
        // Before the first event of a log a reader was given position 0 of no epoch.
        let nothing = wanted.epoch == Epoch(0) && wanted.sequence == Sequence(0);
        let within = known.is_some_and(|at| {
            let first = at == 0 || epochs[at].first_sequence <= wanted.sequence;
            let next = epochs.get(at + 1);
            first && next.is_none_or(|next| wanted.sequence < next.first_sequence)
        });
        if !within && !nothing {
            let message = "atLeast is not in this object's history; read without it";
            let earliest = self.earliest_offset(sql)?.to_string();
            let gone = Error::new(Kind::Gone, "offset_outside_lineage", message);
            return Err(gone.at("atLeast").with("earliestOffset", earliest));
        }
        if wanted.sequence > head.sequence {
            let at = self.offset(sql)?;
            let message = format!("the object is at {at}, before atLeast");
            return Err(Error::unavailable("not_caught_up", message).at("atLeast"));
        }
        Ok(())
    }

    /// The documents of these collections that changed after a position: at most `keys_max`, found in
    /// at most one page of the log.
    pub fn changed_keys(
        &self,
        sql: &dyn Sql,
        after: Sequence,
        collections: &BTreeSet<String>,
        keys_max: usize,
    ) -> Result<ChangedKeys> {
        let head = log::head(sql)?;
        let mut changed = ChangedKeys::default();
        if log::earliest(sql)?.is_some_and(|earliest| after.next() < earliest) {
            changed.more = true;
            return Ok(changed);
        }
        let mut at = after;
        for record in log::read(sql, after.next(), PAGE_BYTES_MAX, u64::MAX)? {
            at = record.last_sequence();
            for event in record.into_events().filter(|event| event.sequence > after) {
                if !collections.contains(&*event.collection) {
                    continue;
                }
                if changed.keys.len() >= keys_max {
                    changed.more = true;
                    return Ok(changed);
                }
                changed
                    .keys
                    .insert((event.collection.to_string(), event.key));
            }
        }
        changed.more = at < head.sequence;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use tidelog_log::Hash;

    use super::*;

    fn head(sequence: u64) -> Head {
        let mut hash = Hash::default();
        hash.0[7] = u8::try_from(sequence).unwrap();
        Head {
            sequence: Sequence(sequence),
            hash,
            ..Head::default()
        }
    }

    #[test]
    fn a_collection_keeps_its_name_until_it_is_touched() {
        let mut touched = Touched::since(&head(4));
        touched.note(&head(6), &[1]);
        touched.note(&head(9), &[2]);
        let name = |id, at| touched.place(id, &head(at)).sequence.0;
        assert_eq!((name(1, 9), name(2, 9), name(3, 9)), (6, 9, 4));
        assert_eq!(name(2, 8), 8, "a reader of an older state");
        assert_eq!(name(1, 8), 6, "that had seen the last touch");
        assert_eq!(name(1, 10), 10, "what was written since is not known");
        assert_eq!(touched.place(1, &head(9)).mark, 6);
    }

    #[test]
    fn a_record_that_does_not_say_what_it_touched_has_touched_all() {
        let mut touched = Touched::since(&head(4));
        touched.note(&head(6), &[1]);
        touched.note(&head(7), &[]);
        assert_eq!(touched.place(1, &head(7)).sequence, Sequence(7));
        assert_eq!(touched.place(5, &head(7)).sequence, Sequence(7));
    }
}
