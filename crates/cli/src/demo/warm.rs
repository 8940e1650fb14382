//! The step with the cache: the same question asked of the object, of the cache, and after a write.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tidelog_embedded::instant;
use ureq::http::Method;

use super::{Demo, SCHEMA, object};
use crate::client::{Ask, Client};
use crate::failure::{Failure, Result};
use crate::object_name::{ObjectName, path};
use crate::{print, query};

/// The next version of the type: its answers may be kept. No flight is pushed, so that what each read finds
/// is up to the reads.
const WARM: &str = "
[warm]
enabled = true
default_ttl = \"5m\"
collections = [\"weather\"]
";
/// What the write adds to one flight's delay, minutes.
const MORE: i64 = 60;

/// What one read was answered.
struct Answered {
    /// Minutes of delay in a year.
    delay: i64,
    /// What the cache had: `hit`, `miss` or `stale`.
    how: String,
    took: Duration,
}

impl Demo<'_> {
    /// A miss, a hit, a write that the cache has not heard of, and a read that must have seen it.
    pub(super) fn warm(&mut self) -> Result<()> {
        let started = instant();
        let body = format!("{SCHEMA}{WARM}").into_bytes();
        let ask = Ask::new(
            Method::PUT,
            path(&["v1", "types", "airport"]),
            "application/toml",
            body,
        );
        let _: Json = self.client.json(&ask)?;
        let airport = object("EWR")?;
        let read = |terms: &Json, how: &str| read(self.client, &airport, terms, how);
        let warm = json!({});
        let (miss, hit) = (read(&warm, "miss")?, read(&warm, "hit")?);
        let offset = delay_one(self.client, &airport)?;
        let behind = read(&warm, "hit")?;
        let least = json!({ "atLeast": offset });
        let (stale, again) = (read(&least, "stale")?, read(&least, "hit")?);
        self.steps.done("read from the cache", started.elapsed())?;
        for (at, wanted, what) in [
            (&miss, miss.delay, "EWR's minutes of delay"),
            (&hit, miss.delay, "again"),
            (&behind, miss.delay, "after a write, as it was before"),
            (&stale, miss.delay + MORE, "with atLeast, as it is now"),
            (&again, miss.delay + MORE, "again"),
        ] {
            at.check(wanted, what)?;
            let millis = at.took.as_secs_f64() * 1_000.0;
            print::line(format_args!(
                "      {:<32} {:<5} {millis:>8.2} ms",
                what, at.how
            ))?;
        }
        Ok(())
    }
}

impl Answered {
    fn check(&self, wanted: i64, what: &str) -> Result<()> {
        if self.delay == wanted {
            return Ok(());
        }
        let message = format!("{what}: {} minutes, expected {wanted}", self.delay);
        Err(Failure::failed(message))
    }
}

/// Asks the cache, on these terms more; it must have found what is expected.
fn read(client: &Client, airport: &ObjectName, terms: &Json, how: &str) -> Result<Answered> {
    let mut body = json!({
        "aggregate": {"delay": {"sum": "dep_delay"}}, "consistency": "warm",
    });
    if let Some(offset) = terms.get("atLeast") {
        body["atLeast"] = offset.clone();
    }
    let ask = Ask::post_json(airport.path(&["flights", "query"]), &body);
    let started = instant();
    let answer = client.send(&ask)?;
    let found = answer.header("tidelog-cache").to_owned();
    let page: Json = answer.json()?;
    let took = started.elapsed();
    if found != how {
        return Err(Failure::failed(format!(
            "the cache says {found}, expected {how}"
        )));
    }
    let delay = page["rows"][0]["delay"].as_i64();
    let delay = delay.ok_or_else(|| Failure::failed(format!("no sum in {page}")))?;
    Ok(Answered {
        delay,
        how: found,
        took,
    })
}

/// Makes one flight later; where in the log that is.
fn delay_one(client: &Client, airport: &ObjectName) -> Result<Json> {
    let body = json!({"where": {"dep_delay": {"gte": 0}}, "select": ["dep_delay"], "limit": 1});
    let page = query::page(client, airport, "flights", &body)?;
    let flight = page
        .rows
        .first()
        .ok_or_else(|| Failure::failed("no flight was late"))?;
    let later = flight["dep_delay"].as_i64().unwrap_or(0) + MORE;
    let mutation = json!({
        "op": "update", "collection": "flights", "key": flight["_key"],
        "patch": {"dep_delay": later},
    });
    let ask = Ask::post_json(
        airport.path(&["batch"]),
        &json!({ "mutations": [mutation] }),
    );
    let reply: Json = client.json(&ask)?;
    Ok(reply["offset"].clone())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidelog_embedded::{Server, Settings};

    use super::*;
    use crate::configuration::Configuration;
    use crate::demo::steps::Steps;
    use crate::target::private;

    #[test]
    fn each_read_finds_in_the_cache_what_the_step_says() {
        let data = std::env::temp_dir().join(format!("tidelog-demo-warm-{}", std::process::id()));
        let settings = Settings {
            data: data.clone(),
            ..Settings::default()
        };
        let server = Server::start(private(settings)).unwrap();
        let client = Client::new(&server.url(), None);
        let path = path(&["v1", "types", "airport"]);
        let body = SCHEMA.as_bytes().to_vec();
        let ask = Ask::new(Method::PUT, path, "application/toml", body);
        let _: Json = client.json(&ask).unwrap();
        let flight = |number: i64| {
            json!({
                "year": 2013, "month": 1, "day": 1, "hour": 5, "minute": 15,
                "time_hour": "2013-01-01T10:00:00Z", "carrier": "UA", "flight": number,
                "origin": "EWR", "dest": "IAH", "distance": 1400, "sched_dep_time": 515,
                "dep_delay": number, "sched_arr_time": 819,
            })
        };
        let flights: Vec<Json> = (1..=3).map(flight).collect();
        let path = object("EWR").unwrap().path(&["flights"]);
        let _: Json = client.json(&Ask::post_json(path, &json!(flights))).unwrap();
        let mut demo = Demo {
            client: &client,
            configuration: &Configuration::default(),
            fixtures: Path::new(""),
            steps: Steps::new().unwrap(),
        };
        demo.warm().unwrap();
        server.stop().unwrap();
        std::fs::remove_dir_all(data).unwrap();
    }
}
