//! What a run did to its files, in order, and which disks a power cut could have left of it.

use std::collections::BTreeMap;

use crate::chance::Chance;

/// What a disk writes whole or not at all, bytes.
const SECTOR_BYTES: usize = 512;

/// One thing done to the disk, or noted by the run.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create {
        name: String,
        inode: usize,
    },
    Delete {
        name: String,
    },
    Write {
        inode: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: usize,
        bytes: usize,
    },
    /// SQLite's unix VFS syncs the folder too when it first syncs a WAL or a journal.
    Sync {
        inode: usize,
        folder: bool,
    },
    SyncFolder,
    /// The run told its caller that everything up to this sequence is durable.
    Acknowledged(u64),
}

/// The files as the run sees them, and everything it did.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) operations: Vec<Operation>,
    pub(crate) files: Vec<Vec<u8>>,
    pub(crate) names: BTreeMap<String, usize>,
}

impl Recording {
    pub(crate) fn record(&mut self, operation: Operation) {
        match &operation {
            Operation::Create { name, inode } => drop(self.names.insert(name.clone(), *inode)),
            Operation::Delete { name } => drop(self.names.remove(name)),
            Operation::Write { inode, at, bytes } => write(&mut self.files[*inode], *at, bytes),
            Operation::Truncate { inode, bytes } => self.files[*inode].resize(*bytes, 0),
            _ => {}
        }
        self.operations.push(operation);
    }

    /// The recording cut after every sync.
    pub(crate) fn between_syncs(&self) -> impl Iterator<Item = &[Operation]> {
        self.operations.split_inclusive(Operation::is_sync)
    }
}

impl Operation {
    fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncFolder)
    }
}

/// Files by name, as a machine finds them when it starts again.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// What is certainly on the disk, and what may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<usize, Vec<u8>>,
    names: BTreeMap<String, usize>,
    acknowledged: u64,
    pending: Vec<Operation>,
}

impl Disk {
    /// Takes operations that end with a sync; true when they do.
    pub(crate) fn take(&mut self, operations: &[Operation]) -> bool {
        self.acknowledged = self.acknowledged_after(operations);
        self.pending.extend_from_slice(operations);
        let (inode, folder) = match operations.last() {
            Some(Operation::Sync { inode, folder }) => (Some(*inode), *folder),
            Some(Operation::SyncFolder) => (None, true),
            _ => return false,
        };
        for operation in std::mem::take(&mut self.pending) {
            let durable = match &operation {
                Operation::Create { .. } | Operation::Delete { .. } => folder,
                Operation::Write { inode: of, .. } | Operation::Truncate { inode: of, .. } => {
                    Some(*of) == inode
                }
                _ => continue,
            };
            if durable {
                self.apply(&operation);
            } else {
                self.pending.push(operation);
            }
        }
        true
    }

    /// The newest acknowledgement once these operations have been done.
    pub(crate) fn acknowledged_after(&self, operations: &[Operation]) -> u64 {
        let noted = operations.iter().filter_map(|operation| match operation {
            Operation::Acknowledged(sequence) => Some(*sequence),
            _ => None,
        });
        noted.fold(self.acknowledged, u64::max)
    }

    /// Everything reached the disk although nothing was synced.
    pub(crate) fn write_through(&mut self, operations: &[Operation]) {
        for operation in std::mem::take(&mut self.pending).iter().chain(operations) {
            self.apply(operation);
        }
    }

    /// Some of it reached the disk: a prefix, or any sectors of any writes.
    pub(crate) fn tear(&mut self, operations: &[Operation], chance: &mut Chance) {
        let mut unsynced = std::mem::take(&mut self.pending);
        unsynced.extend_from_slice(operations);
        if chance.below(3) == 0 {
            unsynced.truncate(chance.below(unsynced.len() + 1));
            return unsynced.iter().for_each(|operation| self.apply(operation));
        }
        // Of ten sectors this many are there.
        let kept = 1 + chance.below(9);
        for operation in unsynced {
            if let Operation::Write { inode, at, bytes } = &operation {
                for (start, sector) in sectors(*at, bytes) {
                    if chance.below(10) < kept {
                        write(self.files.entry(*inode).or_default(), start, sector);
                    }
                }
            } else if chance.below(10) < kept {
                self.apply(&operation);
            }
        }
    }

    /// The files that a restarted machine finds.
    pub(crate) fn image(&self) -> Image {
        let content = |inode| self.files.get(inode).cloned().unwrap_or_default();
        self.names
            .iter()
            .map(|(name, inode)| (name.clone(), content(inode)))
            .collect()
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { name, inode } => drop(self.names.insert(name.clone(), *inode)),
            Operation::Delete { name } => drop(self.names.remove(name)),
            Operation::Write { inode, at, bytes } => {
                write(self.files.entry(*inode).or_default(), *at, bytes);
            }
            Operation::Truncate { inode, bytes } => {
                self.files.entry(*inode).or_default().resize(*bytes, 0);
            }
            _ => {}
        }
    }
}

/// A write cut at the borders of sectors.
fn sectors(at: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = at;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let take = (SECTOR_BYTES - start % SECTOR_BYTES).min(rest.len());
        let (sector, left) = rest.split_at(take);
        let from = start;
        (start, rest) = (start + take, left);
        (!sector.is_empty()).then_some((from, sector))
    })
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}
