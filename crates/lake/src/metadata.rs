//! The table metadata as JSON: created, evolved, logged. Everything `TableMetadataBuilder` would
//! read a clock or make random ids for is done here.

use std::collections::BTreeSet;

use iceberg::spec::TableMetadata;
use serde_json::{Map, Value as Json, json};
use tidelog_core::{Address, CompressionCodec};
use tidelog_log::{Error, Result};
use uuid::Uuid;

use crate::columns::{OBJECT, SEQUENCE, TableSchema};
use crate::limits::METADATA_LOG_MAX;
use crate::{foreign, partition};

/// The metadata with this schema version: `base` evolved, or a new table's.
pub(crate) fn with_schema(
    base: Option<Json>,
    schema: &TableSchema,
    uuid: Uuid,
    location: &str,
    address: &Address,
    now: i64,
) -> Result<Json> {
    let mut metadata = match base {
        Some(metadata) => metadata,
        None => created(schema, uuid, location, address, now)?,
    };
    evolve(&mut metadata, schema, now)?;
    parsed(metadata.clone())?;
    Ok(metadata)
}

/// The metadata as Iceberg's own type, which checks it.
pub(crate) fn parsed(metadata: Json) -> Result<TableMetadata> {
    serde_json::from_value(metadata).map_err(foreign::json)
}

/// The metadata as JSON in one order, whatever order its maps are in.
pub(crate) fn to_json(metadata: &TableMetadata) -> Result<Json> {
    let mut json = serde_json::to_value(metadata).map_err(foreign::json)?;
    for (list, key) in [
        ("snapshots", "sequence-number"),
        ("schemas", "schema-id"),
        ("partition-specs", "spec-id"),
        ("sort-orders", "order-id"),
    ] {
        if let Some(items) = json.get_mut(list).and_then(Json::as_array_mut) {
            items.sort_by_key(|item| item[key].as_i64());
        }
    }
    Ok(json)
}

/// Notes where the metadata was before; answers locations that fall off the end of the log.
pub(crate) fn log_previous(metadata: &mut Json, location: &str) -> Vec<String> {
    let entry = json!({
        "timestamp-ms": metadata["last-updated-ms"], "metadata-file": location,
    });
    if !metadata["metadata-log"].is_array() {
        metadata["metadata-log"] = json!([]);
    }
    let Some(log) = metadata["metadata-log"].as_array_mut() else {
        return Vec::new();
    };
    log.push(entry);
    let over = log.len().saturating_sub(METADATA_LOG_MAX);
    let dropped = log.drain(..over);
    dropped
        .filter_map(|entry| entry["metadata-file"].as_str().map(str::to_owned))
        .collect()
}

fn created(
    schema: &TableSchema,
    uuid: Uuid,
    location: &str,
    address: &Address,
    now: i64,
) -> Result<Json> {
    let fields = partition::fields(schema, &[])?;
    let last_partition_id = partition::LAST_UNASSIGNED + fields.len();
    let ascending = |id: u32| {
        json!({
            "source-id": id, "transform": "identity", "direction": "asc",
            "null-order": "nulls-first",
        })
    };
    Ok(json!({
        "format-version": 2,
        "table-uuid": uuid.to_string(),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now,
        "last-column-id": schema.last_column_id(),
        "current-schema-id": 0,
        "schemas": [schema.to_iceberg(0)],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": fields}],
        "last-partition-id": last_partition_id,
        "default-sort-order-id": 1,
        "sort-orders": [
            {"order-id": 0, "fields": []},
            {"order-id": 1, "fields": [ascending(OBJECT), ascending(SEQUENCE)]},
        ],
        "properties": {
            "tidelog.address": address.to_string(),
            "write.metadata.previous-versions-max": METADATA_LOG_MAX.to_string(),
        },
        "refs": {}, "snapshots": [], "snapshot-log": [], "metadata-log": [],
    }))
}

fn evolve(metadata: &mut Json, schema: &TableSchema, now: i64) -> Result<()> {
    evolve_columns(metadata, schema)?;
    evolve_partitions(metadata, schema)?;
    let types = serde_json::to_string(&schema.types()).map_err(foreign::json)?;
    let properties = object(metadata, "properties")?;
    properties.insert("tidelog.fields".to_owned(), Json::from(types));
    let version = Json::from(schema.version.to_string());
    properties.insert("tidelog.schema-version".to_owned(), version);
    let codec = match schema.compression_codec {
        CompressionCodec::Zstd => "zstd",
        CompressionCodec::Snappy => "snappy",
        CompressionCodec::None => "uncompressed",
    };
    properties.insert("write.parquet.compression-codec".to_owned(), codec.into());
    let last = metadata["last-updated-ms"].as_i64().unwrap_or(0);
    metadata["last-updated-ms"] = Json::from(now.max(last));
    Ok(())
}

fn evolve_columns(metadata: &mut Json, schema: &TableSchema) -> Result<()> {
    let current = metadata["current-schema-id"].as_i64().unwrap_or(0);
    let used: BTreeSet<i64> = list(metadata, "snapshots")?
        .iter()
        .filter_map(|snapshot| snapshot["schema-id"].as_i64())
        .collect();
    let schemas = list(metadata, "schemas")?;
    let present = schemas.iter().find(|s| s["schema-id"] == current);
    if present.is_some_and(|present| *present == schema.to_iceberg(current)) {
        return Ok(());
    }
    let highest = schemas.iter().filter_map(|s| s["schema-id"].as_i64()).max();
    let id = highest.unwrap_or(current) + 1;
    schemas.retain(|s| s["schema-id"].as_i64().is_some_and(|id| used.contains(&id)));
    schemas.push(schema.to_iceberg(id));
    metadata["current-schema-id"] = Json::from(id);
    let last = metadata["last-column-id"].as_u64().unwrap_or(0);
    metadata["last-column-id"] = Json::from(last.max(u64::from(schema.last_column_id())));
    Ok(())
}

/// Adds a partition spec when `partition_by` changed; data files keep the one they have.
fn evolve_partitions(metadata: &mut Json, schema: &TableSchema) -> Result<()> {
    let specs = list(metadata, "partition-specs")?.clone();
    let known: Vec<Json> = specs
        .iter()
        .filter_map(|spec| spec["fields"].as_array())
        .flatten()
        .cloned()
        .collect();
    let fields = partition::fields(schema, &known)?;
    let highest = |ids: &mut dyn Iterator<Item = i64>| ids.max().unwrap_or(0);
    let id = match specs
        .iter()
        .find(|spec| spec["fields"] == Json::from(fields.clone()))
    {
        Some(spec) => spec["spec-id"].clone(),
        None => {
            let id = highest(&mut specs.iter().filter_map(|spec| spec["spec-id"].as_i64())) + 1;
            let spec = json!({"spec-id": id, "fields": fields});
            list(metadata, "partition-specs")?.push(spec);
            Json::from(id)
        }
    };
    metadata["default-spec-id"] = id;
    let mut ids = fields.iter().filter_map(|field| field["field-id"].as_i64());
    let last = metadata["last-partition-id"].as_i64().unwrap_or(0);
    metadata["last-partition-id"] = Json::from(highest(&mut ids).max(last));
    Ok(())
}

fn list<'a>(metadata: &'a mut Json, name: &str) -> Result<&'a mut Vec<Json>> {
    if metadata[name].is_null() {
        metadata[name] = json!([]);
    }
    metadata[name]
        .as_array_mut()
        .ok_or_else(|| Error::corrupt(format!("table metadata: {name} is no list")))
}

fn object<'a>(metadata: &'a mut Json, name: &str) -> Result<&'a mut Map<String, Json>> {
    metadata[name]
        .as_object_mut()
        .ok_or_else(|| Error::corrupt(format!("table metadata: {name} is no object")))
}
