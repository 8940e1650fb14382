//! `tidelog snapshot promote`, `recall` and `discover`: snapshots in object storage.

use clap::Args;
use serde_json::Value as Json;
use ureq::http::Method;

use super::show;
use crate::admin::{AdminArgs, settled};
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::Result;
use crate::object_name::ObjectName;
use crate::print;
use crate::target::Target;

pub(super) const PROMOTE: &str = "\
Examples:
  tidelog snapshot promote airport/JFK 01939f5a-… --wait
  tidelog snapshot promote airport/JFK 01939f5a-… --reason 'a month old' --json";
pub(super) const RECALL: &str = "\
Examples:
  tidelog snapshot recall airport/JFK 01939f5a-… --wait";
pub(super) const DISCOVER: &str = "\
Examples:
  tidelog snapshot discover airport/JFK --wait
  tidelog restore airport/JFK --snapshot ID --wait

The object may be new: this is how one comes back whose database was lost.";

/// Flags of `snapshot promote` and `recall`.
#[derive(Args, Debug)]
pub(crate) struct MoveArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The snapshot
    #[arg(value_name = "ID")]
    snapshot: String,
    /// Return once it is there; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Flags of `snapshot discover`.
#[derive(Args, Debug)]
pub(crate) struct DiscoverArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Return once the search is done; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &MoveArgs, configuration: &Configuration, verb: &str) -> Result<()> {
    args.admin.target.with(configuration, |target| {
        let moved = moved(
            target,
            (&args.admin, args.wait),
            (&args.object, &args.snapshot),
            verb,
        )?;
        show(args.admin.json, &moved)
    })
}

/// Asks for a snapshot to be moved, and waits where that is wanted.
fn moved(
    target: &Target,
    (admin, waits): (&AdminArgs, bool),
    (object, snapshot): (&ObjectName, &str),
    verb: &str,
) -> Result<Json> {
    let path = object.path(&["snapshots", snapshot, verb]);
    let ask = admin.asks(Ask::bare(Method::POST, path));
    let first: Json = target.admin.json(&ask)?;
    settled(target, waits, &object.path(&["snapshots", snapshot]), first)
}

/// Brings a snapshot back, and those it builds on, where they are not at hand.
pub(super) fn at_hand(
    target: &Target,
    admin: &AdminArgs,
    object: &ObjectName,
    snapshot: &str,
) -> Result<()> {
    let mut at = snapshot.to_owned();
    loop {
        let link = target.admin.get::<Json>(object.path(&["snapshots", &at]));
        // What is not there the download says.
        let Ok(link) = link else {
            return Ok(());
        };
        if link["tier"] == "cold" {
            // With those that it builds on; each is waited for as the next one is looked at.
            moved(target, (admin, true), (object, &at), "recall")?;
        }
        match link["parent"].as_str() {
            Some(parent) => parent.clone_into(&mut at),
            None => return Ok(()),
        }
    }
}

pub(super) fn discover(args: &DiscoverArgs, configuration: &Configuration) -> Result<()> {
    args.admin.target.with(configuration, |target| {
        let path = args.object.path(&["snapshots", "discover"]);
        let ask = args.admin.asks(Ask::bare(Method::POST, path.clone()));
        let first: Json = target.admin.json(&ask)?;
        let found = settled(target, args.wait, &path, first)?;
        if args.admin.json {
            return print::line(found);
        }
        lines(&found).into_iter().try_for_each(print::line)
    })
}

/// A search as lines for people.
fn lines(found: &Json) -> Vec<String> {
    let count = |name: &str| print::count(found[name].as_u64().unwrap_or(0));
    let status = found["status"].as_str().unwrap_or_default();
    let mut lines = vec![format!(
        "{status}: {} found, {} skipped",
        count("found"),
        count("skipped")
    )];
    let added = found["added"].as_array().into_iter().flatten();
    lines.extend(
        added
            .filter_map(Json::as_str)
            .map(|id| format!("  new  {id}")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_search_says_what_is_new() {
        let found = json!({"status": "complete", "found": 3, "skipped": 1, "added": ["s1", "s2"]});
        assert_eq!(
            lines(&found),
            ["complete: 3 found, 1 skipped", "  new  s1", "  new  s2"]
        );
    }
}
