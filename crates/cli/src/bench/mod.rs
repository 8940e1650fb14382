//! `tidelog bench`: measures this build beside what one would write instead, in the same run.
//!
//! What each figure is and is not: `docs/benchmarks.md`.

mod figures;
mod flights;
mod hot;


mod peers;
mod scratch;


use clap::{Args, Subcommand};
use tidelog_log::Result;

/// Measures writes, live reading and the way into the lake.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes per second beside SQLite without a log and SQLite with triggers that log.
    Hot(hot::HotArgs),
}

/// Runs one benchmark and prints what it measured.
///
/// # Errors
/// Those of what is measured; `bench_failed` when a peer or a file is not usable.
pub fn run(args: BenchArgs) -> Result<()> {
    match args.what {
        What::Hot(args) => hot::run(&args),
    }
}
