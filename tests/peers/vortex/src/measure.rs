//! One set through every format: checked first, then timed in rounds in which the formats take turns.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use arrow::array::{Array, ArrayRef};
use arrow::compute::{cast, concat};
use bytes::Bytes;

use crate::cells::cells;
use crate::clock::{repeated, timed};
use crate::formats::Format;
use crate::random::Random;
use crate::scan::{Sum, in_range};
use crate::sets::DataSet;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Encode,
    Decode,
    /// As `Decode`, texts as views; only where a format can yield them.
    Views,
    Numeric,
    Text,
    Scan,
    RowWarm,
    RowCold,
}

/// All of it, in the order of a round.
pub const WORKS: [Work; 8] = [
    Work::Encode,
    Work::Decode,
    Work::Views,
    Work::Numeric,
    Work::Text,
    Work::Scan,
    Work::RowWarm,
    Work::RowCold,
];

/// A call that is shorter is made again until this is over.
const LEAST: Duration = Duration::from_millis(10);

/// One kind of work with one format may take so many seconds; then two rounds are enough.
const MOST_SECONDS: f64 = 4.0;

/// Rows that are asked for in one round, at most.
const ROWS: usize = 32;

/// A short row is timed with so many others, as their mean: reading the clock takes part of a microsecond.
const ROWS_TOGETHER: usize = 8;

/// A row is short below so many seconds.
const ROW_SHORT_SECONDS: f64 = 0.000_2;

/// Rows of a round end when they took so many seconds.
const ROWS_SECONDS: f64 = 0.06;

/// What one format did with one set.
#[derive(Debug, Default)]
pub struct Measured {
    pub format: &'static str,
    pub bytes: usize,
    pub parts: usize,
    /// What the format chose for the set.
    pub chosen: Option<String>,
    /// Seconds of each call, by kind of work.
    times: [Vec<f64>; WORKS.len()],
    /// Seconds that were spent on each kind of work, the repeats of short calls included.
    spent: [f64; WORKS.len()],
}

impl Measured {
    /// The median, in seconds; `None` if it was not measured.
    pub fn seconds(&self, work: Work) -> Option<f64> {
        let mut times = self.times[work as usize].clone();
        times.sort_by(f64::total_cmp);
        let half = times.len() / 2;
        match times.len() {
            0 => None,
            n if n % 2 == 1 => Some(times[half]),
            _ => Some(f64::midpoint(times[half - 1], times[half])),
        }
    }
}

/// A format and what it made of the set.
struct Contender<'a> {
    format: &'a mut Box<dyn Format>,
    parts: Vec<Bytes>,
    has_views: bool,
    measured: Measured,
}

/// Measures a set. `rounds` is at least 1.
///
/// # Errors
/// When a format does not give back what was put in, or fails.
pub fn measure(
    set: &DataSet,
    formats: &mut [Box<dyn Format>],
    rounds: usize,
) -> Result<Vec<Measured>> {
    let wanted = wanted(set)?;
    let mut all = Vec::with_capacity(formats.len());
    for format in formats {
        let name = format.name();
        eprintln!("{}: {name} is checked", set.name);
        all.push(checked(set, format, &wanted).with_context(|| format!("{} {name}", set.name))?);
    }
    let mut random = Random::new(7);
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", set.name, round + 1);
        let rows: Vec<usize> = (0..ROWS)
            .map(|_| random.place(set.batch.num_rows()))
            .collect();
        for work in WORKS {
            for turn in 0..all.len() {
                let at = (turn + round) % all.len();
                let contender = &mut all[at];
                let name = contender.measured.format;
                contender
                    .run(set, work, &rows)
                    .with_context(|| format!("{} {name}", set.name))?;
            }
        }
    }
    Ok(all
        .into_iter()
        .map(|contender| contender.measured)
        .collect())
}

/// The answers every format must give.
struct Wanted {
    sum: Sum,
    rows: Vec<usize>,
}

fn wanted(set: &DataSet) -> Result<Wanted> {
    let mut sum = Sum::default();
    let mask = in_range(set.batch.column(set.filter.column), &set.filter)?;
    sum.add(&mask, set.batch.column(set.filter.sum))?;
    ensure!(sum.rows > 0, "{}: the filter selects nothing", set.name);
    let mut random = Random::new(11);
    let last = set.batch.num_rows() - 1;
    let mut rows: Vec<usize> = (0..4).map(|_| random.place(last)).collect();
    rows.extend([0, last]);
    Ok(Wanted { sum, rows })
}

/// Encodes, and compares everything that will be timed with the set.
fn checked<'a>(
    set: &DataSet,
    format: &'a mut Box<dyn Format>,
    wanted: &Wanted,
) -> Result<Contender<'a>> {
    let chosen = format.prepare(set)?;
    let parts = format.encode(set)?;
    format.keep(&parts);
    let decoded = format.decode(set, &parts)?.chunks()?;
    for column in 0..set.batch.num_columns() {
        check_column(set, column, decoded.iter().map(|chunk| &chunk[column]))?;
    }
    let views = format.decode_views(set, &parts)?;
    let has_views = views.is_some();
    if let Some(views) = views {
        let decoded = views.chunks()?;
        for column in 0..set.batch.num_columns() {
            check_column(set, column, decoded.iter().map(|chunk| &chunk[column]))?;
        }
    }
    let mut reader = format.open(set, &parts)?;
    for column in [set.numeric, set.text] {
        let read = reader.column(column)?.chunks()?;
        check_column(set, column, read.iter().map(|chunk| &chunk[0]))?;
    }
    let sum = reader.scan(&set.filter)?;
    ensure!(
        sum.is_as(&wanted.sum),
        "the scan answers {sum:?}, not {:?}",
        wanted.sum
    );
    for &row in &wanted.rows {
        let (found, put) = (reader.row(row)?, cells(set.batch.columns(), row)?);
        ensure!(found == put, "row {row} is {found:?}, not {put:?}");
    }
    drop(reader);
    let measured = Measured {
        format: format.name(),
        bytes: parts.iter().map(Bytes::len).sum(),
        parts: parts.len(),
        chosen,
        ..Measured::default()
    };
    Ok(Contender {
        format,
        parts,
        has_views,
        measured,
    })
}

/// Values and nulls must be equal; texts may come as views.
fn check_column<'a>(
    set: &DataSet,
    column: usize,
    arrays: impl Iterator<Item = &'a ArrayRef>,
) -> Result<()> {
    let wanted = set.batch.column(column);
    let arrays = arrays.map(|array| cast(array, wanted.data_type()));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let found = concat(&arrays)?;
    ensure!(
        found.to_data() == wanted.to_data(),
        "{} came back changed",
        set.column_name(column)
    );
    Ok(())
}

impl Contender<'_> {
    /// Adds the times of one round, unless the work took too long already.
    fn run(&mut self, set: &DataSet, work: Work, rows: &[usize]) -> Result<()> {
        let at = work as usize;
        if self.measured.spent[at] > MOST_SECONDS && self.measured.times[at].len() > 1 {
            return Ok(());
        }
        let (seconds, took) = timed(|| self.times(set, work, rows));
        self.measured.times[at].extend(took?);
        self.measured.spent[at] += seconds;
        Ok(())
    }

    /// Seconds of each call; none where the format cannot do the work.
    fn times(&self, set: &DataSet, work: Work, rows: &[usize]) -> Result<Vec<f64>> {
        let (format, parts) = (&*self.format, &self.parts[..]);
        let one = match work {
            Work::Encode => again(|| format.encode(set)),
            Work::Decode => again(|| format.decode(set, parts)),
            Work::Views if !self.has_views => return Ok(Vec::new()),
            Work::Views => again(|| format.decode_views(set, parts)),
            Work::Numeric | Work::Text => {
                let mut reader = format.open(set, parts)?;
                let column = if work == Work::Text {
                    set.text
                } else {
                    set.numeric
                };
                again(|| reader.column(column))
            }
            Work::Scan => {
                let mut reader = format.open(set, parts)?;
                again(|| reader.scan(&set.filter))
            }
            Work::RowWarm if !format.has_warm_rows() => return Ok(Vec::new()),
            Work::RowWarm => {
                let mut reader = format.open(set, parts)?;
                black_box(reader.row(rows[0])?);
                return of_rows(rows, |row| reader.row(row));
            }
            Work::RowCold => return of_rows(rows, |row| format.open(set, parts)?.row(row)),
        };
        Ok(vec![one?])
    }
}

/// Seconds of one of the calls that are made until they took [`LEAST`]; freeing is in them.
fn again<T>(mut call: impl FnMut() -> Result<T>) -> Result<f64> {
    repeated(LEAST, || {
        black_box(call()?);
        Ok(())
    })
}

/// Seconds of each row or of each few, until they took long enough.
fn of_rows<T>(rows: &[usize], mut read: impl FnMut(usize) -> Result<T>) -> Result<Vec<f64>> {
    let mut times: Vec<f64> = Vec::with_capacity(rows.len());
    let (mut at, mut together, mut spent) = (0, 1, 0.0);
    while at < rows.len() && spent < ROWS_SECONDS {
        let group = &rows[at..rows.len().min(at + together)];
        let (seconds, answer) = timed(|| -> Result<()> {
            for &row in group {
                black_box(read(row)?);
            }
            Ok(())
        });
        answer?;
        spent += seconds;
        at += group.len();
        times.push(seconds / group.len() as f64);
        if together == 1 && seconds < ROW_SHORT_SECONDS {
            times.clear();
            together = ROWS_TOGETHER;
        }
    }
    Ok(times)
}
