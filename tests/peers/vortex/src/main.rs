//! Vortex blobs beside what one would take instead, in the same run: sizes, speeds, single rows.
//!
//! `docs/benchmarks.md` says what is measured and how. `tidelog bench vortex` builds and runs this.

mod cells;
mod clock;
mod formats;
mod measure;
mod random;
mod report;
mod scan;
mod sets;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::clock::Clock;
use crate::formats::Format;
use crate::report::Outcome;
use crate::sets::Source;

/// Measures Vortex blobs beside Parquet, LF Vortex, Arrow IPC, SQLite rows and JSON lines.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these sets, with commas: iot_by_point, iot_arrival, lineitem, flights, weather, debian, cdc, interactions
    #[arg(long, value_delimiter = ',')]
    sets: Vec<String>,
    /// Only these formats, with commas; a name that ends in `*` is a beginning
    #[arg(long, value_delimiter = ',')]
    formats: Vec<String>,
    /// Rounds; in each, every format does the same work and another one goes first
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// A tenth of the rows, and three rounds at most
    #[arg(long)]
    quick: bool,
    /// Measure nothing: print what our blobs of these profiles have of each column, and of one page in eight its encodings
    #[arg(long)]
    explain: bool,
    /// Write everything as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What seconds are: processor time, or the time that passes
    #[arg(long, value_enum, default_value = "cpu")]
    clock: Clock,
    /// The core to run on
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The repository, for its fixtures
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))]
    repository: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut formats = chosen(&arguments.formats)?;
    let sets = if arguments.sets.is_empty() {
        sets::NAMES.map(str::to_owned).to_vec()
    } else {
        arguments.sets.clone()
    };
    if let Some(unknown) = sets.iter().find(|set| !sets::NAMES.contains(&set.as_str())) {
        bail!("no set `{unknown}`; there are {}", sets::NAMES.join(", "));
    }
    clock::choose(arguments.clock);
    pin(arguments.core);
    let source = Source {
        repository: arguments.repository.clone(),
        divisor: if arguments.quick { 10 } else { 1 },
    };
    let rounds = usize::from(arguments.rounds);
    let rounds = if arguments.quick {
        rounds.min(3)
    } else {
        rounds
    };
    let mut outcomes = Vec::new();
    for name in &sets {
        let Some(set) = sets::load_named(name, &source)? else {
            continue;
        };
        if arguments.explain {
            let ours = formats.iter().filter(|format| format.name().starts_with("ours"));
            for format in ours {
                println!("### {name}, {}\n", format.name());
                let parts = format.encode(&set)?;
                formats::explain(&parts)?;
                // For a profiler: nothing but decoding.
                for _ in 0..arguments.rounds {
                    std::hint::black_box(format.decode(&set, &parts)?);
                }
            }
            continue;
        }
        let outcome = Outcome::new(&set, measure::measure(&set, &mut formats, rounds)?);
        println!("{}", outcome.markdown());
        outcomes.push(outcome);
    }
    println!("{}", report::summary(&outcomes));
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report::json(&outcomes, rounds))?;
        std::fs::write(path, json + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// One thread, which stays on one core; without that, figures wander.
fn pin(core: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pinned = cores
        .get(core)
        .is_some_and(|id| core_affinity::set_for_current(*id));
    if !pinned {
        eprintln!("core {core} cannot be had: the thread is not pinned");
    }
}

/// The formats with these names; Parquet, which ratios are to, is always there.
fn chosen(names: &[String]) -> Result<Vec<Box<dyn Format>>> {
    let matches = |format: &str, name: &String| match name.strip_suffix('*') {
        Some(beginning) => format.starts_with(beginning),
        None => format == name,
    };
    let all = formats::all();
    let known: Vec<&str> = all.iter().map(|format| format.name()).collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| !known.iter().any(|format| matches(format, name)))
    {
        bail!("no format `{unknown}`; there are {}", known.join(", "));
    }
    let is_wanted = |(at, format): &(usize, Box<dyn Format>)| {
        *at == 0 || names.is_empty() || names.iter().any(|name| matches(format.name(), name))
    };
    Ok(all
        .into_iter()
        .enumerate()
        .filter(is_wanted)
        .map(|(_, format)| format)
        .collect())
}
