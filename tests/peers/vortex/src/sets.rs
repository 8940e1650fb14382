//! The data that is measured. All of it is made or read before anything is timed.

mod changes;
mod debian;
mod interactions;
mod lineitem;
mod nycflights;
mod sensors;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};

/// A range over one column, low included and high not, and the column to sum over the rows in it.
#[derive(Clone, Debug)]
pub struct Filter {
    pub column: usize,
    /// One value of the column's type.
    pub low: ArrayRef,
    /// One value of the column's type.
    pub high: ArrayRef,
    pub sum: usize,
}

/// Rows with what is asked of them.
#[derive(Clone, Debug)]
pub struct DataSet {
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    pub batch: RecordBatch,
    /// Places of the columns whose texts are JSON.
    pub json: Vec<usize>,
    /// A numeric column that is read alone.
    pub numeric: usize,
    /// A text or JSON column that is read alone.
    pub text: usize,
    pub filter: Filter,
}

/// What the places in a [`DataSet`] are, by name.
struct Asked<'a> {
    json: &'a [&'a str],
    numeric: &'a str,
    text: &'a str,
    filter: &'a str,
    low: ArrayRef,
    high: ArrayRef,
    sum: &'a str,
}

impl DataSet {
    fn new(
        name: &'static str,
        about: &'static str,
        batch: RecordBatch,
        asked: Asked<'_>,
    ) -> Result<Self> {
        let place = |column: &str| batch.schema().index_of(column);
        let json = asked.json.iter().map(|column| place(column));
        let json = json.collect::<Result<_, _>>()?;
        let filter = Filter {
            column: place(asked.filter)?,
            low: asked.low,
            high: asked.high,
            sum: place(asked.sum)?,
        };
        Ok(Self {
            name,
            about,
            json,
            numeric: place(asked.numeric)?,
            text: place(asked.text)?,
            filter,
            batch,
        })
    }

    /// Bytes as Arrow holds them: what throughputs are given in.
    pub fn arrow_bytes(&self) -> usize {
        let sliced = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        self.batch.columns().iter().map(sliced).sum()
    }

    /// The name of a column.
    pub fn column_name(&self, column: usize) -> String {
        self.batch.schema().field(column).name().clone()
    }
}

/// Columns with names; every field may be null, as in blobs.
fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}

/// How much to make, and where the repository is.
#[derive(Clone, Debug)]
pub struct Source {
    pub repository: PathBuf,
    /// Rows are divided by this: 1, or 10 for a quick run.
    pub divisor: usize,
}

/// Every set, in the order of the tables.
pub const NAMES: [&str; 8] = [
    "iot_by_point",
    "iot_arrival",
    "lineitem",
    "flights",
    "weather",
    "debian",
    "cdc",
    "interactions",
];

/// Makes or reads a set; `None` with a line on standard error if this machine has not got it.
pub fn load(name: &str, source: &Source) -> Result<Option<DataSet>> {
    let rows = |all: usize| all / source.divisor;
    let set = match name {
        "iot_by_point" => sensors::by_point(rows(1_000_000))?,
        "iot_arrival" => sensors::in_order_of_arrival(rows(1_000_000))?,
        "lineitem" => lineitem::load(source.divisor)?,
        "flights" => nycflights::flights(source)?,
        "weather" => nycflights::weather(source)?,
        "debian" => match debian::load(source)? {
            Some(set) => set,
            None => {
                eprintln!("debian: skipped, `apt-cache dumpavail` answers no packages here");
                return Ok(None);
            }
        },
        "cdc" => changes::load(rows(200_000))?,
        "interactions" => interactions::load(rows(200_000))?,
        other => anyhow::bail!("no set `{other}`; there are {}", NAMES.join(", ")),
    };
    let slice = set.batch.num_rows();
    anyhow::ensure!(slice > 0, "{name} has no rows");
    Ok(Some(set))
}

/// Says which set could not be made.
pub fn load_named(name: &str, source: &Source) -> Result<Option<DataSet>> {
    load(name, source).with_context(|| name.to_owned())
}
