//! Gets from every tier, sums over columns beside SQLite, and bytes on disk.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tidelog_log::Result;

use super::figures::failed;
use super::workerd::Runtime;

mod cold;
mod embedded;
mod gets;
pub(super) mod peer;
mod report;
pub(super) mod sensors;
mod server;
mod sums;
mod worker;

use sensors::Sensors;

pub(super) const EXAMPLES: &str = "\
Examples:
  cargo run --release -- bench tiers
  cargo run --release -- bench tiers --rows 100000 --rounds 3
  cargo run --release -- bench tiers --host worker --json";

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct TiersArgs {
    /// The host that holds the object
    #[arg(long, value_enum, default_value_t = HostKind::Embedded)]
    host: HostKind,
    #[command(flatten)]
    runtime: Runtime,
    /// Readings that are folded into columns
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Readings of these that are in a row table too
    #[arg(long, default_value_t = 100_000)]
    recent: usize,
    /// Sensors; each has a reading a minute
    #[arg(long, default_value_t = 100)]
    points: usize,
    /// Gets of each kind; of blobs and files that are read anew a tenth
    #[arg(long, default_value_t = 2_000)]
    gets: usize,
    /// Rounds of the sums; in each, all take their turn, and the median round counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Where everything goes for the time of the run; the disk is what is measured
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where the object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HostKind {
    /// The embedded host, in this process and over HTTP
    Embedded,
    /// A Durable Object on workerd, over HTTP
    Worker,
}

impl HostKind {
    fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Worker => "worker",
        }
    }
}

impl TiersArgs {
    fn sensors(&self) -> Result<Sensors> {
        let sensors = Sensors {
            rows: self.rows,
            points: self.points,
        };
        let full = self.points > 0 && self.rows >= self.points && self.gets > 0 && self.rounds > 0;
        match full {
            true => Ok(sensors),
            false => Err(failed(
                "--points, --gets and --rounds are at least 1, --rows at least --points",
            )),
        }
    }

    /// Gets of what is read anew each time.
    fn slow_gets(&self) -> usize {
        (self.gets / 10).max(1)
    }
}

pub(crate) fn run(args: &TiersArgs) -> Result<()> {
    let sensors = args.sensors()?;
    match args.host {
        HostKind::Embedded => embedded::run(args, sensors),
        HostKind::Worker => worker::run(args, sensors),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TiersArgs,
    }

    /// What is measured is checked on the way: gets against the data, sums against SQLite.
    #[test]
    fn a_small_run_goes_through_every_tier() {
        let line = "bench --rows 4000 --recent 500 --points 7 --gets 20 --rounds 1";
        for json in [&[][..], &["--json"]] {
            let words = line.split(' ').chain(json.iter().copied());
            let Line { args } = Line::try_parse_from(words).unwrap();
            run(&args).unwrap();
        }
    }

    #[test]
    fn counts_of_nothing_are_refused() {
        for wrong in [
            "--points 0",
            "--gets 0",
            "--rounds 0",
            "--rows 5 --points 9",
        ] {
            let words = ["bench"].into_iter().chain(wrong.split(' '));
            let Line { args } = Line::try_parse_from(words).unwrap();
            assert_eq!(run(&args).unwrap_err().code(), "bench_failed", "{wrong}");
        }
    }
}
