//! Metrics in Prometheus text form.

use std::fmt::Write as _;

/// Writes the lines that introduce a metric of type `kind`.
pub fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(
        out,
        "# HELP tidelog_{name} {help}\n# TYPE tidelog_{name} {kind}"
    );
}

/// One table's gauges and whether its newest commit attempt failed.
#[derive(Clone, Debug)]
pub struct TableGauges {
    /// The type's name.
    pub type_name: String,
    /// The collection's name.
    pub collection: String,
    /// A metric's name, what it says, its value; the same names for every table.
    pub gauges: Vec<(&'static str, &'static str, u64)>,
    /// True while the newest commit attempt failed.
    pub failing: bool,
}

/// Writes the gauges of every table, metric by metric.
pub fn tables(out: &mut String, tables: &[TableGauges]) {
    let names = tables.first().map(|table| table.gauges.as_slice());
    for (at, (name, help, _)) in names.unwrap_or_default().iter().enumerate() {
        head(out, name, help, "gauge");
        for table in tables {
            let value = table.gauges.get(at).map_or(0, |(_, _, value)| *value);
            line(out, name, table, value);
        }
    }
    let failing = "lake_failing";
    head(
        out,
        failing,
        "1 while the newest commit attempt failed.",
        "gauge",
    );
    for table in tables {
        line(out, failing, table, u64::from(table.failing));
    }
}

fn line(out: &mut String, name: &str, table: &TableGauges, value: u64) {
    let (kind, id) = (&table.type_name, &table.collection);
    let _ = writeln!(
        out,
        "tidelog_{name}{{type=\"{kind}\",collection=\"{id}\"}} {value}"
    );
}
