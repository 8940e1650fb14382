//! Requests per second of an object on workerd, beside a Durable Object written by hand.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidelog_embedded::instant;
use tidelog_log::Result;

use super::figures::{failed, median, millis, rate};
use super::flights::{COLLECTION, Flight, Input};
use super::http::Connection;
use super::scratch::Scratch;
use super::workerd::{Runtime, Workerd};

mod counts;
mod report;

use counts::Counts;
use report::{Figures, Measured, NAMES, Work, report};

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    runtime: Runtime,
    /// Rounds; in each, both do the same work and another one goes first
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Single inserts of one round, for each number of connections
    #[arg(long, default_value_t = 300)]
    singles: usize,
    /// Connections of the single inserts; repeat to measure several
    #[arg(long, default_values_t = [1, 8])]
    connections: Vec<usize>,
    /// Batches of 100 of one round
    #[arg(long, default_value_t = 20)]
    hundreds: usize,
    /// Batches of 1,000 of one round
    #[arg(long, default_value_t = 5)]
    thousands: usize,
    /// Where the databases go for the time of the run
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Each kind of work before the rounds, not counted: code is compiled, caches fill.
const WARM_UP_ROUNDS: usize = 1;

/// One of the two, as the client sees it.
struct Side {
    url: String,
    write: String,
    counts: String,
}

pub(crate) fn run(args: &WorkerArgs) -> Result<()> {
    let works = works(args);
    let per_round: usize = works.iter().map(|work| work.batch * work.requests).sum();
    let rounds = WARM_UP_ROUNDS + args.rounds;
    let flights = args.input.flights(Some("JFK"), 1 + per_round * rounds)?;
    let (first, all) = flights.split_at(1);
    let scratch = Scratch::new(args.folder.as_deref())?;
    let workerd = Workerd::start(&args.runtime, scratch.path())?;
    let sides = sides(args, &workerd)?;

    let cold = [cold(&sides[0], first)?, cold(&sides[1], first)?];
    let fresh = || works.iter().map(|work| (*work, Default::default()));
    let mut figures: Figures = fresh().collect();
    for (round, rows) in all.chunks(per_round).enumerate() {
        if round == WARM_UP_ROUNDS {
            figures = fresh().collect();
        }
        let mut rows = rows;
        for (work, measured) in &mut figures {
            let (now, later) = rows.split_at(work.batch * work.requests);
            rows = later;
            let bodies = bodies(now, work.batch);
            for turn in 0..2 {
                let who = (round + turn) % 2;
                measure(&sides[who], *work, &bodies, &mut measured[who])?;
            }
        }
    }
    check_same(&sides, flights.len())?;
    report(args, workerd.version(), cold, &figures)
}

fn works(args: &WorkerArgs) -> Vec<Work> {
    let work = |batch, requests, connections| Work {
        batch,
        requests,
        connections,
    };
    let singles = args.connections.iter().map(|&n| work(1, args.singles, n));
    let batches = [(100, args.hundreds), (1_000, args.thousands)];
    let batches = batches.map(|(batch, requests)| work(batch, requests, 1));
    singles.chain(batches).collect()
}

fn sides(args: &WorkerArgs, workerd: &Workerd) -> Result<[Side; 2]> {
    let toml = args.input.toml()?;
    Connection::open(workerd.tidelog())?.send(
        "PUT",
        "/v1/types/airport",
        "application/toml",
        toml.as_bytes(),
    )?;
    // Of another object: so that the isolate of either side runs before the first insert.
    Connection::open(workerd.peer())?.send("GET", "/nobody", "", &[])?;
    let object = "/v1/objects/airport/JFK";
    Ok([
        Side {
            url: workerd.tidelog().to_owned(),
            write: format!("{object}/{COLLECTION}"),
            counts: format!("{object}/state"),
        },
        Side {
            url: workerd.peer().to_owned(),
            write: "/JFK".to_owned(),
            counts: "/JFK".to_owned(),
        },
    ])
}

/// A document each, or an array of `batch` documents each.
fn bodies(rows: &[Flight], batch: usize) -> Vec<Vec<u8>> {
    let body = |rows: &[Flight]| match rows {
        [one] => one.text.to_string(),
        many => {
            let texts: Vec<&str> = many.iter().map(|flight| &*flight.text).collect();
            format!("[{}]", texts.join(","))
        }
    };
    rows.chunks(batch)
        .map(|rows| body(rows).into_bytes())
        .collect()
}

/// Milliseconds of the first insert of all, which makes the object.
fn cold(side: &Side, first: &[Flight]) -> Result<f64> {
    let took = side.send(Connection::open(&side.url)?, &bodies(first, 1))?;
    Ok(median(&took))
}

/// Sends the bodies and adds up what that took.
fn measure(side: &Side, work: Work, bodies: &[Vec<u8>], into: &mut Measured) -> Result<()> {
    let before = side.counts()?;
    let (took, latencies) = drive(side, work.connections, bodies)?;
    let after = side.counts()?;
    into.requests.push(rate(bodies.len(), took));
    into.latencies.extend(latencies);
    into.rows_written += after.rows_written - before.rows_written;
    into.log_rows += after.log_rows - before.log_rows;
    into.events += after.events - before.events;
    Ok(())
}

/// Each connection sends its share, one request after the other.
fn drive(side: &Side, connections: usize, bodies: &[Vec<u8>]) -> Result<(Duration, Vec<f64>)> {
    let share = bodies.len().div_ceil(connections.max(1)).max(1);
    let open = bodies.chunks(share).map(|bodies| {
        let connection = Connection::open(&side.url)?;
        Ok((connection, bodies))
    });
    let open: Vec<_> = open.collect::<Result<_>>()?;
    let started = instant();
    let done: Result<Vec<Vec<f64>>> = std::thread::scope(|scope| {
        let spawn = |(connection, bodies)| scope.spawn(move || side.send(connection, bodies));
        let threads: Vec<_> = open.into_iter().map(spawn).collect();
        let done = threads.into_iter().map(|thread| {
            let joined = thread.join();
            joined.map_err(|_| failed("a client's thread failed"))?
        });
        done.collect()
    });
    Ok((started.elapsed(), done?.concat()))
}

impl Side {
    fn send(&self, mut connection: Connection, bodies: &[Vec<u8>]) -> Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(bodies.len());
        for body in bodies {
            let asked = instant();
            connection.send("POST", &self.write, "application/json", body)?;
            latencies.push(millis(asked.elapsed()));
        }
        Ok(latencies)
    }

    fn counts(&self) -> Result<Counts> {
        Counts::read(&Connection::open(&self.url)?.send("GET", &self.counts, "", &[])?)
    }
}

/// Both must hold every row and have logged every change.
fn check_same(sides: &[Side; 2], rows: usize) -> Result<()> {
    let wanted = u64::try_from(rows).unwrap_or(0);
    for (side, name) in sides.iter().zip(NAMES) {
        let Counts {
            events, documents, ..
        } = side.counts()?;
        if (events, documents) != (wanted, wanted) {
            return Err(failed(format!(
                "{rows} rows were written: {name} holds {documents} and logged {events}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_document_is_no_array() {
        let flight = Flight {
            key: "k".to_owned(),
            text: r#"{"flight":1}"#.into(),
            row: tidelog_log::Row::default(),
        };
        let flights = [flight.clone(), flight.clone(), flight];
        let text = |batch| {
            let bodies = bodies(&flights, batch).into_iter();
            bodies
                .map(|b| String::from_utf8(b).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(text(1), [r#"{"flight":1}"#; 3]);
        assert_eq!(text(3), [r#"[{"flight":1},{"flight":1},{"flight":1}]"#]);
    }
}
