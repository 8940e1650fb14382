//! Parquet as arrow-rs writes it by default, with snappy, and tuned column by column.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar, UInt64Array};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::compute::{not, or};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowFilter, RowSelection, RowSelector,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::{Decoded, Format, Reader};
use crate::cells::{Cell, cells};
use crate::scan::{Sum, in_range};
use crate::sets::{DataSet, Filter};

/// Rows of a batch that is read, and of a page in the tuned form.
const BATCH_ROWS: usize = 8_192;

/// One way to write Parquet.
#[derive(Debug)]
pub struct Parquet {
    name: &'static str,
    compression: Compression,
    /// The encoding of each column, where it is tuned; `None` is a dictionary.
    chosen: Option<BTreeMap<String, Option<Encoding>>>,
}

impl Parquet {
    /// The baseline: the defaults, and zstd at level 3.
    pub fn zstd() -> Self {
        Self {
            name: "parquet-zstd3",
            compression: zstd3(),
            chosen: None,
        }
    }

    /// The smallest encoding of each column, found by trying, and pages of 8,192 rows.
    pub fn tuned() -> Self {
        let chosen = Some(BTreeMap::new());
        Self {
            name: "parquet-tuned-zstd3",
            compression: zstd3(),
            chosen,
        }
    }

    pub fn snappy() -> Self {
        Self {
            name: "parquet-snappy",
            compression: Compression::SNAPPY,
            chosen: None,
        }
    }

    fn properties(&self) -> WriterProperties {
        let defaults = WriterProperties::builder().set_compression(self.compression);
        let Some(chosen) = &self.chosen else {
            return defaults.build();
        };
        let tuned = small_pages(defaults);
        let tuned = chosen
            .iter()
            .fold(tuned, |to, (name, encoding)| set(to, name, *encoding));
        tuned.build()
    }
}

fn zstd3() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default())
}

fn small_pages(builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    // The limit is looked at between two such batches.
    builder
        .set_data_page_row_count_limit(BATCH_ROWS)
        .set_write_batch_size(1_024)
}

fn set(
    builder: WriterPropertiesBuilder,
    name: &str,
    encoding: Option<Encoding>,
) -> WriterPropertiesBuilder {
    let path = || ColumnPath::from(name);
    let builder = builder.set_column_dictionary_enabled(path(), encoding.is_none());
    match encoding {
        Some(encoding) => builder.set_column_encoding(path(), encoding),
        None => builder,
    }
}

/// The encodings that a type can have, a dictionary first.
fn candidates(data_type: &DataType) -> Vec<Option<Encoding>> {
    let own: &[Encoding] = match data_type {
        DataType::Utf8 => &[
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Encoding::DELTA_BYTE_ARRAY,
        ],
        DataType::Float64 => &[Encoding::BYTE_STREAM_SPLIT],
        _ => &[Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT],
    };
    let plain = [None, Some(Encoding::PLAIN)];
    plain
        .into_iter()
        .chain(own.iter().copied().map(Some))
        .collect()
}

fn written(batch: &RecordBatch, properties: WriterProperties) -> Result<Vec<u8>> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

/// The encoding with which a column alone is smallest.
fn smallest(set_of: &DataSet, column: usize, compression: Compression) -> Result<Option<Encoding>> {
    let alone = set_of.batch.project(&[column])?;
    let name = set_of.column_name(column);
    let mut best = (usize::MAX, None);
    for encoding in candidates(alone.column(0).data_type()) {
        let builder = WriterProperties::builder().set_compression(compression);
        let size = written(&alone, set(small_pages(builder), &name, encoding).build())?.len();
        if size < best.0 {
            best = (size, encoding);
        }
    }
    Ok(best.1)
}

impl Format for Parquet {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&mut self, set: &DataSet) -> Result<Option<String>> {
        let compression = self.compression;
        let Some(chosen) = &mut self.chosen else {
            return Ok(None);
        };
        chosen.clear();
        let mut words = Vec::new();
        for column in 0..set.batch.num_columns() {
            let (name, encoding) = (set.column_name(column), smallest(set, column, compression)?);
            words.push(format!(
                "{name}={}",
                encoding.map_or("DICT".to_owned(), |e| e.to_string())
            ));
            chosen.insert(name, encoding);
        }
        Ok(Some(words.join(", ")))
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>> {
        Ok(vec![written(&set.batch, self.properties())?.into()])
    }

    fn decode(&self, _: &DataSet, parts: &[Bytes]) -> Result<Decoded> {
        let metadata = ArrowReaderMetadata::load(&parts[0], ArrowReaderOptions::new())?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(parts[0].clone(), metadata);
        all(reader.with_batch_size(BATCH_ROWS).build()?)
    }

    fn decode_views(&self, set: &DataSet, parts: &[Bytes]) -> Result<Option<Decoded>> {
        let field = |field: &Arc<Field>| match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            _ => Arc::clone(field),
        };
        let fields = set
            .batch
            .schema()
            .fields()
            .iter()
            .map(field)
            .collect::<Vec<_>>();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        let metadata = ArrowReaderMetadata::load(&parts[0], options)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(parts[0].clone(), metadata);
        all(reader.with_batch_size(BATCH_ROWS).build()?).map(Some)
    }

    fn open<'a>(&'a self, _: &'a DataSet, parts: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        let options = ArrowReaderOptions::new().with_page_index_policy(true.into());
        let metadata = ArrowReaderMetadata::load(&parts[0], options)?;
        Ok(Box::new(Opened {
            bytes: parts[0].clone(),
            metadata,
        }))
    }
}

/// The columns of every batch.
fn all(batches: ParquetRecordBatchReader) -> Result<Decoded> {
    let chunks = batches.map(|batch| Ok(batch?.columns().to_vec()));
    Ok(Decoded::Arrow(chunks.collect::<Result<_, ArrowError>>()?))
}

struct Opened {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
}

impl Opened {
    fn builder(&self) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let (bytes, metadata) = (self.bytes.clone(), self.metadata.clone());
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
            .with_batch_size(BATCH_ROWS)
    }

    fn mask(&self, column: usize) -> ProjectionMask {
        ProjectionMask::leaves(self.metadata.parquet_schema(), [column])
    }

    /// The pages whose bounds the range meets, row group by row group.
    fn selection(&self, filter: &Filter) -> Result<RowSelection> {
        let schema = self.metadata.schema();
        let parquet = self.metadata.parquet_schema();
        let name = schema.field(filter.column).name();
        let statistics = StatisticsConverter::try_new(name, schema, parquet)?;
        let metadata = self.metadata.metadata();
        let columns = metadata.column_index().context("no column index")?;
        let offsets = metadata.offset_index().context("no offset index")?;
        let groups: Vec<usize> = (0..metadata.num_row_groups()).collect();
        let mins = statistics.data_page_mins(columns, offsets, &groups)?;
        let maxes = statistics.data_page_maxes(columns, offsets, &groups)?;
        let counts = statistics.data_page_row_counts(offsets, metadata.row_groups(), &groups)?;
        let counts = counts.context("no page row counts")?;
        let selected = meeting(&mins, &maxes, filter)?;
        Ok(selectors(&counts, &selected).into())
    }
}

/// Pages that may hold a value of the range; those without bounds may.
fn meeting(mins: &ArrayRef, maxes: &ArrayRef, filter: &Filter) -> Result<BooleanArray> {
    let above = gt_eq(mins, &Scalar::new(&filter.high))?;
    let below = lt(maxes, &Scalar::new(&filter.low))?;
    Ok(not(&or(&above, &below)?)?)
}

fn selectors(counts: &UInt64Array, selected: &BooleanArray) -> Vec<RowSelector> {
    let pages = counts.values().iter().zip(selected.iter());
    let selector = |(rows, selected): (&u64, Option<bool>)| match selected {
        Some(false) => RowSelector::skip(*rows as usize),
        _ => RowSelector::select(*rows as usize),
    };
    pages.map(selector).collect()
}

impl Reader for Opened {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        all(self.builder().with_projection(self.mask(column)).build()?)
    }

    /// The page index first, then a row filter: the summed column is read only where rows match.
    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let range = filter.clone();
        let predicate =
            ArrowPredicateFn::new(self.mask(filter.column), move |batch: RecordBatch| {
                in_range(batch.column(0), &range)
                    .map_err(|e| ArrowError::ComputeError(e.to_string()))
            });
        let reader = self
            .builder()
            .with_row_selection(self.selection(filter)?)
            .with_row_filter(RowFilter::new(vec![Box::new(predicate)]))
            .with_projection(self.mask(filter.sum))
            .build()?;
        let mut sum = Sum::default();
        for batch in reader {
            let batch = batch?;
            sum.add_all(batch.num_rows(), batch.column(0))?;
        }
        Ok(sum)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        let groups = self.metadata.metadata().row_groups();
        let (mut first, mut group) = (0, 0);
        while row >= first + groups[group].num_rows() as usize {
            first += groups[group].num_rows() as usize;
            group += 1;
        }
        let one = vec![RowSelector::skip(row - first), RowSelector::select(1)];
        let reader = self
            .builder()
            .with_row_groups(vec![group])
            .with_row_selection(one.into())
            .build()?;
        let batch = { reader }.next().context("no such row")??;
        cells(batch.columns(), 0)
    }
}
