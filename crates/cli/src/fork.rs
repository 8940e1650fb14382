//! `tidelog fork`: makes another object of one.

use clap::Args;
use serde_json::{Value as Json, json};
use ureq::http::Method;

use crate::admin::{AdminArgs, settled};
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;
use crate::print;

const EXAMPLES: &str = "\
Examples:
  tidelog fork airport/JFK airport/drill --expires 2h --wait
  tidelog fork airport/JFK airport/before --time 2026-11-29T08:00:00Z --reason 'what was it like' --wait
  tidelog fork airport/JFK --status
  tidelog fork airport/JFK --cancel";

/// Flags of `fork`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForkArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The object that is to be, of the same type
    #[arg(value_name = "TYPE/NEW", required_unless_present_any = ["status", "cancel"])]
    to: Option<ObjectName>,
    /// The state of a snapshot [default: the present state]
    #[arg(long, value_name = "ID", group = "state")]
    snapshot: Option<String>,
    /// The state after this event
    #[arg(long, value_name = "N", group = "state")]
    sequence: Option<u64>,
    /// The state at a time: RFC 3339, or milliseconds since 1970
    #[arg(long, value_name = "T", group = "state")]
    time: Option<String>,
    /// A scratch fork: it ends by itself after this time, such as 2h, and is in no table
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Show the fork under way, or the last one
    #[arg(long, conflicts_with_all = ["to", "cancel"])]
    status: bool,
    /// Give up the fork under way
    #[arg(long, conflicts_with = "to")]
    cancel: bool,
    /// Return once it is complete; with --data always
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

impl ForkArgs {
    fn ask(&self) -> Result<Ask> {
        let path = self.object.path(&["fork"]);
        let Some(to) = &self.to else {
            let method = match self.cancel {
                true => Method::DELETE,
                false => Method::GET,
            };
            return Ok(Ask::bare(method, path));
        };
        if to.type_name != self.object.type_name {
            return Err(Failure::usage("a fork is of the same type"));
        }
        let time = self.time.as_ref().map(|text| match text.parse::<u64>() {
            Ok(millis) => json!(millis),
            Err(_) => json!(text),
        });
        let (snapshot, sequence) = (&self.snapshot, self.sequence);
        let body = json!({
            "to": to.id, "snapshot": snapshot, "sequence": sequence, "time": time,
            "expires": self.expires,
        });
        Ok(Ask::post_json(path, &body))
    }
}

pub(crate) fn run(args: &ForkArgs, configuration: &Configuration) -> Result<()> {
    let ask = args.ask()?;
    args.admin.target.with(configuration, |target| {
        let fork: Json = target.admin.json(&args.admin.asks(ask))?;
        let path = args.object.path(&["fork"]);
        let fork = match args.cancel {
            true => fork,
            false => settled(target, args.wait, &path, fork)?,
        };
        if args.admin.json {
            return print::line(fork);
        }
        lines(&fork).into_iter().try_for_each(print::line)
    })
}

/// A fork as lines for people.
fn lines(fork: &Json) -> Vec<String> {
    let text = |name: &str| fork[name].as_str().unwrap_or_default();
    let sequence = print::count(fork["sequence"].as_u64().unwrap_or(0));
    let bytes = print::bytes(fork["bytes"].as_u64().unwrap_or(0));
    let mut lines = vec![
        format!("{}  {}", text("id"), text("status")),
        format!("  to       {}, as after event {sequence}", text("to")),
        format!("  sent     {bytes}"),
    ];
    if !text("expires").is_empty() {
        lines.push(format!("  expires  {}", text("expires")));
    }
    if let Some(code) = fork["failure"]["code"].as_str() {
        let message = fork["failure"]["message"].as_str().unwrap_or_default();
        lines.push(format!("  failed   {code}: {message}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_reads_as_lines() {
        let fork = json!({
            "id": "f1", "status": "failed", "to": "drill", "sequence": 1_200, "bytes": 2_500_000,
            "failure": {"code": "object_exists", "message": "it is there"},
        });
        let text = lines(&fork).join("\n");
        for part in [
            "f1  failed",
            "to       drill, as after event 1,200",
            "sent     2.5 MB",
            "failed   object_exists: it is there",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
