//! What a registered version says of its tiers: every setting resolved, in bytes and milliseconds.
//!
//! A policy that equals its default is not stored, so versions registered before a setting existed
//! read, and keep their hash. A default is therefore part of the format: it never changes.

use serde::{Deserialize, Serialize};
use tidelog_log::FieldId;

use super::limits::MINUTE;
use super::spec::PartitionSpec;

/// True when a policy need not be stored.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The database of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HotPolicy {
    /// Size past which documents are neither inserted nor updated, bytes.
    pub max_bytes: u64,
}

impl Default for HotPolicy {
    /// 10 GB, as large as a Durable Object gets.
    fn default() -> Self {
        let max_bytes = 10_000_000_000;
        Self { max_bytes }
    }
}

/// A collection's part in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectionHot {
    /// The documents are kept in the object.
    pub enabled: bool,
    /// Rows past which they fold into columns; 0: never.
    pub vortex_threshold: u64,
}

impl Default for CollectionHot {
    fn default() -> Self {
        Self {
            enabled: true,
            vortex_threshold: 1_000,
        }
    }
}

/// A part in the cache: a type's own (for entries users set) or a collection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WarmPolicy {
    /// Values are kept in the cache.
    pub enabled: bool,
    /// How long a value may be answered without asking the object, milliseconds.
    pub ttl_millis: i64,
    /// Most entries kept.
    pub entries_max: u64,
    /// Changes are pushed, not only kept when read.
    pub push: bool,
}

impl Default for WarmPolicy {
    fn default() -> Self {
        Self {
            enabled: false,
            ttl_millis: 5 * MINUTE,
            entries_max: 10_000,
            push: false,
        }
    }
}

/// A collection's Iceberg tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColdPolicy {
    /// The collection is synced to its tables.
    pub enabled: bool,
    /// Partition columns of the tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<PartitionSpec>,
    /// The bucket; empty: the host's warehouse.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bucket: String,
    /// Put before the tables' keys, after the host's own prefix.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// How data files are compressed.
    #[serde(skip_serializing_if = "is_default")]
    pub compression_codec: CompressionCodec,
    /// Least time between two commits, milliseconds; `None`: as the host's flushes come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_millis: Option<i64>,
    /// Age an event must have to be committed, milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub min_age_millis: i64,
}

impl Default for ColdPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            partition_by: Vec::new(),
            bucket: String::new(),
            prefix: String::new(),
            compression_codec: CompressionCodec::Zstd,
            schedule_millis: None,
            min_age_millis: 0,
        }
    }
}

/// How the pages of data files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionCodec {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// Snappy: larger and a little quicker.
    Snappy,
    /// Not at all.
    None,
}

/// How an object's log goes to its tables; `None`: as the host is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncPolicy {
    /// Most events of one push, give or take a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
    /// Time between two pushes, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_millis: Option<i64>,
}

/// When documents are deleted for their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The timestamp or date that age counts from; `None`: when the document was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldId>,
    /// The age past which a document is deleted, milliseconds.
    pub max_age_millis: i64,
}
