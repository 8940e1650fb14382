//! The HTTP contract on the embedded host: a real server on a loopback port, a real client.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod cold;
mod costs;
mod drills;
mod forks;
mod lake;
mod lake_rebuild;
mod lake_restore;
mod life;
mod live;
mod settings;
mod snapshot_files;
mod snapshot_keeping;
mod snapshots;
mod snapshots_cold;
mod support;
