//! `tidelog heal`: makes damaged blobs of an object whole again.

use clap::Args;
use serde_json::Value as Json;
use ureq::http::Method;

use crate::admin::{AdminArgs, settled};
use crate::check::damage_line;
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::object_name::ObjectName;
use crate::print;

const EXAMPLES: &str = "\
Examples:
  tidelog heal airport/JFK --wait --reason 'a bad disk'
  tidelog heal airport/JFK --status --json

A damaged blob gets its bytes back from a snapshot that came from a file, or its documents from what still reads
of it and from events: the same documents in the same versions, without an event. Where some are nowhere it
stays as it is; import a snapshot that has it (`tidelog snapshot import`) and heal again. Damaged snapshots become
`failed`. Exit 1 where something is damaged still.";

/// Flags of `heal`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Show the healing under way, or the last one
    #[arg(long)]
    status: bool,
    /// Return once it is through; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &HealArgs, configuration: &Configuration) -> Result<()> {
    let path = args.object.path(&["heal"]);
    let method = match args.status {
        true => Method::GET,
        false => Method::POST,
    };
    let heal = args.admin.target.with(configuration, |target| {
        let ask = args.admin.asks(Ask::bare(method, path.clone()));
        let heal: Json = target.admin.json(&ask)?;
        settled(target, args.wait, &path, heal)
    })?;
    if args.admin.json {
        print::line(&heal)?;
    } else {
        lines(&heal).into_iter().try_for_each(print::line)?;
    }
    let is_empty = |name: &str| heal[name].as_array().is_none_or(Vec::is_empty);
    match is_empty("lost") && is_empty("snapshots") {
        true => Ok(()),
        false => Err(Failure::silent(Exit::Failed)),
    }
}

/// What became of the damage, for people.
fn lines(heal: &Json) -> Vec<String> {
    let text = |name: &str| heal[name].as_str().unwrap_or_default();
    let each = |name: &str| heal[name].as_array().into_iter().flatten();
    let blobs = print::count(heal["blobs"].as_u64().unwrap_or(0));
    let mut lines = vec![format!(
        "{}  {}: {blobs} blobs looked at",
        text("id"),
        text("status")
    )];
    for healed in each("healed") {
        lines.push(format!(
            "  healed: {}, blob {}: {} documents, from {}",
            healed["collection"].as_str().unwrap_or_default(),
            healed["blob"],
            print::count(healed["documents"].as_u64().unwrap_or(0)),
            healed["from"].as_str().unwrap_or_default(),
        ));
    }
    lines.extend(each("lost").map(|damage| format!("  lost: {}", damage_line(damage))));
    let snapshots = each("snapshots").filter_map(Json::as_str);
    lines.extend(snapshots.map(|id| format!("  damaged: snapshot {id}")));
    if lines.len() == 1 {
        lines.push("  nothing is damaged".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn healing_reads_as_lines() {
        let heal = json!({
            "id": "h1", "status": "complete", "blobs": 12, "snapshots": ["s1"],
            "healed": [{"collection": "notes", "blob": 7, "documents": 1_000, "from": "events"}],
            "lost": [{"collection": "notes", "blob": 9, "what": "3 of 8 documents"}],
        });
        let text = lines(&heal).join("\n");
        for part in [
            "h1  complete: 12 blobs looked at",
            "healed: notes, blob 7: 1,000 documents, from events",
            "lost: notes, blob 9: 3 of 8 documents",
            "damaged: snapshot s1",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
