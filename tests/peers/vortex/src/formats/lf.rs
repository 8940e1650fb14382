//! LF AI's Vortex, another format with our format's name, in its default and its compact form.
//!
//! It speaks a newer Arrow: what goes in and out crosses as IPC in memory, outside of what is timed.

use std::io::Cursor;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow59::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow59::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use bytes::Bytes;
use vortex::VortexSessionDefault;
use vortex::array::expr::{Expression, and, col, gt_eq, lit, lt, root, select};
use vortex::array::{ArrayRef as LfArray, VortexSessionExecute};
use vortex::arrow::ArrowSessionExt;
use vortex::buffer::{Alignment, Buffer, ByteBuffer};
use vortex::compressor::BtrBlocksCompressorBuilder;
use vortex::file::{
    OpenOptionsSessionExt, VortexFile, WriteOptionsSessionExt, WriteStrategyBuilder,
};
use vortex::io::runtime::BlockingRuntime;
use vortex::io::runtime::single::SingleThreadRuntime;
use vortex::io::session::RuntimeSessionExt;
use vortex::scan::strict_sorted_buffer::StrictSortedBuffer;
use vortex::session::VortexSession;

use super::{Decoded, Format, Reader};
use crate::cells::Cell;
use crate::scan::Sum;
use crate::sets::{DataSet, Filter};

/// One profile.
pub struct Lf {
    name: &'static str,
    is_compact: bool,
    runtime: SingleThreadRuntime,
    session: VortexSession,
    /// The set that is measured, in its version of Arrow.
    batch: Option<RecordBatch>,
    /// The file as it would be mapped: at the start of a memory page, so that nothing is copied to be aligned.
    kept: Option<ByteBuffer>,
}

impl Lf {
    pub fn standard() -> Self {
        Self::named("vortex-default", false)
    }

    /// Its zstd and pco.
    pub fn compact() -> Self {
        Self::named("vortex-compact", true)
    }

    fn named(name: &'static str, is_compact: bool) -> Self {
        let runtime = SingleThreadRuntime::default();
        let session =
            <VortexSession as VortexSessionDefault>::default().with_handle(runtime.handle());
        Self {
            name,
            is_compact,
            runtime,
            session,
            batch: None,
            kept: None,
        }
    }

    fn batch(&self) -> Result<&RecordBatch> {
        self.batch.as_ref().context("not prepared")
    }

    fn open_file(&self) -> Result<VortexFile> {
        let buffer = self.kept.clone().context("no file was kept")?;
        Ok(self
            .session
            .open_options()
            .with_layout_reader_cache()
            .open_buffer(buffer)?)
    }

    /// What a scan yields, in the schema asked for.
    fn batches(
        &self,
        scan: vortex::layout::scan::scan_builder::ScanBuilder<LfArray>,
        schema: SchemaRef,
    ) -> Result<Vec<RecordBatch>> {
        let reader = scan.into_record_batch_reader(schema, &self.runtime)?;
        Ok(reader.collect::<Result<_, _>>()?)
    }

    fn read(&self, schema: SchemaRef) -> Result<Decoded> {
        let batches = self.batches(self.open_file()?.scan()?, schema)?;
        Ok(foreign(batches))
    }
}

/// The set in the newer Arrow.
fn crossed(set: &DataSet) -> Result<RecordBatch> {
    let mut stream = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &set.batch.schema())?;
    stream.write(&set.batch)?;
    let bytes = stream.into_inner()?;
    let mut reader = arrow59::ipc::reader::StreamReader::try_new(Cursor::new(bytes), None)?;
    Ok(reader.next().context("no batch crossed")??)
}

/// Batches that cross back when someone looks.
fn foreign(batches: Vec<RecordBatch>) -> Decoded {
    Decoded::Foreign(Box::new(move || {
        let mut chunks = Vec::new();
        for batch in &batches {
            let schema = batch.schema();
            let mut stream = arrow59::ipc::writer::StreamWriter::try_new(Vec::new(), &schema)?;
            stream.write(batch)?;
            let bytes = stream.into_inner()?;
            for batch in arrow::ipc::reader::StreamReader::try_new(Cursor::new(bytes), None)? {
                chunks.push(batch?.columns().to_vec());
            }
        }
        Ok(chunks)
    }))
}

/// Texts as views, which is how this library holds them.
fn with_views(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(
        schema.fields().iter().map(field).collect::<Vec<_>>(),
    ))
}

impl Format for Lf {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&mut self, set: &DataSet) -> Result<Option<String>> {
        self.batch = Some(crossed(set)?);
        Ok(None)
    }

    fn encode(&self, _: &DataSet) -> Result<Vec<Bytes>> {
        let batch = self.batch()?;
        let array = self
            .session
            .arrow()
            .from_arrow_record_batch(batch.clone(), &batch.schema())?;
        let strategy = WriteStrategyBuilder::from_session(&self.session);
        let strategy = match self.is_compact {
            false => strategy,
            true => strategy.with_btrblocks_builder(
                BtrBlocksCompressorBuilder::from_session(&self.session).with_compact(),
            ),
        };
        let mut bytes: Vec<u8> = Vec::new();
        let write = self.session.write_options().with_strategy(strategy.build());
        write
            .blocking(&self.runtime)
            .write(&mut bytes, array.to_array_iterator())?;
        Ok(vec![bytes.into()])
    }

    fn keep(&mut self, parts: &[Bytes]) {
        self.kept = parts
            .first()
            // Aligned as a file in memory is; a buffer that says so would want all its parts aligned alike.
            .map(|part| {
                Buffer::copy_from_aligned(part, Alignment::new(4_096)).aligned(Alignment::new(1))
            });
    }

    fn decode(&self, _: &DataSet, _: &[Bytes]) -> Result<Decoded> {
        self.read(self.batch()?.schema())
    }

    fn decode_views(&self, _: &DataSet, _: &[Bytes]) -> Result<Option<Decoded>> {
        self.read(with_views(&self.batch()?.schema())).map(Some)
    }

    fn open<'a>(&'a self, _: &'a DataSet, _: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        Ok(Box::new(Opened {
            lf: self,
            file: self.open_file()?,
            schema: self.batch()?.schema(),
        }))
    }
}

struct Opened<'a> {
    lf: &'a Lf,
    file: VortexFile,
    schema: SchemaRef,
}

impl Opened<'_> {
    fn only(&self, column: usize) -> Result<(Expression, SchemaRef)> {
        let field = self.schema.field(column);
        let names: Vec<&str> = vec![field.name()];
        let schema = Arc::new(self.schema.project(&[column])?);
        Ok((select(names, root()), schema))
    }

    /// A bound of the filter as this library's expression.
    fn literal(&self, bound: &arrow::array::ArrayRef, column: usize) -> Result<Expression> {
        let array: ArrayRef = match crate::cells::cell(bound, 0)? {
            Cell::Float(value) => Arc::new(arrow59::array::Float64Array::from(vec![value])),
            Cell::Int(value) => {
                let whole = arrow59::array::Int64Array::from(vec![value]);
                let whole: ArrayRef = match self.schema.field(column).data_type() {
                    // There is no cast from 64 bits to dates.
                    DataType::Date32 => arrow59::compute::cast(&whole, &DataType::Int32)?,
                    _ => Arc::new(whole),
                };
                arrow59::compute::cast(&whole, self.schema.field(column).data_type())?
            }
            other => bail!("a bound {other:?}"),
        };
        let array = self
            .lf
            .session
            .arrow()
            .from_arrow_array(array, self.schema.field(column))?;
        Ok(lit(array.execute_scalar(
            0,
            &mut self.lf.session.create_execution_ctx(),
        )?))
    }
}

impl Reader for Opened<'_> {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        let (projection, schema) = self.only(column)?;
        let projection = projection.bind(self.file.dtype())?.optimize_recursive()?;
        let scan = self.file.scan()?.with_projection(projection);
        Ok(foreign(self.lf.batches(scan, schema)?))
    }

    /// Its own pruning and late materialization.
    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let name = self.schema.field(filter.column).name().clone();
        let range = and(
            gt_eq(
                col(name.as_str()),
                self.literal(&filter.low, filter.column)?,
            ),
            lt(
                col(name.as_str()),
                self.literal(&filter.high, filter.column)?,
            ),
        );
        let (projection, schema) = self.only(filter.sum)?;
        let scan = self
            .file
            .scan()?
            .with_filter(range.bind(self.file.dtype())?.optimize_recursive()?)
            .with_projection(projection.bind(self.file.dtype())?.optimize_recursive()?);
        let mut sum = Sum::default();
        for batch in self.lf.batches(scan, schema)? {
            let values = arrow59::compute::cast(batch.column(0), &DataType::Float64)?;
            sum.rows += batch.num_rows();
            sum.sum += arrow59::compute::sum(values.as_primitive::<Float64Type>()).unwrap_or(0.0);
        }
        Ok(sum)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        let one = StrictSortedBuffer::try_new(Buffer::copy_from([row as u64]))?;
        let scan = self.file.scan()?.with_row_indices(one);
        let batches = self.lf.batches(scan, Arc::clone(&self.schema))?;
        let batch = batches
            .iter()
            .find(|batch| batch.num_rows() == 1)
            .context("no such row")?;
        batch.columns().iter().map(cell).collect()
    }
}

/// The only value of a column.
fn cell(array: &ArrayRef) -> Result<Cell> {
    if array.is_null(0) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(0).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(0)),
        DataType::UInt8 => Cell::Int(array.as_primitive::<UInt8Type>().value(0).into()),
        DataType::UInt16 => Cell::Int(array.as_primitive::<UInt16Type>().value(0).into()),
        DataType::UInt32 => Cell::Int(array.as_primitive::<UInt32Type>().value(0).into()),
        DataType::Date32 => Cell::Int(array.as_primitive::<Date32Type>().value(0).into()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(0))
        }
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(0)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(0).to_owned()),
        other => bail!("cells of {other}"),
    })
}
