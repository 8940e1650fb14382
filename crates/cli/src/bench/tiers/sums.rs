//! The sums that both sides are asked for.

use serde_json::{Value as Json, json};
use tidelog_log::timestamp_to_text;

use super::sensors::Sensors;
use crate::bench::figures::{median, median_ratio};

/// One question, in both languages.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: &'static str,
    /// For `POST …/query`.
    pub(super) query: Json,
    /// For the peer's table `readings`.
    pub(super) sql: String,
}

/// How long an answer took on each side, one figure a round.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) name: String,
    pub(super) ours: Vec<f64>,
    pub(super) theirs: Vec<f64>,
    /// The least ratio of theirs to ours that is wanted.
    pub(super) goal: Option<f64>,
}

impl Sums {
    /// How many times as fast as the peer we are.
    pub(super) fn ratio(&self) -> f64 {
        median_ratio(&self.theirs, &self.ours)
    }

    pub(super) fn millis(&self) -> (f64, f64) {
        (median(&self.ours), median(&self.theirs))
    }
}

/// The whole column, one sensor asked for in two ways, and one day of all sensors.
pub(super) fn questions(sensors: Sensors) -> Vec<Question> {
    let (one, (from, to)) = (sensors.one(), sensors.day());
    let asked = |name, filter: Json, condition: String| Question {
        name,
        query: json!({"where": filter, "aggregate": {"total": {"sum": "value"}}}),
        sql: format!("SELECT sum(value) FROM readings{condition}"),
    };
    let day = json!({"at": {"gte": timestamp_to_text(from), "lt": timestamp_to_text(to)}});
    vec![
        asked("sum of all", json!({}), String::new()),
        asked(
            "sum of one sensor",
            json!({"point": one}),
            format!(" WHERE point = '{one}'"),
        ),
        asked(
            "sum of a key prefix",
            json!({"_key": {"prefix": format!("{one}~")}}),
            format!(" WHERE point = '{one}'"),
        ),
        asked(
            "sum of one day",
            day,
            format!(" WHERE at >= {from} AND at < {to}"),
        ),
    ]
}
