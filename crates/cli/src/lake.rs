//! `tidelog lake`: what an operator does to the tables of the lake by hand.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use tidelog_embedded::{LakeRebuilt, RebuildWanted, rebuild_lake};

use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::print;

const EXAMPLES: &str = "\
Examples:
  tidelog lake rebuild --data data --dry-run
  tidelog lake rebuild --data data
  tidelog lake rebuild --type airport --collection flights --json

Makes the metadata of tables again from the data files that are there, while no server runs on the data
folder. Rows that data files have lost come again from the objects' logs as far as those reach; what no
table and no log has is printed, and the exit code is 1 then.";

/// What to do with the lake.
#[derive(Subcommand, Debug)]
pub(crate) enum LakeCommand {
    /// Make tables again whose metadata is lost, from data files and objects
    #[command(after_help = EXAMPLES)]
    Rebuild(RebuildArgs),
}

/// Flags of `lake rebuild`.
#[derive(Args, Debug)]
pub(crate) struct RebuildArgs {
    /// The data folder [default: `data` of the settings]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only the tables of this type
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// Only the tables of this collection
    #[arg(long)]
    collection: Option<String>,
    /// Only say what would be
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &LakeCommand, configuration: &Configuration) -> Result<()> {
    let LakeCommand::Rebuild(args) = command;
    let data = args.data.as_ref().map(|data| data.display().to_string());
    let settings = configuration.settings(&[("data", data)])?;
    if !settings.data.is_dir() {
        let message = format!("there is no data folder {}", settings.data.display());
        return Err(Failure::usage(message));
    }
    let wanted = RebuildWanted {
        type_name: args.type_name.clone(),
        collection: args.collection.clone(),
        dry_run: args.dry_run,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(rebuild_lake(&settings, &wanted))?;
    match args.json {
        true => print::line(json!(done))?,
        false => show(&done, args.dry_run)?,
    }
    match done.missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::silent(Exit::Failed)),
    }
}

fn show(done: &LakeRebuilt, dry_run: bool) -> Result<()> {
    let verb = if dry_run { "would have" } else { "has" };
    for table in &done.tables {
        print::line(format_args!(
            "{}.{} {verb} {} rows in {} files, {} of them out of logs",
            table.type_name,
            table.collection,
            print::count(table.rows),
            print::count(table.files),
            print::count(table.refilled),
        ))?;
        for key in &table.dropped {
            print::line(format_args!("  never committed: {key}"))?;
        }
        for key in &table.damaged {
            print::line(format_args!("  damaged: {key}"))?;
        }
    }
    for lost in &done.missing {
        print::line(format_args!(
            "lost: {} {} to {}",
            lost.object, lost.from, lost.to
        ))?;
    }
    for name in &done.untold {
        print::note(format_args!(
            "{name}: not every collection has a table here, so lost events cannot be told"
        ));
    }
    Ok(())
}
