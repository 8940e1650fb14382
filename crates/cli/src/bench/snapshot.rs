//! Snapshots and restores beside copies of a SQLite file with the same rows.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidelog_embedded::instant;
use tidelog_log::Result;

use super::figures::failed;
use super::scratch::Scratch;
use super::tiers::peer::Peer;
use super::tiers::sensors::Sensors;
use crate::progress;

mod files;
mod ours;
mod report;

use files::{bytes_of, copied, packed};
use ours::Object;
use report::{Incremental, Report, Round};

pub(super) const EXAMPLES: &str = "\
Examples:
  cargo run --release -- bench snapshot
  cargo run --release -- bench snapshot --rows 100000 --rounds 1
  cargo run --release -- bench snapshot --rows 1000000,10000000 --json";

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Readings of sensors, one run for each number
    #[arg(long, value_delimiter = ',', default_value = "1000000,10000000")]
    rows: Vec<usize>,
    /// Sensors; each has a reading a minute
    #[arg(long, default_value_t = 100)]
    points: usize,
    /// Rounds; in each, ours and the peer's take their turn, and the median round counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where everything goes for the time of the run; the disk is what is measured
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Between two looks of the clock that shows how long a step takes.
const TICK: Duration = Duration::from_millis(200);

/// Parts of the rows that change before an incremental: one in so many.
const CHANGED: [usize; 2] = [1_000, 100];

/// Runs it for each number of rows.
///
/// # Errors
/// `bench_failed` when a restored object is not what the peer is, besides those of what is measured.
pub(crate) fn run(args: &SnapshotArgs) -> Result<()> {
    let full = args.points > 0 && args.rounds > 0;
    if !full || args.rows.iter().any(|rows| *rows < args.points) {
        let message = "--points and --rounds are at least 1, --rows at least --points";
        return Err(failed(message));
    }
    for rows in &args.rows {
        let sensors = Sensors {
            rows: *rows,
            points: args.points,
        };
        measure(args, sensors)?.print(args.json)?;
    }
    Ok(())
}

fn measure(args: &SnapshotArgs, sensors: Sensors) -> Result<Report> {
    let scratch = Scratch::new(args.folder.as_deref())?;
    let bar = progress::waiting("");
    bar.enable_steady_tick(TICK);
    let at = |what: &str| bar.set_message(format!("{} rows: {what}", sensors.rows));
    let peer_file = scratch.path().join("peer.db");
    at("filling the SQLite file");
    let peer = Peer::fill(&peer_file, sensors)?.compacted()?;
    at("filling the object");
    let mut object = Object::fill(&scratch.path().join("ours.db"), sensors)?;
    let wanted = peer.sums()?;
    object.check(wanted)?;
    let sqlite_bytes = bytes_of(&peer_file)?;
    let file = scratch.path().join("ours.tls");
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        at(&format!("round {} of {}", round + 1, args.rounds));
        // Who goes first changes, so that no one always meets the freshest disk.
        let mut one = Round::default();
        for ours in [round % 2 == 0, round % 2 != 0] {
            match ours {
                true => create_ours(&mut object, &file, &mut one)?,
                false => create_peer(&peer, &scratch, &mut one)?,
            }
        }
        for ours in [round % 2 == 0, round % 2 != 0] {
            match ours {
                true => restore_ours(&scratch, &file, sensors, wanted, &mut one)?,
                false => restore_peer(&scratch, &peer_file, wanted, &mut one)?,
            }
        }
        rounds.push(one);
    }
    let file_bytes = bytes_of(&file)?;
    std::fs::remove_file(&file).map_err(|e| failed(e.to_string()))?;
    at("restoring a deleted object");
    let in_place = in_place(&mut object, wanted)?;
    at("incremental snapshots");
    let incrementals = incrementals(&mut object, sensors)?;
    drop((object, peer));
    at("zstd -19 of the SQLite file");
    let zstd_bytes = packed(&peer_file)?;
    bar.finish_and_clear();
    Ok(Report {
        rows: sensors.rows,
        sqlite_bytes,
        file_bytes,
        zstd_bytes,
        rounds,
        in_place,
        incrementals,
    })
}

/// A full snapshot, durable; then its file, durable.
fn create_ours(object: &mut Object, file: &std::path::Path, round: &mut Round) -> Result<()> {
    let started = instant();
    let id = object.take("full")?;
    round.taken = started.elapsed();
    object.export(&id, file)?;
    round.exported = started.elapsed();
    object.delete(&id)
}

/// `VACUUM INTO`, and the copy of that.
fn create_peer(peer: &Peer, scratch: &Scratch, round: &mut Round) -> Result<()> {
    let (first, second) = (scratch.path().join("vacuum"), scratch.path().join("kept"));
    let started = instant();
    peer.vacuum_into(&first)?;
    copied(&first, &second)?;
    round.vacuumed = started.elapsed();
    files::remove(&first)?;
    files::remove(&second)
}

/// The file becomes an object that answers.
fn restore_ours(
    scratch: &Scratch,
    file: &std::path::Path,
    sensors: Sensors,
    wanted: (u64, f64),
    round: &mut Round,
) -> Result<()> {
    let path = scratch.path().join("restored.db");
    let started = instant();
    let mut object = Object::create(&path)?;
    let id = object.import(file)?;
    round.imported = started.elapsed();
    object.restore(&id)?;
    object.get(&sensors.reading(sensors.rows / 2))?;
    round.restored = started.elapsed();
    object.check(wanted)?;
    drop(object);
    files::remove_database(&path)
}

/// A copy of the peer's file answers.
fn restore_peer(
    scratch: &Scratch,
    file: &std::path::Path,
    wanted: (u64, f64),
    round: &mut Round,
) -> Result<()> {
    let path = scratch.path().join("copy.db");
    let started = instant();
    copied(file, &path)?;
    let copy = Peer::open(&path)?;
    copy.number("SELECT value FROM readings LIMIT 1")?;
    round.copied = started.elapsed();
    let found = copy.sums()?;
    ours::same("the copy", found, wanted)?;
    drop(copy);
    files::remove_database(&path)
}

/// All documents are deleted, and come back from a snapshot of before.
fn in_place(object: &mut Object, wanted: (u64, f64)) -> Result<Duration> {
    let id = object.take("full")?;
    object.delete_all()?;
    let started = instant();
    object.restore(&id)?;
    let took = started.elapsed();
    object.check(wanted)?;
    Ok(took)
}

/// Some rows change, then an incremental holds them.
fn incrementals(object: &mut Object, sensors: Sensors) -> Result<Vec<Incremental>> {
    let mut all = Vec::new();
    for one_in in CHANGED {
        object.take("full")?;
        let changed = object.change(sensors, one_in)?;
        let started = instant();
        let id = object.take("incremental")?;
        let took = started.elapsed();
        let bytes = object.snapshot(&id)?.bytes;
        all.push(Incremental {
            changed,
            took,
            bytes,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SnapshotArgs,
    }

    /// What comes back is checked against the peer on the way.
    #[test]
    fn a_small_run_goes_through_everything() {
        for json in [&[][..], &["--json"]] {
            let words = "bench --rows 6000,20 --points 7 --rounds 1".split(' ');
            let words = words.chain(json.iter().copied());
            let Line { args } = Line::try_parse_from(words).unwrap();
            run(&args).unwrap();
        }
    }

    #[test]
    fn counts_of_nothing_are_refused() {
        for wrong in ["--points 0", "--rounds 0", "--rows 5 --points 9"] {
            let words = ["bench"].into_iter().chain(wrong.split(' '));
            let Line { args } = Line::try_parse_from(words).unwrap();
            assert_eq!(run(&args).unwrap_err().code(), "bench_failed", "{wrong}");
        }
    }
}
