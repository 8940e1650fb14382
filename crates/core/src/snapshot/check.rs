//! Looking for damage: every checksum of an object, some megabytes at a time.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Hash, Kind, Result, Sequence};

use super::{Budget, copy, records, stream};
use crate::View;
use crate::folded::{Entry, Manifest};
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};
use crate::table::log;
use crate::table::snapshots::{self, PartKind};

mod blob;
pub(super) use blob::{is_as_written, mask_damage, opened_anyway};

mod log_pages;
pub(super) use log_pages::LogPage;

/// Bytes that one page of a check reads, about.
const STEP_BYTES: usize = 8_000_000;
/// Documents of row tables that one page of a check reads.
const STEP_ROWS: usize = 20_000;
/// Damage that one page tells of at most.
const DAMAGED_MAX: usize = 100;

/// Something that is not what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The collection, where it is of one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub collection: String,
    /// The snapshot whose part it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobId>,
    /// The first page of the blob that does not read; none where none can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<usize>,
    /// The first event of the log that does not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// What is wrong.
    pub what: String,
}

/// What one page of a check has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Blobs, of the collections and of snapshots.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Documents of row tables.
    pub documents: u64,
    /// Events of the log.
    pub events: u64,
    /// Parts of snapshots.
    pub parts: u64,
}

/// One page of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckPage {
    /// What was looked at.
    pub checked: Checked,
    /// What is not what was written.
    pub damaged: Vec<Damage>,
    /// Ask for what is after this to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a check is: what it looks at, and three numbers and a text whose meaning depends on that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    phase: u64,
    at: [u64; 3],
    text: String,
}

/// The collections' blobs: the collection's place in the schema, the blob.
const BLOBS: u64 = 0;
/// Rows of row tables: the collection's place in the schema; the last key.
const ROWS: u64 = 1;
/// The log: the last event; the hash of its record, empty where it is not known.
const LOG: u64 = 2;
/// Snapshots: kind of part, collection, number or blob; the snapshot.
const SNAPSHOTS: u64 = 3;
const END: u64 = 4;

/// The greatest number that a part can have.
const NUMBER_MAX: u64 = tidelog_log::limits::INT_MAX.unsigned_abs();

impl Place {
    fn of(phase: u64) -> Self {
        Self {
            phase,
            ..Self::default()
        }
    }

    /// Where snapshots begin.
    pub(super) fn of_snapshots() -> Self {
        Self::of(SNAPSHOTS)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.at;
        write!(f, "{}.{a}.{b}.{c}.{}", self.phase, self.text)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("invalid_cursor", "no check has this place").at("after");
        let mut parts = text.splitn(5, '.');
        let mut number = || parts.next()?.parse().ok();
        let numbers = [number(), number(), number(), number()];
        let [Some(phase), Some(a), Some(b), Some(c)] = numbers else {
            return Err(wrong());
        };
        Ok(Self {
            phase,
            at: [a, b, c],
            text: parts.next().ok_or_else(wrong)?.to_owned(),
        })
    }
}

impl View {
    /// Looks for damage from a place on: reads the blobs, masks and rows of the collections, the log and
    /// the snapshots, and compares all that has a checksum with it. What is in the host's memory does not
    /// count.
    ///
    /// # Errors
    /// `invalid_cursor`; the port's own failures.
    pub fn check(&self, sql: &dyn Sql, after: Option<&str>) -> Result<CheckPage> {
        let place = after.map_or_else(|| Ok(Place::default()), str::parse)?;
        self.check_from(sql, place)
    }

    pub(super) fn check_from(&self, sql: &dyn Sql, place: Place) -> Result<CheckPage> {
        let mut checking = Checking {
            view: self,
            sql,
            place,
            budget: Budget {
                bytes: STEP_BYTES,
                rows: STEP_ROWS,
            },
            page: CheckPage::default(),
        };
        while checking.place.phase < END {
            if checking.budget.is_spent() || checking.page.damaged.len() >= DAMAGED_MAX {
                checking.page.next = Some(checking.place.to_string());
                break;
            }
            checking.step()?;
        }
        Ok(checking.page)
    }
}

/// A check under way.
struct Checking<'a> {
    view: &'a View,
    sql: &'a dyn Sql,
    place: Place,
    budget: Budget,
    page: CheckPage,
}

/// The error's message where it says that something is damaged; else the error.
pub(super) fn damage_of<T>(done: Result<T>) -> Result<std::result::Result<T, String>> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported) => {
            Ok(Err(error.message().to_owned()))
        }
        Err(error) => Err(error),
    }
}

impl Checking<'_> {
    fn step(&mut self) -> Result<()> {
        match self.place.phase {
            BLOBS => self.blobs(),
            ROWS => self.rows(),
            LOG => self.log(),
            _ => self.snapshots(),
        }
    }

    fn say(&mut self, damage: Damage) {
        self.page.damaged.push(damage);
    }

    /// The collection that is looked at, and its id; none: all were.
    fn collection(&mut self, then: u64) -> Option<(String, u32)> {
        let at = usize::try_from(self.place.at[0]).unwrap_or(usize::MAX);
        let found = self.view.collections.get(at).map(|p| &p.collection);
        let found = found.map(|c| (c.name.clone(), c.id));
        if found.is_none() {
            self.place = Place::of(then);
        }
        found
    }

    fn next_collection(&mut self) {
        let next = self.place.at[0] + 1;
        self.place = Place::of(self.place.phase);
        self.place.at[0] = next;
    }

    fn blobs(&mut self) -> Result<()> {
        let Some((collection, id)) = self.collection(ROWS) else {
            return Ok(());
        };
        let bytes = blobs::manifest(self.sql, id)?;
        let manifest = bytes.map(|bytes| Manifest::decode(&bytes)).transpose();
        match damage_of(manifest)? {
            Err(what) => self.say(Damage {
                collection,
                what,
                ..Damage::default()
            }),
            Ok(manifest) => {
                let entries = manifest.unwrap_or_default().blobs;
                if self.entries(&entries, (&collection, None), 1)? {
                    return Ok(());
                }
            }
        }
        self.next_collection();
        Ok(())
    }

    /// Looks at blobs by their ids, from that in the place on; true where the step ends before they do.
    fn entries(
        &mut self,
        entries: &[Entry],
        (collection, snapshot): (&str, Option<&str>),
        at: usize,
    ) -> Result<bool> {
        let mut entries: Vec<&Entry> = entries.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        let from = self.place.at[at];
        for entry in entries.into_iter().filter(|entry| entry.id >= from) {
            if self.budget.is_spent() || self.page.damaged.len() >= DAMAGED_MAX {
                return Ok(true);
            }
            self.place.at[at] = entry.id + 1;
            self.page.checked.blobs += 1;
            self.page.checked.bytes += entry.bytes;
            self.budget
                .spend(0, usize::try_from(entry.bytes).unwrap_or(STEP_BYTES));
            let found = blob::damage(self.sql, entry)?;
            let mask = match (&found, snapshot) {
                (None, None) => mask_damage(self.sql, entry)?,
                _ => None,
            };
            for damage in found.into_iter().chain(mask) {
                self.say(Damage {
                    collection: collection.to_owned(),
                    snapshot: snapshot.map(str::to_owned),
                    ..damage
                });
            }
        }
        Ok(false)
    }

    fn rows(&mut self) -> Result<()> {
        let Some((collection, _)) = self.collection(LOG) else {
            return Ok(());
        };
        let prepared = self.view.prepared(&collection)?;
        let read = copy::read(self.sql, prepared, &self.place.text, &mut self.budget);
        match damage_of(read)? {
            Ok((documents, is_end)) => {
                self.page.checked.documents += documents.len() as u64;
                if let Some(last) = documents.last().filter(|_| !is_end) {
                    self.place.text.clone_from(&last.key);
                    return Ok(());
                }
            }
            Err(what) => self.say(Damage {
                collection,
                what,
                ..Damage::default()
            }),
        }
        self.next_collection();
        Ok(())
    }

    fn log(&mut self) -> Result<()> {
        let head = log::head(self.sql)?.sequence;
        let mut at = Sequence(self.place.at[0]);
        if at == Sequence(0) {
            let earliest = log::earliest(self.sql)?.unwrap_or(Sequence(1));
            at = Sequence(earliest.0.saturating_sub(1));
            if at == Sequence(0) {
                self.place.text = Hash::default().to_string();
            }
        }
        if at >= head {
            self.place = Place::of_snapshots();
            return Ok(());
        }
        let page = LogPage::read(self.sql, at, self.budget.bytes / 2)?;
        self.budget.spend(0, page.bytes);
        for record in page.records {
            let first = record.header.first_sequence;
            let is_linked =
                self.place.text.is_empty() || self.place.text == record.header.previous.to_string();
            if first != at.next() || !is_linked {
                self.say(Damage {
                    sequence: Some(at.next()),
                    what: format!("the chain of records breaks after event {at}"),
                    ..Damage::default()
                });
            }
            at = record.last_sequence();
            self.page.checked.events += record.count();
            self.place.text = record.hash.to_string();
        }
        if let Some(what) = page.damaged {
            self.say(Damage {
                sequence: Some(at.next()),
                what,
                ..Damage::default()
            });
            self.place.text.clear();
            at = page.next.map_or(head, |next| Sequence(next.0 - 1));
        }
        self.place.at[0] = at.0;
        Ok(())
    }

    fn snapshots(&mut self) -> Result<()> {
        let [kind, collection, number] = self.place.at;
        if kind == 0 || kind > PartKind::Records as u64 {
            let before = Some(self.place.text.as_str()).filter(|text| !text.is_empty());
            let next = snapshots::list(self.sql, before, 1)?.pop();
            self.place = next.map_or(Place::of(END), |next| Place {
                phase: SNAPSHOTS,
                at: [1, 0, 0],
                text: next.id,
            });
            return Ok(());
        }
        let kind = PartKind::of(kind);
        let id = self.place.text.clone();
        let after = before_part(collection, number, kind);
        let Some(part) = snapshots::next_part(self.sql, &id, kind, after)? else {
            self.place.at = [kind as u64 + 1, 0, 0];
            return Ok(());
        };
        self.page.checked.parts += 1;
        self.budget.spend(1, part.body.len());
        if kind == PartKind::Manifest {
            return self.snapshot_blobs(&id, &part);
        }
        self.place.at = [kind as u64, u64::from(part.collection), part.number + 1];
        if let Err(what) = damage_of(self.part(&id, kind, &part))? {
            self.say(Damage {
                snapshot: Some(id),
                what,
                ..Damage::default()
            });
        }
        Ok(())
    }

    /// Reads a part; pieces of an item count with its first one.
    fn part(&mut self, id: &str, kind: PartKind, part: &snapshots::Part) -> Result<()> {
        let is_first = part.number.is_multiple_of(stream::first_part(1));
        match kind {
            PartKind::Documents if is_first => {
                copy::decode(&stream::join(self.sql, id, kind, part)?).map(drop)
            }
            PartKind::Segment | PartKind::Records if is_first => {
                records::of_part(self.sql, id, kind, part.clone()).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Looks at the blobs of a snapshot's manifest, but for those that are the collection's too or that
    /// the snapshot looked at before has: these were.
    fn snapshot_blobs(&mut self, id: &str, part: &snapshots::Part) -> Result<()> {
        let of = self.view.collections.iter().map(|p| &p.collection);
        let mut of = of.filter(|c| c.id == part.collection);
        let name = of.next().map_or_else(String::new, |c| c.name.clone());
        self.place.at[1] = u64::from(part.collection);
        match damage_of(Manifest::decode(&part.body))? {
            Err(what) => self.say(Damage {
                collection: name,
                snapshot: Some(id.to_owned()),
                what,
                ..Damage::default()
            }),
            Ok(manifest) => {
                let known = self.known_entries(id, part.collection)?;
                let mut entries = manifest.blobs;
                entries.retain(|entry| known.binary_search(&(entry.id, entry.tag)).is_err());
                if self.entries(&entries, (&name, Some(id)), 2)? {
                    return Ok(());
                }
            }
        }
        self.place.at = [1, u64::from(part.collection) + 1, 0];
        Ok(())
    }

    /// Blobs of the collection and of the next newer snapshot, sorted.
    fn known_entries(&self, id: &str, collection: u32) -> Result<Vec<(BlobId, [u8; 16])>> {
        let newer = snapshots::newer(self.sql, id)?;
        let of_newer = newer.map(|newer| copy::manifest(self.sql, &newer, collection));
        let live = blobs::manifest(self.sql, collection)?;
        let live = live.map(|bytes| Manifest::decode(&bytes));
        let readable = live.into_iter().chain(of_newer).filter_map(Result::ok);
        let mut known: Vec<_> = readable
            .flat_map(|manifest| manifest.blobs)
            .map(|entry| (entry.id, entry.tag))
            .collect();
        known.sort_unstable();
        Ok(known)
    }
}

/// The place before that of a part from which to go on. A manifest is looked at in steps: of it the number
/// is a blob's.
fn before_part(collection: u64, number: u64, kind: PartKind) -> Option<(u32, u64)> {
    let number = if kind == PartKind::Manifest {
        0
    } else {
        number
    };
    let id = |collection: u64| u32::try_from(collection).unwrap_or(u32::MAX);
    match number.checked_sub(1) {
        Some(before) => Some((id(collection), before)),
        None => collection
            .checked_sub(1)
            .map(|before| (id(before), NUMBER_MAX)),
    }
}
