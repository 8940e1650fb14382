//! Sensors of a building: regular and irregular, decimals, constants, counters.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt16Array,
    UInt32Array,
};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};

use super::{Asked, DataSet, batch};
use crate::random::Random;

const SEED: u64 = 1;
/// Rows of each point; fewer rows are fewer points, so that a quick run compresses alike.
const POINT_ROWS: usize = 2_000;
/// 1 March 2026, microseconds since 1970.
const START: i64 = 1_772_323_200_000_000;
const SECOND: i64 = 1_000_000;

/// Sorted by point, then time.
pub fn by_point(rows: usize) -> Result<DataSet> {
    let batch = archive(rows)?;
    let about = "a building's archive, sorted by point and time; generated, seed 1";
    set("iot_by_point", about, batch)
}

/// The same rows sorted by time.
pub fn in_order_of_arrival(rows: usize) -> Result<DataSet> {
    let batch = archive(rows)?;
    let by = |column: usize| SortColumn {
        values: batch.column(column).clone(),
        options: None,
    };
    let order: UInt32Array = lexsort_to_indices(&[by(1), by(0)], None)?;
    let batch = take_record_batch(&batch, &order)?;
    let about = "the same rows in the order of their arrival";
    set("iot_arrival", about, batch)
}

/// A hundredth of the time that the archive spans, in its middle.
fn set(name: &'static str, about: &'static str, rows: RecordBatch) -> Result<DataSet> {
    let span = POINT_ROWS as i64 * 60 * SECOND;
    let at = |time: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![time])) };
    let asked = Asked {
        json: &[],
        numeric: "value",
        text: "timestamp",
        filter: "timestamp",
        low: at(START + span / 2),
        high: at(START + span / 2 + span / 100),
        sum: "value",
    };
    DataSet::new(name, about, rows, asked)
}

struct Rows {
    point: Vec<u32>,
    time: Vec<i64>,
    value: Vec<f64>,
    quality: Vec<u8>,
    flags: Vec<u16>,
}

fn archive(count: usize) -> Result<RecordBatch> {
    let mut random = Random::new(SEED);
    let mut rows = Rows {
        point: Vec::with_capacity(count),
        time: Vec::with_capacity(count),
        value: Vec::with_capacity(count),
        quality: Vec::with_capacity(count),
        flags: Vec::with_capacity(count),
    };
    for point in 0..count / POINT_ROWS {
        series(point as u32, &mut random, &mut rows);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("point_id", Arc::new(UInt32Array::from(rows.point))),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(rows.time)),
        ),
        ("value", Arc::new(Float64Array::from(rows.value))),
        ("quality", Arc::new(UInt8Array::from(rows.quality))),
        ("flags", Arc::new(UInt16Array::from(rows.flags))),
    ];
    batch(columns)
}

/// One point: two of three report each minute, the others when something changed.
fn series(point: u32, random: &mut Random, rows: &mut Rows) {
    let is_regular = point % 3 != 2;
    let mut source = Source::new(point, random);
    let mut time = START + i64::from(point % 60) * SECOND;
    let mut quality = 192_u8;
    for _ in 0..POINT_ROWS {
        time += match is_regular {
            true => 60 * SECOND,
            // Between one and 119 seconds, to the millisecond.
            false => 1_000 * (1_000 + random.below(118_000) as i64),
        };
        if random.below(2_000) == 0 {
            quality = if quality == 192 { 64 } else { 192 };
        }
        rows.point.push(point + 1_000);
        rows.time.push(time);
        rows.value.push(source.next(random));
        rows.quality.push(quality);
        rows.flags.push(if random.below(500) == 0 {
            1 << random.below(4)
        } else {
            0
        });
    }
}

/// What a point measures.
enum Source {
    /// One place after the point, walking slowly.
    Temperature(f64),
    /// Whole steps of 0.5 between 0 and 100.
    Valve(f64),
    /// Counts up by what was used.
    Counter(f64),
    /// 0 or 1, rarely another.
    Switch(f64),
    Constant(f64),
    /// Three places, noise.
    Power(f64),
    /// All digits of a double.
    Computed(f64),
}

impl Source {
    fn new(point: u32, random: &mut Random) -> Self {
        match point % 10 {
            0..=2 => Self::Temperature(18.0 + random.unit() * 8.0),
            3 => Self::Valve(50.0),
            4 | 5 => Self::Counter(random.below(1_000_000) as f64),
            6 => Self::Switch(0.0),
            7 => Self::Constant(random.below(1_000) as f64 / 10.0),
            8 => Self::Power(1_000.0 + random.unit() * 2_000.0),
            _ => Self::Computed(0.5),
        }
    }

    fn next(&mut self, random: &mut Random) -> f64 {
        match self {
            Self::Temperature(value) => {
                *value = (*value + random.normal() * 0.08).clamp(-20.0, 60.0);
                (*value * 10.0).round() / 10.0
            }
            Self::Valve(value) => {
                if random.percent(20) {
                    *value = (*value + (random.below(9) as f64 - 4.0) / 2.0).clamp(0.0, 100.0);
                }
                *value
            }
            Self::Counter(value) => {
                *value += random.below(5) as f64;
                *value
            }
            Self::Switch(value) => {
                if random.percent(2) {
                    *value = 1.0 - *value;
                }
                *value
            }
            Self::Constant(value) => *value,
            Self::Power(value) => ((*value + random.normal() * 25.0) * 1_000.0).round() / 1_000.0,
            Self::Computed(value) => {
                *value = (*value + random.normal() * 0.01).abs();
                *value
            }
        }
    }
}

/// How many rows are in a range; for the test below.
#[cfg(test)]
fn in_range(set: &DataSet) -> usize {
    use arrow::array::AsArray;
    let times = set.batch.column(set.filter.column);
    let times = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    let bound = |array: &ArrayRef| {
        array
            .as_primitive::<arrow::datatypes::TimestampMicrosecondType>()
            .value(0)
    };
    let (low, high) = (bound(&set.filter.low), bound(&set.filter.high));
    times
        .values()
        .iter()
        .filter(|&&time| low <= time && time < high)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Array;

    #[test]
    fn both_orders_hold_the_same_rows_and_some_are_in_range() {
        let (sorted, arrived) = (
            by_point(20_000).unwrap(),
            in_order_of_arrival(20_000).unwrap(),
        );
        assert_eq!(sorted.batch.num_rows(), arrived.batch.num_rows());
        assert_eq!(in_range(&sorted), in_range(&arrived));
        assert!((1..2_000).contains(&in_range(&sorted)));
        let times = arrived.batch.column(1).to_data();
        let times = TimestampMicrosecondArray::from(times);
        assert!(times.values().is_sorted());
        assert_eq!(times.null_count(), 0);
    }
}
