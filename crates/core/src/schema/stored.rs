//! A registered version of a type: immutable, with field ids, known by number and hash.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_log::limits::COLUMNS_MAX;
use tidelog_log::{Error, FieldId, FieldType, Result};

use crate::Address;

use super::policy::{
    ColdPolicy, CollectionHot, HotPolicy, Retention, SyncPolicy, WarmPolicy, is_default,
};
use super::snapshots::SnapshotsPolicy;
use super::spec::CheckSpec;

/// One immutable version of a type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypeSchema {
    /// The type's name.
    #[serde(rename = "type")]
    pub name: String,
    /// From 1.
    pub version: u32,
    /// What the type is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// By ascending id.
    pub collections: Vec<Collection>,
    /// The objects' databases.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hot: HotPolicy,
    /// The cache, for what is no collection's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warm: WarmPolicy,
    /// How an object's log goes to its tables.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sync: SyncPolicy,
    /// When the objects take snapshots of themselves, and how long they keep them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub snapshots: SnapshotsPolicy,
}

/// A registered collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Stable from its first registration; from 1.
    pub id: u32,
    /// Its name, also its table's name in SQLite.
    pub name: String,
    /// What it holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Key fields; empty: the member `id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<FieldId>,
    /// By ascending id.
    pub fields: Vec<Field>,
    /// Secondary indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// The Iceberg tables.
    pub cold: ColdPolicy,
    /// Its part in the objects' databases.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hot: CollectionHot,
    /// Its part in the cache.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warm: WarmPolicy,
    /// When its documents are deleted for their age; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// A registered field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Stable from its first registration; from 1.
    pub id: FieldId,
    /// Its present name.
    pub name: String,
    /// Its type, which never changes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// What it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Refuse documents without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The value of an inserted document that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// Numbers in a vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// What its values must satisfy.
    #[serde(flatten)]
    pub check: CheckSpec,
}

/// A registered index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Indexed fields, in order.
    pub fields: Vec<FieldId>,
    /// Refuse a second document with the same values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Index only documents whose fields equal these values, as JSON; null: has no value.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<(FieldId, Json)>,
}

impl TypeSchema {
    /// The table actors of the collections with cold sync.
    pub fn cold_tables(&self) -> Vec<Address> {
        let cold = self.collections.iter().filter(|c| c.cold.enabled);
        let tables = cold.map(|c| Address::table(&self.name, &c.name));
        tables.filter_map(Result::ok).collect()
    }

    /// Reads a stored version.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|e| Error::corrupt(format!("a stored schema: {e}")))
    }

    /// The version as canonical JSON: what is stored, hashed and answered.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal(e.to_string()))
    }

    /// The BLAKE3 hash of [`TypeSchema::to_json`], as hex.
    pub fn hash(&self) -> Result<String> {
        Ok(blake3::hash(self.to_json()?.as_bytes())
            .to_hex()
            .to_string())
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// `unknown_collection`.
    pub fn collection(&self, name: &str) -> Result<&Collection> {
        self.collections
            .iter()
            .find(|collection| collection.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.collections.iter().map(|c| c.name.as_str()).collect();
                let shown: String = name.chars().take(80).collect();
                Error::not_found(
                    "unknown_collection",
                    format!(
                        "type {} has no collection {shown:?}; it has {}",
                        self.name,
                        known.join(", ")
                    ),
                )
                .at("collection")
            })
    }
}

impl Collection {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field with this id.
    pub fn field_by_id(&self, id: FieldId) -> Option<&Field> {
        let at = self
            .fields
            .binary_search_by_key(&id, |field| field.id)
            .ok()?;
        self.fields.get(at)
    }

    /// The present name of a field, for [`tidelog_log::Row::to_json`].
    pub fn field_name(&self, id: FieldId) -> Option<&str> {
        self.field_by_id(id).map(|field| field.name.as_str())
    }

    /// Fields that have a column of their own in SQLite, by ascending id.
    pub fn columns(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.has_column())
    }
}

impl Field {
    /// True when the field has a column in SQLite; the others live in `_extra`.
    pub fn has_column(&self) -> bool {
        usize::try_from(self.id).is_ok_and(|id| id <= COLUMNS_MAX)
    }
}
