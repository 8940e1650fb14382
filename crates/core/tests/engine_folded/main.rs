//! The tests of `engine` once more, with every document folded right after it was written.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the test"
)]

#[path = "../engine/adoption.rs"]
mod adoption;
#[path = "../engine/batches.rs"]
mod batches;
#[path = "../engine/deletion.rs"]
mod deletion;
#[path = "../engine/documents.rs"]
mod documents;
#[path = "../engine/expire.rs"]
mod expire;
#[path = "../engine/idempotency.rs"]
mod idempotency;
#[path = "../engine/indexes.rs"]
mod indexes;
#[path = "../engine/keys.rs"]
mod keys;
#[path = "../engine/lab.rs"]
mod lab;
#[path = "../engine/log.rs"]
mod log;
#[path = "../engine/model.rs"]
mod model;
#[path = "../engine/references.rs"]
mod references;
#[path = "../engine/refusals.rs"]
mod refusals;
#[path = "../engine/segments.rs"]
mod segments;
#[path = "../engine/size.rs"]
mod size;
#[path = "../engine/snapshots.rs"]
mod snapshots;
#[path = "../engine/snapshots_model.rs"]
mod snapshots_model;
#[path = "../engine/snapshots_random.rs"]
mod snapshots_random;
#[expect(
    dead_code,
    reason = "no test here breaks a step: `faults` folds for itself"
)]
#[path = "../engine/sqlite.rs"]
mod sqlite;
#[path = "../engine/stamps.rs"]
mod stamps;
#[path = "../engine/timers.rs"]
mod timers;
#[path = "../engine/trimming.rs"]
mod trimming;
#[path = "../engine/upgrade.rs"]
mod upgrade;

/// Rows past which every collection folds.
const THRESHOLD: Option<u64> = Some(1);
