//! Manifests and manifest lists: read, written, merged. Their bytes are made in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, FormatVersion, Manifest, ManifestFile, ManifestList, ManifestListWriter,
    ManifestWriter, ManifestWriterBuilder, PartitionSpec, TableMetadata,
};
use tidelog_log::{Error, Result};

use crate::limits::{MANIFEST_FILES_FULL, MANIFESTS_MAX};
use crate::settings::key_of;
use crate::{BlobStore, foreign};

/// Where the bytes are made; they leave memory through the blob store only.
const SCRATCH: &str = "memory://scratch";

/// A data file that a snapshot has, and since when.
pub(crate) struct Held {
    pub(crate) file: DataFile,
    snapshot_id: i64,
    sequence: i64,
    file_sequence: i64,
}

/// The manifests of the current snapshot.
pub(crate) async fn current<B: BlobStore>(
    blobs: &B,
    metadata: &TableMetadata,
) -> Result<Vec<ManifestFile>> {
    let Some(snapshot) = metadata.current_snapshot() else {
        return Ok(Vec::new());
    };
    let body = blobs.get(key_of(snapshot.manifest_list())?, None).await?;
    let list = ManifestList::parse_with_version(&body, FormatVersion::V2);
    Ok(list
        .map_err(foreign::iceberg)?
        .consume_entries()
        .into_iter()
        .collect())
}

/// The live data files of one manifest.
pub(crate) async fn files<B: BlobStore>(blobs: &B, manifest: &ManifestFile) -> Result<Vec<Held>> {
    let body = blobs.get(key_of(&manifest.manifest_path)?, None).await?;
    let (entries, _) = Manifest::parse_avro(&body)
        .map_err(foreign::iceberg)?
        .into_parts();
    let live = entries.iter().filter(|entry| entry.is_alive());
    let held = live.map(|entry| Held {
        file: entry.data_file().clone(),
        snapshot_id: entry.snapshot_id().unwrap_or(manifest.added_snapshot_id),
        sequence: entry.sequence_number().unwrap_or(manifest.sequence_number),
        file_sequence: entry
            .file_sequence_number
            .unwrap_or(manifest.sequence_number),
    });
    Ok(held.collect())
}

/// Which manifests are to be merged now, by partition spec; none while there are few.
pub(crate) fn to_merge(manifests: &[ManifestFile]) -> BTreeMap<i32, Vec<ManifestFile>> {
    let small = |manifest: &&ManifestFile| files_in(manifest) < MANIFEST_FILES_FULL;
    let mut groups: BTreeMap<i32, Vec<ManifestFile>> = BTreeMap::new();
    if manifests.iter().filter(small).count() < MANIFESTS_MAX {
        return groups;
    }
    for manifest in manifests.iter().filter(small) {
        let group = groups.entry(manifest.partition_spec_id).or_default();
        if group.iter().map(files_in).sum::<u64>() < MANIFEST_FILES_FULL {
            group.push(manifest.clone());
        }
    }
    groups.retain(|_, group| group.len() > 1);
    groups
}

/// How many data files a manifest names.
pub(crate) fn files_in(manifest: &ManifestFile) -> u64 {
    let count = |n: Option<u32>| u64::from(n.unwrap_or(0));
    count(manifest.added_files_count) + count(manifest.existing_files_count)
}

/// A manifest of new data files.
pub(crate) async fn of_new(
    metadata: &TableMetadata,
    snapshot_id: i64,
    files: &[DataFile],
) -> Result<(Bytes, ManifestFile)> {
    let spec = metadata.default_partition_spec().as_ref().clone();
    let (scratch, mut writer) = manifest_writer(metadata, spec, snapshot_id)?;
    for file in files {
        writer
            .add_file(file.clone(), metadata.next_sequence_number())
            .map_err(foreign::iceberg)?;
    }
    finish(&scratch, writer).await
}

/// A manifest of data files that the table has already.
pub(crate) async fn of_held(
    metadata: &TableMetadata,
    spec_id: i32,
    snapshot_id: i64,
    files: Vec<Held>,
) -> Result<(Bytes, ManifestFile)> {
    let spec = metadata
        .partition_spec_by_id(spec_id)
        .ok_or_else(|| Error::corrupt(format!("no partition spec {spec_id}")))?;
    let (scratch, mut writer) = manifest_writer(metadata, spec.as_ref().clone(), snapshot_id)?;
    for Held {
        file,
        snapshot_id,
        sequence,
        file_sequence,
    } in files
    {
        writer
            .add_existing_file(file, snapshot_id, sequence, Some(file_sequence))
            .map_err(foreign::iceberg)?;
    }
    finish(&scratch, writer).await
}

fn manifest_writer(
    metadata: &TableMetadata,
    spec: PartitionSpec,
    snapshot_id: i64,
) -> Result<(FileIO, ManifestWriter)> {
    let scratch = FileIO::new_with_memory();
    let output = scratch.new_output(SCRATCH).map_err(foreign::iceberg)?;
    let schema = metadata.current_schema().clone();
    let builder = ManifestWriterBuilder::new(output, Some(snapshot_id), schema, spec);
    Ok((scratch, builder.build_v2_data()))
}

async fn finish(scratch: &FileIO, writer: ManifestWriter) -> Result<(Bytes, ManifestFile)> {
    let manifest = writer
        .write_manifest_file()
        .await
        .map_err(foreign::iceberg)?;
    Ok((scratched(scratch).await?, manifest))
}

/// The bytes of a manifest list.
pub(crate) async fn list(
    metadata: &TableMetadata,
    snapshot_id: i64,
    manifests: Vec<ManifestFile>,
) -> Result<Bytes> {
    let scratch = FileIO::new_with_memory();
    let output = scratch.new_output(SCRATCH).map_err(foreign::iceberg)?;
    let output = output.writer().await.map_err(foreign::iceberg)?;
    let (parent, sequence) = (
        metadata.current_snapshot_id(),
        metadata.next_sequence_number(),
    );
    let mut writer = ManifestListWriter::v2(output, snapshot_id, parent, sequence);
    writer
        .add_manifests(manifests.into_iter())
        .map_err(foreign::iceberg)?;
    writer.close().await.map_err(foreign::iceberg)?;
    scratched(&scratch).await
}

async fn scratched(scratch: &FileIO) -> Result<Bytes> {
    let input = scratch.new_input(SCRATCH).map_err(foreign::iceberg)?;
    input.read().await.map_err(foreign::iceberg)
}
