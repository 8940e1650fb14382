//! `tidelog snapshot`: takes, lists, shows, keeps and deletes snapshots of an object, and moves them as
//! files.

mod cold;
mod export;
mod import;
mod retention;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use ureq::http::Method;

use crate::admin::{AdminArgs, settled};
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::Result;
use crate::object_name::{ObjectName, encoded};
use crate::print;
use crate::text_table::TextTable;

const CREATE: &str = "\
Examples:
  tidelog snapshot create airport/JFK --note 'before the release'
  tidelog snapshot create airport/JFK --incremental --wait --json";
const LIST: &str = "\
Examples:
  tidelog snapshot list airport/JFK
  tidelog snapshot list airport/JFK --kind full --limit 10 --json
  tidelog snapshot list airport/JFK --tier cold --min-bytes 1000000 --to-sequence 1200";
const SHOW: &str = "\
Examples:
  tidelog snapshot show airport/JFK 01939f5a-…
  tidelog snapshot show airport/JFK 01939f5a-… --json";
const DELETE: &str = "\
Examples:
  tidelog snapshot delete airport/JFK 01939f5a-… --reason 'over a year old'";

/// Columns of the list, in order.
const COLUMNS: [&str; 9] = [
    "id",
    "kind",
    "status",
    "tier",
    "sequence",
    "created",
    "documents",
    "own",
    "note",
];

/// Subcommands of `snapshot`.
#[derive(Subcommand, Debug)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot
    #[command(after_help = CREATE)]
    Create(CreateArgs),
    /// List snapshots, newest first
    #[command(after_help = LIST)]
    List(ListArgs),
    /// Show one snapshot
    #[command(after_help = SHOW)]
    Show(OneArgs),
    /// Forget a snapshot, or give up taking it
    #[command(after_help = DELETE)]
    Delete(OneArgs),
    /// Keep a snapshot whatever its age and number, or no longer
    #[command(after_help = retention::KEEP)]
    Keep(retention::KeepArgs),
    /// Show or declare how long an object keeps its snapshots
    #[command(after_help = retention::EXAMPLES)]
    Retention(retention::RetentionArgs),
    /// Bring a snapshot to object storage; then its copy in the object goes
    #[command(after_help = cold::PROMOTE)]
    Promote(cold::MoveArgs),
    /// Bring a snapshot, and those it builds on, back from object storage
    #[command(after_help = cold::RECALL)]
    Recall(cold::MoveArgs),
    /// Look for snapshots in object storage that the object does not know
    #[command(after_help = cold::DISCOVER)]
    Discover(cold::DiscoverArgs),
    /// Download a snapshot as a file, or go on with a download that broke off
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Upload a snapshot's file into an object, or go on with an upload that broke off
    #[command(after_help = import::EXAMPLES)]
    Import(import::ImportArgs),
}

/// Flags of `snapshot create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Only the events since its parent
    #[arg(long)]
    incremental: bool,
    /// What an incremental builds on [default: the newest]
    #[arg(long, value_name = "ID", requires = "incremental")]
    parent: Option<String>,
    /// Kept with the snapshot, at most 256 bytes
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Return once it is complete; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Flags of `snapshot list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Only full or incremental ones
    #[arg(long, value_parser = ["full", "incremental"])]
    kind: Option<String>,
    /// Only those in the object, or in object storage alone
    #[arg(long, value_parser = ["hot", "cold"])]
    tier: Option<String>,
    /// Only those of at least so many bytes
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,
    /// Only those of at most so many bytes
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// Only states after this event or a later one
    #[arg(long, value_name = "SEQUENCE")]
    from_sequence: Option<u64>,
    /// Only states after this event or an earlier one
    #[arg(long, value_name = "SEQUENCE")]
    to_sequence: Option<u64>,
    /// Only those that build on this one
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Only those before this one
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// So many at most, up to 1,000
    #[arg(long, default_value_t = 100)]
    limit: u64,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Flags of `snapshot show` and `delete`.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The snapshot
    #[arg(value_name = "ID")]
    snapshot: String,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(command: &SnapshotCommand, configuration: &Configuration) -> Result<()> {
    match command {
        SnapshotCommand::Create(args) => create(args, configuration),
        SnapshotCommand::List(args) => list(args, configuration),
        SnapshotCommand::Show(args) => one(args, configuration, Method::GET),
        SnapshotCommand::Delete(args) => one(args, configuration, Method::DELETE),
        SnapshotCommand::Keep(args) => retention::keep(args, configuration),
        SnapshotCommand::Retention(args) => retention::run(args, configuration),
        SnapshotCommand::Promote(args) => cold::run(args, configuration, "promote"),
        SnapshotCommand::Recall(args) => cold::run(args, configuration, "recall"),
        SnapshotCommand::Discover(args) => cold::discover(args, configuration),
        SnapshotCommand::Export(args) => export::run(args, configuration),
        SnapshotCommand::Import(args) => import::run(args, configuration),
    }
}

fn create(args: &CreateArgs, configuration: &Configuration) -> Result<()> {
    let kind = if args.incremental {
        "incremental"
    } else {
        "full"
    };
    let note = args.note.as_deref().unwrap_or_default();
    let body = json!({"kind": kind, "parent": args.parent, "note": note});
    args.admin.target.with(configuration, |target| {
        let ask = Ask::post_json(args.object.path(&["snapshots"]), &body);
        let taken: Json = target.admin.json(&args.admin.asks(ask))?;
        let id = taken["id"].as_str().unwrap_or_default();
        let path = args.object.path(&["snapshots", id]);
        show(args.admin.json, &settled(target, args.wait, &path, taken)?)
    })
}

fn one(args: &OneArgs, configuration: &Configuration, method: Method) -> Result<()> {
    args.admin.target.with(configuration, |target| {
        let path = args.object.path(&["snapshots", &args.snapshot]);
        let deletes = method == Method::DELETE;
        let ask = args.admin.asks(Ask::bare(method, path));
        let snapshot: Json = target.admin.json(&ask)?;
        if deletes && !args.admin.json {
            let what = match snapshot["status"].as_str() {
                Some("deleting") => "deleting",
                _ => "deleted",
            };
            return print::line(format_args!("{what} {}", args.snapshot));
        }
        show(args.admin.json, &snapshot)
    })
}

fn show(json: bool, snapshot: &Json) -> Result<()> {
    if json {
        return print::line(snapshot);
    }
    lines(snapshot).into_iter().try_for_each(print::line)
}

/// A snapshot as lines for people.
fn lines(snapshot: &Json) -> Vec<String> {
    let number = |value: &Json| print::count(value.as_u64().unwrap_or(0));
    let bytes = |name: &str| print::bytes(snapshot[name].as_u64().unwrap_or(0));
    let text = |name: &str| snapshot[name].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("{}  {}, {}", text("id"), text("kind"), text("status")),
        format!(
            "  state     after event {}, {}",
            number(&snapshot["sequence"]),
            text("timestamp")
        ),
        format!("  created   {}", text("created")),
        format!(
            "  bytes     {}, {} of its own",
            bytes("bytes"),
            bytes("ownBytes")
        ),
        format!("  schema    version {}", snapshot["schemaVersion"]),
    ];
    if snapshot["keep"] == true {
        lines.push("  kept      whatever its age and number".to_owned());
    }
    if let Some(parts) = snapshot["cold"]["parts"].as_u64() {
        let bytes = print::bytes(snapshot["cold"]["bytes"].as_u64().unwrap_or(0));
        let parts = print::count(parts);
        lines.push(format!("  cold      {bytes} in {parts} parts"));
    }
    for (label, name) in [
        ("tier", "tier"),
        ("moving", "moving"),
        ("parent", "parent"),
        ("note", "note"),
    ] {
        if !text(name).is_empty() {
            lines.push(format!("  {label:<9} {}", text(name)));
        }
    }
    for (collection, documents) in snapshot["documents"].as_object().into_iter().flatten() {
        lines.push(format!("  {collection}: {} documents", number(documents)));
    }
    lines
}

fn list(args: &ListArgs, configuration: &Configuration) -> Result<()> {
    let mut query = format!("?limit={}", args.limit);
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    for (name, value) in [
        ("kind", args.kind.clone()),
        ("tier", args.tier.clone()),
        ("minBytes", number(args.min_bytes)),
        ("maxBytes", number(args.max_bytes)),
        ("fromSequence", number(args.from_sequence)),
        ("toSequence", number(args.to_sequence)),
        ("parent", args.parent.clone()),
        ("before", args.before.clone()),
    ] {
        if let Some(value) = &value {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    args.admin.target.with(configuration, |target| {
        let path = args.object.path(&["snapshots"]) + &query;
        let page: Json = target.admin.get(path)?;
        if args.admin.json {
            return print::line(page);
        }
        let snapshots = page["snapshots"].as_array().into_iter().flatten();
        let rows: Vec<Map<String, Json>> = snapshots.map(row).collect();
        let table = TextTable::of(&rows, &COLUMNS.map(str::to_owned));
        print::line(table.header())?;
        rows.iter()
            .try_for_each(|row| print::line(table.row(row)))?;
        match page["next"].as_str() {
            Some(next) => print::line(format_args!("more with --before {next}")),
            None => Ok(()),
        }
    })
}

/// A snapshot as a row of the list.
fn row(snapshot: &Json) -> Map<String, Json> {
    let documents = snapshot["documents"].as_object().into_iter().flatten();
    let documents: u64 = documents.filter_map(|(_, count)| count.as_u64()).sum();
    let own = snapshot["ownBytes"].as_u64().unwrap_or(0);
    let mut row = Map::new();
    for name in ["id", "kind", "status", "tier", "sequence", "created"] {
        row.insert(name.to_owned(), snapshot[name].clone());
    }
    row.insert("documents".to_owned(), documents.into());
    row.insert("own".to_owned(), print::bytes(own).into());
    row.insert("note".to_owned(), snapshot["note"].clone());
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_reads_as_lines_and_as_a_row() {
        let snapshot = json!({
            "id": "s2", "kind": "incremental", "status": "complete", "parent": "s1",
            "note": "nightly", "sequence": 1_200, "timestamp": "2026-01-01T00:00:00Z",
            "created": "2026-01-02T00:00:00Z", "schemaVersion": 3, "bytes": 2_500_000,
            "ownBytes": 2_000, "documents": {"a": 1_000, "b": 5}, "tier": "cold",
            "cold": {"parts": 2, "bytes": 9_000_000},
        });
        let text = lines(&snapshot).join("\n");
        for part in [
            "s2  incremental, complete",
            "state     after event 1,200, 2026-01-01T00:00:00Z",
            "bytes     2.5 MB, 2.0 kB of its own",
            "parent    s1",
            "tier      cold",
            "cold      9.0 MB in 2 parts",
            "note      nightly",
            "a: 1,000 documents",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let row = row(&snapshot);
        assert_eq!(
            (&row["documents"], &row["own"]),
            (&json!(1_005), &json!("2.0 kB"))
        );
    }
}
