//! The `tidelog` command: a server of digital objects, and what one does with them by hand.
//!
//! Every command that touches objects speaks the HTTP contract (`docs/http.md`), to a server that
//! runs or to one of its own over a data folder. `docs/cli.md` has the exit codes and settings.

mod admin;
mod client;
mod configuration;
mod events;
mod failure;
mod object_name;
mod print;
mod progress;
mod target;
mod text_table;

mod bench;
mod check;
mod demo;
mod fork;
mod gaps;
mod heal;
mod import;
mod inspect;
mod lake;
mod query;
mod restore;
mod schema;
mod serve;
mod snapshot;
mod tail;
mod verify;
mod vortex;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidelog_core::Actors;

use crate::configuration::Configuration;
use crate::failure::{Failure, Result};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed, or a divergence was found
  2  the call, a file or a setting is wrong
  3  the server could not be reached

Settings come from flags, then TIDELOG_* variables, then tidelog.toml, then defaults; docs/cli.md lists them.";

const BENCH_EXAMPLES: &str = "\
Examples:
  cargo run --release -- bench hot
  cargo run --release -- bench tail
  cargo run --release -- bench lake
  cargo run --release -- bench worker
  cargo run --release -- bench vortex --sets flights,cdc --rounds 3
  cargo run --release -- bench tiers
  cargo run --release -- bench tiers --host worker --json";

/// Digital objects: a SQLite database each, one change log, and Iceberg tables in step.
#[derive(Parser, Debug)]
#[command(name = "tidelog", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    configuration: Configuration,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve a data folder until SIGINT or SIGTERM
    Serve(serve::ServeArgs),
    /// Check type declarations
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Import rows from CSV or NDJSON
    Import(import::ImportArgs),
    /// Query one collection of an object
    Query(query::QueryArgs),
    /// Print an object's change log, and follow it
    Tail(tail::TailArgs),
    /// Show where an object and its tables stand
    Inspect(inspect::InspectArgs),
    /// Take, list, show and delete snapshots of an object
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Bring a state of an object back: of a snapshot, a sequence or a time
    Restore(restore::RestoreArgs),
    /// Make another object of one, as it is or as it was
    Fork(fork::ForkArgs),
    /// Look for damage: every checksum of an object
    Check(check::CheckArgs),
    /// Make damaged blobs of an object whole again
    Heal(heal::HealArgs),
    /// Look into Vortex blobs: a file, or those of an object
    #[command(subcommand)]
    Vortex(vortex::VortexCommand),
    /// Compare an object's rows, its log and its lake tables, event by event
    Verify(verify::VerifyArgs),
    /// Look for missing events, or for times without readings
    Gaps(gaps::GapsArgs),
    /// Mend the tables of the lake
    #[command(subcommand)]
    Lake(lake::LakeCommand),
    /// Run the whole job on a year of flights: import, follow, query, lake, verify
    Demo(demo::DemoArgs),
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(bench::BenchArgs),
}

/// The whole command: reads the arguments of the process, does what they say, and answers the exit
/// code. Every server that it starts runs these actors.
///
/// ```no_run
/// # use tidelog_core::Actors;
/// fn main() -> std::process::ExitCode {
///     tidelog::run_with(Actors::new()) // .with("room", Room)
/// }
/// ```
pub fn run_with(actors: Actors) -> ExitCode {
    let mut cli = Cli::parse();
    cli.configuration.actors = actors;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure),
    }
}

fn run(cli: Cli) -> Result<()> {
    let configuration = &cli.configuration;
    match cli.command {
        Command::Serve(args) => serve::run(args, configuration),
        Command::Schema(command) => schema::run(command, configuration),
        Command::Import(args) => import::run(&args, configuration),
        Command::Query(args) => query::run(&args, configuration),
        Command::Tail(args) => tail::run(&args, configuration),
        Command::Inspect(args) => inspect::run(&args, configuration),
        Command::Snapshot(command) => snapshot::run(&command, configuration),
        Command::Restore(args) => restore::run(&args, configuration),
        Command::Fork(args) => fork::run(&args, configuration),
        Command::Check(args) => check::run(&args, configuration),
        Command::Heal(args) => heal::run(&args, configuration),
        Command::Vortex(command) => vortex::run(&command),
        Command::Verify(args) => verify::run(&args, configuration),
        Command::Gaps(args) => gaps::run(&args, configuration),
        Command::Lake(command) => lake::run(&command, configuration),
        Command::Demo(args) => demo::run(args, configuration),
        Command::Bench(args) => Ok(bench::run(args)?),
    }
}

fn ended(failure: &Failure) -> ExitCode {
    if !failure.message.is_empty() {
        print::note(format_args!("error: {failure}"));
    }
    ExitCode::from(failure.exit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_and_is_documented() {
        let docs = include_str!("../../../docs/cli.md");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(docs.contains(&format!("`tidelog {name}")), "{name}");
            let mut helps = std::iter::once(command)
                .chain(command.get_subcommands())
                .filter_map(|one| Some(one.get_after_help()?.to_string()));
            assert!(helps.any(|help| help.starts_with("Examples:")), "{name}");
        }
    }
}
