//! `tidelog import`: rows of a file become documents.

mod csv_rows;
mod sender;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Value as Json, json};
use tidelog_core::{Collection, TypeSchema};
use tidelog_embedded::{entropy, instant};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};
use crate::target::TargetArgs;
use crate::{print, progress};

use self::sender::{Courier, Delivered, Sender};
use self::source::Source;

const EXAMPLES: &str = "\
Examples:
  tidelog import airport JFK flights jfk.csv
  tidelog import airport --object-from origin flights fixtures/nycflights13/flights.csv.zst
  tidelog import airport JFK weather - <weather.ndjson
  tidelog import airport JFK weather weather.ndjson.zst --mode upsert

An interrupted import of a file is run again with the same arguments within 24 hours: turns that
were done are answered, not done again. Standard input resumes with --idempotency-key.";

/// Flags of `import`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "tidelog import [OPTIONS] TYPE ID COLLECTION FILE\n       \
                      tidelog import [OPTIONS] TYPE --object-from COLUMN COLLECTION FILE"
)]
pub(crate) struct ImportArgs {
    /// The type
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,
    /// The object's id (not with --object-from), the collection, and the file: .csv, .ndjson,
    /// each also .zst; `-` is NDJSON on standard input
    #[arg(num_args = 2..=3, required = true, value_name = "ID COLLECTION FILE")]
    pub(crate) rest: Vec<String>,
    /// Take each row's object id from this column
    #[arg(long, value_name = "COLUMN")]
    pub(crate) object_from: Option<String>,
    /// What a key that is taken means: refuse the turn, or replace the document
    #[arg(long, value_enum, default_value_t = Mode::Insert)]
    pub(crate) mode: Mode,
    /// Names this import; the same key and rows are not done twice [default: made of the file]
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// What becomes of a row whose key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The turn is refused.
    Insert,
    /// The document is replaced.
    Upsert,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Upsert => "upsert",
        }
    }
}

/// One import.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) type_name: String,
    pub(crate) collection: String,
    pub(crate) file: PathBuf,
    pub(crate) route: Route,
    pub(crate) mode: Mode,
    pub(crate) idempotency_key: Option<String>,
}

/// Which object a row goes to.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Always this one.
    Object(String),
    /// The one named by this column.
    Column(String),
}

/// What an import did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) delivered: Delivered,
    pub(crate) time: Duration,
}

pub(crate) fn run(args: &ImportArgs, configuration: &Configuration) -> Result<()> {
    let plan = plan(args)?;
    let report = args
        .target
        .with(configuration, |target| import(&target.client, &plan))?;
    if args.json {
        return print::line(report.to_json());
    }
    let Report { delivered, time } = report;
    let replayed = match delivered.replayed {
        0 => String::new(),
        n => format!(" ({} were there from an earlier run)", print::count(n)),
    };
    print::line(format_args!(
        "{} rows{replayed}, {}, {} objects, {}, {} rows/s",
        print::count(delivered.rows),
        print::bytes(delivered.bytes),
        delivered.objects,
        print::time(time),
        print::count(print::rate(delivered.rows, time)),
    ))
}

fn plan(args: &ImportArgs) -> Result<Plan> {
    let (route, collection, file) = match (&args.object_from, args.rest.as_slice()) {
        (Some(column), [collection, file]) => (Route::Column(column.clone()), collection, file),
        (None, [id, collection, file]) => (Route::Object(id.clone()), collection, file),
        (Some(_), _) => return Err(Failure::usage("--object-from takes the place of ID")),
        (None, _) => return Err(Failure::usage("ID, COLLECTION and FILE are needed")),
    };
    if let Route::Object(id) = &route {
        ObjectName::new(&args.type_name, id).map_err(|e| Failure::usage(e.to_string()))?;
    }
    Ok(Plan {
        type_name: args.type_name.clone(),
        collection: collection.clone(),
        file: PathBuf::from(file),
        route,
        mode: args.mode,
        idempotency_key: args.idempotency_key.clone(),
    })
}

/// Imports every row of the plan's file.
pub(crate) fn import(client: &Client, plan: &Plan) -> Result<Report> {
    let started = instant();
    let schema: TypeSchema = client.get(path(&["v1", "types", &plan.type_name]))?;
    let collection = schema.collection(&plan.collection)?;
    let bar = progress::bytes(source::size(&plan.file), &plan.collection);
    let delivered = send(client, plan, collection, &bar);
    bar.finish_and_clear();
    Ok(Report {
        delivered: delivered?,
        time: started.elapsed(),
    })
}

fn send(
    client: &Client,
    plan: &Plan,
    collection: &Collection,
    bar: &ProgressBar,
) -> Result<Delivered> {
    let key = match &plan.idempotency_key {
        Some(key) => key.clone(),
        None => own_key(plan)?,
    };
    let courier = Courier { client, plan, key };
    let column = match &plan.route {
        Route::Object(_) => None,
        Route::Column(column) => Some(column.as_str()),
    };
    let mut source = Source::open(&plan.file, collection, column, bar)?;
    std::thread::scope(|scope| {
        let mut sender = Sender::start(scope, &courier);
        while let Some(row) = source.next()? {
            let id = match (&plan.route, &row.object) {
                (Route::Object(id), _) => id,
                (Route::Column(_), Some(id)) => id,
                (Route::Column(column), None) => {
                    let message = format!("line {}: {column} has no value", row.line);
                    return Err(Failure::failed(message));
                }
            };
            sender.push(&plan.type_name, id, row.line, &row.json)?;
        }
        sender.finish()
    })
}

/// A key of the file's content and where it goes, so that the same call resumes.
fn own_key(plan: &Plan) -> Result<String> {
    let mut hash = blake3::Hasher::new();
    if source::is_stdin(&plan.file) {
        hash.update(&entropy());
    } else {
        let file = std::fs::File::open(&plan.file);
        let copied = file.and_then(|file| hash.update_reader(file).map(drop));
        copied.map_err(|e| Failure::failed(format!("{}: {e}", plan.file.display())))?;
    }
    hash.update(format!("\0{}\0{}", plan.collection, plan.mode.name()).as_bytes());
    let hex = hash.finalize().to_hex();
    Ok(format!("import-{}", &hex[..32]))
}

impl Report {
    fn to_json(self) -> Json {
        let delivered = self.delivered;
        json!({
            "rows": delivered.rows,
            "replayed": delivered.replayed,
            "bytes": delivered.bytes,
            "objects": delivered.objects,
            "seconds": self.time.as_secs_f64(),
            "rowsPerSecond": print::rate(delivered.rows, self.time),
        })
    }
}
