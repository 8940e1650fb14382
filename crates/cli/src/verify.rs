//! `tidelog verify`: an object's rows, its log and its lake tables say the same.

mod compare;
mod file;
mod gather;
mod image;
mod lake;

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_log::Error;

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::inspect::each_object;
use crate::object_name::ObjectName;
use crate::print;
use crate::target::TargetArgs;

use self::compare::{Difference, Evidence};
use self::gather::{Evidences, Gatherer};

pub(crate) use self::lake::LakeTable;

const EXAMPLES: &str = "\
Examples:
  tidelog verify airport/JFK
  tidelog verify airport/JFK flights --json
  tidelog verify --all --data data
  tidelog verify backup.tls

Compares, event by event: the log with itself (each `before` is the document as it stood), the rows
with the log replayed, and the lake's changes table with the log up to the committed mark. The
first divergence of each is printed with its sequence, key, field and both values; exit 1.

Of a snapshot's file every checksum is checked and the state is brought back in a scratch database,
without a server.";

/// Flags of `verify`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// The object, or a snapshot's file
    #[arg(value_name = "TYPE/ID|FILE", required_unless_present = "all")]
    object: Option<Subject>,
    /// Only this collection
    collection: Option<String>,
    /// Every object of the server
    #[arg(long, conflicts_with = "object")]
    all: bool,
    /// Print one JSON object per collection
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What is verified.
#[derive(Clone, Debug)]
enum Subject {
    Object(ObjectName),
    File(PathBuf),
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let path = PathBuf::from(text);
        match path.is_file() {
            true => Ok(Self::File(path)),
            false => text.parse().map(Self::Object).map_err(|error: Error| {
                let message = format!("{}; and there is no file {text:?}", error.message());
                Error::invalid("invalid_object_id", message)
            }),
        }
    }
}

/// What verifying one collection of one object found.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) collection: String,
    /// Events of the log.
    pub(crate) events: u64,
    /// Documents compared with the log.
    pub(crate) rows: u64,
    /// Events of the lake compared with the log.
    pub(crate) lake: u64,
    /// What could not be compared, and why.
    pub(crate) notes: Vec<String>,
    /// The first divergence of each comparison, in words.
    pub(crate) divergences: Vec<String>,
}

pub(crate) fn run(args: &VerifyArgs, configuration: &Configuration) -> Result<()> {
    if let Some(Subject::File(path)) = &args.object {
        return file::verify(path, args.json);
    }
    let diverged = args.target.with(configuration, |target| {
        let verifier = Verifier::new(&target.client, configuration)?;
        let mut diverged = false;
        let mut one = |object: &ObjectName| -> Result<()> {
            for verified in verifier.verify(object, args.collection.as_deref())? {
                diverged |= !verified.divergences.is_empty();
                report(args.json, object, &verified)?;
            }
            Ok(())
        };
        match &args.object {
            Some(Subject::Object(object)) => one(object)?,
            _ => each_object(&target.client, |object, _| one(object))?,
        }
        Ok(diverged)
    })?;
    if diverged {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

/// Verifies objects of one server.
pub(crate) struct Verifier<'a> {
    gatherer: Gatherer<'a>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(client: &'a Client, configuration: &Configuration) -> Result<Self> {
        let store = configuration.settings(&[])?.lake.s3;
        Ok(Self {
            gatherer: Gatherer { client, store },
        })
    }

    /// Verifies an object's collections, or the one named.
    ///
    /// # Errors
    /// When something could not be read; a divergence is not an error.
    pub(crate) fn verify(&self, object: &ObjectName, only: Option<&str>) -> Result<Vec<Verified>> {
        let Evidences {
            collections,
            version,
        } = self.gatherer.gather(object, only)?;
        let mut all = Vec::new();
        for (collection, evidence) in collections {
            let mut divergences = Vec::new();
            for difference in evidence.differences() {
                let detail = self
                    .gatherer
                    .explain(object, &collection, version, &difference)?;
                divergences.push(format!("{difference}{detail}"));
            }
            all.push(verified(collection, &evidence, divergences));
        }
        Ok(all)
    }
}

fn verified(collection: String, evidence: &Evidence, divergences: Vec<String>) -> Verified {
    let mut notes = evidence.notes.clone();
    if evidence.earliest > 1 {
        notes.push(format!(
            "the log starts at {}: documents and lake rows older than that are not compared",
            evidence.earliest
        ));
    }
    Verified {
        collection,
        events: evidence.log.len() as u64,
        rows: evidence.compared_rows(),
        lake: evidence.compared_lake(),
        notes,
        divergences,
    }
}

fn report(json: bool, object: &ObjectName, verified: &Verified) -> Result<()> {
    if json {
        return print::line(to_json(object, verified));
    }
    let verdict = match verified.divergences.len() {
        0 => "ok".to_owned(),
        n => format!("DIVERGES in {n} of 3 comparisons"),
    };
    print::line(format_args!(
        "{object} {}: {verdict}: {} events of the log, {} documents and {} lake rows compared",
        verified.collection,
        print::count(verified.events),
        print::count(verified.rows),
        print::count(verified.lake),
    ))?;
    for note in &verified.notes {
        print::line(format_args!("  note: {note}"))?;
    }
    for divergence in &verified.divergences {
        print::line(format_args!("  {divergence}"))?;
    }
    Ok(())
}

fn to_json(object: &ObjectName, verified: &Verified) -> Json {
    json!({
        "object": object.to_string(),
        "collection": verified.collection,
        "ok": verified.divergences.is_empty(),
        "events": verified.events,
        "rows": verified.rows,
        "lakeRows": verified.lake,
        "notes": verified.notes,
        "divergences": verified.divergences,
    })
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sequence, key, .. } = self;
        write!(f, "sequence {sequence}, key {key:?}: {}", self.what.words())
    }
}
