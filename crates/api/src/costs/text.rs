//! Meters as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Costs, Meter, PRICES};

/// Which actors a meter of `/metrics` is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeterKey {
    /// The type's name (of a table actor: the type its rows are of).
    pub type_name: String,
    /// `object`, `table`, `catalog` or `registry`.
    pub actor: &'static str,
}

/// Renders meters as Prometheus text; both hosts put it into `/metrics`.
///
/// Names are checked when they are registered and need no escaping.
pub fn meters_text(meters: &BTreeMap<MeterKey, Meter>) -> String {
    let mut out = String::new();
    for (name, help, value) in METERS {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        head(&mut out, name, help, kind);
        for (key, meter) in meters {
            let MeterKey { type_name, actor } = key;
            let value = value(meter);
            let _ = writeln!(
                out,
                "tidelog_{name}{{type=\"{type_name}\",actor=\"{actor}\"}} {value}"
            );
        }
    }
    dollars_text(&mut out, &by_type(meters));
    out
}

type Value = fn(&Meter) -> u64;

const METERS: [(&str, &str, Value); 9] = [
    ("rows_read_total", "Rows read from SQLite.", |m| m.rows_read),
    (
        "rows_written_total",
        "Rows and index entries written to SQLite, and alarms set.",
        |m| m.rows_written,
    ),
    ("requests_total", "Calls actors took.", |m| m.requests),
    ("alarms_total", "Alarms that ran.", |m| m.alarms),
    ("r2_class_a_total", "Blob store writes and lists.", |m| {
        m.r2_class_a
    }),
    ("r2_class_b_total", "Blob store reads.", |m| m.r2_class_b),
    ("events_total", "Events appended to logs.", |m| m.events),
    ("stored_bytes", "Bytes of SQLite databases.", |m| {
        m.stored_bytes
    }),
    (
        "nearly_full",
        "Objects at 80 % of hot.max_size or more.",
        |m| m.nearly_full,
    ),
];

/// What each type costs.
fn dollars_text(out: &mut String, types: &BTreeMap<&str, Costs>) {
    let by = format!("US dollars by Cloudflare's prices of {}.", PRICES.of);
    let mut write = |name: &str, what: &str, kind: &str, value: Priced| {
        head(out, name, &format!("{what}, {by}"), kind);
        for (type_name, costs) in types {
            if let Some(dollars) = value(costs) {
                let _ = writeln!(out, "tidelog_{name}{{type=\"{type_name}\"}} {dollars}");
            }
        }
    };
    write("dollars_total", "Work of a type's actors", "counter", |c| {
        Some(c.dollars.total)
    });
    let name = "dollars_per_million_events";
    write(name, "Work per million events", "gauge", |c| {
        c.dollars_per_million_events
    });
    let name = "stored_dollars_month";
    write(name, "A month of what is stored now", "gauge", |c| {
        Some(c.monthly_dollars_stored)
    });
}

type Priced = fn(&Costs) -> Option<f64>;

/// The actors of each type together: an event's cost is the object's and the table's.
fn by_type(meters: &BTreeMap<MeterKey, Meter>) -> BTreeMap<&str, Costs> {
    let mut sums: BTreeMap<&str, Meter> = BTreeMap::new();
    for (key, meter) in meters {
        sums.entry(&key.type_name).or_default().add_actor(meter);
    }
    let priced = sums
        .into_iter()
        .map(|(name, meter)| (name, Costs::of(meter)));
    priced.collect()
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(
        out,
        "# HELP tidelog_{name} {help}\n# TYPE tidelog_{name} {kind}"
    );
}
