//! `tidelog demo`: the whole job on a year of flights, each step with what it took.

mod actors;
mod churn;
mod costs;
mod lake_check;
mod live;
mod steps;
mod tiers;
mod warm;
mod way_on;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_embedded::{Server, Settings, instant};
use ureq::http::Method;

use crate::client::{Ask, Client};
use crate::configuration::Configuration;
use crate::failure::{Exit, Failure, Result};
use crate::import::{self, Mode, Plan, Report, Route};
use crate::object_name::{ObjectName, path};
use crate::target::private;
use crate::text_table::TextTable;
use crate::verify::Verifier;
use crate::{inspect, print, query, serve};

use self::steps::Steps;

const EXAMPLES: &str = "\
Examples:
  cargo run --release -- demo
  tidelog demo --keep                    # then try the printed calls; Ctrl-C ends it
  tidelog demo --data /tmp/airports --fixtures fixtures/nycflights13";

/// The type of the data, as the repository has it.
const SCHEMA: &str = include_str!("../../../schemas/airport.toml");
/// Where the repository's data was when this was built.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/nycflights13");
/// The airports of departure: one object each.
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
/// The object that is followed live.
const FOLLOWED: &str = "JFK";
const FLIGHTS: u64 = 336_776;
const WEATHER: u64 = 26_115;

/// Flags of `demo`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Keep serving at the end, and say what to try
    #[arg(long)]
    keep: bool,
    /// An empty data folder to use [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder with flights.csv.zst and weather.csv.zst
    #[arg(long, value_name = "DIR", default_value = FIXTURES, hide_default_value = true)]
    fixtures: PathBuf,
}

/// What every step needs.
struct Demo<'a> {
    client: &'a Client,
    configuration: &'a Configuration,
    fixtures: &'a Path,
    steps: Steps,
}

pub(crate) fn run(args: DemoArgs, configuration: &Configuration) -> Result<()> {
    check(&args)?;
    let temporary = args.data.is_none();
    let folder = match &args.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("tidelog-demo-{}", std::process::id())),
    };
    let outcome = in_folder(&args, configuration, &folder);
    if temporary && !args.keep {
        drop(std::fs::remove_dir_all(&folder));
    }
    outcome
}

/// Refuses what would fail half-way.
fn check(args: &DemoArgs) -> Result<()> {
    for name in ["flights.csv.zst", "weather.csv.zst"] {
        let file = args.fixtures.join(name);
        if !file.is_file() {
            let message = format!("{}: not there; --fixtures names its folder", file.display());
            return Err(Failure::usage(message));
        }
    }
    let Some(data) = &args.data else {
        return Ok(());
    };
    let used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        let message = format!(
            "{}: not empty; the demo starts from nothing",
            data.display()
        );
        return Err(Failure::usage(message));
    }
    Ok(())
}

fn in_folder(args: &DemoArgs, configuration: &Configuration, folder: &Path) -> Result<()> {
    let started = instant();
    let flags = [("data", Some(folder.display().to_string()))];
    let settings = configuration.settings(&flags)?;
    let server = start(args.keep, settings.clone())?;
    let token = if args.keep { settings.token } else { None };
    let client = Client::new(&server.url(), token);
    let mut demo = Demo {
        client: &client,
        configuration,
        fixtures: &args.fixtures,
        steps: Steps::new()?,
    };
    demo.steps.done("start a server", started.elapsed())?;
    if let Err(failure) = demo.all() {
        drop(server.stop());
        return Err(failure);
    }
    if args.keep {
        costs::print(server.meter())?;
        print::line("")?;
        serve::announce(&server)?;
        way_on::print(&server.url(), folder)?;
        return Ok(server.run_until_signal()?);
    }
    let (meter, stopping) = (server.meter(), instant());
    server.stop()?;
    demo.steps.done("stop the server", stopping.elapsed())?;
    demo.steps.total("all of it", started.elapsed())?;
    costs::print(meter)
}

/// At the usual address when it shall stay and the address is free.
fn start(keep: bool, settings: Settings) -> Result<Server> {
    if !keep {
        return Ok(with_rooms(private(settings))?);
    }
    match with_rooms(settings.clone()) {
        Err(e) if e.code() == "address_in_use" => {
            let token = settings.token.clone();
            let any = Settings {
                token,
                ..private(settings)
            };
            Ok(with_rooms(any)?)
        }
        outcome => Ok(outcome?),
    }
}

/// The demo's servers run the actors of `examples/rooms`.
fn with_rooms(settings: Settings) -> tidelog_log::Result<Server> {
    Server::start_with(settings, tidelog_rooms::actors())
}

impl Demo<'_> {
    fn all(&mut self) -> Result<()> {
        self.register()?;
        let flights = self.import("flights.csv.zst", "flights", FLIGHTS)?;
        let weather = self.import("weather.csv.zst", "weather", WEATHER)?;
        let events = self.churn()?;
        self.folded()?;
        self.queries()?;
        self.flush(flights + weather + events)?;
        self.read_lake()?;
        self.verify()?;
        self.warm()?;
        self.actors()?;
        self.inspect()
    }

    fn register(&mut self) -> Result<()> {
        let started = instant();
        let path = path(&["v1", "types", "airport"]);
        let body = SCHEMA.as_bytes().to_vec();
        let ask = Ask::new(Method::PUT, path, "application/toml", body);
        let answer: Json = self.client.json(&ask)?;
        let name = format!("register type airport, version {}", answer["version"]);
        self.steps.done(&name, started.elapsed())
    }

    fn import(&mut self, file: &str, collection: &str, expected: u64) -> Result<u64> {
        let plan = Plan {
            type_name: "airport".to_owned(),
            collection: collection.to_owned(),
            file: self.fixtures.join(file),
            route: Route::Column("origin".to_owned()),
            mode: Mode::Insert,
            idempotency_key: None,
        };
        let Report { delivered, time } = import::import(self.client, &plan)?;
        let (rows, bytes, objects) = (delivered.rows, delivered.bytes, delivered.objects);
        expect("rows imported", rows, expected)?;
        expect("objects", objects as u64, AIRPORTS.len() as u64)?;
        let name = format!("import {collection} into {objects} objects");
        self.steps.moved(&name, rows, Some(bytes), time)?;
        Ok(rows)
    }

    /// A day of changes on all three, one of them followed. Returns how many events it made.
    fn churn(&mut self) -> Result<u64> {
        let watcher = live::Watcher::start(self.client, object(FOLLOWED)?)?;
        let started = instant();
        let mut seen_by_us = churn::replay(self.client)?;
        let events = seen_by_us.values().map(|made| made.len() as u64).sum();
        let name = format!("replay {} on 3 objects", churn::DAY_NAME);
        self.steps.moved(&name, events, None, started.elapsed())?;
        let waiting = instant();
        let made = seen_by_us.remove(FOLLOWED).unwrap_or_default();
        watcher.expect(&made)?;
        let waited = waiting.elapsed();
        watcher.expect_no_more()?;
        let name = format!("{FOLLOWED}'s follower saw the same {} events", made.len());
        self.steps.done(&name, waited)?;
        Ok(events)
    }

    fn queries(&mut self) -> Result<()> {
        for (what, object_id, collection, body) in asked() {
            let started = instant();
            let page = query::page(self.client, &object(object_id)?, collection, &body)?;
            let took = started.elapsed();
            let name = format!("query {object_id}: {what}");
            self.steps
                .moved(&name, page.rows.len() as u64, None, took)?;
            let first = columns(&body);
            let mut rows = page.rows;
            rows.truncate(5);
            for row in &mut rows {
                row.retain(|name, _| !name.starts_with('_'));
            }
            let table = TextTable::of(&rows, &first);
            print::line(format_args!("      {}", table.header()))?;
            for row in &rows {
                print::line(format_args!("      {}", table.row(row)))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, events: u64) -> Result<()> {
        let started = instant();
        for id in AIRPORTS {
            let path = object(id)?.path(&["sync"]);
            let ask = Ask::post_json(path, &json!({"tier": "cold"}));
            let state: Json = self.client.json(&ask)?;
            let lake = state["lake"].as_array().into_iter().flatten();
            for table in lake {
                let lag = table["lagEvents"].as_u64().unwrap_or(u64::MAX);
                expect(&format!("{id}: events behind after a sync"), lag, 0)?;
            }
        }
        let name = "bring the lake up to date";
        self.steps.moved(name, events, None, started.elapsed())
    }

    fn read_lake(&mut self) -> Result<()> {
        let started = instant();
        let found = lake_check::run(self.client, self.configuration, &AIRPORTS)?;
        let took = started.elapsed();
        let name = format!("read the lake ({} files), equal to the log", found.files);
        self.steps
            .moved(&name, found.rows, Some(found.bytes), took)?;
        for line in found.lines {
            print::line(format_args!("      {line}"))?;
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<()> {
        let started = instant();
        let (client, configuration) = (self.client, self.configuration);
        let found = at_once(&AIRPORTS, |id| {
            Verifier::new(client, configuration)?.verify(&object(id)?, None)
        })?;
        let (mut events, mut documents) = (0, 0);
        for (id, collections) in AIRPORTS.iter().zip(found) {
            for verified in collections {
                let place = format!("airport/{id} {}", verified.collection);
                if let Some(divergence) = verified.divergences.first() {
                    return Err(Failure::failed(format!("{place}: {divergence}")));
                }
                let lake_rows = format!("{place}: lake rows");
                expect(&lake_rows, verified.lake, verified.events)?;
                events += verified.events;
                documents += verified.rows;
            }
        }
        let count = print::count(documents);
        let name = format!("verify log = lake = {count} documents");
        self.steps.moved(&name, events, None, started.elapsed())
    }

    fn actors(&mut self) -> Result<()> {
        let started = instant();
        let lines = actors::run(self.client)?;
        self.steps
            .done("book a room with custom actors", started.elapsed())?;
        lines
            .iter()
            .try_for_each(|line| print::line(format_args!("      {line}")))
    }

    fn inspect(&mut self) -> Result<()> {
        let started = instant();
        let mut all = Vec::new();
        for id in AIRPORTS {
            let name = object(id)?;
            let state: Json = self.client.get(name.path(&["state"]))?;
            all.extend(inspect::lines(&name, &state));
        }
        self.steps.done("inspect", started.elapsed())?;
        all.iter()
            .try_for_each(|line| print::line(format_args!("      {line}")))
    }
}

/// Does `work` for each airport in a thread of its own; the results in the same order.
fn at_once<T: Send>(airports: &[&str], work: impl Fn(&str) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads = airports.iter().map(|id| scope.spawn(move || work(id)));
        let threads: Vec<_> = threads.collect();
        let results = threads.into_iter().map(|thread| {
            let joined = thread.join();
            joined.unwrap_or_else(|_| Err(Failure::failed("a thread of the demo panicked")))
        });
        results.collect()
    })
}

fn object(id: &str) -> Result<ObjectName> {
    Ok(ObjectName::new("airport", id)?)
}

/// Name, object, collection and body of the queries.
fn asked() -> [(&'static str, &'static str, &'static str, Json); 3] {
    [
        (
            "the longest waits for LAX",
            "JFK",
            "flights",
            json!({
                "where": {"dest": "LAX", "dep_delay": {"gte": 120}},
                "select": ["time_hour", "carrier", "flight", "dep_delay"],
                "orderBy": ["-dep_delay"], "limit": 5,
            }),
        ),
        (
            "mean delay by airline",
            "EWR",
            "flights",
            json!({
                "groupBy": ["carrier"],
                "aggregate": {"flights": {"count": "*"}, "mean": {"avg": "dep_delay"}},
                "orderBy": ["-mean"],
            }),
        ),
        (
            "weather by month",
            "LGA",
            "weather",
            json!({
                "groupBy": [{"field": "time_hour", "bucket": "month", "as": "month"}],
                "aggregate": {"mean": {"avg": "temp"}, "gust": {"max": "wind_gust"}},
            }),
        ),
    ]
}

/// The columns a body asks for, in its order.
fn columns(body: &Json) -> Vec<String> {
    let name = |field: &Json| {
        let named = field["as"].as_str().or(field.as_str());
        named.unwrap_or_default().to_owned()
    };
    let lists = [&body["select"], &body["groupBy"]];
    let lists = lists.into_iter().filter_map(Json::as_array).flatten();
    lists.map(name).collect()
}

fn expect(what: &str, found: u64, expected: u64) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (print::count(found), print::count(expected));
    let message = format!("{what}: {found}, expected {expected}");
    Err(Failure::new(Exit::Failed, message))
}
