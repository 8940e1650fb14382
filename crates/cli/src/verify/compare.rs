//! The comparison itself: three maps in, the first difference of each pair out.

use std::collections::BTreeMap;

use super::image::Digest;

/// What was read of one collection of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Evidence {
    /// The oldest event the log still has.
    pub(crate) earliest: u64,
    /// The head before anything was read: what was written later may be seen by one side only.
    pub(crate) settled: u64,
    /// The lake's mark before its table was read; none: nothing to compare.
    pub(crate) committed: Option<u64>,
    /// Events by sequence.
    pub(crate) log: BTreeMap<u64, LogEntry>,
    /// Documents by key: version and digest. None: the object was deleted.
    pub(crate) rows: BTreeMap<String, (u64, Digest)>,
    /// Rows of the changes table by sequence.
    pub(crate) lake: BTreeMap<u64, LakeEntry>,
    /// What could not be compared.
    pub(crate) notes: Vec<String>,
}

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogEntry {
    pub(crate) key: String,
    /// The event as the lake should have it.
    pub(crate) event: Digest,
    /// The document before; absent for INSERT.
    pub(crate) before: Option<Digest>,
    /// The document after; absent for DELETE.
    pub(crate) after: Option<Digest>,
}

/// One row of the changes table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LakeEntry {
    pub(crate) key: String,
    pub(crate) event: Digest,
    /// How many rows have this sequence.
    pub(crate) copies: u32,
}

/// A place where two sides say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) sequence: u64,
    pub(crate) key: String,
    pub(crate) what: What,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// `before` is not the document as the events before left it.
    Before,
    /// The log's document is not in the rows.
    RowMissing,
    /// A row that the log does not have.
    RowUnknown,
    /// The row's version is not its last event.
    RowVersion(u64),
    /// The row's members differ from the log's.
    Row,
    /// A committed event is not in the lake.
    LakeMissing,
    /// A lake row that the log does not have.
    LakeUnknown,
    /// The lake has an event more than once.
    LakeTwice,
    /// The lake's row differs from the log's event.
    Lake,
}

impl What {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Before => "the log's before is not the document as it stood".to_owned(),
            Self::RowMissing => "in the log, but not in the rows".to_owned(),
            Self::RowUnknown => "in the rows, but not in the log".to_owned(),
            Self::RowVersion(version) => {
                format!("the row says version {version}, its last event is another")
            }
            Self::Row => "the row differs from the log".to_owned(),
            Self::LakeMissing => "committed, but not in the lake".to_owned(),
            Self::LakeUnknown => "in the lake, but not in the log".to_owned(),
            Self::LakeTwice => "in the lake more than once".to_owned(),
            Self::Lake => "the lake differs from the log".to_owned(),
        }
    }
}

/// Documents as the log leaves them: last event and, unless deleted, the digest.
type Replayed<'a> = BTreeMap<&'a str, (u64, Option<Digest>)>;

impl Evidence {
    /// The first difference of each comparison: log with itself, rows with log, lake with log.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let (replayed, in_log) = self.replay();
        let parts = [in_log, self.in_rows(&replayed), self.in_lake()];
        parts.into_iter().flatten().collect()
    }

    /// How many documents were compared.
    pub(crate) fn compared_rows(&self) -> u64 {
        let versions = self.rows.values().map(|(version, _)| *version);
        versions.filter(|v| self.is_settled(*v)).count() as u64
    }

    /// How many lake rows were compared.
    pub(crate) fn compared_lake(&self) -> u64 {
        self.lake.range(self.earliest..).count() as u64
    }

    fn is_settled(&self, sequence: u64) -> bool {
        (self.earliest..=self.settled).contains(&sequence)
    }

    fn replay(&self) -> (Replayed<'_>, Option<Difference>) {
        let (mut documents, mut first) = (Replayed::new(), None);
        for (sequence, entry) in &self.log {
            let known = documents.get(entry.key.as_str()).map(|(_, digest)| *digest);
            // Of a log that was trimmed, what came before is not known.
            let expected = match known {
                None if self.earliest > 1 => entry.before,
                known => known.flatten(),
            };
            if entry.before != expected && first.is_none() {
                first = Some(difference(*sequence, &entry.key, What::Before));
            }
            documents.insert(&entry.key, (*sequence, entry.after));
        }
        (documents, first)
    }

    fn in_rows(&self, replayed: &Replayed<'_>) -> Option<Difference> {
        let of_log = replayed.iter().filter_map(|(key, (sequence, digest))| {
            if !self.is_settled(*sequence) {
                return None;
            }
            let what = match (digest, self.rows.get(*key)) {
                (Some(_), None) => What::RowMissing,
                (None, Some(_)) => What::RowUnknown,
                (Some(_), Some((version, _))) if version != sequence => What::RowVersion(*version),
                (Some(log), Some((_, row))) if log != row => What::Row,
                _ => return None,
            };
            Some(difference(*sequence, key, what))
        });
        let of_rows = self.rows.iter().filter_map(|(key, (version, _))| {
            let unknown = self.is_settled(*version) && !replayed.contains_key(key.as_str());
            unknown.then(|| difference(*version, key, What::RowUnknown))
        });
        of_log.chain(of_rows).min_by_key(|found| found.sequence)
    }

    fn in_lake(&self) -> Option<Difference> {
        let committed = self.committed?;
        let missing = self
            .log
            .range(..=committed)
            .filter_map(|(sequence, entry)| {
                let what = match self.lake.get(sequence) {
                    None => What::LakeMissing,
                    Some(row) if row.event != entry.event => What::Lake,
                    Some(row) if row.copies > 1 => What::LakeTwice,
                    Some(_) => return None,
                };
                Some(difference(*sequence, &entry.key, what))
            });
        let beyond = self
            .lake
            .range(self.earliest..)
            .filter_map(|(sequence, row)| {
                let what = match self.log.get(sequence) {
                    None => What::LakeUnknown,
                    Some(entry) if entry.event != row.event => What::Lake,
                    Some(_) if row.copies > 1 => What::LakeTwice,
                    Some(_) => return None,
                };
                Some(difference(*sequence, &row.key, what))
            });
        missing.chain(beyond).min_by_key(|found| found.sequence)
    }
}

fn difference(sequence: u64, key: &str, what: What) -> Difference {
    Difference {
        sequence,
        key: key.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, before: Option<u8>, after: Option<u8>) -> LogEntry {
        LogEntry {
            key: key.to_owned(),
            event: [before.unwrap_or(0) * 16 + after.unwrap_or(0); 32],
            before: before.map(|n| [n; 32]),
            after: after.map(|n| [n; 32]),
        }
    }

    /// a: inserted 1, updated 3; b: inserted 2, deleted 4; c: inserted 5.
    fn agreeing() -> Evidence {
        let log = [
            (1, entry("a", None, Some(1))),
            (2, entry("b", None, Some(2))),
            (3, entry("a", Some(1), Some(3))),
            (4, entry("b", Some(2), None)),
            (5, entry("c", None, Some(5))),
        ];
        let log = BTreeMap::from(log);
        let lake = log.iter().take(4).map(|(sequence, entry)| {
            let (key, event) = (entry.key.clone(), entry.event);
            let copies = 1;
            (*sequence, LakeEntry { key, event, copies })
        });
        let lake = lake.collect();
        let rows = [("a", 3, 3), ("c", 5, 5)];
        let rows = rows.map(|(key, version, n)| (key.to_owned(), (version, [n; 32])));
        Evidence {
            earliest: 1,
            settled: 5,
            committed: Some(4),
            log,
            rows: rows.into(),
            lake,
            notes: Vec::new(),
        }
    }

    fn found(plant: impl FnOnce(&mut Evidence)) -> Vec<(u64, What)> {
        let mut evidence = agreeing();
        plant(&mut evidence);
        let found = evidence.differences().into_iter();
        found.map(|one| (one.sequence, one.what)).collect()
    }

    #[test]
    fn agreement_is_silent_and_counted() {
        assert_eq!(found(|_| {}), []);
        let evidence = agreeing();
        assert_eq!((evidence.compared_rows(), evidence.compared_lake()), (2, 4));
    }

    #[test]
    fn every_planted_divergence_of_the_rows_is_found() {
        assert_eq!(found(|e| drop(e.rows.remove("a"))), [(3, What::RowMissing)]);
        let deleted = |e: &mut Evidence| drop(e.rows.insert("b".to_owned(), (2, [2; 32])));
        assert_eq!(found(deleted), [(4, What::RowUnknown)]);
        let foreign = |e: &mut Evidence| drop(e.rows.insert("z".to_owned(), (2, [2; 32])));
        assert_eq!(found(foreign), [(2, What::RowUnknown)]);
        let version = |e: &mut Evidence| drop(e.rows.insert("a".to_owned(), (1, [3; 32])));
        assert_eq!(found(version), [(3, What::RowVersion(1))]);
        let value = |e: &mut Evidence| drop(e.rows.insert("a".to_owned(), (3, [9; 32])));
        assert_eq!(found(value), [(3, What::Row)]);
    }

    #[test]
    fn every_planted_divergence_of_the_lake_is_found() {
        assert_eq!(found(|e| drop(e.lake.remove(&2))), [(2, What::LakeMissing)]);
        let value = |e: &mut Evidence| drop(e.lake.entry(3).and_modify(|row| row.event = [0; 32]));
        assert_eq!(found(value), [(3, What::Lake)]);
        let twice = |e: &mut Evidence| drop(e.lake.entry(1).and_modify(|row| row.copies = 2));
        assert_eq!(found(twice), [(1, What::LakeTwice)]);
        let unknown = |e: &mut Evidence| {
            let row = e.lake[&1].clone();
            e.lake.insert(9, row);
        };
        assert_eq!(found(unknown), [(9, What::LakeUnknown)]);
    }

    #[test]
    fn a_planted_divergence_of_the_log_is_found() {
        let before = |e: &mut Evidence| drop(e.log.insert(3, entry("a", Some(2), Some(3))));
        assert_eq!(found(before)[0], (3, What::Before));
        let reborn = |e: &mut Evidence| drop(e.log.insert(5, entry("a", None, Some(5))));
        assert_eq!(found(reborn)[0], (5, What::Before));
    }

    #[test]
    fn the_first_of_several_is_told() {
        let both = |e: &mut Evidence| {
            e.lake.remove(&4);
            e.lake.remove(&2);
        };
        assert_eq!(found(both), [(2, What::LakeMissing)]);
    }

    #[test]
    fn what_is_written_meanwhile_is_left_out() {
        let meanwhile = |e: &mut Evidence| {
            e.settled = 4;
            e.rows.remove("c");
        };
        assert_eq!(found(meanwhile), []);
        let ahead = |e: &mut Evidence| {
            let row = e.log[&5].clone();
            let (key, event) = (row.key, row.event);
            let copies = 1;
            e.lake.insert(5, LakeEntry { key, event, copies });
        };
        assert_eq!(found(ahead), []);
    }

    #[test]
    fn a_trimmed_log_compares_what_it_still_has() {
        let trimmed = |e: &mut Evidence| {
            e.earliest = 3;
            e.log.remove(&1);
            e.log.remove(&2);
        };
        assert_eq!(found(trimmed), []);
        let planted = |e: &mut Evidence| {
            trimmed(e);
            e.rows.insert("a".to_owned(), (3, [9; 32]));
        };
        assert_eq!(found(planted), [(3, What::Row)]);
    }
}
