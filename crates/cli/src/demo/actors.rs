//! The step with custom actors: `examples/rooms`, on the demo's own server.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tidelog_embedded::instant;
use ureq::http::Method;

use crate::client::{Ask, Client};
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};

/// Longest wait for what actors do by themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// Books a room, is refused an overlap, lets a hold expire by its alarm, and finds the booking in the
/// calendar of another actor. What to print of it.
pub(super) fn run(client: &Client) -> Result<Vec<String>> {
    for (name, schema) in [
        ("room", tidelog_rooms::ROOM),
        ("person", tidelog_rooms::PERSON),
    ] {
        let body = schema.as_bytes().to_vec();
        let path = path(&["v1", "types", name]);
        let _: Json = client.json(&Ask::new(Method::PUT, path, "application/toml", body))?;
    }
    let room = ObjectName::new("room", "4a")?;
    let tell = |name: &str, body: &Json| -> Result<Json> {
        client.json(&Ask::post_json(room.path(&["messages", name]), body))
    };
    let hours =
        |from: u8, to: u8| json!({"day": "2026-11-21", "from": from, "to": to, "by": "ada"});
    let booked = tell("book", &hours(9, 11))?;
    let overlap = match tell("book", &hours(10, 12)) {
        Err(failure) if failure.code() == "room.taken" => failure.to_string(),
        other => {
            return Err(Failure::failed(format!(
                "an overlap was answered {other:?}"
            )));
        }
    };
    let mut hold = hours(14, 15);
    hold["seconds"] = json!(1);
    tell("hold", &hold)?;
    until("the end of the hold", || {
        Ok(rows(client, &room, "holds")?.is_empty())
    })?;
    let person = ObjectName::new("person", "ada")?;
    until("the booking in the calendar", || {
        let calendar = rows(client, &person, "calendar")?;
        Ok(calendar.len() == 1 && calendar[0]["_key"] == booked["id"])
    })?;
    Ok(vec![
        "room/4a is booked from 9 to 11, and person/ada's calendar has it".to_owned(),
        format!("10 to 12 is refused: {overlap}"),
        "a hold from 14 to 15 ended by its alarm".to_owned(),
    ])
}

fn rows(client: &Client, object: &ObjectName, collection: &str) -> Result<Vec<Json>> {
    let ask = Ask::post_json(object.path(&[collection, "query"]), &json!({}));
    match client.json::<Json>(&ask) {
        Ok(mut answer) => Ok(answer["rows"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()),
        // The first message that it is sent makes it.
        Err(failure) if failure.code() == "unknown_object" => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

fn until(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = instant();
    while !look()? {
        if started.elapsed() > PATIENCE {
            return Err(Failure::failed(format!("{what} does not come")));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}
