//! What a host carries between an object and what is outside of it: parts of snapshots to object storage
//! and from there.
//!
//! A transfer is a row of `_transfers`, so it outlives the process. [`View::transfer_due`] says what the
//! next step is, with all that it takes; the host does that, once the turn before is durable, and tells
//! the outcome with [`TransferCommand`]. After a crash the same step is asked for again, so what a host
//! does must come to the same when it is done twice. `docs/decisions/0016-cold-snapshots.md`.

mod ask;
pub use ask::{ColdPart, Outcome as TransferOutcome, PartStart, TransferAsk, TransferStep};

mod discover;
pub use discover::Discovery;

mod forget;

mod layout;
pub use layout::{COLD_MANIFEST, COLD_MANIFEST_BYTES_MAX};

mod promote;

mod recall;

mod told;
pub use told::TransferCommand;

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result};

use crate::snapshot::Importing;
use crate::sql::Sql;
use crate::table::{transfers, wakes};
use crate::{Engine, Snapshot, View};

/// Timer: there is something to transfer, or it is time to try again.
pub(crate) const TRANSFER: &str = "transfer";

/// The timer that looks after a transfer whose host has forgotten it rings this much later.
const LOOK_AGAIN_MILLIS: i64 = 30_000;

/// What is to be transferred, and how far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Transfer {
    /// A snapshot's file into object storage.
    Promote {
        snapshot: String,
        /// About how long a part is.
        part_bytes: u64,
        /// Parts that are there, checked.
        part: u64,
        /// Frames and bytes of them.
        frames: u64,
        offset: u64,
    },
    /// A snapshot's file from object storage.
    Recall {
        snapshot: String,
        /// Parts that were taken.
        part: u64,
        /// Only a restore wants it.
        for_restore: bool,
        importing: Importing,
    },
    /// A deleted snapshot's file is to go.
    Forget { snapshot: String },
    /// A snapshot's file into another object, which becomes a fork.
    Fork {
        snapshot: String,
        /// Frames and bytes that the other object has taken.
        frames: u64,
        offset: u64,
    },
    /// Snapshots are looked for in object storage, behind this key.
    Discover { after: String },
}

impl Transfer {
    /// Transfers of a lower rank go first: what a restore waits for does not wait for promotions.
    fn rank(&self) -> u64 {
        match self {
            Self::Recall { .. } => 1,
            Self::Discover { .. } | Self::Fork { .. } => 2,
            Self::Forget { .. } => 3,
            Self::Promote { .. } => RANK_PROMOTE,
        }
    }

    /// The snapshot that it is of.
    fn snapshot(&self) -> Option<&str> {
        match self {
            Self::Promote { snapshot, .. }
            | Self::Recall { snapshot, .. }
            | Self::Forget { snapshot } => Some(snapshot),
            Self::Discover { .. } | Self::Fork { .. } => None,
        }
    }
}

const RANK_PROMOTE: u64 = 9;

impl View {
    /// When the next transfer is due, milliseconds since 1970.
    ///
    /// # Errors
    /// What the database says.
    pub fn transfer_at(&self, sql: &dyn Sql) -> Result<Option<i64>> {
        transfers::next(sql)
    }
}

impl Engine {
    /// Adds a transfer, for the host to begin with at once.
    pub(crate) fn add_transfer(
        &mut self,
        sql: &dyn Sql,
        transfer: &Transfer,
        now: i64,
    ) -> Result<()> {
        transfers::add(sql, transfer.rank(), transfer, now)?;
        self.look_after_transfers(sql, now)
    }

    /// The timer: says again that there is something to transfer.
    pub(crate) fn transfer_timer(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        self.look_after_transfers(sql, now)
    }

    /// Sets the timer to when it is needed next, and says so when something is due.
    fn look_after_transfers(&mut self, sql: &dyn Sql, now: i64) -> Result<()> {
        let Some(next) = transfers::next(sql)? else {
            return wakes::clear(sql, TRANSFER);
        };
        self.transfers |= next <= now;
        // While a host is at it, this is only for when it is forgotten.
        let wanted = if next <= now {
            now + LOOK_AGAIN_MILLIS
        } else {
            next
        };
        wakes::reset(sql, TRANSFER, wanted)
    }
}

/// The refusal to move a snapshot that is on its way.
fn moving(snapshot: &Snapshot) -> Error {
    let message = format!("snapshot {} is on its way; wait for it", snapshot.id);
    Error::conflict("snapshot_moving", message).at("snapshot")
}
