//! The table actor over SQLite and blobs in memory.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the test"
)]

mod support;

mod cold;
mod exactly_once;
mod folded;
mod growth;
mod marks;
mod newest;
mod rebuild;
mod schema;
mod settings;
mod transfers;
