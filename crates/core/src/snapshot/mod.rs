//! Snapshots: what an object was, kept beside it; and restores, which bring it back as events.
//!
//! `docs/decisions/0014-snapshots.md` says why it is so. A *full* snapshot holds blobs, a copy of their
//! masks, and what is in no blob; an *incremental* holds records of the log. A state is a full snapshot
//! overlaid with events, and a restore is its difference from the state there is.

mod info;
pub use info::{
    ColdCopy, Difference, Failure, Import, LakeWanted, Moving, Restore, RestoreStatus,
    RestoreTarget, RetentionState, ScheduleState, Snapshot, SnapshotCommand, SnapshotKind,
    SnapshotPage, SnapshotReply, SnapshotStatus, SnapshotTier,
};

mod command;

mod job;
pub(crate) use job::{Job, object_restoring};

mod stream;

mod records;

mod copy;

mod take;
pub(crate) use take::check_count;

mod remove;
pub(crate) use remove::drop_hot_parts;

mod failure;

pub mod file;

mod export;
pub use export::SnapshotFile;

mod admit;

mod import;
pub(crate) use import::Importing;

mod view;
pub use view::SNAPSHOTS_PAGE_MAX;

pub(crate) mod sources;
pub(crate) use sources::is_own_history;

mod schedule;
pub(crate) use schedule::{SCHEDULE, Schedule};

mod fork;
pub(crate) use fork::next_part as fork_part;
pub use fork::{Fork, ForkOrder, ForkPlace};

mod forked;

mod scratch;
pub(crate) use scratch::{SCRATCH, ends_at};

mod retain;
pub(crate) use retain::RETAIN;

mod overlay;

mod lake;
pub use lake::{LakeChanges, LakeEvent, LakePage};

mod sound;

mod compare;

mod restore;

mod keys;
pub(crate) use keys::KeysSeen;

mod adopt;

mod apply;

mod stage;

mod switch;

mod check;
pub use check::{CheckPage, Checked, Damage};

mod heal;
pub use heal::{Heal, Healed};

use crate::{SnapshotRetention, SnapshotRetentionSpec};

/// Timer: the next step of a snapshot or a restore.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Snapshots of one object at most.
pub const SNAPSHOTS_MAX: usize = 1_000;
/// Incrementals that may build on one full snapshot, one on the other.
pub const CHAIN_MAX: usize = 100;
/// Longest note, bytes.
pub const NOTE_BYTES_MAX: usize = 256;

/// How much of a snapshot or a restore is done in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Documents copied or compared.
    pub step_rows: usize,
    /// Their bytes, and those of log records.
    pub step_bytes: usize,
    /// Differences of more documents are staged, so many of them at once.
    pub direct_rows: usize,
    /// So are those of more bytes.
    pub direct_bytes: usize,
    /// A blob of the state wanted is adopted whole where it brings back at least so many documents.
    pub adopt_rows: usize,
    /// Keys of an imported snapshot that are held in memory at once, 8 bytes each.
    pub keys_at_once: usize,
}

impl Default for SnapshotPolicy {
    /// 20,000 documents and 8 MB a step; 5,000 documents and 8 MB in one turn; blobs from 1,000
    /// documents on; 128 MB of keys, 8 MB on a Worker.
    fn default() -> Self {
        Self {
            step_rows: 20_000,
            step_bytes: 8_000_000,
            direct_rows: 5_000,
            direct_bytes: 8_000_000,
            adopt_rows: 1_000,
            keys_at_once: match cfg!(target_arch = "wasm32") {
                true => 1_000_000,
                false => 16_000_000,
            },
        }
    }
}

/// What is left of one step.
#[derive(Clone, Copy, Debug)]
struct Budget {
    bytes: usize,
    rows: usize,
}

impl Budget {
    fn of(policy: &SnapshotPolicy) -> Self {
        Self {
            bytes: policy.step_bytes,
            rows: policy.step_rows,
        }
    }

    fn spend(&mut self, rows: usize, bytes: usize) {
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}
