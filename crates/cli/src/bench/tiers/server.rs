//! Objects filled over HTTP, on either host.

use std::time::Duration;

use serde_json::Value as Json;
use tidelog_embedded::instant;
use tidelog_log::Result;

use super::sensors::{READINGS, RECENT, Sensors, TYPE, bodies};
use crate::bench::figures::failed;
use crate::bench::http::Connection;
use crate::client::wait;

/// The object whose readings are folded.
pub(super) const FOLDED: &str = "/v1/objects/plant/FOLDED";
/// The object whose readings stay rows.
pub(super) const HOT: &str = "/v1/objects/plant/HOT";

/// Documents of one request; the contract takes no more.
const BATCH: usize = 10_000;
/// Longest wait until nothing more is to be folded, or to be written to the lake.
const WAIT_MAX: Duration = Duration::from_secs(900);
const PAUSE: Duration = Duration::from_millis(100);

/// Registers the type and fills both objects; waits until what folds is folded.
pub(super) fn fill(url: &str, sensors: Sensors, recent: usize) -> Result<()> {
    let mut connection = Connection::open(url)?;
    connection.send(
        "PUT",
        "/v1/types/plant",
        "application/toml",
        TYPE.as_bytes(),
    )?;
    let few = Sensors {
        rows: recent.clamp(1, sensors.rows),
        ..sensors
    };
    for (object, collection, sensors) in [(HOT, RECENT, few), (FOLDED, READINGS, sensors)] {
        let path = format!("{object}/{collection}");
        for body in bodies(sensors, BATCH) {
            connection.send("POST", &path, "application/json", &body)?;
        }
        settled(&mut connection, object)?;
    }
    Ok(())
}

/// An object's state once its folding timer is not set.
pub(super) fn settled(connection: &mut Connection, object: &str) -> Result<Json> {
    let started = instant();
    loop {
        let state = connection.json("GET", &format!("{object}/state"), &[])?;
        let mut wakes = state["wakes"].as_array().into_iter().flatten();
        if !wakes.any(|wake| wake["name"] == "fold") {
            return Ok(state);
        }
        if started.elapsed() > WAIT_MAX {
            return Err(failed(format!("{object} still folds")));
        }
        wait(PAUSE);
    }
}

/// Waits until the lake has everything of an object.
pub(super) fn synced(connection: &mut Connection, object: &str) -> Result<()> {
    let started = instant();
    let path = format!("{object}/sync");
    loop {
        // A table that is behind answers 503 until it is not.
        let done = connection.json("POST", &path, br#"{"tier":"cold"}"#);
        match done {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > WAIT_MAX => return Err(error),
            Err(_) => wait(PAUSE),
        }
    }
}

/// A count in a state.
pub(super) fn count(state: &Json, place: &str) -> Result<u64> {
    let found = state.pointer(place).and_then(Json::as_u64);
    found.ok_or_else(|| failed(format!("{place} is no count in {state}")))
}
