//! What every command of administrators takes, and how they wait for what runs on.

use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use crate::client::{Ask, Client, wait};
use crate::failure::{Failure, Result};
use crate::progress;
use crate::target::{Target, TargetArgs};

/// Between two looks at what runs on.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who asks, why, where, and how it is printed.
#[derive(Args, Clone, Debug)]
pub(crate) struct AdminArgs {
    /// Who asks, for the audit log [default: tidelog-cli]
    #[arg(long, env = "TIDELOG_ACTOR", value_name = "NAME")]
    actor: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

impl AdminArgs {
    /// The request, with who asks and why.
    pub(crate) fn asks(&self, ask: Ask) -> Ask {
        let actor = self.actor.as_deref().unwrap_or("tidelog-cli");
        let ask = ask.header("tidelog-actor", actor);
        match &self.reason {
            Some(reason) => ask.header("tidelog-reason", reason),
            None => ask,
        }
    }
}

/// Waits while `first`, read again at `path`, is running. A server of one's own goes away with the
/// command, so it is always waited for.
pub(crate) fn settled(target: &Target, wanted: bool, path: &str, first: Json) -> Result<Json> {
    let waits = wanted || target.data().is_some();
    if !waits || !runs(&first) {
        return Ok(first);
    }
    let bar = progress::waiting(&far(&first));
    let mut now = first;
    while runs(&now) {
        bar.set_message(far(&now));
        bar.tick();
        wait(LOOK_AGAIN);
        now = look(&target.admin, path)?;
    }
    bar.finish_and_clear();
    match now["status"].as_str() {
        Some("cancelled") => Err(Failure::failed("it was cancelled meanwhile")),
        // A snapshot that could not be moved is where it was, and complete.
        Some(status) if status == "failed" || now["failure"].is_object() => {
            let text = |name: &str| now["failure"][name].as_str().unwrap_or_default().to_owned();
            let message = format!("{}: {}", text("code"), text("message"));
            Err(Failure::failed(message))
        }
        _ => Ok(now),
    }
}

fn look(admin: &Client, path: &str) -> Result<Json> {
    admin.get(path)
}

fn runs(job: &Json) -> bool {
    job["status"] == "running" || job["moving"].is_string()
}

/// How far it is, in words.
fn far(job: &Json) -> String {
    if let Some(moving) = job["moving"].as_str() {
        let failure = job["failure"]["message"].as_str();
        return failure.map_or_else(
            || moving.to_owned(),
            |failure| format!("{moving}: {failure}"),
        );
    }
    if let Some(found) = job["found"].as_u64() {
        return format!("looking: {} found so far", crate::print::count(found));
    }
    let differences = job["differences"].as_object();
    let counts = differences.map(|all| {
        let each = all.values().flat_map(|one| one.as_object().into_iter());
        each.flat_map(|one| one.values())
            .filter_map(Json::as_u64)
            .sum::<u64>()
    });
    match counts {
        Some(documents) => format!(
            "restoring: {} documents differ",
            crate::print::count(documents)
        ),
        None => {
            let bytes = job["bytes"].as_u64().unwrap_or(0);
            format!("taking a snapshot: {} so far", crate::print::bytes(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_runs_says_how_far_it_is() {
        let restore = json!({"status": "running", "differences": {
            "a": {"added": 1, "changed": 2, "removed": 3}, "b": {"added": 1_000}}});
        assert!(runs(&restore));
        assert_eq!(far(&restore), "restoring: 1,006 documents differ");
        let moving = json!({"status": "complete", "moving": "recalling"});
        assert!(runs(&moving));
        assert_eq!(far(&moving), "recalling");
        assert_eq!(
            far(&json!({"status": "running", "found": 1_000})),
            "looking: 1,000 found so far"
        );
        let snapshot = json!({"status": "complete", "bytes": 2_000});
        assert!(!runs(&snapshot));
        assert_eq!(far(&snapshot), "taking a snapshot: 2.0 kB so far");
    }
}
