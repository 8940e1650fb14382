//! `tidelog snapshot retention` and `keep`: how long snapshots stay.

use clap::Args;
use serde_json::{Map, Value as Json, json};
use ureq::http::Method;

use super::show;
use crate::admin::AdminArgs;
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::Result;
use crate::object_name::ObjectName;
use crate::print;

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidelog snapshot retention airport/JFK
  tidelog snapshot retention airport/JFK --hot-age 30d --hot-count 500 --reason 'audit year'
  tidelog snapshot retention airport/JFK --reset

What is declared takes the place of all the object declared before; the rest is as its type says.";
pub(crate) const KEEP: &str = "\
Examples:
  tidelog snapshot keep airport/JFK 01939f5a-… --reason 'the state we shipped'
  tidelog snapshot keep airport/JFK 01939f5a-… --off";

/// Flags of `snapshot retention`.
#[derive(Args, Debug)]
pub(crate) struct RetentionArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// Age past which a snapshot goes from the object, such as 7d; 0: never
    #[arg(long, value_name = "TIME")]
    hot_age: Option<String>,
    /// Most snapshots in the object; 0: as many as fit
    #[arg(long, value_name = "N")]
    hot_count: Option<u64>,
    /// Age past which a snapshot goes from object storage; 0: never
    #[arg(long, value_name = "TIME")]
    cold_age: Option<String>,
    /// Most snapshots in object storage; 0: as many as there are
    #[arg(long, value_name = "N")]
    cold_count: Option<u64>,
    /// Most incrementals on one full snapshot
    #[arg(long, value_name = "N")]
    chain: Option<u64>,
    /// Age past which a snapshot is moved to object storage; 0: never
    #[arg(long, value_name = "TIME")]
    promote_age: Option<String>,
    /// Bytes of its own past which a snapshot is moved there, such as 10MB; 0: never
    #[arg(long, value_name = "SIZE")]
    promote_size: Option<String>,
    /// Declare nothing: all is as the type says
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Flags of `snapshot keep`.
#[derive(Args, Debug)]
pub(crate) struct KeepArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The snapshot
    #[arg(value_name = "ID")]
    snapshot: String,
    /// No longer
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

impl RetentionArgs {
    /// What is declared, as the body of the request.
    fn rules(&self) -> Map<String, Json> {
        let measures = [
            ("hotAge", &self.hot_age),
            ("coldAge", &self.cold_age),
            ("promoteAge", &self.promote_age),
            ("promoteSize", &self.promote_size),
        ];
        let counts = [
            ("hotCount", self.hot_count),
            ("coldCount", self.cold_count),
            ("chain", self.chain),
        ];
        let measures = measures.into_iter().filter_map(|(name, text)| {
            let text = text.as_ref()?;
            let plain = text.parse::<u64>().map(Json::from);
            Some((name.to_owned(), plain.unwrap_or_else(|_| json!(text))))
        });
        let counts = counts.into_iter();
        let counts = counts.filter_map(|(name, count)| Some((name.to_owned(), json!(count?))));
        measures.chain(counts).collect()
    }
}

pub(crate) fn run(args: &RetentionArgs, configuration: &Configuration) -> Result<()> {
    let path = args.object.path(&["snapshots", "retention"]);
    let rules = args.rules();
    let ask = match rules.is_empty() && !args.reset {
        true => Ask::bare(Method::GET, path),
        false => Ask::json(Method::PUT, path, &Json::Object(rules)),
    };
    args.admin.target.with(configuration, |target| {
        let retention: Json = target.admin.json(&args.admin.asks(ask))?;
        if args.admin.json {
            return print::line(retention);
        }
        lines(&retention).into_iter().try_for_each(print::line)
    })
}

pub(crate) fn keep(args: &KeepArgs, configuration: &Configuration) -> Result<()> {
    let path = args.object.path(&["snapshots", &args.snapshot]);
    let ask = Ask::json(Method::PATCH, path, &json!({"keep": !args.off}));
    args.admin.target.with(configuration, |target| {
        show(args.admin.json, &target.admin.json(&args.admin.asks(ask))?)
    })
}

/// The rules as lines for people.
fn lines(retention: &Json) -> Vec<String> {
    let limit = |name: &str| match &retention[name] {
        Json::String(text) => text.clone(),
        number if *number == 0 => "no limit".to_owned(),
        number => number.to_string(),
    };
    let mut lines = Vec::new();
    for (label, names) in [
        ("in the object", ["hotAge", "hotCount"]),
        ("in object storage", ["coldAge", "coldCount"]),
    ] {
        let [age, count] = names.map(limit);
        lines.push(format!("{label:<18} age {age}, number {count}"));
    }
    lines.push(format!("{:<18} {}", "chain", limit("chain")));
    let [age, size] = ["promoteAge", "promoteSize"].map(limit);
    lines.push(format!(
        "{:<18} past age {age}, past bytes {size}",
        "moved to storage"
    ));
    let schedule = &retention["schedule"];
    if !schedule.is_null() {
        let last = schedule["last"].as_str().unwrap_or("none yet");
        lines.push(format!("{:<18} last {last}", "schedule"));
    }
    if let Some(code) = schedule["failure"]["code"].as_str() {
        let message = schedule["failure"]["message"].as_str().unwrap_or_default();
        lines.push(format!("{:<18} {code}: {message}", "failed"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_lines() {
        let retention = json!({
            "hotAge": "7d", "hotCount": 100, "coldAge": "2555d", "coldCount": 0, "chain": 100,
            "promoteAge": 0, "promoteSize": 0, "own": {},
            "schedule": {"sequence": 4, "failure": {"code": "too_many_snapshots", "message": "1,000"}},
        });
        let text = lines(&retention).join("\n");
        for part in [
            "in the object      age 7d, number 100",
            "in object storage  age 2555d, number no limit",
            "moved to storage   past age no limit, past bytes no limit",
            "schedule           last none yet",
            "too_many_snapshots: 1,000",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
