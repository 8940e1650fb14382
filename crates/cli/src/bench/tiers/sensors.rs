//! The rows that are read: readings of sensors, made from a fixed seed.

use tidelog_core::{Prepared, TypeSchema, TypeSpec};
use tidelog_log::{Result, timestamp_to_text};

use crate::bench::figures::failed;

/// The type; its two collections hold the same readings in other tiers.
pub(crate) const TYPE: &str = r#"
type = "plant"
description = "The sensors of a plant: one reading of each a minute"

[warm]
enabled = true
default_ttl = "1h"
max_entries = 100000
collections = ["recent"]

[collections.readings]
description = "Folded into columns"
key = ["point", "at"]

[collections.readings.hot]
vortex_threshold = 1000

[collections.readings.fields]
point = { type = "string", required = true }
at = { type = "timestamp", required = true }
value = { type = "float", required = true }
quality = { type = "int", required = true }

[collections.recent]
description = "Never folded"
key = ["point", "at"]

[collections.recent.hot]
vortex_threshold = 0

[collections.recent.cold]
enabled = false

[collections.recent.fields]
point = { type = "string", required = true }
at = { type = "timestamp", required = true }
value = { type = "float", required = true }
quality = { type = "int", required = true }
"#;

/// Folded into columns.
pub(crate) const READINGS: &str = "readings";
/// Left in the row table.
pub(crate) const RECENT: &str = "recent";

/// 2026-01-01T00:00:00Z, microseconds since 1970.
const START_MICROS: i64 = 1_767_225_600_000_000;
/// Between two readings of one sensor.
const PERIOD_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// So many readings of so many sensors, in the order in which they arrive: by time, then sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensors {
    pub(crate) rows: usize,
    pub(crate) points: usize,
}

/// What one sensor said at one time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) point: String,
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) value: f64,
    pub(crate) quality: i64,
}

impl Sensors {
    /// The reading that arrives as the `nth`, from 0.
    pub(crate) fn reading(&self, nth: usize) -> Reading {
        let (step, point) = (nth / self.points, nth % self.points);
        let at = START_MICROS + PERIOD_MICROS * i64::try_from(step).unwrap_or(0);
        Reading {
            point: name(point),
            at,
            value: value(point, step),
            quality: match mixed(2, point, step) % 1_000 {
                0 => 0,
                1..=5 => 64,
                _ => 192,
            },
        }
    }

    /// All of them.
    pub(crate) fn all(self) -> impl Iterator<Item = Reading> {
        (0..self.rows).map(move |nth| self.reading(nth))
    }

    /// Bytes of all of them as lines of JSON.
    pub(crate) fn json_bytes(self) -> u64 {
        self.all()
            .map(|reading| reading.json().len() as u64 + 1)
            .sum()
    }

    /// Some of the first `of`, spread over them in no order.
    pub(crate) fn some(self, count: usize, of: usize) -> impl Iterator<Item = Reading> {
        let of = of.min(self.rows).max(1) as u64;
        let place = move |n| usize::try_from(mixed(3, n, 0) % of).unwrap_or(0);
        (0..count).map(move |n| self.reading(place(n)))
    }

    /// A sensor in the middle.
    pub(crate) fn one(&self) -> String {
        name(self.points / 2)
    }

    /// A day in the middle: from, and up to but not including, microseconds since 1970.
    pub(crate) fn day(&self) -> (i64, i64) {
        let steps = i64::try_from(self.rows / self.points).unwrap_or(0);
        let middle = steps / 2 * PERIOD_MICROS / DAY_MICROS * DAY_MICROS;
        (START_MICROS + middle, START_MICROS + middle + DAY_MICROS)
    }
}

impl Reading {
    /// The key of its document.
    pub(crate) fn key(&self) -> String {
        format!("{}~{}", self.point, timestamp_to_text(self.at))
    }

    /// Its document, as a request's body has it.
    pub(crate) fn json(&self) -> String {
        let Self {
            point,
            value,
            quality,
            ..
        } = self;
        let at = timestamp_to_text(self.at);
        format!(r#"{{"point":"{point}","at":"{at}","value":{value},"quality":{quality}}}"#)
    }
}

/// The folded collection, compiled as the engine has it.
pub(crate) fn prepared() -> Result<Prepared> {
    let schema = TypeSchema::register(None, &TypeSpec::from_toml(TYPE)?)?;
    Prepared::new(schema.collection(READINGS)?.clone())
}

/// Readings as bodies of one request each: arrays of so many.
pub(crate) fn bodies(sensors: Sensors, batch: usize) -> impl Iterator<Item = Vec<u8>> {
    let starts = (0..sensors.rows).step_by(batch.max(1));
    starts.map(move |start| {
        let end = (start + batch).min(sensors.rows);
        let texts: Vec<String> = (start..end)
            .map(|nth| sensors.reading(nth).json())
            .collect();
        format!("[{}]", texts.join(",")).into_bytes()
    })
}

fn name(point: usize) -> String {
    format!("P{point:04}")
}

/// A slow wave with noise, in the decimals that the sensor gives: 0 to 3.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn value(point: usize, step: usize) -> f64 {
    let scale = [1.0, 10.0, 100.0, 1_000.0][point % 4];
    let base = 20.0 + (mixed(0, point, 0) % 800) as f64;
    let wave = (step as f64 / 1_440.0 + point as f64).sin() * base / 10.0;
    let noise = (mixed(1, point, step) % 1_000) as f64 / 1_000.0;
    ((base + wave + noise) * scale).round() / scale
}

/// 64 bits that follow from the seed, a use and a place (`SplitMix64`).
fn mixed(what: u64, point: usize, step: usize) -> u64 {
    const SEED: u64 = 20_260_101;
    let place = ((point as u64) << 40) | step as u64;
    let mut z = (SEED ^ (what << 60) ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fails unless two sums are the same but for rounding.
pub(crate) fn check_equal(what: &str, ours: f64, theirs: f64) -> Result<()> {
    if (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0) {
        return Ok(());
    }
    Err(failed(format!("{what}: {ours} here, {theirs} there")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSORS: Sensors = Sensors {
        rows: 300_000,
        points: 20,
    };

    #[test]
    fn keys_and_documents_are_those_of_the_engine() {
        let prepared = prepared().unwrap();
        for reading in SENSORS.some(50, SENSORS.rows) {
            let document = serde_json::from_str(&reading.json()).unwrap();
            let row = prepared.row(document).unwrap();
            assert_eq!(prepared.key_of(&row), Some(reading.key()));
        }
    }

    #[test]
    fn the_day_is_full_and_the_rows_are_always_the_same() {
        let (from, to) = SENSORS.day();
        let within = SENSORS.all().filter(|r| r.at >= from && r.at < to);
        assert_eq!(within.count(), 1_440 * SENSORS.points);
        let first = SENSORS.reading(0);
        assert_eq!(first.json(), SENSORS.all().next().unwrap().json());
        let of_one = SENSORS.all().filter(|r| r.point == SENSORS.one()).count();
        assert_eq!(of_one, SENSORS.rows / SENSORS.points);
        let values: Vec<f64> = (0..100).map(|step| value(7, step)).collect();
        assert!(values.iter().any(|v| *v != values[0]));
    }

    #[test]
    fn bodies_hold_every_reading_once() {
        let sensors = Sensors {
            rows: 25,
            points: 4,
        };
        let bodies: Vec<Vec<serde_json::Value>> = bodies(sensors, 10)
            .map(|body| serde_json::from_slice(&body).unwrap())
            .collect();
        let lengths: Vec<usize> = bodies.iter().map(Vec::len).collect();
        assert_eq!(lengths, [10, 10, 5]);
        assert_eq!(bodies[2][4]["point"], "P0000");
    }

    #[test]
    fn sums_differ_by_rounding_alone() {
        assert!(check_equal("sum", 1e9, 1e9 + 1e-3).is_ok());
        assert!(check_equal("sum", 1e9, 1e9 + 1e2).is_err());
    }
}
