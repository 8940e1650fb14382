//! What is said of a snapshot and of a restore, as values. Hosts and the API share these.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidelog_log::{Epoch, Sequence};

use super::LakePage;
use super::file::Frame;
use super::heal::Heal;
use super::{Fork, ForkOrder, ForkPlace};
use crate::{Caller, Discovery, SnapshotRetentionSpec, TypeSchema};

/// How a snapshot holds its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotKind {
    /// By itself.
    #[default]
    Full,
    /// As the events since its parent.
    Incremental,
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotStatus {
    /// It is being taken.
    Running,
    /// It comes from a file that is being read.
    Importing,
    /// It is there.
    Complete,
    /// It could not be taken: delete it.
    Failed,
    /// It is being deleted: what it has in object storage goes.
    Deleting,
}

/// Where a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotTier {
    /// In the object's database, perhaps in object storage too.
    #[default]
    Hot,
    /// In object storage.
    Cold,
}

impl SnapshotTier {
    fn is_hot(&self) -> bool {
        *self == Self::Hot
    }
}

/// On its way between the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moving {
    /// To object storage.
    Promoting,
    /// From there.
    Recalling,
}

/// What a snapshot has in object storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdCopy {
    /// Its parts.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why something was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's code.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// One snapshot of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// A UUIDv7: later ones sort behind.
    pub id: String,
    /// How it holds its state.
    pub kind: SnapshotKind,
    /// How far it is.
    pub status: SnapshotStatus,
    /// What an incremental builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Why it was taken: the caller's words, or `undo` and `import` of the engine's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// It came from a file or another object: its sequences are not this log's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Neither its age nor the number of snapshots makes it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// The epoch it was taken in.
    pub epoch: Epoch,
    /// It is the state after this event; while it is being taken, how far it has come.
    pub sequence: Sequence,
    /// Its own events are those after this one: of an incremental, the parent's sequence.
    pub from: Sequence,
    /// The hash of the record that ends at `sequence`, hex.
    pub hash: String,
    /// When that record was written, milliseconds since 1970.
    pub timestamp: i64,
    /// The schema version in force.
    pub schema_version: u32,
    /// When it was asked for, milliseconds since 1970.
    pub created: i64,
    /// Documents per collection.
    pub documents: BTreeMap<String, u64>,
    /// Its bytes, those included that it shares with the object and with other snapshots.
    pub bytes: u64,
    /// Of those, the ones that nobody else held when it was taken.
    pub own_bytes: u64,
    /// Where it is.
    #[serde(default, skip_serializing_if = "SnapshotTier::is_hot")]
    pub tier: SnapshotTier,
    /// Its copy in object storage, checked when it was put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<ColdCopy>,
    /// Where it is on its way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
    /// Why it failed, or why the last attempt to move or delete it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Snapshot {
    /// As it is written in its file, which is the same wherever the snapshot is.
    pub(crate) fn as_written(&self) -> Self {
        Self {
            keep: false,
            tier: SnapshotTier::Hot,
            cold: None,
            moving: None,
            failure: None,
            ..self.clone()
        }
    }
}

/// One page of snapshots, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotPage {
    /// The snapshots.
    pub snapshots: Vec<Snapshot>,
    /// Ask for those before this id to read on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which state is wanted back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RestoreTarget {
    /// That of a snapshot.
    Snapshot(String),
    /// That after an event.
    Sequence(Sequence),
    /// That at a moment, milliseconds since 1970: after the last event up to it.
    Time(i64),
}

/// What a restore does, or would do, to one collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Documents that come to be.
    pub added: u64,
    /// Documents that change.
    pub changed: u64,
    /// Documents that go away.
    pub removed: u64,
}

impl Difference {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.added + self.changed + self.removed
    }
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoreStatus {
    /// It is under way.
    Running,
    /// The object is as it was wanted; of a dry run: the counts are there.
    Complete,
    /// It was given up on request, and nothing was changed.
    Cancelled,
    /// It could not be done, and nothing was changed.
    Failed,
}

/// A restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// A UUIDv7.
    pub id: String,
    /// How far it is.
    pub status: RestoreStatus,
    /// What was asked for.
    pub target: RestoreTarget,
    /// The object is, or would be, as after this event.
    pub sequence: Sequence,
    /// The collections; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// Only count.
    pub dry_run: bool,
    /// When it was asked for, milliseconds since 1970.
    pub created: i64,
    /// What it does to each collection; complete once it is.
    pub differences: BTreeMap<String, Difference>,
    /// The snapshot of the state before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Where a reader stands who has seen what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// What it waits for from the changes tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake: Option<LakeWanted>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Events that a restore has to be brought from the changes tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LakeWanted {
    /// Of these collections.
    pub collections: Vec<String>,
    /// After this one.
    pub after: Sequence,
    /// Up to this one.
    pub to: Sequence,
    /// False while what comes before them is not laid out yet: an empty page goes on with that.
    pub ready: bool,
}

/// What is asked about snapshots.
#[derive(Clone, Debug)]
pub enum SnapshotCommand {
    /// Take one.
    Create {
        /// How; none: incremental where the log reaches back to the newest snapshot, else full.
        kind: SnapshotKind,
        /// What an incremental builds on; none: the newest complete one.
        parent: Option<String>,
        /// Why.
        note: String,
    },
    /// Forget one, or give up taking it.
    Delete {
        /// Which.
        id: String,
    },
    /// Keep one whatever its age and number, or no longer.
    Keep {
        /// Which.
        id: String,
        /// Whether to.
        keep: bool,
    },
    /// Declare how long the object keeps its snapshots, where that is not as its type says.
    SetRetention(SnapshotRetentionSpec),
    /// Bring a state back.
    Restore {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
        /// Who asks.
        caller: Caller,
        /// Which state.
        target: RestoreTarget,
        /// Of these collections; empty: of all.
        collections: Vec<String>,
        /// Only count what would change.
        dry_run: bool,
    },
    /// Make another object of this one.
    Fork {
        /// The id of the object to be, of the same type.
        to: String,
        /// Which state; none: the present one.
        target: Option<RestoreTarget>,
        /// The object ends by itself after so many milliseconds.
        life: Option<i64>,
    },
    /// Give the fork up that is under way.
    CancelFork,
    /// Take a part of what another object is forked into this one.
    TakeFork {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
        /// What it is.
        order: ForkOrder,
        /// Bytes of the snapshot's file; none: only say how far it is.
        bytes: Vec<u8>,
    },
    /// Give the restore up that is under way.
    CancelRestore,
    /// Make damaged blobs whole again, and mark damaged snapshots.
    Heal,
    /// Take events that a restore waits for: [`Restore::lake`].
    LakePage {
        /// The restore.
        restore: String,
        /// The events, or why the host could not read them: the restore is given up then.
        page: tidelog_log::Result<LakePage>,
    },
    /// Take these frames of a snapshot's file, which follow on those that were taken before.
    Import {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
        /// The frames.
        frames: Vec<Frame>,
    },
    /// Bring a snapshot to object storage; the copy in the object goes.
    Promote {
        /// Which.
        id: String,
    },
    /// Bring a snapshot back from object storage, with those it builds on; the copy there stays.
    Recall {
        /// Which.
        id: String,
    },
    /// Look for snapshots of this object in object storage.
    Discover {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
    },
}

impl SnapshotCommand {
    /// True when an object is made for it that does not exist.
    pub fn makes_object(&self) -> bool {
        matches!(
            self,
            Self::Import { .. } | Self::Discover { .. } | Self::TakeFork { .. }
        )
    }
}

/// How far the import of a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The snapshot of the file, as the file calls it.
    pub source: String,
    /// Frames taken.
    pub frames: u64,
    /// The bytes they are: where to go on in the file.
    pub offset: u64,
    /// The snapshot as it is called here, once the file was taken whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What is answered about snapshots.
#[derive(Clone, Debug, PartialEq)]
pub enum SnapshotReply {
    /// The snapshot.
    Snapshot(Box<Snapshot>),
    /// The restore.
    Restore(Box<Restore>),
    /// The import.
    Import(Box<Import>),
    /// What became of damage.
    Heal(Box<Heal>),
    /// The search.
    Discovery(Box<Discovery>),
    /// The fork.
    Fork(Box<Fork>),
    /// To [`SnapshotCommand::TakeFork`].
    Place(Box<ForkPlace>),
    /// How long snapshots are kept.
    Retention(Box<RetentionState>),
}

/// How long an object keeps its snapshots, and how far its schedule is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionState {
    /// What is in force.
    #[serde(flatten)]
    pub rules: SnapshotRetentionSpec,
    /// What of it the object declares itself.
    pub own: SnapshotRetentionSpec,
    /// The schedule, where the type has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleState>,
}

/// How far a schedule is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleState {
    /// The newest snapshot it took, while that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// The event which that is of.
    pub sequence: Sequence,
    /// Why the last attempt failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
