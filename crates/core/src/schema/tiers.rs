//! What a type, or one of its collections, declares of its tiers. What is absent is inherited:
//! a collection from its type, a type from the defaults of `policy.rs`.
//!
//! Every key is also accepted in camel case.

use serde::{Deserialize, Serialize};

use super::quantity::Quantity;
use super::spec::PartitionSpec;

/// `[hot]`: the object's own database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HotSpec {
    /// Keep the documents in the object; see `docs/settings.md` for why it cannot be off.
    pub enabled: Option<bool>,
    /// Largest database of one object, bytes. Of the type only: an object has one database.
    #[serde(alias = "maxSize")]
    pub max_size: Option<Quantity>,
    /// Rows past which they fold into columns; 0: never.
    #[serde(alias = "vortexThreshold")]
    pub vortex_threshold: Option<i64>,
}

/// `[warm]`: the cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmSpec {
    /// Keep read and pushed values in the cache.
    pub enabled: Option<bool>,
    /// How long a value may be answered without asking the object.
    #[serde(alias = "defaultTTL", alias = "defaultTtl")]
    pub default_ttl: Option<Quantity>,
    /// Most entries kept.
    #[serde(alias = "maxEntries")]
    pub max_entries: Option<i64>,
    /// The collections whose changes are pushed; empty: all. Of the type only.
    pub collections: Option<Vec<String>>,
}

/// `[cold]`: a collection's Iceberg tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColdSpec {
    /// Sync to the tables.
    pub enabled: Option<bool>,
    /// The bucket; empty: the host's warehouse.
    pub bucket: Option<String>,
    /// Put before the tables' keys; empty, or ends with `/`.
    pub prefix: Option<String>,
    /// Partition columns.
    #[serde(alias = "partitionBy")]
    pub partition_by: Option<Vec<PartitionSpec>>,
    /// How data files are compressed: `zstd`, `snappy` or `none`.
    #[serde(alias = "compressionCodec")]
    pub compression_codec: Option<String>,
    /// Least time between two commits of a table.
    pub schedule: Option<Quantity>,
    /// Age an event must have to be committed.
    #[serde(alias = "minAge")]
    pub min_age: Option<Quantity>,
}

/// `[sync]`: how an object's log goes to its tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSpec {
    /// Most events of one push, give or take a turn.
    #[serde(alias = "batchSize")]
    pub batch_size: Option<i64>,
    /// Time between two pushes of an object.
    pub interval: Option<Quantity>,
}

/// `[retention]`: when documents are deleted for their age.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSpec {
    /// The timestamp or date that age counts from; `_written`: when the document was last changed.
    pub field: Option<String>,
    /// The age past which a document is deleted; 0: never.
    #[serde(alias = "maxAge")]
    pub max_age: Option<Quantity>,
}
