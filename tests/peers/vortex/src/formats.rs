//! What is compared: each makes bytes of a set, and reads them back in the ways that are measured.

mod ipc;
mod jsonl;
#[cfg(feature = "lf")]
mod lf;
mod ours;
pub use ours::explain;
mod parquet;
mod sqlite;

use anyhow::Result;
use arrow::array::ArrayRef;
use bytes::Bytes;

use crate::cells::Cell;
use crate::scan::Sum;
use crate::sets::{DataSet, Filter};

/// Columns that were read, chunk by chunk in the order of rows.
pub enum Decoded {
    Arrow(Vec<Vec<ArrayRef>>),
    #[cfg(feature = "lf")]
    /// Arrow arrays of another version of the library: complete, and brought into ours on demand,
    /// so that the crossing is in nobody's time.
    Foreign(Box<dyn FnOnce() -> Result<Vec<Vec<ArrayRef>>>>),
}

impl Decoded {
    /// One chunk.
    fn whole(columns: Vec<ArrayRef>) -> Self {
        Self::Arrow(vec![columns])
    }

    /// The chunks in our version of Arrow.
    pub fn chunks(self) -> Result<Vec<Vec<ArrayRef>>> {
        match self {
            Self::Arrow(chunks) => Ok(chunks),
            #[cfg(feature = "lf")]
            Self::Foreign(bring) => bring(),
        }
    }
}

/// A way to store a set. One part, or several blobs.
pub trait Format {
    /// How `--formats` and the tables call it.
    fn name(&self) -> &'static str;

    /// What may be chosen for a set once, before anything is timed; answers what it chose.
    fn prepare(&mut self, _set: &DataSet) -> Result<Option<String>> {
        Ok(None)
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>>;

    /// Takes the parts that will be read, before reads are timed.
    fn keep(&mut self, _parts: &[Bytes]) {}

    /// Every row, in order, in chunks as large as the format likes.
    fn decode(&self, set: &DataSet, parts: &[Bytes]) -> Result<Decoded>;

    /// The same with texts as views, where the format can yield them; they need no copy.
    fn decode_views(&self, _set: &DataSet, _parts: &[Bytes]) -> Result<Option<Decoded>> {
        Ok(None)
    }

    /// A reader that has read what describes the file.
    fn open<'a>(&'a self, set: &'a DataSet, parts: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>>;

    /// Whether an open reader can answer a row faster than one that is opened for it.
    fn has_warm_rows(&self) -> bool {
        true
    }
}

/// An open file.
pub trait Reader {
    /// One column, whole.
    fn column(&mut self, column: usize) -> Result<Decoded>;

    /// A sum over the rows in a range, skipping what the format can skip.
    fn scan(&mut self, filter: &Filter) -> Result<Sum>;

    /// Every column of one row.
    fn row(&mut self, row: usize) -> Result<Vec<Cell>>;
}

/// All of them, in the order of the tables. Parquet with zstd at level 3 comes first: ratios are to it.
pub fn all() -> Vec<Box<dyn Format>> {
    vec![
        Box::new(parquet::Parquet::zstd()),
        Box::new(parquet::Parquet::tuned()),
        Box::new(parquet::Parquet::snappy()),
        Box::new(ours::Ours::fast()),
        Box::new(ours::Ours::balanced()),
        Box::new(ours::Ours::blobs()),
        Box::new(ours::Ours::small()),
        #[cfg(feature = "lf")]
        Box::new(lf::Lf::standard()),
        #[cfg(feature = "lf")]
        Box::new(lf::Lf::compact()),
        Box::new(ipc::Ipc),
        Box::new(sqlite::Sqlite::new()),
        Box::new(jsonl::Lines::raw()),
        Box::new(jsonl::Lines::zstd()),
    ]
}
