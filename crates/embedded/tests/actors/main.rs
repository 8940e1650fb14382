//! The actors of `examples/rooms` in the embedded host: over HTTP, through restarts, and killed at
//! random moments between send and handle.
//!
//! `TIDELOG_KILL_ROUNDS` (6) and `TIDELOG_SEED` (1) say how often and how.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test of a whole process: a failed step ends it, and it is told what to do by variables"
)]

mod client;
mod killed;
mod rooms;
