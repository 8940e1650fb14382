//! A Parquet data file from rows: its bytes and what the manifest says of it.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema as ArrowSchema};
use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, PrimitiveType, Schema, SchemaRef,
    Struct,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tidelog_core::CompressionCodec;
use tidelog_log::{Error, Result};

use crate::bounds::Bounds;
use crate::foreign;
use crate::limits::ROW_GROUP_ROWS;

/// What a manifest says of a file, and to which partition it belongs.
pub(crate) struct FilePlace {
    pub(crate) location: String,
    pub(crate) partition: Struct,
    pub(crate) spec_id: i32,
    pub(crate) sort_order_id: i32,
    pub(crate) schema: SchemaRef,
    pub(crate) codec: CompressionCodec,
}

#[derive(Default)]
struct Metrics {
    sizes: BTreeMap<i32, u64>,
    values: BTreeMap<i32, u64>,
    nulls: BTreeMap<i32, u64>,
    bounds: BTreeMap<i32, Bounds>,
}

/// Encodes rows as one Parquet file. The same rows give the same bytes.
pub(crate) fn encode(rows: &RecordBatch, place: FilePlace) -> Result<(Bytes, DataFile)> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(place.codec, &rows.schema()))
        .with_skip_arrow_metadata(true);
    let mut body = Vec::with_capacity(1 << 20);
    let mut writer = ArrowWriter::try_new_with_options(&mut body, rows.schema(), options)
        .map_err(foreign::parquet)?;
    writer.write(rows).map_err(foreign::parquet)?;
    let parquet = writer.close().map_err(foreign::parquet)?;
    let file = data_file(&parquet, rows.num_rows() as u64, body.len() as u64, place)?;
    Ok((Bytes::from(body), file))
}

fn properties(codec: CompressionCodec, schema: &ArrowSchema) -> WriterProperties {
    let sequence = || ColumnPath::from("_sequence");
    let mut builder = WriterProperties::builder()
        .set_compression(match codec {
            CompressionCodec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            CompressionCodec::Snappy => Compression::SNAPPY,
            CompressionCodec::None => Compression::UNCOMPRESSED,
        })
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_column_encoding(sequence(), Encoding::DELTA_BINARY_PACKED);
    // Nearly every value is another one: a dictionary would be built and thrown away.
    for column in ["_sequence", "_key", "_before", "_extra"] {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    // What rows are looked for by: their pages say what is in them. Times often come in order.
    let times = schema.fields().iter();
    let times = times.filter(|field| matches!(field.data_type(), DataType::Timestamp(..)));
    let times = times.map(|field| field.name().as_str());
    for column in ["_object", "_sequence", "_key"].into_iter().chain(times) {
        let column = ColumnPath::from(column);
        builder = builder.set_column_statistics_enabled(column, EnabledStatistics::Page);
    }
    builder.build()
}

/// What a manifest says of a file with this footer.
pub(crate) fn data_file(
    parquet: &ParquetMetaData,
    rows: u64,
    bytes: u64,
    place: FilePlace,
) -> Result<DataFile> {
    let metrics = metrics(parquet, &place.schema);
    let offsets = parquet.row_groups().iter();
    let bound = |of: fn(&Bounds) -> Option<iceberg::spec::Datum>| {
        let bounds = metrics.bounds.iter();
        bounds.filter_map(move |(id, bounds)| Some((*id, of(bounds)?)))
    };
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(place.location)
        .file_format(DataFileFormat::Parquet)
        .partition(place.partition)
        .partition_spec_id(place.spec_id)
        .record_count(rows)
        .file_size_in_bytes(bytes)
        .lower_bounds(bound(Bounds::lower).collect())
        .upper_bounds(bound(Bounds::upper).collect())
        .column_sizes(metrics.sizes.into_iter().collect())
        .value_counts(metrics.values.into_iter().collect())
        .null_value_counts(metrics.nulls.into_iter().collect())
        .split_offsets(Some(
            offsets.filter_map(|group| group.file_offset()).collect(),
        ))
        .sort_order_id(place.sort_order_id)
        .build()
        .map_err(|error| Error::internal(error.to_string()))
}

fn metrics(parquet: &ParquetMetaData, schema: &Schema) -> Metrics {
    let mut metrics = Metrics::default();
    for column in parquet
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
    {
        let info = column.column_descr().self_type().get_basic_info();
        if !info.has_id() {
            continue;
        }
        let id = info.id();
        let size = u64::try_from(column.compressed_size()).unwrap_or(0);
        *metrics.sizes.entry(id).or_default() += size;
        if column.column_descr().max_rep_level() > 0 {
            continue; // elements of a vector: their number says nothing of rows
        }
        let values = u64::try_from(column.num_values()).unwrap_or(0);
        *metrics.values.entry(id).or_default() += values;
        let nulls = column.statistics().and_then(|s| s.null_count_opt());
        *metrics.nulls.entry(id).or_default() += nulls.unwrap_or(0);
        let column_type = primitive_type(schema, id);
        if let (Some(statistics), Some(column_type)) = (column.statistics(), column_type)
            && nulls.unwrap_or(0) < values
        {
            metrics
                .bounds
                .entry(id)
                .or_default()
                .add(statistics, column_type);
        }
    }
    metrics
}

fn primitive_type(schema: &Schema, id: i32) -> Option<&PrimitiveType> {
    schema.field_by_id(id)?.field_type.as_primitive_type()
}
