//! What a host chooses for a table actor, and the places that follow from it.

use tidelog_core::Address;
use tidelog_log::{Error, Result};

use crate::columns::TableSchema;
use crate::limits::FLUSH_BYTES_MAX;

/// What a host chooses for a table actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// The bucket that table locations name (`s3://<warehouse>/...`).
    pub warehouse: String,
    /// Put before every blob key; empty, or ends with `/`.
    pub prefix: String,
    /// Inbox bytes at which a flush is due.
    pub flush_bytes: u64,
    /// Inbox events at which a flush is due.
    pub flush_events: u64,
    /// Age of the oldest inbox batch at which a flush is due, milliseconds.
    pub flush_millis: i64,
    /// Most inbox bytes one flush takes; one batch is always taken. Bounds a flush's memory.
    pub flush_bytes_max: u64,
    /// Size at which a data file is cut, as bytes of the events in it.
    pub target_file_bytes: u64,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            warehouse: "tidelog".to_owned(),
            prefix: String::new(),
            flush_bytes: 16_000_000,
            flush_events: 200_000,
            flush_millis: 5_000,
            flush_bytes_max: FLUSH_BYTES_MAX,
            target_file_bytes: 128_000_000,
        }
    }
}

/// Where the blobs of one table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    bucket: String,
    root: String,
}

impl Places {
    /// The places of the changes table of `address`.
    pub(crate) fn changes(
        settings: &TableSettings,
        address: &Address,
        schema: &TableSchema,
    ) -> Self {
        let bucket = match schema.bucket.as_str() {
            "" => settings.warehouse.as_str(),
            own => own,
        };
        Self {
            bucket: format!("s3://{bucket}/"),
            root: format!("{}{}{address}/changes", settings.prefix, schema.prefix),
        }
    }

    /// The table's location.
    pub(crate) fn location(&self) -> String {
        self.url(&self.root)
    }

    /// The key of a data file, or of a prefix of data files.
    pub(crate) fn data(&self, name: &str) -> String {
        format!("{}/data/{name}", self.root)
    }

    /// The key of a metadata file, manifest or manifest list, or of a prefix of them.
    pub(crate) fn metadata(&self, name: &str) -> String {
        format!("{}/metadata/{name}", self.root)
    }

    /// The location of a blob key.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}{key}", self.bucket)
    }

    /// The blob key of a location in this bucket.
    pub(crate) fn key(&self, location: &str) -> Result<String> {
        location
            .strip_prefix(&self.bucket)
            .map(str::to_owned)
            .ok_or_else(|| Error::corrupt(format!("{location:?} is outside {}", self.bucket)))
    }
}

/// The blob key of an `s3://bucket/key` location.
pub(crate) fn key_of(location: &str) -> Result<&str> {
    location
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .map(|(_, key)| key)
        .ok_or_else(|| Error::corrupt(format!("{location:?} is not an s3:// location")))
}
