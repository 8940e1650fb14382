//! `tidelog gaps`: is something missing?

mod sequences;
mod times;

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_log::{FieldType, Value};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::object_name::ObjectName;
use crate::print;
use crate::target::TargetArgs;

const EXAMPLES: &str = "\
Examples:
  tidelog gaps plant/one
  tidelog gaps plant/one readings --time at --longer-than 15m
  tidelog gaps plant/one readings --time at --group sensor --longer-than 1h --json

Over sequences: every event of the log and, where the log was trimmed, of the lake's tables is there once.
Over time: of each group, two readings that follow on each other are no further apart. Exit 1 when
something is missing or is there twice.";

/// Flags of `gaps`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GapsArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The collection whose times are looked at
    #[arg(requires = "time")]
    collection: Option<String>,
    /// Its field with the time of a reading
    #[arg(
        long,
        value_name = "FIELD",
        requires = "longer_than",
        requires = "collection"
    )]
    time: Option<String>,
    /// Its field with what the reading is of, such as a sensor
    #[arg(long, value_name = "FIELD", requires = "time")]
    group: Option<String>,
    /// A number with ms, s, m, h or d: gaps up to this long are none
    #[arg(long, value_name = "TIME", requires = "time")]
    longer_than: Option<String>,
    /// Only from this time on, RFC 3339
    #[arg(long, value_name = "T", requires = "time")]
    from: Option<String>,
    /// Only before this time, RFC 3339
    #[arg(long, value_name = "T", requires = "time")]
    to: Option<String>,
    /// Stop after so many gaps
    #[arg(long, default_value_t = 1_000)]
    limit: u64,
    /// Print one JSON object per gap
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) fn run(args: &GapsArgs, configuration: &Configuration) -> Result<()> {
    let found = args.target.with(configuration, |target| {
        let mut gaps = Gaps {
            json: args.json,
            left: args.limit,
            found: false,
        };
        match &args.collection {
            Some(collection) => times(args, collection, &target.client, &mut gaps)?,
            None => {
                let store = configuration.settings(&[])?.lake.s3;
                sequences::check(&target.client, store.as_ref(), &args.object, &mut gaps)?;
            }
        }
        Ok(gaps.found)
    })?;
    match found {
        true => Err(Failure::silent(Exit::Failed)),
        false => Ok(()),
    }
}

fn times(args: &GapsArgs, collection: &str, client: &Client, gaps: &mut Gaps) -> Result<()> {
    let longer_than = args.longer_than.as_deref().unwrap_or_default();
    let wrong = || {
        let message =
            format!("--longer-than takes a number with ms, s, m, h or d, not {longer_than:?}");
        Failure::usage(message)
    };
    let mut range = json!({"exists": true});
    for (name, text) in [("gte", &args.from), ("lt", &args.to)] {
        if let Some(text) = text {
            range[name] = json!(text);
        }
    }
    let series = times::Series {
        client,
        object: &args.object,
        collection,
        time: args.time.as_deref().unwrap_or_default(),
        group: args.group.as_deref(),
        range,
        longer_than: micros(longer_than).ok_or_else(wrong)?,
    };
    series.check(gaps)
}

/// Microseconds of `90s`, `15m` and the like.
fn micros(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// A timestamp of a row, microseconds since 1970.
fn moment(value: &Json) -> Result<i64> {
    match Value::from_json(FieldType::Timestamp, value.clone()) {
        Ok(Some(Value::Timestamp(micros))) => Ok(micros),
        _ => Err(Failure::usage(format!(
            "--time takes a field of timestamps, and there is {value}"
        ))),
    }
}

/// Says what was found, up to a limit.
struct Gaps {
    json: bool,
    left: u64,
    found: bool,
}

impl Gaps {
    /// False once there were enough.
    fn say(&mut self, gap: &Json, words: &str) -> Result<bool> {
        if self.left == 0 {
            print::note("there are more: --limit, or a narrower --from");
            return Ok(false);
        }
        self.left -= 1;
        self.found = true;
        match self.json {
            true => print::line(gap)?,
            false => print::line(words)?,
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(micros("15m"), Some(900_000_000));
        assert_eq!(micros("250ms"), Some(250_000));
        for wrong in ["15", "m", "1.5h", "-", "9999999999999d", "3 m"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }
}
