//! `tidelog check`: looks for damage in an object.

use std::path::Path;

use clap::Args;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};
use tidelog_core::Address;
use tidelog_embedded::actor_file;

use crate::admin::AdminArgs;
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::object_name::{ObjectName, encoded};
use crate::print;
use crate::progress;
use crate::target::Target;

const EXAMPLES: &str = "\
Examples:
  tidelog check airport/JFK
  tidelog check airport/JFK --data data --json

Reads every blob, mask, row, log record and snapshot part and compares it with its checksum; exit 1 where
something is not what was written. `tidelog heal` then makes whole what can be.";

/// Flags of `check`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &CheckArgs, configuration: &Configuration) -> Result<()> {
    let found = args
        .admin
        .target
        .with(configuration, |target| all(args, target))?;
    if args.admin.json {
        print::line(&found)?;
    } else {
        lines(&args.object.to_string(), &found)
            .into_iter()
            .try_for_each(print::line)?;
    }
    match found["damaged"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
    {
        true => Err(Failure::silent(Exit::Failed)),
        false => Ok(()),
    }
}

/// Every page of a check as one.
fn all(args: &CheckArgs, target: &Target) -> Result<Json> {
    let path = args.object.path(&["check"]);
    let bar = progress::waiting("looking for damage");
    let mut found = json!({"checked": {}, "damaged": []});
    let mut after: Option<String> = None;
    loop {
        let query = after
            .as_ref()
            .map(|after| format!("?after={}", encoded(after)));
        let page: Json = target
            .admin
            .get(path.clone() + &query.unwrap_or_default())?;
        bar.tick();
        add(&mut found, &page);
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    let address = Address::object(&args.object.type_name, &args.object.id)?;
    let damaged = found["damaged"].as_array_mut();
    if let (Some(data), Some(damaged)) = (target.data(), damaged) {
        damaged.extend(pages_of(&actor_file(data, &address))?);
    }
    Ok(found)
}

/// What SQLite says of the pages of a file: those have no checksums, but must fit together.
fn pages_of(path: &Path) -> Result<Option<Json>> {
    let failed = |e: rusqlite::Error| Failure::failed(format!("{}: {e}", path.display()));
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let said = file.and_then(|file| {
        file.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        })
    });
    let what = said.map_err(failed)?;
    Ok((what != "ok").then(|| json!({"what": format!("SQLite: {what}")})))
}

fn add(found: &mut Json, page: &Json) {
    for (name, count) in page["checked"].as_object().into_iter().flatten() {
        let before = found["checked"][name].as_u64().unwrap_or(0);
        found["checked"][name] = json!(before + count.as_u64().unwrap_or(0));
    }
    let more = page["damaged"].as_array().into_iter().flatten().cloned();
    if let Some(damaged) = found["damaged"].as_array_mut() {
        damaged.extend(more);
    }
}

/// What was found, for people.
fn lines(object: &str, found: &Json) -> Vec<String> {
    let count = |name: &str| print::count(found["checked"][name].as_u64().unwrap_or(0));
    let bytes = print::bytes(found["checked"]["bytes"].as_u64().unwrap_or(0));
    let mut lines = vec![format!(
        "{object}: {} blobs ({bytes}), {} documents in rows, {} events, {} parts of snapshots",
        count("blobs"),
        count("documents"),
        count("events"),
        count("parts"),
    )];
    let damaged = found["damaged"].as_array().into_iter().flatten();
    let before = lines.len();
    lines.extend(damaged.map(|damage| format!("  damaged: {}", damage_line(damage))));
    if lines.len() == before {
        lines.push("  all as it was written".to_owned());
    }
    lines
}

/// One damage as a line.
pub(crate) fn damage_line(damage: &Json) -> String {
    let mut parts = Vec::new();
    for (name, label) in [
        ("collection", ""),
        ("snapshot", "snapshot "),
        ("blob", "blob "),
        ("page", "page "),
        ("sequence", "event "),
    ] {
        match &damage[name] {
            Json::Null => {}
            Json::String(text) => parts.push(format!("{label}{text}")),
            other => parts.push(format!("{label}{other}")),
        }
    }
    let what = damage["what"].as_str().unwrap_or_default();
    format!("{}: {what}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_and_read_as_lines() {
        let mut found = json!({"checked": {}, "damaged": []});
        let damage = json!({"collection": "notes", "blob": 7, "page": 2, "what": "no"});
        for page in [
            json!({"checked": {"blobs": 1_000, "bytes": 5_000}, "damaged": [], "next": "x"}),
            json!({"checked": {"blobs": 234, "events": 9}, "damaged": [damage]}),
        ] {
            add(&mut found, &page);
        }
        let lines = lines("airport/JFK", &found);
        assert_eq!(
            lines[0],
            "airport/JFK: 1,234 blobs (5.0 kB), 0 documents in rows, 9 events, 0 parts of snapshots"
        );
        assert_eq!(lines[1], "  damaged: notes, blob 7, page 2: no");
        let none = json!({"checked": {}, "damaged": []});
        assert_eq!(super::lines("a/b", &none)[1], "  all as it was written");
    }
}
