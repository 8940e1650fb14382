//! What a user declares, in TOML or JSON. Names only: ids and versions come at registration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_log::{Error, FieldType, Result};

use super::snapshots::SnapshotsSpec;
use super::tiers::{ColdSpec, HotSpec, RetentionSpec, SyncSpec, WarmSpec};

/// A type as declared: a name and its collections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeSpec {
    /// The type's name.
    #[serde(rename = "type")]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The objects' databases, and defaults for the collections' part in them.
    #[serde(default)]
    pub hot: HotSpec,
    /// Defaults for the collections' part in the cache, and which of them are pushed to it.
    #[serde(default)]
    pub warm: WarmSpec,
    /// Defaults for the collections' Iceberg tables.
    #[serde(default)]
    pub cold: ColdSpec,
    /// How an object's log goes to its tables.
    #[serde(default)]
    pub sync: SyncSpec,
    /// Default for the age at which the collections' documents are deleted.
    #[serde(default)]
    pub retention: RetentionSpec,
    /// When an object takes snapshots of itself, and how long it keeps them.
    #[serde(default)]
    pub snapshots: SnapshotsSpec,
    /// Its collections by name.
    pub collections: BTreeMap<String, CollectionSpec>,
}

/// A collection as declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionSpec {
    /// What it holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Fields whose values make a document's key; empty: the member `id`, made if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Declared fields by name.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldSpec>,
    /// Secondary indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexSpec>,
    /// Its part in the objects' databases.
    #[serde(default)]
    pub hot: HotSpec,
    /// Its part in the cache.
    #[serde(default)]
    pub warm: WarmSpec,
    /// Its Iceberg tables.
    #[serde(default)]
    pub cold: ColdSpec,
    /// The age at which its documents are deleted.
    #[serde(default)]
    pub retention: RetentionSpec,
}

/// A field as declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// Its type.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// What it means, with its unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Refuse documents without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The value of an inserted document that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// The name it had in the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// Numbers in a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// Smallest value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Json>,
    /// Largest value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Json>,
    /// The only values allowed.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Json>>,
    /// A regular expression the whole text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A collection of the same object that must hold a document with this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
}

impl FieldSpec {
    /// What the field's values must satisfy.
    pub fn check(&self) -> CheckSpec {
        CheckSpec {
            min: self.min.clone(),
            max: self.max.clone(),
            one_of: self.one_of.clone(),
            pattern: self.pattern.clone(),
            references: self.references.clone(),
        }
    }
}

/// What a field's values must satisfy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Smallest value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Json>,
    /// Largest value, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Json>,
    /// The only values allowed.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Json>>,
    /// A regular expression the whole text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// A collection of the same object that must hold a document with this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
}

/// A secondary index as declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSpec {
    /// Indexed fields, in order; each must have a column.
    pub fields: Vec<String>,
    /// Refuse a second document with the same values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Index only documents whose fields equal these values (null: has no value).
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, Json>,
}

/// One partition column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionSpec {
    /// The source field; `_object` for the object's id.
    pub field: String,
    /// How its values become partitions.
    pub transform: Transform,
}

/// An Iceberg partition transform, spelled as Iceberg does: `month`, `bucket[16]`, `truncate[4]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Transform {
    /// The value itself.
    Identity,
    /// A hash into this many buckets.
    Bucket(u32),
    /// A number rounded down to a multiple of this, or a text's first characters.
    Truncate(u32),
    /// The UTC year.
    Year,
    /// The UTC year and month.
    Month,
    /// The UTC day.
    Day,
    /// The UTC hour.
    Hour,
}

impl From<Transform> for String {
    fn from(transform: Transform) -> Self {
        match transform {
            Transform::Identity => "identity".to_owned(),
            Transform::Bucket(n) => format!("bucket[{n}]"),
            Transform::Truncate(n) => format!("truncate[{n}]"),
            Transform::Year => "year".to_owned(),
            Transform::Month => "month".to_owned(),
            Transform::Day => "day".to_owned(),
            Transform::Hour => "hour".to_owned(),
        }
    }
}

impl TryFrom<String> for Transform {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |name: &str| {
            let digits = text
                .strip_prefix(name)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            digits.parse().ok().filter(|n| (1..=1_000_000).contains(n))
        };
        match text.as_str() {
            "identity" => Ok(Self::Identity),
            "year" => Ok(Self::Year),
            "month" => Ok(Self::Month),
            "day" => Ok(Self::Day),
            "hour" => Ok(Self::Hour),
            _ => number("bucket")
                .map(Self::Bucket)
                .or_else(|| number("truncate").map(Self::Truncate))
                .ok_or_else(|| {
                    "a transform is identity, year, month, day, hour, bucket[N] or truncate[N]"
                        .to_owned()
                }),
        }
    }
}

impl TypeSpec {
    /// Reads a declaration from TOML.
    ///
    /// # Errors
    /// `invalid_schema` with the line and what was expected.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::invalid("invalid_schema", e.to_string()))
    }

    /// Reads a declaration from JSON of the same shape.
    ///
    /// # Errors
    /// `invalid_schema` with what was expected.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|e| Error::invalid("invalid_schema", e.to_string()))
    }
}
