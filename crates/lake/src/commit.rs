//! The Iceberg commit: manifests, manifest list, snapshot, metadata file.

use std::collections::BTreeSet;

use bytes::Bytes;
use iceberg::spec::{
    DataFile, MAIN_BRANCH, ManifestFile, Operation, Snapshot, Summary, TableMetadata,
};
use serde_json::Value as Json;
use tidelog_log::{Error, Result};

use crate::limits::{SNAPSHOTS_KEPT, SNAPSHOTS_MAX, SUMMARY_BYTES_MAX, SUMMARY_RANGES_MAX};
use crate::plan::SourceRange;
use crate::{BlobStore, FlushOutcome, FlushPlan, PutMode, foreign, manifests, metadata};

/// Writes everything that makes `files` part of the table; without files, the metadata only.
pub(crate) async fn write<B: BlobStore>(
    plan: &FlushPlan,
    blobs: &B,
    table: TableMetadata,
    files: Vec<DataFile>,
    ranges: &[SourceRange],
) -> Result<FlushOutcome> {
    let mut garbage = Vec::new();
    let mut snapshot_id = None;
    let table = match files.is_empty() {
        true => table,
        false => {
            let snapshot =
                write_snapshot(plan, blobs, &table, &files, ranges, &mut garbage).await?;
            snapshot_id = Some(snapshot.snapshot_id());
            append(plan, table, snapshot, &mut garbage)?
        }
    };
    let json = metadata::to_json(&table)?.to_string();
    let key = plan.places.metadata(&plan.metadata_name());
    let body = Bytes::from(json.clone());
    blobs.put(&key, body, PutMode::Overwrite).await?;
    let oldest = table.snapshots().map(|snapshot| snapshot.sequence_number());
    Ok(FlushOutcome {
        intent: plan.intent,
        attempt: plan.attempt,
        number: plan.number,
        schema_version: plan.schema.version,
        location: plan.places.url(&key),
        metadata: json,
        snapshot_id,
        oldest_sequence: unsigned(oldest.min().unwrap_or(0))?,
        added_rows: files.iter().map(DataFile::record_count).sum(),
        added_files: files.len() as u64,
        added_bytes: files.iter().map(DataFile::file_size_in_bytes).sum(),
        garbage,
    })
}

async fn write_snapshot<B: BlobStore>(
    plan: &FlushPlan,
    blobs: &B,
    table: &TableMetadata,
    files: &[DataFile],
    ranges: &[SourceRange],
    garbage: &mut Vec<(String, u64)>,
) -> Result<Snapshot> {
    let id = snapshot_id(plan);
    let mut all = manifests::current(blobs, table).await?;
    merge(plan, blobs, table, id, &mut all, garbage).await?;
    let made = manifests::of_new(table, id, files).await?;
    all.push(put_manifest(plan, blobs, "m0", made).await?);
    let key = plan.places.metadata(&plan.file_name("list.avro"));
    let body = manifests::list(table, id, all).await?;
    blobs.put(&key, body, PutMode::Overwrite).await?;
    let latest = table
        .snapshots()
        .map(|snapshot| snapshot.timestamp_ms())
        .max();
    let latest = latest
        .map_or(i64::MIN, |at| at + 1)
        .max(table.last_updated_ms());
    Ok(Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(table.current_snapshot_id())
        .with_sequence_number(table.next_sequence_number())
        .with_timestamp_ms(plan.now.max(latest))
        .with_manifest_list(plan.places.url(&key))
        .with_schema_id(table.current_schema_id())
        .with_summary(summary(plan, table, files, ranges))
        .build())
}

/// Replaces many small manifests by one, when there are many.
async fn merge<B: BlobStore>(
    plan: &FlushPlan,
    blobs: &B,
    table: &TableMetadata,
    snapshot_id: i64,
    all: &mut Vec<ManifestFile>,
    garbage: &mut Vec<(String, u64)>,
) -> Result<()> {
    let after = unsigned(table.next_sequence_number())?;
    for (spec_id, group) in manifests::to_merge(all) {
        let mut held = Vec::new();
        for manifest in &group {
            held.extend(manifests::files(blobs, manifest).await?);
            garbage.push((plan.places.key(&manifest.manifest_path)?, after));
        }
        let merged: BTreeSet<&String> = group.iter().map(|m| &m.manifest_path).collect();
        all.retain(|manifest| !merged.contains(&manifest.manifest_path));
        let made = manifests::of_held(table, spec_id, snapshot_id, held).await?;
        all.push(put_manifest(plan, blobs, &format!("merged{spec_id}"), made).await?);
    }
    Ok(())
}

async fn put_manifest<B: BlobStore>(
    plan: &FlushPlan,
    blobs: &B,
    name: &str,
    (body, mut manifest): (Bytes, ManifestFile),
) -> Result<ManifestFile> {
    let key = plan
        .places
        .metadata(&plan.file_name(&format!("{name}.avro")));
    // Not put-if-absent: Avro's sync marker differs from run to run, the content does not.
    blobs.put(&key, body, PutMode::Overwrite).await?;
    manifest.manifest_path = plan.places.url(&key);
    Ok(manifest)
}

/// Appends the snapshot and expires old ones, a batch at a time.
fn append(
    plan: &FlushPlan,
    table: TableMetadata,
    snapshot: Snapshot,
    garbage: &mut Vec<(String, u64)>,
) -> Result<TableMetadata> {
    let mut known: Vec<(i64, i64, String)> = table
        .snapshots()
        .map(|s| {
            (
                s.sequence_number(),
                s.snapshot_id(),
                s.manifest_list().to_owned(),
            )
        })
        .collect();
    known.sort_unstable();
    let over = match known.len() + 1 > SNAPSHOTS_MAX {
        true => known.len() + 1 - SNAPSHOTS_KEPT,
        false => 0,
    };
    let mut expired = Vec::with_capacity(over);
    for (_, id, list) in known.into_iter().take(over) {
        garbage.push((plan.places.key(&list)?, 0));
        expired.push(id);
    }
    let built = table
        .into_builder(None)
        .set_branch_snapshot(snapshot, MAIN_BRANCH)
        .and_then(|builder| builder.remove_snapshots(&expired).build())
        .map_err(foreign::iceberg)?;
    Ok(built.metadata)
}

fn summary(
    plan: &FlushPlan,
    table: &TableMetadata,
    files: &[DataFile],
    ranges: &[SourceRange],
) -> Summary {
    let before = table.current_snapshot().map(|snapshot| snapshot.summary());
    let before = |name: &str| -> u64 {
        let value = before.and_then(|summary| summary.additional_properties.get(name));
        value.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let rows: u64 = files.iter().map(DataFile::record_count).sum();
    let bytes: u64 = files.iter().map(DataFile::file_size_in_bytes).sum();
    let mut entries = vec![
        ("tidelog.intent".to_owned(), plan.intent.to_string()),
        (
            "tidelog.schema-version".to_owned(),
            plan.schema.version.to_string(),
        ),
        ("tidelog.batches".to_owned(), ranges.len().to_string()),
        ("tidelog.ranges".to_owned(), named_ranges(ranges)),
    ];
    for (name, added) in [
        ("data-files", files.len() as u64),
        ("records", rows),
        ("files-size", bytes),
    ] {
        let total = format!("total-{name}");
        let sum = before(&total) + added;
        entries.push((format!("added-{name}"), added.to_string()));
        entries.push((total, sum.to_string()));
    }
    for name in ["delete-files", "position-deletes", "equality-deletes"] {
        entries.push((format!("total-{name}"), "0".to_owned()));
    }
    Summary {
        operation: Operation::Append,
        additional_properties: entries.into_iter().collect(),
    }
}

/// The first ranges as JSON, `[[object, from, to], ...]`, bounded in number and bytes.
fn named_ranges(ranges: &[SourceRange]) -> String {
    let mut named = Vec::new();
    let mut bytes = 2;
    for range in ranges.iter().take(SUMMARY_RANGES_MAX) {
        let entry = serde_json::json!([range.object, range.from, range.to]);
        bytes += entry.to_string().len() + 1;
        if bytes > SUMMARY_BYTES_MAX {
            break;
        }
        named.push(entry);
    }
    Json::from(named).to_string()
}

/// An id from the intent and the attempt, within 2^53 so that JavaScript reads it unharmed.
fn snapshot_id(plan: &FlushPlan) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(plan.intent.as_bytes());
    hasher.update(&plan.attempt.to_le_bytes());
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    i64::from_le_bytes(id).rem_euclid((1 << 53) - 1) + 1
}

fn unsigned(n: i64) -> Result<u64> {
    u64::try_from(n).map_err(|_| Error::corrupt("an Iceberg sequence number is negative"))
}
