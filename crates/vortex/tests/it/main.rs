//! Vortex blobs through their public surface. `TIDELOG_SEED` and `TIDELOG_SEEDS` choose the random cases.

mod arbitrary;
mod choice;
mod damage;
mod golden;
mod handmade;
mod limits;
mod round_trip;
