//! `tidelog tail`: the change log of an object, as it is and as it grows.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::Value as Json;

use crate::configuration::Configuration;
use crate::events::Follower;
use crate::failure::Result;
use crate::object_name::{ObjectName, encoded};
use crate::print;
use crate::target::TargetArgs;
use crate::text_table::cell;

const EXAMPLES: &str = "\
Examples:
  tidelog tail airport/JFK --offset now --follow
  tidelog tail airport/JFK --collections flights --operations DELETE
  tidelog tail airport/JFK --json | jq -c .changedFields

With --follow a lost connection is taken up again after the last event printed.";

/// Flags of `tail`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Where to start: -1 (the beginning), now, or an offset of this log
    #[arg(long, default_value = "-1", allow_hyphen_values = true)]
    offset: String,
    /// Only these collections
    #[arg(long, value_delimiter = ',')]
    collections: Vec<String>,
    /// Only these operations: INSERT, UPDATE, DELETE
    #[arg(long, value_delimiter = ',')]
    operations: Vec<String>,
    /// Wait for more
    #[arg(long, short)]
    follow: bool,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) fn run(args: &TailArgs, configuration: &Configuration) -> Result<()> {
    let mut filter = String::new();
    for (name, values) in [
        ("collections", &args.collections),
        ("operations", &args.operations),
    ] {
        if !values.is_empty() {
            filter.push_str(&format!("&{name}={}", encoded(&values.join(","))));
        }
    }
    args.target.with(configuration, |target| {
        let mut follower = Follower {
            client: &target.client,
            object: args.object.clone(),
            filter,
            offset: encoded(&args.offset),
            patient: true,
        };
        let closed = follower.catch_up(|event| show(args.json, event))?;
        if args.follow && !closed {
            follower.follow(|event| show(args.json, event).map(ControlFlow::Continue))?;
        }
        Ok(())
    })
}

fn show(json: bool, event: &Json) -> Result<()> {
    if json {
        return print::line(event);
    }
    print::line(readable(event))
}

/// `2013-01-01T10:00:00.000Z  7  UPDATE  flights  KEY  field: old → new`
fn readable(event: &Json) -> String {
    let text = |name: &str| cell(&event[name]);
    let mut line = format!(
        "{}  {:>8}  {:6}  {}  {}",
        text("timestamp"),
        text("sequence"),
        text("operation"),
        text("collection"),
        text("documentId"),
    );
    for name in event["changedFields"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let side = |image: &str| match &event[image][name] {
            Json::Null => "nothing".to_owned(),
            value => cell(value),
        };
        let (before, after) = (side("before"), side("after"));
        line.push_str(&format!("  {name}: {before} → {after}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_update_shows_what_changed() {
        let event = json!({
            "timestamp": "2013-01-01T10:00:00Z", "sequence": 7, "operation": "UPDATE",
            "collection": "flights", "documentId": "UA1", "changedFields": ["delay", "gate"],
            "before": {"delay": 5}, "after": {"delay": 6, "gate": "B2", "dest": "IAH"},
        });
        assert_eq!(
            readable(&event),
            "2013-01-01T10:00:00Z         7  UPDATE  flights  UA1  delay: 5 → 6  gate: nothing → B2"
        );
    }
}
