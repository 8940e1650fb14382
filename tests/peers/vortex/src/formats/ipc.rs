//! Arrow's own file format, its buffers compressed with zstd.

use std::io::Cursor;

use anyhow::{Context, Result};
use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use bytes::Bytes;

use super::{Decoded, Format, Reader};
use crate::cells::{Cell, cells};
use crate::scan::{Sum, in_range};
use crate::sets::{DataSet, Filter};

/// Rows of a batch, and so of what one row costs.
const BATCH_ROWS: usize = 65_536;

/// An IPC file.
#[derive(Debug)]
pub struct Ipc;

impl Format for Ipc {
    fn name(&self) -> &'static str {
        "arrow-ipc-zstd"
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>> {
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        let mut file = FileWriter::try_new_with_options(Vec::new(), &set.batch.schema(), options)?;
        for first in (0..set.batch.num_rows()).step_by(BATCH_ROWS) {
            let rows = BATCH_ROWS.min(set.batch.num_rows() - first);
            file.write(&set.batch.slice(first, rows))?;
        }
        Ok(vec![file.into_inner()?.into()])
    }

    fn decode(&self, _: &DataSet, parts: &[Bytes]) -> Result<Decoded> {
        all(reader(&parts[0], None)?)
    }

    fn open<'a>(&'a self, _: &'a DataSet, parts: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        let file = reader(&parts[0], None)?;
        Ok(Box::new(Opened {
            bytes: &parts[0],
            file,
        }))
    }
}

fn reader(bytes: &Bytes, columns: Option<Vec<usize>>) -> Result<FileReader<Cursor<Bytes>>> {
    Ok(FileReader::try_new(Cursor::new(bytes.clone()), columns)?)
}

/// The columns of every batch.
fn all(batches: FileReader<Cursor<Bytes>>) -> Result<Decoded> {
    let chunks = batches.map(|batch| Ok(batch?.columns().to_vec()));
    Ok(Decoded::Arrow(
        chunks.collect::<Result<Vec<Vec<ArrayRef>>, ArrowError>>()?,
    ))
}

struct Opened<'a> {
    bytes: &'a Bytes,
    file: FileReader<Cursor<Bytes>>,
}

impl Reader for Opened<'_> {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        all(reader(self.bytes, Some(vec![column]))?)
    }

    /// There are no statistics: both columns are decoded whole.
    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let mut columns = vec![filter.column, filter.sum];
        columns.sort_unstable();
        columns.dedup();
        let place = |column| columns.iter().position(|one| *one == column).unwrap_or(0);
        let (tested, summed) = (place(filter.column), place(filter.sum));
        let mut sum = Sum::default();
        for batch in reader(self.bytes, Some(columns))? {
            let batch = batch?;
            let mask = in_range(batch.column(tested), filter)?;
            sum.add(&mask, batch.column(summed))?;
        }
        Ok(sum)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        self.file.set_index(row / BATCH_ROWS)?;
        let batch = self.file.next().context("no such batch")??;
        cells(batch.columns(), row % BATCH_ROWS)
    }
}
