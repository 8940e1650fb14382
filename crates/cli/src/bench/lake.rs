//! Events per second from a full log to a committed Iceberg snapshot, beside `PyIceberg` appending
//! the same rows.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_core::{Address, Caller, Command, LogPolicy, Mutation, NewDocument, TypeSchema};
use tidelog_embedded::{Blobs, LakeSettings, OpenObject, Sqlite, entropy, instant, now};
use tidelog_lake::{ChangesScan, PushReply, TableActor, TableSettings};
use tidelog_log::{Error, Result, Sequence};

use super::figures::{failed, grouped, median, rate, say, table};
use super::flights::{COLLECTION, Flight, Input};
use super::scratch::Scratch;

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct LakeArgs {
    #[command(flatten)]
    input: Input,
    /// Events in the log
    #[arg(long, default_value_t = 200_000)]
    events: usize,
    /// Rounds; in each both take their turn, and the median round counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Python with the packages of tests/peers/venv
    #[arg(long, default_value = ".cache/venv/bin/python")]
    python: PathBuf,
    /// The script that appends with PyIceberg
    #[arg(long, default_value = "tests/peers/pyiceberg_append.py")]
    peer: PathBuf,
    /// Where the log and both tables go for the time of the run
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Log bytes of one push, as the server's pump has it.
const PUSH_BYTES: usize = 4_000_000;
/// Rows of one turn while the log is filled.
const TURN: usize = 1_000;

/// A full log, and where its rows stand as Parquet files for the peer.
struct Filled {
    object: OpenObject,
    schema: Arc<TypeSchema>,
    events: usize,
}

pub(crate) fn run(args: &LakeArgs) -> Result<()> {
    let scratch = Scratch::new(args.folder.as_deref())?;
    let flights = args.input.flights(None, args.events)?;
    let filled = fill(&scratch, args.input.schema()?, &flights)?;
    drop(flights);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(e.to_string()))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut missing = None;
    for round in 0..args.rounds {
        let folder = scratch.path().join(format!("lake-{round}"));
        let blobs = Blobs::folder(&folder)?;
        let lake = Lake::open(&folder.join("table.db"), &filled)?;
        let started = instant();
        runtime.block_on(lake.take_all(&filled, &blobs))?;
        ours.push(rate(filled.events, started.elapsed()));
        let files = runtime.block_on(lake.files(&blobs, &folder, filled.events))?;
        match peer(args, scratch.path(), round, &files)? {
            Ok(took) => theirs.push(rate(filled.events, took)),
            Err(why) => missing = Some(why),
        }
        drop(std::fs::remove_dir_all(&folder));
    }
    report(args, &ours, &theirs, missing.as_deref())
}

fn fill(scratch: &Scratch, schema: Arc<TypeSchema>, flights: &[Flight]) -> Result<Filled> {
    let path = scratch.path().join("object.db");
    let address = Address::object(&schema.name, "NYC")?;
    let mut object = OpenObject::open(&path, &address, LogPolicy::default(), 1 << 40)?;
    for rows in flights.chunks(TURN) {
        let mutations = rows.iter().map(|flight| Mutation::Insert {
            collection: COLLECTION.to_owned(),
            document: NewDocument::Text(flight.text.clone()),
        });
        let command = Command::Write {
            schema: Arc::clone(&schema),
            caller: Caller::default(),
            mutations: mutations.collect(),
        };
        let answers = object.group(vec![command]).answers;
        answers.into_iter().try_for_each(|a| a.map(drop))?;
    }
    Ok(Filled {
        object,
        schema,
        events: flights.len(),
    })
}

/// A table actor with an empty table.
struct Lake {
    sql: Sqlite,
    actor: TableActor,
}

impl Lake {
    fn open(path: &Path, filled: &Filled) -> Result<Self> {
        let address = Address::table(&filled.schema.name, COLLECTION)?;
        // As the server has it.
        let server = LakeSettings::default();
        let settings = TableSettings {
            flush_bytes: server.flush_bytes,
            flush_events: server.flush_events,
            flush_millis: i64::try_from(server.flush_millis).unwrap_or(i64::MAX),
            target_file_bytes: server.target_file_bytes,
            ..TableSettings::default()
        };
        let sql = Sqlite::writer(path, 1 << 40)?;
        let actor = TableActor::open(&sql, &address, settings)?;
        let collection = filled.schema.collection(COLLECTION)?;
        actor.set_schema(&sql, now(), entropy(), collection, filled.schema.version)?;
        Ok(Self { sql, actor })
    }

    /// From the first push to the snapshot that has the last event.
    async fn take_all(&self, filled: &Filled, blobs: &Blobs) -> Result<()> {
        let (object, view) = (&filled.object, filled.object.engine().view());
        let mut from = Sequence(0);
        while from < object.engine().head() {
            let batch = view.batch(object.sql(), COLLECTION, from, PUSH_BYTES)?;
            match self.actor.accept(&self.sql, now(), &batch)? {
                PushReply::Accepted { mark, .. } => from = mark,
                other => return Err(failed(format!("a push was answered {other:?}"))),
            }
            if self.actor.flush_due(&self.sql, now())? {
                self.flush(blobs).await?;
            }
        }
        while self.flush(blobs).await? {}
        Ok(())
    }

    async fn flush(&self, blobs: &Blobs) -> Result<bool> {
        let Some(plan) = self.actor.begin_flush(&self.sql, now(), entropy())? else {
            return Ok(false);
        };
        let outcome = plan.write(blobs).await?;
        self.actor.finish_flush(&self.sql, now(), &outcome)?;
        Ok(true)
    }

    /// The data files of the newest snapshot, which must hold every event.
    async fn files(&self, blobs: &Blobs, root: &Path, events: usize) -> Result<Vec<PathBuf>> {
        let metadata = self.actor.metadata(&self.sql)?;
        let (_, metadata) = metadata.ok_or_else(|| failed("nothing was committed"))?;
        let scan = ChangesScan::open(blobs, &metadata).await?;
        let rows: u64 = scan.files().iter().map(|file| file.rows).sum();
        if usize::try_from(rows) != Ok(events) {
            return Err(failed(format!("{rows} of {events} events were committed")));
        }
        Ok(scan
            .files()
            .iter()
            .map(|file| root.join(&file.key))
            .collect())
    }
}

/// How long the peer took to append the rows of our files, or why there is no peer.
fn peer(
    args: &LakeArgs,
    scratch: &Path,
    round: usize,
    files: &[PathBuf],
) -> Result<Result<Duration, String>> {
    if !args.python.exists() {
        let python = args.python.display();
        return Ok(Err(format!(
            "{python} is not there; tests/peers/venv makes it"
        )));
    }
    let warehouse = scratch.join(format!("pyiceberg-{round}"));
    let done = Process::new(&args.python)
        .arg(&args.peer)
        .arg(&warehouse)
        .args(files)
        .output()
        .map_err(|e| failed(format!("{}: {e}", args.python.display())))?;
    drop(std::fs::remove_dir_all(&warehouse));
    let said = String::from_utf8_lossy(&done.stdout);
    let line: Option<Json> = said
        .lines()
        .last()
        .and_then(|l| serde_json::from_str(l).ok());
    let seconds = line.and_then(|line| line["seconds"].as_f64());
    match seconds {
        Some(seconds) if done.status.success() => Ok(Ok(Duration::from_secs_f64(seconds))),
        _ => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(failed(format!("{} failed: {said}", args.peer.display())))
        }
    }
}

fn report(args: &LakeArgs, ours: &[f64], theirs: &[f64], missing: Option<&str>) -> Result<()> {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    if args.json {
        let peer = missing.is_none().then(|| median(theirs));
        let ratio = missing.is_none().then(|| median(&ratios));
        return say(
            &json!({"events": args.events, "rounds": args.rounds, "missing": missing,
                           "tidelog": median(ours), "pyiceberg": peer, "ratio": ratio})
            .to_string(),
        );
    }
    let mut rows = vec![
        vec!["events per second".to_owned(), String::new()],
        vec!["tidelog, log to snapshot".to_owned(), grouped(median(ours))],
    ];
    match missing {
        None => rows.extend([
            vec![
                "PyIceberg, table to snapshot".to_owned(),
                grouped(median(theirs)),
            ],
            vec!["ratio".to_owned(), format!("{:.2}", median(&ratios))],
        ]),
        Some(why) => rows.push(vec![format!("no PyIceberg: {why}"), String::new()]),
    }
    table(&rows)
}
