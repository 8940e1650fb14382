//! A day of changes: the snow storm of 8 February 2013, when half of New York's flights fell.
//!
//! Hour by hour of scheduled departure, each airport announces delays, rounded to a quarter of an
//! hour, and takes cancelled flights off; then it sets what the delays came to be.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{AIRPORTS, object};
use crate::client::{Ask, Client};
use crate::failure::{Failure, Result};
use crate::query;

/// The day, for people.
pub(crate) const DAY_NAME: &str = "8 February 2013";
const DAY: [(&str, u64); 3] = [("year", 2013), ("month", 2), ("day", 8)];

/// An event that a write made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) sequence: u64,
    pub(crate) operation: String,
    pub(crate) key: String,
}

/// Replays the day; returns the events it made by airport, in order.
pub(crate) fn replay(client: &Client) -> Result<BTreeMap<&'static str, Vec<Made>>> {
    let mut days = BTreeMap::new();
    for airport in AIRPORTS {
        days.insert(airport, day(client, airport)?);
    }
    let mut made: BTreeMap<&str, Vec<Made>> = BTreeMap::new();
    for hour in 0..24 {
        for (airport, flights) in &days {
            let due = flights.iter().filter(|flight| flight["hour"] == hour);
            let due: Vec<&Map<String, Json>> = due.collect();
            let of_airport = made.entry(airport).or_default();
            of_airport.extend(write(client, airport, announced(&due))?);
            of_airport.extend(write(client, airport, departed(&due))?);
        }
    }
    Ok(made)
}

/// The flights of the day, by scheduled departure.
fn day(client: &Client, airport: &str) -> Result<Vec<Map<String, Json>>> {
    let date: Map<String, Json> = DAY
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Json::from(*value)))
        .collect();
    let body = json!({
        "where": date, "select": ["hour", "dep_time", "dep_delay"],
        "orderBy": ["sched_dep_time"], "limit": 10_000,
    });
    let page = query::page(client, &object(airport)?, "flights", &body)?;
    if page.rows.is_empty() || page.next.is_some() {
        return Err(Failure::failed(format!("{airport}: no day of flights")));
    }
    Ok(page.rows)
}

fn announced(flights: &[&Map<String, Json>]) -> Vec<Json> {
    let mutation = |flight: &&Map<String, Json>| match flight.get("dep_delay") {
        Some(delay) if flight.contains_key("dep_time") => {
            let minutes = delay.as_i64().unwrap_or(0);
            let quarter = (minutes + 7).div_euclid(15) * 15;
            update(flight, json!({"dep_delay": quarter, "status": "announced"}))
        }
        _ => json!({"op": "delete", "collection": "flights", "key": flight["_key"]}),
    };
    flights.iter().map(mutation).collect()
}

fn departed(flights: &[&Map<String, Json>]) -> Vec<Json> {
    let gone = flights
        .iter()
        .filter(|flight| flight.contains_key("dep_time"));
    let mutation = |flight: &&Map<String, Json>| {
        let delay = &flight["dep_delay"];
        update(flight, json!({"dep_delay": delay, "status": "departed"}))
    };
    gone.map(mutation).collect()
}

fn update(flight: &Map<String, Json>, patch: Json) -> Json {
    let key = &flight["_key"];
    json!({"op": "update", "collection": "flights", "key": key, "patch": patch})
}

fn write(client: &Client, airport: &str, mutations: Vec<Json>) -> Result<Vec<Made>> {
    if mutations.is_empty() {
        return Ok(Vec::new());
    }
    let path = object(airport)?.path(&["batch"]);
    let ask = Ask::post_json(path, &json!({"mutations": mutations}));
    let reply: Json = client.json(&ask.header("x-source", "tidelog-demo"))?;
    let written = reply["written"].as_array().into_iter().flatten();
    let written = written.filter(|one| one["operation"] != "NONE");
    let made = |one: &Json| Made {
        sequence: one["version"].as_u64().unwrap_or(0),
        operation: one["operation"].as_str().unwrap_or_default().to_owned(),
        key: one["key"].as_str().unwrap_or_default().to_owned(),
    };
    Ok(written.map(made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_flight_is_deleted_and_the_others_change_twice() {
        let flight = |json: Json| json.as_object().cloned().unwrap();
        let flown = flight(json!({"_key": "a", "hour": 5, "dep_time": 520, "dep_delay": 38}));
        let cancelled = flight(json!({"_key": "b", "hour": 5}));
        let due = [&flown, &cancelled];
        assert_eq!(
            announced(&due),
            [
                json!({"op": "update", "collection": "flights", "key": "a",
                       "patch": {"dep_delay": 45, "status": "announced"}}),
                json!({"op": "delete", "collection": "flights", "key": "b"}),
            ]
        );
        let departed = departed(&due);
        assert_eq!(departed.len(), 1);
        assert_eq!(departed[0]["patch"]["dep_delay"], 38);
    }
}
