//! The engine of one object, by its behaviour: turns in, documents, log and timers out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the test"
)]

mod lab;
mod sqlite;

mod actors;
mod admin;
mod adoption;
mod batches;
mod deletion;
mod documents;
mod expire;
mod faults;
mod forks;
mod heal;
mod idempotency;
mod indexes;
mod key_bounds;
mod keys;
mod log;
mod model;
mod references;
mod refusals;
mod segments;
mod size;
mod snapshot_faults;
mod snapshot_files;
mod snapshot_retention;
mod snapshot_schedule;
mod snapshots;
mod snapshots_model;
mod snapshots_random;
mod stamps;
mod timers;
mod trimming;
mod upgrade;

/// Rows past which every collection folds; none: as its schema says.
const THRESHOLD: Option<u64> = None;
