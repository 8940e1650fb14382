//! nycflights13 from the repository's fixtures: real rows, types read off the cells.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;

use super::{Asked, DataSet, Source, batch};

pub fn flights(source: &Source) -> Result<DataSet> {
    let rows = table("flights.csv.zst", source)?;
    let time = |text: &str| -> Result<ArrayRef> {
        let micros = string_to_timestamp_nanos(text)? / 1_000;
        Ok(Arc::new(TimestampMicrosecondArray::from(vec![micros])))
    };
    let asked = Asked {
        json: &[],
        numeric: "dep_delay",
        text: "tailnum",
        filter: "time_hour",
        low: time("2013-01-03T00:00:00Z")?,
        high: time("2013-01-10T00:00:00Z")?,
        sum: "dep_delay",
    };
    let about = "nycflights13: a year of flights; real";
    DataSet::new("flights", about, rows, asked)
}

pub fn weather(source: &Source) -> Result<DataSet> {
    let rows = table("weather.csv.zst", source)?;
    let value = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let asked = Asked {
        json: &[],
        numeric: "temp",
        text: "origin",
        filter: "temp",
        low: value(30.0),
        high: value(35.0),
        sum: "wind_speed",
    };
    let about = "nycflights13: hourly weather at three airports; real, small";
    DataSet::new("weather", about, rows, asked)
}

fn table(file: &str, source: &Source) -> Result<RecordBatch> {
    let path = source.repository.join("fixtures/nycflights13").join(file);
    let shown = || path.display().to_string();
    let packed = std::fs::File::open(&path).with_context(shown)?;
    let mut text = Vec::new();
    zstd::Decoder::new(packed)?
        .read_to_end(&mut text)
        .with_context(shown)?;
    let mut lines = csv::Reader::from_reader(text.as_slice());
    let header = lines.headers()?.clone();
    let records: Vec<csv::StringRecord> = lines.records().collect::<Result<_, _>>()?;
    let records = &records[..records.len() / source.divisor];
    let mut columns = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let cells = records
            .iter()
            .map(|record| record.get(at).filter(|cell| !cell.is_empty()));
        columns.push((name, column(&cells.collect::<Vec<_>>())));
    }
    batch(columns)
}

/// The narrowest of Int32, Float64, Timestamp and Utf8 that holds every cell.
fn column(cells: &[Option<&str>]) -> ArrayRef {
    if let Some(whole) = all(cells, |cell| cell.parse().ok()) {
        return Arc::new(Int32Array::from(whole));
    }
    if let Some(floats) = all(cells, |cell| cell.parse().ok()) {
        return Arc::new(Float64Array::from(floats));
    }
    let micros = |cell: &str| Some(string_to_timestamp_nanos(cell).ok()? / 1_000);
    if let Some(times) = all(cells, micros) {
        return Arc::new(TimestampMicrosecondArray::from(times));
    }
    Arc::new(StringArray::from(cells.to_vec()))
}

fn all<T>(cells: &[Option<&str>], read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let read = |cell: &Option<&str>| match cell {
        None => Some(None),
        Some(cell) => read(cell).map(Some),
    };
    cells.iter().map(read).collect()
}
