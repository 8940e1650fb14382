//! Requests per second of an object on workerd, beside a Durable Object written by hand.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_embedded::instant;
use tidelog_log::Result;

use super::figures::{
    failed, grouped, median, median_ratio, millis, per, percentile, rate, say, table,
};
use super::flights::{COLLECTION, Flight, Input};
use super::http::Connection;
use super::scratch::Scratch;
use super::workerd::{Runtime, Workerd};

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

/// Least ratio of request rates for single inserts, of event rates for batches.
const SINGLES_GOAL: f64 = 0.8;
const BATCHES_GOAL: f64 = 1.5;
/// Most log rows per event at a batch of 100.
const LOG_ROWS_GOAL: f64 = 0.05;
/// Each kind of work before the rounds, not counted: code is compiled, caches fill.
const WARM_UP_ROUNDS: usize = 1;

/// One kind of work: so many requests of so many events each, over so many connections.
#[derive(Clone, Copy, Debug)]
struct Work {
    batch: usize,
    requests: usize,
    connections: usize,
}

/// One of the two, as the client sees it.
struct Side {
    url: String,
    write: String,
    counts: String,
}

/// What a side says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    rows_written: u64,
    log_rows: u64,
    events: u64,
    documents: u64,
}

/// What one side did of one kind of work, over all rounds.
#[derive(Debug, Default)]
struct Measured {
    /// A second, one figure a round.
    requests: Vec<f64>,
    /// Milliseconds, one figure a request.
    latencies: Vec<f64>,
    rows_written: u64,
    log_rows: u64,
    events: u64,
}

/// By kind of work: ours, then the peer's.
type Figures = Vec<(Work, [Measured; 2])>;

pub(crate) fn run(args: &WorkerArgs) -> Result<()> {
    let works = works(args);
    let per_round: usize = works.iter().map(|work| work.batch * work.requests).sum();
    let rounds = WARM_UP_ROUNDS + args.rounds;
    let flights = args.input.flights(Some("JFK"), per_round * rounds)?;
    let scratch = Scratch::new(args.folder.as_deref())?;
    let workerd = Workerd::start(&args.runtime, scratch.path())?;
    let sides = sides(args, &workerd)?;

    let mut cold = [0.0; 2];
    let fresh = || works.iter().map(|work| (*work, Default::default()));
    let mut figures: Figures = fresh().collect();
    for (round, rows) in flights.chunks(per_round).enumerate() {
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
                let first = measure(&sides[who], *work, &bodies, &mut measured[who])?;
                if cold[who] == 0.0 {
                    cold[who] = first;
                }
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
    let document = |flight: &Flight| Json::Object(flight.document.clone());
    let body = |rows: &[Flight]| match rows {
        [one] => document(one),
        many => Json::Array(many.iter().map(document).collect()),
    };
    let bodies = rows.chunks(batch).map(|rows| body(rows).to_string());
    bodies.map(String::into_bytes).collect()
}

/// Sends the bodies and adds up what that took; the first request's milliseconds.
fn measure(side: &Side, work: Work, bodies: &[Vec<u8>], into: &mut Measured) -> Result<f64> {
    let before = side.counts()?;
    let (took, latencies) = drive(side, work.connections, bodies)?;
    let after = side.counts()?;
    let first = latencies.first().copied().unwrap_or(0.0);
    into.requests.push(rate(bodies.len(), took));
    into.latencies.extend(latencies);
    into.rows_written += after.rows_written - before.rows_written;
    into.log_rows += after.log_rows - before.log_rows;
    into.events += after.events - before.events;
    Ok(first)
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

    /// Zeros for an object of ours that was not written yet.
    fn counts(&self) -> Result<Counts> {
        let answer = Connection::open(&self.url)?.send("GET", &self.counts, "", &[]);
        match answer {
            Ok(body) => counts(&body),
            Err(error) if error.message().contains("unknown_object") => Ok(Counts::default()),
            Err(error) => Err(error),
        }
    }
}

/// Reads our `state`, or what the peer says: `{rows, changes, rowsWritten}`.
fn counts(body: &[u8]) -> Result<Counts> {
    let said: Json = serde_json::from_slice(body).map_err(|e| failed(e.to_string()))?;
    let number = |place: &str| {
        let found = said.pointer(place).and_then(Json::as_u64);
        found.ok_or_else(|| failed(format!("{place} is no count in {said}")))
    };
    if said.get("changes").is_some() {
        let changes = number("/changes")?;
        return Ok(Counts {
            rows_written: number("/rowsWritten")?,
            log_rows: changes,
            events: changes,
            documents: number("/rows")?,
        });
    }
    Ok(Counts {
        rows_written: number("/costs/meter/rowsWritten")?,
        log_rows: number("/log/records")?,
        events: number("/head")?,
        documents: number("/documents/flights")?,
    })
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

const NAMES: [&str; 2] = ["tidelog", "by hand"];

impl Work {
    fn name(&self) -> String {
        match (self.batch, self.connections) {
            (1, 1) => "single inserts, 1 connection".to_owned(),
            (1, n) => format!("single inserts, {n} connections"),
            (batch, _) => format!("batches of {}", grouped(count(batch))),
        }
    }

    /// The least ratio of ours to the peer's that is wanted.
    fn goal(&self) -> f64 {
        if self.batch == 1 {
            SINGLES_GOAL
        } else {
            BATCHES_GOAL
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

impl Measured {
    fn json(&self, work: Work) -> Json {
        let requests = median(&self.requests);
        json!({"requestsPerSecond": requests, "eventsPerSecond": requests * count(work.batch),
               "p50Millis": percentile(&self.latencies, 50),
               "p99Millis": percentile(&self.latencies, 99),
               "rowsWrittenPerEvent": per(self.rows_written, self.events),
               "logRowsPerEvent": per(self.log_rows, self.events)})
    }

    fn cells(&self, work: Work) -> Vec<String> {
        let requests = median(&self.requests);
        vec![
            grouped(requests),
            grouped(requests * count(work.batch)),
            format!("{:.2}", percentile(&self.latencies, 50)),
            format!("{:.2}", percentile(&self.latencies, 99)),
            format!("{:.2}", per(self.rows_written, self.events)),
            format!("{:.3}", per(self.log_rows, self.events)),
        ]
    }
}

fn report(args: &WorkerArgs, workerd: &str, cold: [f64; 2], figures: &Figures) -> Result<()> {
    if args.json {
        let works = figures.iter().map(|(work, [ours, theirs])| {
            let ratio = median_ratio(&ours.requests, &theirs.requests);
            json!({"work": work.name(), "batch": work.batch, "connections": work.connections,
                   "tidelog": ours.json(*work), "peer": theirs.json(*work), "ratio": ratio,
                   "goal": work.goal(), "reached": ratio >= work.goal()})
        });
        let report = json!({"rounds": args.rounds, "workerd": workerd,
                            "coldMillis": {"tidelog": cold[0], "peer": cold[1]},
                            "works": works.collect::<Vec<_>>(), "logRows": log_rows(figures)});
        return say(&report.to_string());
    }
    let header = [
        "",
        "requests/s",
        "events/s",
        "p50 ms",
        "p99 ms",
        "rows/event",
        "log rows/event",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut goals = vec![
        ["ratio to by hand", "", "goal", "reached"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (work, measured) in figures {
        for (measured, name) in measured.iter().zip(NAMES) {
            let mut row = vec![format!("{}, {name}", work.name())];
            row.extend(measured.cells(*work));
            rows.push(row);
        }
        let ratio = median_ratio(&measured[0].requests, &measured[1].requests);
        let goal = format!("at least {}", work.goal());
        goals.push(goal_row(&work.name(), ratio, &goal, ratio >= work.goal()));
    }
    let found = log_rows(figures);
    if let (Some(figure), Some(reached)) = (found["figure"].as_f64(), found["reached"].as_bool()) {
        let goal = format!("at most {LOG_ROWS_GOAL}");
        goals.push(goal_row(
            "log rows per event, batches of 100",
            figure,
            &goal,
            reached,
        ));
    }
    table(&rows)?;
    say("")?;
    table(&goals)?;
    let [ours, theirs] = cold;
    say(&format!(
        "\nwarm; the very first request took {ours:.0} ms (tidelog), {theirs:.0} ms (by hand); \
         workerd {workerd}"
    ))
}

fn goal_row(name: &str, figure: f64, goal: &str, reached: bool) -> Vec<String> {
    let reached = if reached { "yes" } else { "no" };
    let figure = format!("{figure:.2}");
    [name, &figure, goal, reached].map(str::to_owned).to_vec()
}

/// Whether a batch of 100 takes few enough log rows.
fn log_rows(figures: &Figures) -> Json {
    let hundred = figures.iter().find(|(work, _)| work.batch == 100);
    let Some((_, [ours, _])) = hundred else {
        return Json::Null;
    };
    let figure = per(ours.log_rows, ours.events);
    json!({"figure": figure, "goal": LOG_ROWS_GOAL, "reached": figure <= LOG_ROWS_GOAL})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_counts_are_read() {
        let ours = br#"{"costs":{"meter":{"rowsWritten":33}},"documents":{"flights":4,"weather":0},
                        "head":5,"log":{"bytes":229,"records":2}}"#;
        let ours = counts(ours).unwrap();
        assert_eq!((ours.rows_written, ours.log_rows), (33, 2));
        assert_eq!((ours.events, ours.documents), (5, 4));
        let theirs = counts(br#"{"rows":4,"changes":5,"rowsWritten":20}"#).unwrap();
        assert_eq!((theirs.rows_written, theirs.log_rows), (20, 5));
        assert_eq!((theirs.events, theirs.documents), (5, 4));
        assert!(counts(br#"{"rows":4}"#).is_err());
    }

    #[test]
    fn the_goal_of_log_rows_is_that_of_a_hundred() {
        let work = |batch| Work {
            batch,
            requests: 1,
            connections: 1,
        };
        let ours = |log_rows| Measured {
            log_rows,
            events: 100,
            ..Measured::default()
        };
        let figures = |log_rows| {
            vec![
                (work(1), [ours(100), Measured::default()]),
                (work(100), [ours(log_rows), Measured::default()]),
            ]
        };
        assert_eq!(log_rows(&figures(5))["reached"], true);
        assert_eq!(log_rows(&figures(6))["reached"], false);
        assert_eq!(log_rows(&Vec::new()), Json::Null);
    }

    #[test]
    fn one_document_is_no_array() {
        let flight = Flight {
            key: "k".to_owned(),
            document: serde_json::from_str(r#"{"flight":1}"#).unwrap(),
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
