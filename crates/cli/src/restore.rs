//! `tidelog restore`: brings a state of an object back.

use clap::Args;
use serde_json::{Value as Json, json};
use ureq::http::Method;

use crate::admin::{AdminArgs, settled};
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::Result;
use crate::object_name::ObjectName;
use crate::print;

const EXAMPLES: &str = "\
Examples:
  tidelog restore airport/JFK --snapshot 01939f5a-… --dry-run
  tidelog restore airport/JFK --sequence 1200 --collections flights --wait
  tidelog restore airport/JFK --time 2026-11-29T08:00:00Z --reason 'a bad import' --wait
  tidelog restore airport/JFK --status
  tidelog restore airport/JFK --cancel

The state before is kept as a snapshot, `undo` in the answer: restore that to go back.";

/// Flags of `restore`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    #[command(flatten)]
    wanted: Wanted,
    /// Only these collections
    #[arg(long, value_delimiter = ',')]
    collections: Vec<String>,
    /// Only count what would change
    #[arg(long)]
    dry_run: bool,
    /// Return once it is complete; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Which state, or what else of the one under way.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Wanted {
    /// The state of a snapshot
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// The state after this event
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// The state at a time: RFC 3339, or milliseconds since 1970
    #[arg(long, value_name = "T")]
    time: Option<String>,
    /// Show the restore under way, or the last one
    #[arg(long)]
    status: bool,
    /// Give up the restore under way
    #[arg(long)]
    cancel: bool,
}

impl RestoreArgs {
    fn ask(&self) -> Ask {
        let path = self.object.path(&["restore"]);
        if self.wanted.status || self.wanted.cancel {
            let method = match self.wanted.cancel {
                true => Method::DELETE,
                false => Method::GET,
            };
            return Ask::bare(method, path);
        }
        Ask::post_json(path, &self.body())
    }

    fn body(&self) -> Json {
        let Wanted {
            snapshot,
            sequence,
            time,
            ..
        } = &self.wanted;
        let time = time.as_ref().map(|text| match text.parse::<u64>() {
            Ok(millis) => json!(millis),
            Err(_) => json!(text),
        });
        let mut body = json!({
            "snapshot": snapshot, "sequence": sequence, "time": time, "dryRun": self.dry_run,
        });
        if !self.collections.is_empty() {
            body["collections"] = json!(self.collections);
        }
        body
    }
}

pub(crate) fn run(args: &RestoreArgs, configuration: &Configuration) -> Result<()> {
    args.admin.target.with(configuration, |target| {
        let restore: Json = target.admin.json(&args.admin.asks(args.ask()))?;
        let path = args.object.path(&["restore"]);
        let waits = args.wait && !args.wanted.cancel;
        let restore = match args.wanted.cancel {
            true => restore,
            false => settled(target, waits, &path, restore)?,
        };
        if args.admin.json {
            return print::line(restore);
        }
        lines(&restore).into_iter().try_for_each(print::line)
    })
}

/// A restore as lines for people.
fn lines(restore: &Json) -> Vec<String> {
    let text = |name: &str| restore[name].as_str().unwrap_or_default();
    let number = |value: &Json| print::count(value.as_u64().unwrap_or(0));
    let dry = if restore["dryRun"] == true {
        ", a dry run"
    } else {
        ""
    };
    let mut lines = vec![format!(
        "{}  {}{dry}: as after event {}",
        text("id"),
        text("status"),
        number(&restore["sequence"])
    )];
    for (collection, counts) in restore["differences"].as_object().into_iter().flatten() {
        lines.push(format!(
            "  {collection}: {} added, {} changed, {} removed",
            number(&counts["added"]),
            number(&counts["changed"]),
            number(&counts["removed"])
        ));
    }
    if restore["differences"]
        .as_object()
        .is_none_or(|all| all.is_empty())
    {
        lines.push("  nothing differs so far".to_owned());
    }
    for (label, name) in [("undo", "undo"), ("offset", "offset")] {
        if !text(name).is_empty() {
            lines.push(format!("  {label:<8} {}", text(name)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_reads_as_lines() {
        let restore = json!({
            "id": "r1", "status": "complete", "sequence": 1_200, "dryRun": true, "undo": "s9",
            "differences": {"notes": {"added": 1_000, "changed": 2, "removed": 0}},
        });
        let text = lines(&restore).join("\n");
        for part in [
            "r1  complete, a dry run: as after event 1,200",
            "notes: 1,000 added, 2 changed, 0 removed",
            "undo     s9",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
