//! What an operator sets: `tidelog.toml`, overridden by `TIDELOG_*` and flags in the CLI.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tidelog_core::LogPolicy;
use tidelog_lake::TableSettings;
use tidelog_log::{Error, Kind, Result};

/// What a memory may be set to, bytes.
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = 1_000_000..=1_000_000_000_000;

/// Everything that can be set, with its default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// The address of the HTTP API.
    pub listen: SocketAddr,
    /// The address of the read-only S3 endpoint; port 0: any free one.
    pub s3_listen: SocketAddr,
    /// The bearer token that callers show; needed to listen beyond loopback.
    pub token: Option<String>,
    /// The bearer token of administrators; none: snapshots and restores are off.
    pub admin_token: Option<String>,
    /// Threads that run objects; each object is pinned to one.
    pub threads: usize,
    /// Turns that may wait per thread; more are answered 503.
    pub queue: usize,
    /// Seconds without a turn after which an object's file is closed.
    pub idle_seconds: u64,
    /// Largest file of one object, bytes.
    pub object_bytes_max: u64,
    /// Seconds a log record stays after every destination committed it.
    pub log_keep_seconds: u64,
    /// Largest memory of the cache, bytes.
    pub warm_bytes_max: u64,
    /// Largest memory for blobs of objects that were read, opened or decoded, bytes.
    pub blob_bytes_max: u64,
    /// The lake.
    pub lake: LakeSettings,
}

/// The lake's settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LakeSettings {
    /// The bucket in table locations.
    pub warehouse: String,
    /// Put before every blob key; empty, or ends with `/`.
    pub prefix: String,
    /// Milliseconds between two pushes of an object's new events to its tables.
    pub push_millis: u64,
    /// Inbox bytes at which a table flushes.
    pub flush_bytes: u64,
    /// Inbox events at which a table flushes.
    pub flush_events: u64,
    /// Age of the oldest waiting event at which a table flushes, milliseconds.
    pub flush_millis: u64,
    /// Size at which a data file is cut, bytes of the events in it.
    pub target_file_bytes: u64,
    /// An S3 store; none: the folder `lake` in the data folder.
    pub s3: Option<S3Store>,
}

/// An S3 store for the lake.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Store {
    /// The endpoint's URL; none: AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region.
    #[serde(default = "default_region")]
    pub region: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Put the bucket into the path.
    #[serde(default)]
    pub path_style: bool,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 7411)),
            s3_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: None,
            admin_token: None,
            threads: std::thread::available_parallelism()
                .map_or(2, usize::from)
                .clamp(2, 16),
            queue: 1_024,
            idle_seconds: 60,
            object_bytes_max: 10_000_000_000,
            log_keep_seconds: 7 * 24 * 60 * 60,
            warm_bytes_max: 256_000_000,
            blob_bytes_max: 256_000_000,
            lake: LakeSettings::default(),
        }
    }
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            warehouse: "tidelog".to_owned(),
            prefix: String::new(),
            push_millis: 500,
            flush_bytes: 32_000_000,
            flush_events: 500_000,
            flush_millis: 60_000,
            target_file_bytes: 128_000_000,
            s3: None,
        }
    }
}

impl Settings {
    /// Reads settings from TOML; what is absent has its default.
    ///
    /// # Errors
    /// `invalid_settings` with the line and the key.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::invalid("invalid_settings", e.to_string()))
    }

    /// Refuses what cannot work or would be unsafe.
    ///
    /// # Errors
    /// `token_required` to listen beyond loopback without a token; `invalid_settings`.
    pub fn check(&self) -> Result<()> {
        let open = [self.listen, self.s3_listen]
            .iter()
            .any(|at| !at.ip().is_loopback());
        if open && self.token.is_none() {
            return Err(Error::new(
                Kind::Unauthorized,
                "token_required",
                format!(
                    "listening on {} needs a token (--token or TIDELOG_TOKEN)",
                    self.listen
                ),
            )
            .at("token"));
        }
        self.check_tokens()?;
        let prefix = &self.lake.prefix;
        if !prefix.is_empty() && !prefix.ends_with('/') {
            return Err(
                Error::invalid("invalid_settings", "a prefix ends with /").at("lake.prefix")
            );
        }
        for (name, value, min) in [
            ("threads", self.threads as u64, 1),
            ("queue", self.queue as u64, 1),
            ("object_bytes_max", self.object_bytes_max, 1_000_000),
            ("lake.push_millis", self.lake.push_millis, 1),
            ("lake.flush_bytes", self.lake.flush_bytes, 1),
            ("lake.flush_events", self.lake.flush_events, 1),
            ("lake.flush_millis", self.lake.flush_millis, 1),
            (
                "lake.target_file_bytes",
                self.lake.target_file_bytes,
                1_000_000,
            ),
        ] {
            if value < min {
                let message = format!("{name} is at least {min}");
                return Err(Error::invalid("invalid_settings", message).at(name));
            }
        }
        for (name, value) in [
            ("warm_bytes_max", self.warm_bytes_max),
            ("blob_bytes_max", self.blob_bytes_max),
        ] {
            if !MEMORY_BYTES.contains(&value) {
                let (min, max) = MEMORY_BYTES.into_inner();
                let message = format!("{name} is {min} to {max}");
                return Err(Error::invalid("invalid_settings", message).at(name));
            }
        }
        Ok(())
    }

    fn check_tokens(&self) -> Result<()> {
        for (name, token) in [("token", &self.token), ("admin_token", &self.admin_token)] {
            if token.as_ref().is_some_and(|token| token.len() < 16) {
                let message = "a token has at least 16 characters";
                return Err(Error::invalid("invalid_settings", message).at(name));
            }
        }
        if self.token.is_some() && self.token == self.admin_token {
            let message = "the admin token differs from the ordinary one";
            return Err(Error::invalid("invalid_settings", message).at("admin_token"));
        }
        Ok(())
    }

    pub(crate) fn log_policy(&self) -> LogPolicy {
        let keep_millis = i64::try_from(self.log_keep_seconds.saturating_mul(1_000));
        LogPolicy {
            keep_millis: keep_millis.unwrap_or(i64::MAX / 2).min(i64::MAX / 2),
            bytes_max: self.object_bytes_max / 10 * 8,
            ..LogPolicy::default()
        }
    }

    pub(crate) fn table(&self) -> TableSettings {
        let lake = &self.lake;
        TableSettings {
            warehouse: lake
                .s3
                .as_ref()
                .map_or(&lake.warehouse, |s3| &s3.bucket)
                .clone(),
            prefix: lake.prefix.clone(),
            flush_bytes: lake.flush_bytes,
            flush_events: lake.flush_events,
            flush_millis: i64::try_from(lake.flush_millis).unwrap_or(i64::MAX / 2),
            flush_bytes_max: TableSettings::default().flush_bytes_max,
            target_file_bytes: lake.target_file_bytes,
        }
    }
}
