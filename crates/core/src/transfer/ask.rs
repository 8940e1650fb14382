//! What a host is asked to do next, and what it says became of that.

use serde::{Deserialize, Serialize};
use tidelog_log::Error;

use crate::snapshot::file::Frame;
use crate::{ForkOrder, ForkPlace};

/// One step of a transfer.
#[derive(Clone, Debug)]
pub struct TransferAsk {
    /// The transfer.
    pub number: u64,
    /// Which step of it, for the outcome to name.
    pub step: u64,
    /// What to do.
    pub what: TransferStep,
}

/// What a host is to do. Keys are relative to the prefix that the operator gave the lake.
#[derive(Clone, Debug)]
pub enum TransferStep {
    /// Put a part of a snapshot's file, read it back and check it.
    Put {
        /// Its key.
        key: String,
        /// The key that would say the file is whole: other bytes below it are never replaced.
        manifest: String,
        /// Its bytes.
        body: Vec<u8>,
        /// Where in the file it begins.
        at: PartStart,
        /// The same bytes were put there before: what is there instead may be replaced.
        is_there: bool,
    },
    /// Put the manifest, unless the same one is there, and read it back: the file is whole.
    Commit {
        /// Its key.
        key: String,
        /// Its bytes.
        body: Vec<u8>,
    },
    /// Get a part of a snapshot's file and check it.
    Get {
        /// Its key.
        key: String,
        /// What it must be.
        part: ColdPart,
        /// Where in the file it begins.
        at: PartStart,
    },
    /// Delete all that is below a key, the manifest first.
    Forget {
        /// The key of the manifest.
        manifest: String,
        /// The keys below start so.
        prefix: String,
    },
    /// Hand bytes to another object, with [`SnapshotCommand::TakeFork`](crate::SnapshotCommand::TakeFork).
    Fork {
        /// The id of the object, of the same type.
        to: String,
        /// What the bytes are.
        order: ForkOrder,
        /// A part of the snapshot's file; none: only ask.
        bytes: Vec<u8>,
    },
    /// The step cannot be asked for: tell it so.
    Broken(Error),
    /// Look for manifests.
    Discover {
        /// Their keys start so.
        prefix: String,
        /// They are behind this key; empty: from the start.
        after: String,
    },
}

/// A place in a snapshot's file where a part begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartStart {
    /// The snapshot.
    pub snapshot: String,
    /// Frames before it.
    pub frames: u64,
    /// Bytes before it.
    pub offset: u64,
}

/// One part of a snapshot's file in object storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdPart {
    /// Its bytes.
    pub bytes: u64,
    /// The whole frames that they are.
    pub frames: u64,
    /// Their BLAKE3, hex.
    pub blake3: String,
}

/// What became of a step.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The part is there, as it was read back.
    Put(ColdPart),
    /// The manifest is there.
    Committed,
    /// The part's frames.
    Got(Vec<Frame>),
    /// Nothing is left.
    Forgotten,
    /// Manifests with their keys, and the key to go on behind; none at the end.
    Found(Vec<(String, Vec<u8>)>, Option<String>),
    /// How far the other object is.
    Forked(ForkPlace),
    /// It could not be done.
    Failed(Error),
}
