//! Settings: flags, then `TIDELOG_*`, then `tidelog.toml`, then the defaults.

use std::path::{Path, PathBuf};

use clap::Args;
use tidelog_core::Actors;
use tidelog_embedded::{Server, Settings};
use toml::{Table, Value};

use crate::failure::{Failure, Result};

/// The file read when `--config` names none.
const DEFAULT_FILE: &str = "tidelog.toml";

/// Flags of every command.
#[derive(Args, Debug, Default)]
pub(crate) struct Configuration {
    /// Settings file [default: tidelog.toml in the current folder, if there is one]
    #[arg(long, global = true, env = "TIDELOG_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Bearer token: what `serve` asks for, what the other commands show
    #[arg(long, global = true, env = "TIDELOG_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Override one setting of the file, such as lake.flush_millis=1000
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What the servers run that the command starts.
    #[arg(skip)]
    pub(crate) actors: Actors,
}

/// How a setting's text becomes TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Flag,
}

/// Every setting that `--set` and `TIDELOG_<KEY>` take; `.` is `_` in the variable's name.
#[rustfmt::skip] // a table: one line each
const KEYS: &[(&str, Form)] = &[
    ("data", Form::Text),
    ("listen", Form::Text),
    ("s3_listen", Form::Text),
    ("token", Form::Text),
    ("admin_token", Form::Text),
    ("threads", Form::Number),
    ("queue", Form::Number),
    ("idle_seconds", Form::Number),
    ("object_bytes_max", Form::Number),
    ("warm_bytes_max", Form::Number),
    ("blob_bytes_max", Form::Number),
    ("log_keep_seconds", Form::Number),
    ("lake.warehouse", Form::Text),
    ("lake.prefix", Form::Text),
    ("lake.push_millis", Form::Number),
    ("lake.flush_bytes", Form::Number),
    ("lake.flush_events", Form::Number),
    ("lake.flush_millis", Form::Number),
    ("lake.target_file_bytes", Form::Number),
    ("lake.s3.endpoint", Form::Text),
    ("lake.s3.bucket", Form::Text),
    ("lake.s3.region", Form::Text),
    ("lake.s3.access_key_id", Form::Text),
    ("lake.s3.secret_access_key", Form::Text),
    ("lake.s3.path_style", Form::Flag),
];

impl Configuration {
    /// Starts a server with the actors of this program.
    pub(crate) fn start(&self, settings: Settings) -> tidelog_log::Result<Server> {
        Server::start_with(settings, self.actors.clone())
    }

    /// The settings, with `flags` on top.
    ///
    /// # Errors
    /// Exit 2 for a file that cannot be read, an unknown key or a wrong value.
    pub(crate) fn settings(&self, flags: &[(&str, Option<String>)]) -> Result<Settings> {
        let mut table = self.file()?;
        for (key, form) in KEYS {
            if let Some(text) = std::env::var_os(variable(key)) {
                let text = text.to_string_lossy().into_owned();
                put(&mut table, key, value(key, *form, &text)?)?;
            }
        }
        for pair in &self.set {
            let parts = pair.split_once('=');
            let (key, text) =
                parts.ok_or_else(|| Failure::usage(format!("--set {pair}: not KEY=VALUE")))?;
            set(&mut table, key.trim(), text.trim())?;
        }
        for (key, text) in flags {
            if let Some(text) = text {
                set(&mut table, key, text)?;
            }
        }
        if let Some(token) = &self.token {
            set(&mut table, "token", token)?;
        }
        let settings = Settings::from_toml(&table.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    fn file(&self) -> Result<Table> {
        let default = Path::new(DEFAULT_FILE);
        let path = match &self.config {
            Some(path) => path.as_path(),
            None if default.is_file() => default,
            None => return Ok(Table::new()),
        };
        let wrong = |e: String| Failure::usage(format!("{}: {e}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        // Once as a whole, so that an unknown key is reported with its line.
        Settings::from_toml(&text).map_err(|e| wrong(e.to_string()))?;
        text.parse::<Table>().map_err(|e| wrong(e.to_string()))
    }
}

/// `lake.push_millis` is `TIDELOG_LAKE_PUSH_MILLIS`.
fn variable(key: &str) -> String {
    format!("TIDELOG_{}", key.replace('.', "_").to_uppercase())
}

fn set(table: &mut Table, key: &str, text: &str) -> Result<()> {
    let known = KEYS.iter().find(|(name, _)| *name == key);
    let (_, form) = known.ok_or_else(|| {
        let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        Failure::usage(format!(
            "there is no setting {key:?}; there are {}",
            names.join(", ")
        ))
    })?;
    put(table, key, value(key, *form, text)?)
}

fn value(key: &str, form: Form, text: &str) -> Result<Value> {
    let wrong = |wanted: &str| Failure::usage(format!("{key} takes {wanted}, not {text:?}"));
    match form {
        Form::Text => Ok(Value::String(text.to_owned())),
        Form::Number => {
            let digits = text.replace('_', "");
            let number = digits.parse().map(Value::Integer);
            number.map_err(|_| wrong("a whole number"))
        }
        Form::Flag => {
            let flag = text.parse().map(Value::Boolean);
            flag.map_err(|_| wrong("true or false"))
        }
    }
}

fn put(table: &mut Table, key: &str, value: Value) -> Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert(Value::Table(Table::new()));
            let inner = inner.as_table_mut();
            let inner = inner.ok_or_else(|| Failure::usage(format!("{first} is a table")))?;
            put(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[&str]) -> Configuration {
        Configuration {
            set: set.iter().map(|s| (*s).to_owned()).collect(),
            ..Configuration::default()
        }
    }

    #[test]
    fn flags_win_over_set() {
        let configuration = with(&["lake.flush_millis=5", "data=a", "lake.s3.bucket=b"]);
        let flags = [("data", Some("b".to_owned())), ("listen", None)];
        let mut table = Table::new();
        set(&mut table, "lake.flush_millis", "1_000").unwrap();
        assert_eq!(table["lake"]["flush_millis"].as_integer(), Some(1_000));
        let wrong = configuration.settings(&flags).unwrap_err();
        assert!(wrong.message.contains("access_key_id"), "{wrong}");
        let settings = with(&["lake.flush_millis=5", "data=a"])
            .settings(&flags)
            .unwrap();
        assert_eq!(settings.data, Path::new("b"));
        assert_eq!(settings.lake.flush_millis, 5);
    }

    #[test]
    fn unknown_settings_and_wrong_values_are_usage_errors() {
        for wrong in ["thread=1", "threads=many", "threads", "lake=1"] {
            let failure = with(&[wrong]).settings(&[]).unwrap_err();
            assert_eq!(failure.exit, crate::failure::Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn every_setting_is_documented_with_its_variable() {
        let docs = include_str!("../../../docs/cli.md");
        for (key, _) in KEYS {
            let row = format!("| `{key}` | `{}` |", variable(key));
            assert!(docs.contains(&row), "docs/cli.md lacks {row}");
        }
    }

    #[test]
    fn every_default_can_be_set() {
        // A key that `Settings` does not have would be refused as unknown.
        let mut table = Table::new();
        for (key, form) in KEYS {
            let text = match (*key, form) {
                ("listen" | "s3_listen", _) => "127.0.0.1:0",
                (_, Form::Text) => "text",
                (_, Form::Number) => "1",
                (_, Form::Flag) => "true",
            };
            set(&mut table, key, text).unwrap();
        }
        Settings::from_toml(&table.to_string()).unwrap();
    }
}
