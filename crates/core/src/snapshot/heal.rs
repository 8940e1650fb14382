//! Making damaged blobs whole again, exactly: the same documents in the same versions, and no event.
//!
//! A blob is looked for with the same bytes in a snapshot. Else its documents are put together from the
//! pages that still read and from the events that wrote the others. Where some cannot be found the blob stays
//! as it is: no document is ever dropped. Writes go on meanwhile; none can reach what is damaged.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result, Sequence};

use super::check::{Damage, is_as_written, mask_damage};
use super::job::Job;
use super::{Budget, Failure, RestoreStatus, SNAPSHOT};
use crate::Engine;
use crate::folded::{Entry, Manifest};
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};
use crate::table::{meta, restore, wakes};

mod copies;

mod events;

mod claim;

mod rebuild;

mod mask;

mod marks;

/// The fact of `_meta` that says what the last one did.
const LAST: &str = "heal";
/// Blobs that an answer names at most.
const NAMED_MAX: usize = 100;

/// What became of damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heal {
    /// A UUIDv7.
    pub id: String,
    /// `running`, `complete` or `failed`.
    pub status: RestoreStatus,
    /// When it was asked for, milliseconds since 1970.
    pub created: i64,
    /// Live blobs looked at.
    pub blobs: u64,
    /// Blobs that are whole again; the first 100.
    pub healed: Vec<Healed>,
    /// What is still damaged, and why; the first 100.
    pub lost: Vec<Damage>,
    /// Snapshots that cannot be restored as some of them is damaged: they are `failed` now. The oldest
    /// of them last.
    pub snapshots: Vec<String>,
    /// Why it could not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A blob that is whole again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// The collection.
    pub collection: String,
    /// The blob.
    pub blob: BlobId,
    /// `copy`: of a snapshot; `events`: from pages that read and from events.
    pub from: String,
    /// Its documents.
    pub documents: u64,
}

/// Healing under way, and how far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Healing {
    heal: Heal,
    /// The collection looked at: its place in the schema.
    collection: usize,
    /// The blob looked at, or the first from which to look on.
    blob: BlobId,
    step: Step,
    /// The blob is as it was written, and its mask is not.
    of_mask: bool,
    /// Some of the events of the blob's collection did not read.
    has_gaps: bool,
    /// Damage of snapshots.
    found: Vec<Damage>,
}

/// A place in the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Looks for damaged blobs.
    Look,
    /// Notes what events of snapshots say of the blob's documents: the snapshot, the part.
    Links { link: usize, after: u64 },
    /// Notes what the log says of them, behind this event.
    Log { after: Sequence },
    /// Lets go of documents that lie elsewhere, behind this key.
    Claim { key: String },
    /// Looks at snapshots, from a place of a check on.
    Snapshots { after: String },
}

impl Step {
    fn next_link(link: usize) -> Self {
        let (link, after) = (link + 1, 0);
        Self::Links { link, after }
    }
}

impl Healing {
    /// The log is needed from after this event on.
    pub(crate) fn needs_log_after(&self) -> Option<Sequence> {
        match self.step {
            Step::Links { .. } => Some(Sequence(0)),
            Step::Log { after } => Some(after),
            _ => None,
        }
    }

    fn lost(&mut self, damage: Damage) {
        if self.heal.lost.len() < NAMED_MAX {
            self.heal.lost.push(damage);
        }
    }

    fn look_for_events(&mut self, of_mask: bool) {
        (self.of_mask, self.has_gaps) = (of_mask, false);
        self.step = Step::Links { link: 0, after: 0 };
    }

    /// Looks on behind the blob.
    fn go_on(&mut self) {
        (self.blob, self.step) = (self.blob + 1, Step::Look);
    }
}

impl Engine {
    /// Starts to heal; what is small is done at once.
    pub(super) fn heal(&mut self, sql: &dyn Sql, ids: &mut IdMaker) -> Result<Heal> {
        self.check_idle()?;
        self.make_snapshot_tables(sql)?;
        restore::create(sql)?;
        restore::clear(sql)?;
        let healing = Healing {
            heal: Heal {
                id: ids.next(),
                status: RestoreStatus::Running,
                created: ids.now,
                blobs: 0,
                healed: Vec::new(),
                lost: Vec::new(),
                snapshots: Vec::new(),
                failure: None,
            },
            collection: 0,
            blob: 0,
            step: Step::Look,
            of_mask: false,
            has_gaps: false,
            found: Vec::new(),
        };
        self.set_job(sql, Some(Job::Healing(Box::new(healing))))?;
        self.heal_steps(sql, ids.now)
    }

    /// Takes steps until it is done or a turn's work is; then the timer goes on.
    pub(super) fn heal_steps(&mut self, sql: &dyn Sql, now: i64) -> Result<Heal> {
        let mut budget = Budget::of(&self.policy.snapshots);
        loop {
            let Some(Job::Healing(mut healing)) = self.job.take() else {
                return Err(Error::internal("nothing is being healed"));
            };
            if self.heal_step(sql, &mut healing, &mut budget)? {
                return self.end_heal(sql, healing.heal, RestoreStatus::Complete);
            }
            let heal = healing.heal.clone();
            self.set_job(sql, Some(Job::Healing(healing)))?;
            if budget.is_spent() {
                wakes::set(sql, SNAPSHOT, now)?;
                return Ok(heal);
            }
        }
    }

    fn end_heal(&mut self, sql: &dyn Sql, mut heal: Heal, status: RestoreStatus) -> Result<Heal> {
        heal.status = status;
        restore::clear(sql)?;
        meta::set_fact(sql, LAST, Some(&heal))?;
        self.set_job(sql, None)?;
        Ok(heal)
    }

    /// Healing cannot go on: what was healed is.
    pub(super) fn give_up_healing(
        &mut self,
        sql: &dyn Sql,
        healing: Healing,
        failure: Failure,
    ) -> Result<()> {
        let mut heal = healing.heal;
        heal.failure = Some(failure);
        self.end_heal(sql, heal, RestoreStatus::Failed).map(drop)
    }

    /// One step; true once it is done.
    fn heal_step(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        budget: &mut Budget,
    ) -> Result<bool> {
        match healing.step.clone() {
            Step::Look => self.look_for_damage(sql, healing, budget)?,
            Step::Links { link, after } => {
                self.note_link(sql, healing, (link, after), budget)?;
            }
            Step::Log { after } => self.note_log(sql, healing, after, budget)?,
            Step::Claim { .. } if healing.of_mask => {
                self.mend_mask(sql, healing)?;
                restore::clear(sql)?;
                healing.go_on();
            }
            Step::Claim { key } => match self.claim(sql, healing, &key, budget)? {
                Some(key) => healing.step = Step::Claim { key },
                None => {
                    self.rebuild(sql, healing, budget)?;
                    restore::clear(sql)?;
                    healing.go_on();
                }
            },
            Step::Snapshots { after } => {
                return self.mark_snapshots(sql, healing, &after, budget);
            }
        }
        Ok(false)
    }

    /// Looks at live blobs until one is damaged.
    fn look_for_damage(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        budget: &mut Budget,
    ) -> Result<()> {
        let view = self.view.clone();
        let Some(prepared) = view.collections.get(healing.collection) else {
            healing.step = marks::first();
            return Ok(());
        };
        let manifest = match blobs::manifest(sql, prepared.collection.id)? {
            Some(bytes) => Manifest::decode(&bytes),
            None => Ok(Manifest::default()),
        };
        let mut entries = match super::check::damage_of(manifest)? {
            Ok(manifest) => manifest.blobs,
            Err(what) => {
                healing.lost(Damage {
                    collection: prepared.collection.name.clone(),
                    what,
                    ..Damage::default()
                });
                Vec::new()
            }
        };
        entries.retain(|entry| entry.id >= healing.blob);
        entries.sort_unstable_by_key(|entry| entry.id);
        for entry in entries {
            if budget.is_spent() {
                return Ok(());
            }
            healing.heal.blobs += 1;
            healing.blob = entry.id;
            budget.spend(0, usize::try_from(entry.bytes).unwrap_or(usize::MAX));
            if !is_as_written(sql, &entry)? {
                return self.found_damage(sql, healing, &entry);
            }
            if mask_damage(sql, &entry)?.is_some() {
                healing.look_for_events(true);
                return Ok(());
            }
            healing.go_on();
        }
        (healing.collection, healing.blob) = (healing.collection + 1, 0);
        Ok(())
    }

    /// A blob of the same bytes takes the place of a damaged one; else its documents are looked for.
    fn found_damage(&mut self, sql: &dyn Sql, healing: &mut Healing, entry: &Entry) -> Result<()> {
        let Some(body) = copies::find(sql, entry)? else {
            healing.look_for_events(false);
            return Ok(());
        };
        blobs::replace(sql, entry.id, &body)?;
        let documents = self.live_rows(sql, entry)?;
        self.healed(healing, entry, "copy", documents);
        healing.go_on();
        Ok(())
    }

    fn healed(&self, healing: &mut Healing, entry: &Entry, from: &str, documents: u64) {
        if healing.heal.healed.len() >= NAMED_MAX {
            return;
        }
        let of = self.view.collections.get(healing.collection);
        healing.heal.healed.push(Healed {
            collection: of.map_or_else(String::new, |p| p.collection.name.clone()),
            blob: entry.id,
            from: from.to_owned(),
            documents,
        });
    }

    /// Documents that a live blob has.
    fn live_rows(&self, sql: &dyn Sql, entry: &Entry) -> Result<u64> {
        let masked = crate::table::masks::get(sql, entry.id)?.masked();
        Ok(u64::from(entry.rows.saturating_sub(masked)))
    }
}

/// The healing under way, or the last one.
pub(super) fn last(sql: &dyn Sql) -> Result<Option<Heal>> {
    match Job::load(sql)? {
        Some(Job::Healing(healing)) => Ok(Some(healing.heal)),
        _ => meta::fact(sql, LAST),
    }
}
