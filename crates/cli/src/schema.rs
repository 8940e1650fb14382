//! `tidelog schema check`: is a declaration right, and would a server take it?

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tidelog_api::check_reserved;
use tidelog_core::{Collection, TypeSchema, TypeSpec};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::object_name::path;
use crate::print;
use crate::target::TargetArgs;

const EXAMPLES: &str = "\
Examples:
  tidelog schema check schemas/airport.toml
  tidelog schema check schemas/*.toml --url http://127.0.0.1:7411   # as the next version there";

/// What to do with declarations.
#[derive(Subcommand, Debug)]
pub(crate) enum SchemaCommand {
    /// Check declarations (TOML, or JSON by its ending): offline, or against a server too
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
}

/// Flags of `schema check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Files to check
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON line per file
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) fn run(command: SchemaCommand, configuration: &Configuration) -> Result<()> {
    let SchemaCommand::Check(args) = command;
    if args.target.url.is_none() && args.target.data.is_none() {
        return check_all(&args, None);
    }
    let target = args.target.clone();
    target.with(configuration, |target| {
        check_all(&args, Some(&target.client))
    })
}

fn check_all(args: &CheckArgs, client: Option<&Client>) -> Result<()> {
    let mut wrong = false;
    for file in &args.files {
        let place = file.display().to_string();
        match check(file, client) {
            Ok((schema, verdict)) => report(args.json, &place, &schema, &verdict)?,
            Err(failure) if failure.exit == Exit::Unreachable => return Err(failure),
            Err(failure) => {
                wrong = true;
                if args.json {
                    let line = json!({"file": place, "ok": false, "error": failure.problem});
                    print::line(line)?;
                }
                print::note(format_args!("{place}: {failure}"));
            }
        }
    }
    if wrong {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

/// The schema as it would be registered, and what registering would do.
fn check(file: &Path, client: Option<&Client>) -> Result<(TypeSchema, String)> {
    let bytes = std::fs::read(file).map_err(|e| Failure::failed(e.to_string()))?;
    let spec = if file.extension().is_some_and(|ending| ending == "json") {
        TypeSpec::from_json(&bytes)?
    } else {
        let text = std::str::from_utf8(&bytes);
        TypeSpec::from_toml(text.map_err(|_| Failure::failed("not UTF-8"))?)?
    };
    check_reserved(&spec)?;
    let first = TypeSchema::register(None, &spec)?;
    let Some(client) = client else {
        return Ok((first, "ok".to_owned()));
    };
    let before = match client.get::<Json>(path(&["v1", "types", &spec.name])) {
        Ok(json) => TypeSchema::from_json(json.to_string().as_bytes())?,
        Err(failure) if failure.code() == "unknown_type" => {
            return Ok((first, "ok, new there".to_owned()));
        }
        Err(failure) => return Err(failure),
    };
    let next = TypeSchema::register(Some(&before), &spec)?;
    let verdict = if next.version == before.version {
        format!("ok, the same as version {} there", before.version)
    } else {
        format!("ok, becomes version {} there", next.version)
    };
    Ok((next, verdict))
}

fn report(json: bool, place: &str, schema: &TypeSchema, verdict: &str) -> Result<()> {
    if json {
        let line = json!({"file": place, "ok": true, "verdict": verdict, "schema": schema});
        return print::line(line);
    }
    print::line(format_args!("{place}: type {}: {verdict}", schema.name))?;
    for collection in &schema.collections {
        show(collection)?;
    }
    Ok(())
}

fn show(collection: &Collection) -> Result<()> {
    let key: Vec<&str> = collection
        .key
        .iter()
        .filter_map(|id| collection.field_name(*id))
        .collect();
    let key = if key.is_empty() {
        "id".to_owned()
    } else {
        key.join(", ")
    };
    let (id, name) = (collection.id, &collection.name);
    print::line(format_args!("  {id:>4}  {name}  (key: {key})"))?;
    for field in &collection.fields {
        let required = if field.required { "required" } else { "" };
        let line = format!(
            "  {:>4}    {:<20} {:<10} {required}",
            field.id,
            field.name,
            field.field_type.name()
        );
        print::line(line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_schema_is_right() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/airport.toml");
        let (schema, verdict) = check(&file, None).unwrap();
        assert_eq!((schema.version, verdict.as_str()), (1, "ok"));
        assert_eq!(schema.collections.len(), 2);
    }
}
