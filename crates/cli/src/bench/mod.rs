//! `tidelog bench`: measures this build beside what one would write instead, in the same run.
//!
//! What each figure is and is not: `docs/benchmarks.md`.

mod figures;
mod flights;
mod hot;
mod http;
mod lake;
mod peers;
mod scratch;
mod snapshot;
mod tail;
mod tiers;
mod vortex;
mod worker;
mod workerd;

use clap::{Args, Subcommand};
use tidelog_log::Result;

/// Measures writes, live reading, the way into the lake, the tiers, snapshots, the Cloudflare host, blobs.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes per second beside SQLite without a log and SQLite with triggers that log
    Hot(hot::HotArgs),
    /// Milliseconds from a write's answer to the event at readers of server-sent events
    Tail(tail::TailArgs),
    /// Events per second from the log into a committed Iceberg table, beside PyIceberg
    Lake(lake::LakeArgs),
    /// Requests per second on workerd, beside a Durable Object written by hand in JavaScript
    Worker(worker::WorkerArgs),
    /// Gets from every tier, sums over columns and bytes on disk, beside SQLite and JSON
    #[command(after_help = tiers::EXAMPLES)]
    Tiers(tiers::TiersArgs),
    /// Snapshots, their files and restores, beside copies of a SQLite file
    #[command(after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::SnapshotArgs),
    /// Bytes and speeds of Vortex blobs beside Parquet, LF Vortex, Arrow IPC, SQLite rows, JSON lines
    Vortex(vortex::VortexArgs),
}

/// Runs one benchmark and prints what it measured.
///
/// # Errors
/// Those of what is measured; `bench_failed` when a peer or a file is not usable.
pub(crate) fn run(args: BenchArgs) -> Result<()> {
    match args.what {
        What::Hot(args) => hot::run(&args),
        What::Tail(args) => tail::run(&args),
        What::Lake(args) => lake::run(&args),
        What::Worker(args) => worker::run(&args),
        What::Tiers(args) => tiers::run(&args),
        What::Snapshot(args) => snapshot::run(&args),
        What::Vortex(args) => vortex::run(&args),
    }
}
