//! How long after a write is answered its event is at the readers of the log.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_embedded::{Server, Settings, instant};
use tidelog_log::Result;

use super::figures::{failed, millis, percentile, say, table};
use super::flights::{COLLECTION, Flight, Input};
use super::http::Connection;
use super::scratch::Scratch;

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    input: Input,
    /// Readers at once; repeat to measure several
    #[arg(long, default_values_t = [1, 100])]
    readers: Vec<usize>,
    /// Writes of one measurement
    #[arg(long, default_value_t = 500)]
    writes: usize,
    /// Milliseconds from one write's start to the next one's
    #[arg(long, default_value_t = 20)]
    pace_millis: u64,
    /// Where the data folder goes for the time of the run
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes before the measurement that are not counted: connections and caches warm up.
const WARM_UP: usize = 20;
/// When a reader saw which sequence.
type Seen = (u64, Instant);

/// One write as its writer saw it.
struct Write {
    sequence: u64,
    asked: Instant,
    answered: Instant,
}

/// Milliseconds, one figure for each event at each reader.
struct Latencies {
    readers: usize,
    /// From the answer at the writer to the event at the reader; 0 when the event was first.
    from_answer: Vec<f64>,
    /// From the request at the writer to the event at the reader.
    from_request: Vec<f64>,
    /// From the request to the answer, both at the writer.
    write: Vec<f64>,
}

pub(crate) fn run(args: &TailArgs) -> Result<()> {
    let count = args.readers.len() * (args.writes + WARM_UP);
    let flights = args.input.flights(Some("JFK"), count)?;
    let scratch = Scratch::new(args.folder.as_deref())?;
    let settings = Settings {
        data: scratch.path().join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        ..Settings::default()
    };
    let server = Server::start(settings)?;
    let mut writer = Connection::open(&server.url())?;
    let toml = args.input.toml()?;
    writer.send(
        "PUT",
        "/v1/types/airport",
        "application/toml",
        toml.as_bytes(),
    )?;
    let mut all = Vec::new();
    for (at, rows) in flights.chunks(args.writes + WARM_UP).enumerate() {
        let object = format!("/v1/objects/airport/tail-{at}");
        all.push(measure(
            args,
            &server.url(),
            &object,
            args.readers[at],
            rows,
        )?);
    }
    drop(writer);
    report(args, &all)?;
    server.stop()
}

/// Readers follow first, then the writer writes at its pace.
fn measure(
    args: &TailArgs,
    url: &str,
    object: &str,
    readers: usize,
    rows: &[Flight],
) -> Result<Latencies> {
    let mut writer = Connection::open(url)?;
    // The object exists with its first event, which is before the readers' start.
    let (first, rows) = rows.split_at(1);
    for flight in first {
        write(&mut writer, object, flight)?;
    }
    let followers = (0..readers).map(|_| follow(url, object, rows.len()));
    let followers: Vec<_> = followers.collect::<Result<_>>()?;
    let writes = write_all(args, &mut writer, object, rows)?;
    let mut seen = Vec::with_capacity(readers);
    for follower in followers {
        seen.push(follower.join().map_err(|_| failed("a reader failed"))??);
    }
    latencies(&writes[WARM_UP - 1..], &seen)
}

fn write_all(
    args: &TailArgs,
    writer: &mut Connection,
    object: &str,
    rows: &[Flight],
) -> Result<Vec<Write>> {
    let pace = Duration::from_millis(args.pace_millis);
    let mut next = instant();
    let mut writes = Vec::with_capacity(rows.len());
    for flight in rows {
        // The pace is part of what is measured; a wake-up too early only starts one write sooner.
        let wait = next.saturating_duration_since(instant());
        if !wait.is_zero() {
            std::thread::park_timeout(wait);
        }
        next += pace;
        writes.push(write(writer, object, flight)?);
    }
    Ok(writes)
}

fn write(writer: &mut Connection, object: &str, flight: &Flight) -> Result<Write> {
    let path = format!("{object}/{COLLECTION}");
    let asked = instant();
    let answer = writer.send("POST", &path, "application/json", flight.text.as_bytes())?;
    let answered = instant();
    let answer: Json = serde_json::from_slice(&answer).map_err(|e| failed(e.to_string()))?;
    let sequence = answer["written"][0]["version"].as_u64();
    Ok(Write {
        sequence: sequence.ok_or_else(|| failed(format!("no version in {answer}")))?,
        asked,
        answered,
    })
}

/// Starts a reader at the present tail, attached when this returns, that ends after `events`.
fn follow(url: &str, object: &str, events: usize) -> Result<JoinHandle<Result<Vec<Seen>>>> {
    let mut connection = Connection::open(url)?;
    connection.stream(&format!("{object}/changes?offset=now&live=sse"))?;
    // The first frame says where the reader stands: from here on it is told everything.
    let first = connection.chunk()?;
    first.ok_or_else(|| failed("the stream ended at once"))?;
    Ok(std::thread::spawn(move || {
        let mut seen = Vec::with_capacity(events);
        while seen.len() < events {
            let chunk = connection.chunk()?;
            let at = instant();
            let chunk = chunk.ok_or_else(|| failed("the stream ended early"))?;
            seen.extend(sequences(&chunk).map(|sequence| (sequence, at)));
        }
        Ok(seen)
    }))
}

/// The sequences of the events in a frame, by their member alone: readers share the machine with
/// the server, and whole JSON is not theirs to measure.
fn sequences(frame: &[u8]) -> impl Iterator<Item = u64> {
    let text = std::str::from_utf8(frame).unwrap_or_default();
    text.split("\"sequence\":").skip(1).filter_map(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok())
    })
}

fn latencies(writes: &[Write], seen: &[Vec<Seen>]) -> Result<Latencies> {
    let took = |write: &Write| millis(write.answered.duration_since(write.asked));
    let mut out = Latencies {
        readers: seen.len(),
        from_answer: Vec::new(),
        from_request: Vec::new(),
        write: writes.iter().map(took).collect(),
    };
    for seen in seen {
        for write in writes {
            let found = seen.binary_search_by_key(&write.sequence, |(sequence, _)| *sequence);
            let at = found.map_err(|_| failed(format!("event {} was missed", write.sequence)))?;
            let (_, at) = seen[at];
            out.from_answer
                .push(millis(at.saturating_duration_since(write.answered)));
            out.from_request
                .push(millis(at.saturating_duration_since(write.asked)));
        }
    }
    Ok(out)
}

fn report(args: &TailArgs, all: &[Latencies]) -> Result<()> {
    let pair = |figures: &[f64]| [percentile(figures, 50), percentile(figures, 99)];
    if args.json {
        let lines = all.iter().map(|of| {
            let [answer, request, write] =
                [&of.from_answer, &of.from_request, &of.write].map(|figures| pair(figures));
            json!({"readers": of.readers, "writes": args.writes, "paceMillis": args.pace_millis,
                   "answerToReader": {"p50": answer[0], "p99": answer[1]},
                   "requestToReader": {"p50": request[0], "p99": request[1]},
                   "write": {"p50": write[0], "p99": write[1]}})
        });
        return say(&Json::Array(lines.collect()).to_string());
    }
    let header = ["milliseconds", "p50", "p99"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for of in all {
        for (what, figures) in [
            ("answer to reader", &of.from_answer),
            ("request to reader", &of.from_request),
            ("request to answer", &of.write),
        ] {
            let mut row = vec![format!("{what}, {} readers", of.readers)];
            row.extend(pair(figures).map(|figure| format!("{figure:.2}")));
            rows.push(row);
        }
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_frame_is_found() {
        let frame = b"event: data\ndata:[\ndata:{\"sequence\":7,\"x\":1},\ndata:{\"sequence\":8}\n";
        assert_eq!(sequences(frame).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(sequences(b":\n\n").count(), 0);
    }
}
