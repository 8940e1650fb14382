//! The lake against the log: events per operation and the miles in them.

use std::collections::BTreeMap;

use tidelog_core::TypeSchema;
use tidelog_log::Value;

use super::{at_once, object};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::events::Follower;
use crate::failure::{Failure, Result};
use crate::object_name::path;
use crate::print;
use crate::verify::LakeTable;

/// What the lake holds of the flights.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rows: u64,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// One per object, for people.
    pub(crate) lines: Vec<String>,
}

/// Events and miles by operation.
type Sums = BTreeMap<String, (u64, i64)>;

/// Reads the flights' changes table and the logs of `airports`, and compares their sums.
///
/// # Errors
/// When they differ.
pub(crate) fn run(
    client: &Client,
    configuration: &Configuration,
    airports: &[&str],
) -> Result<Found> {
    let store = configuration.settings(&[])?.lake.s3;
    let schema: TypeSchema = client.get(path(&["v1", "types", "airport"]))?;
    let distance = schema.collection("flights")?.field("distance");
    let distance = distance.map_or(0, |field| field.id);
    let table = LakeTable::open(client, "airport", "flights", store.as_ref())?;
    let (files, bytes) = table.size();
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    table.each(None, |row| {
        let miles = match row.row.get(distance) {
            Some(Value::Int(miles)) => *miles,
            _ => 0,
        };
        let sums = all.entry(row.object).or_default();
        add(sums, row.operation.name(), miles);
        Ok(())
    })?;
    let (mut rows, mut lines) = (0, Vec::new());
    let logs = at_once(airports, |airport| of_log(client, airport))?;
    for (airport, log) in airports.iter().zip(logs) {
        let lake = all.remove(*airport).unwrap_or_default();
        if lake != log {
            let message = format!("{airport}: the lake has {lake:?}, the log {log:?}");
            return Err(Failure::failed(message));
        }
        rows += lake.values().map(|(events, _)| events).sum::<u64>();
        lines.push(line(airport, &lake));
    }
    Ok(Found {
        rows,
        files,
        bytes,
        lines,
    })
}

fn of_log(client: &Client, airport: &str) -> Result<Sums> {
    let mut sums = Sums::new();
    let mut follower = Follower {
        client,
        object: object(airport)?,
        filter: "&collections=flights&limit=2000".to_owned(),
        offset: "-1".to_owned(),
        patient: false,
    };
    follower.catch_up(|event| {
        let row = event.get("after").unwrap_or(&event["before"]);
        let miles = row["distance"].as_i64().unwrap_or(0);
        let operation = event["operation"].as_str().unwrap_or_default();
        add(&mut sums, operation, miles);
        Ok(())
    })?;
    Ok(sums)
}

fn add(sums: &mut Sums, operation: &str, miles: i64) {
    let sum = sums.entry(operation.to_owned()).or_default();
    sum.0 += 1;
    sum.1 += miles;
}

fn line(airport: &str, sums: &Sums) -> String {
    let part = |(operation, (events, miles)): (&String, &(u64, i64))| {
        let miles = print::count(miles.unsigned_abs());
        format!("{} {operation} over {miles} miles", print::count(*events))
    };
    let parts: Vec<String> = sums.iter().map(part).collect();
    format!("{airport}: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_operation() {
        let mut sums = Sums::new();
        add(&mut sums, "INSERT", 5);
        add(&mut sums, "INSERT", 7);
        add(&mut sums, "DELETE", 1);
        let expected = "JFK: 1 DELETE over 1 miles, 2 INSERT over 12 miles";
        assert_eq!(line("JFK", &sums), expected);
    }
}
