//! `tidelog inspect`: where objects stand.

use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tidelog_core::Address;
use tidelog_embedded::actor_file;

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::Result;
use crate::object_name::{ObjectName, encoded};
use crate::print;
use crate::target::{Target, TargetArgs};

const EXAMPLES: &str = "\
Examples:
  tidelog inspect                       # every object of the server
  tidelog inspect airport/JFK
  tidelog inspect airport/JFK --data data --json";

/// Flags of `inspect`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// The object; none: all of them
    #[arg(value_name = "TYPE/ID")]
    object: Option<ObjectName>,
    /// Print one JSON object per object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Deserialize)]
struct Listing {
    objects: Vec<Listed>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "type")]
    type_name: String,
    id: String,
    status: String,
}

pub(crate) fn run(args: &InspectArgs, configuration: &Configuration) -> Result<()> {
    args.target.with(configuration, |target| {
        if let Some(object) = &args.object {
            return show(args.json, target, object);
        }
        each_object(&target.client, |object, status| match status {
            "deleted" => print_deleted(args.json, object),
            _ => show(args.json, target, object),
        })
    })
}

/// Calls `each` with every object and its status, by type and id.
pub(crate) fn each_object(
    client: &Client,
    mut each: impl FnMut(&ObjectName, &str) -> Result<()>,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let page: Listing = client.get(format!("/v1/objects?limit=1000{after}"))?;
        for listed in page.objects {
            let object = ObjectName::new(&listed.type_name, &listed.id)?;
            each(&object, &listed.status)?;
        }
        match page.next {
            Some(next) => after = format!("&after={}", encoded(&next)),
            None => return Ok(()),
        }
    }
}

fn print_deleted(json: bool, object: &ObjectName) -> Result<()> {
    if json {
        let (type_name, id) = (&object.type_name, &object.id);
        return print::line(json!({"type": type_name, "id": id, "status": "deleted"}));
    }
    print::line(format_args!("{object}  deleted"))
}

fn show(json: bool, target: &Target, object: &ObjectName) -> Result<()> {
    let mut state: Json = target.client.get(object.path(&["state"]))?;
    if let Some(data) = target.data() {
        let address = Address::object(&object.type_name, &object.id)?;
        state["file"] = file(&actor_file(data, &address));
    }
    if target.has_admin {
        state["snapshots"] = snapshots(&target.admin, object)?;
    }
    if json {
        return print::line(state);
    }
    lines(object, &state).into_iter().try_for_each(print::line)
}

/// How many snapshots an object has, what they alone hold, and the newest.
fn snapshots(admin: &Client, object: &ObjectName) -> Result<Json> {
    let page: Json = admin.get(object.path(&["snapshots"]) + "?limit=1000")?;
    let snapshots = page["snapshots"].as_array().cloned().unwrap_or_default();
    let own = snapshots.iter().filter_map(|one| one["ownBytes"].as_u64());
    let newest = snapshots.first().map(|newest| {
        json!({"id": newest["id"], "sequence": newest["sequence"], "created": newest["created"]})
    });
    Ok(json!({"count": snapshots.len(), "ownBytes": own.sum::<u64>(), "newest": newest}))
}

fn file(path: &Path) -> Json {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    json!({"path": path.display().to_string(), "bytes": bytes})
}

/// The answer of `/state` as lines for people.
pub(crate) fn lines(object: &ObjectName, state: &Json) -> Vec<String> {
    let number = |value: &Json| print::count(value.as_u64().unwrap_or(0));
    let text = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
    if state["epoch"] == 0 {
        return vec![format!("{object}  never written")];
    }
    let mut lines = vec![
        format!("{object}  {}", text("status")),
        format!("  epoch     {}", state["epoch"]),
        format!(
            "  head      {} at {}, offset {}",
            number(&state["head"]),
            text("headTimestamp"),
            text("headOffset")
        ),
        format!("  earliest  {}", number(&state["earliest"])),
        format!("  schema    version {}", state["schemaVersion"]),
        format!(
            "  log       {} records, {}",
            number(&state["log"]["records"]),
            print::bytes(state["log"]["bytes"].as_u64().unwrap_or(0))
        ),
    ];
    for (collection, documents) in state["documents"].as_object().into_iter().flatten() {
        lines.push(format!("  {collection}: {} documents", number(documents)));
        lines.extend(folded_lines(collection, state));
        let lake = state["lake"].as_array().into_iter().flatten();
        for lake in lake.filter(|lake| lake["collection"] == collection.as_str()) {
            lines.push(format!(
                "    lake    committed {}, accepted {}, behind by {} events and {} ms",
                number(&lake["committed"]),
                number(&lake["accepted"]),
                number(&lake["lagEvents"]),
                number(&lake["lagMillis"])
            ));
            if let Some(error) = lake["error"].as_str() {
                lines.push(format!("    failing {error}"));
            }
        }
    }
    let wakes = state["wakes"].as_array().into_iter().flatten();
    for wake in wakes.filter(|wake| wake["attempts"] != 0) {
        let name = wake["name"].as_str().unwrap_or_default();
        let next = wake["next"].as_str().unwrap_or_default();
        lines.push(format!(
            "  failing timer {name}: {} attempts, next {next}",
            number(&wake["attempts"])
        ));
    }
    if let Some(dollars) = state["costs"]["dollarsPerMillionEvents"].as_f64() {
        let meter = &state["costs"]["meter"];
        lines.push(format!(
            "  costs     {} rows written for {} events, on Cloudflare ${dollars:.2} per million",
            number(&meter["rowsWritten"]),
            number(&meter["events"])
        ));
    }
    lines.extend(snapshot_line(&state["snapshots"]));
    if let Some(path) = state["file"]["path"].as_str() {
        let bytes = state["file"]["bytes"].as_u64().unwrap_or(0);
        lines.push(format!("  file      {path}, {}", print::bytes(bytes)));
    }
    lines
}

/// Of an object that has snapshots.
fn snapshot_line(snapshots: &Json) -> Option<String> {
    let newest = snapshots["newest"].as_object()?;
    let (count, own) = (
        snapshots["count"].as_u64()?,
        snapshots["ownBytes"].as_u64()?,
    );
    Some(format!(
        "  snapshots {}, {} of their own; the newest at {}, {}",
        print::count(count),
        print::bytes(own),
        print::count(newest["sequence"].as_u64()?),
        newest["created"].as_str()?
    ))
}

/// What of a collection is in blobs.
fn folded_lines(collection: &str, state: &Json) -> Vec<String> {
    let number = |value: &Json| print::count(value.as_u64().unwrap_or(0));
    let bytes = |value: &Json| print::bytes(value.as_u64().unwrap_or(0));
    let folded = state["folded"].as_array().into_iter().flatten();
    let folded = folded.filter(|folded| folded["collection"] == collection);
    let line = |folded: &Json| {
        format!(
            "    blobs   {} documents in {} blobs, {} of {}; {} rows masked",
            number(&folded["documents"]),
            number(&folded["blobs"]),
            bytes(&folded["bytes"]),
            bytes(&folded["rawBytes"]),
            number(&folded["masked"])
        )
    };
    folded.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_lines() {
        let state = json!({
            "status": "active", "epoch": 5, "head": 1234, "headOffset": "5_1234",
            "headTimestamp": "2026-01-01T00:00:00Z", "earliest": 1, "schemaVersion": 1,
            "log": {"records": 2, "bytes": 2_500_000}, "documents": {"flights": 1_000},
            "folded": [{"collection": "flights", "documents": 900, "blobs": 2, "bytes": 20_000,
                        "rawBytes": 100_000, "masked": 7}],
            "lake": [{"collection": "flights", "committed": 1_000, "accepted": 1_234,
                      "lagEvents": 234, "lagMillis": 12}],
            "wakes": [{"name": "trim", "next": "n", "attempts": 0}, {"name": "prune", "next": "n", "attempts": 2}],
            "costs": {"meter": {"rowsWritten": 1_300, "events": 1_234},
                      "dollarsPerMillionEvents": 1.105},
            "snapshots": {"count": 3, "ownBytes": 2_000,
                          "newest": {"id": "s", "sequence": 1_200, "created": "2026-01-02T00:00:00Z"}},
            "file": {"path": "data/x.db", "bytes": 4_096},
        });
        let object = ObjectName::new("airport", "JFK").unwrap();
        let text = lines(&object, &state).join("\n");
        for part in [
            "airport/JFK  active",
            "head      1,234 at 2026-01-01T00:00:00Z",
            "2 records, 2.5 MB",
            "flights: 1,000 documents",
            "900 documents in 2 blobs, 20.0 kB of 100.0 kB; 7 rows masked",
            "committed 1,000, accepted 1,234, behind by 234 events and 12 ms",
            "failing timer prune: 2 attempts, next n",
            "1,300 rows written for 1,234 events, on Cloudflare $1.10 per million",
            "snapshots 3, 2.0 kB of their own; the newest at 1,200, 2026-01-02T00:00:00Z",
            "data/x.db, 4.0 kB",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("trim"), "a timer that never failed");
    }
}
