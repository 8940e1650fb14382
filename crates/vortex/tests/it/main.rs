//! Vortex blobs through their public surface. `TIDELOG_SEED` and `TIDELOG_SEEDS` choose the random cases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the test"
)]

mod arbitrary;
mod choice;
mod damage;
mod golden;
mod handmade;
mod limits;
mod round_trip;
mod selection;
