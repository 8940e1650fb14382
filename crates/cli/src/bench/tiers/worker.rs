//! The tiers of an object on workerd, beside a Durable Object that sums rows by hand.

use std::fmt::Write as _;

use serde_json::json;
use tidelog_embedded::instant;
use tidelog_log::Result;

use super::gets::{Gets, SEED_COLD, SEED_HOT, SEED_WARM, cold, over_http, warm};
use super::report::{Report, Sizes};
use super::sensors::{READINGS, RECENT, Reading, Sensors, check_equal};
use super::server::{FOLDED, HOT, count, fill, settled, synced};
use super::sums::{Question, Sums, questions};
use super::{HostKind, TiersArgs};
use crate::bench::figures::{failed, millis};
use crate::bench::http::Connection;
use crate::bench::scratch::Scratch;
use crate::bench::workerd::Workerd;

/// Rows of one request to the peer.
const BATCH: usize = 10_000;
/// The peer's object of readings.
const PEER: &str = "/readings/FOLDED";
/// Least times as fast as rows that are fetched and summed in JavaScript, and as SQLite's `sum()`.
const FETCHED_GOAL: f64 = 20.0;
const SQLITE_GOAL: f64 = 1.0;

pub(super) fn run(args: &TiersArgs, sensors: Sensors) -> Result<()> {
    let scratch = Scratch::new(args.folder.as_deref())?;
    let workerd = Workerd::start(&args.runtime, scratch.path())?;
    fill(workerd.tidelog(), sensors, args.recent)?;
    fill_peer(&mut Connection::open(workerd.peer())?, sensors)?;

    let mut connection = Connection::open(workerd.tidelog())?;
    synced(&mut connection, FOLDED)?;
    let state = settled(&mut connection, FOLDED)?;
    let gets = gets(args, sensors, &mut connection)?;
    // workerd closes a connection that waited as long as the gets took.
    let mut peer = Connection::open(workerd.peer())?;
    let sums = sums(args, sensors, &mut connection, &mut peer)?;
    let sizes = Sizes {
        blobs: count(&state, "/folded/0/bytes")?,
        count: count(&state, "/folded/0/blobs")?,
        object: count(&state, "/database/bytes")?,
        sqlite: count(&peer.json("GET", PEER, &[])?, "/bytes")?,
        json: sensors.json_bytes(),
        lake: None,
    };
    let notes = vec![format!("workerd {}", workerd.version())];
    let report = Report {
        host: HostKind::Worker,
        rows: args.rows,
        gets,
        sums,
        sizes: Some(sizes),
        notes,
    };
    report.print(args.json)
}

/// Gets of every kind.
fn gets(args: &TiersArgs, sensors: Sensors, connection: &mut Connection) -> Result<Vec<Gets>> {
    let few: Vec<Reading> = sensors.some(args.gets, args.recent).collect();
    let all: Vec<Reading> = sensors.some(args.gets, args.rows).collect();
    let anew = &all[..args.slow_gets().min(all.len())];
    let of = |tier, seed, millis| Gets {
        tier,
        way: "HTTP",
        millis,
        seed,
    };
    let (hot, folded) = (format!("{HOT}/{RECENT}"), format!("{FOLDED}/{READINGS}"));
    over_http(connection, &hot, &few, "")?;
    over_http(connection, &folded, &all, "")?;
    Ok(vec![
        of("hot, row", SEED_HOT, over_http(connection, &hot, &few, "")?),
        of(
            "hot, blob",
            SEED_HOT,
            over_http(connection, &folded, &all, "")?,
        ),
        of(
            "warm, hit",
            SEED_WARM,
            warm(connection, FOLDED, READINGS, &all)?,
        ),
        of("cold", SEED_COLD, cold(connection, &folded, anew)?),
    ])
}

fn fill_peer(peer: &mut Connection, sensors: Sensors) -> Result<()> {
    let mut rows = sensors.all();
    loop {
        let mut body = String::from("[");
        for r in rows.by_ref().take(BATCH) {
            let comma = if body.len() > 1 { "," } else { "" };
            let _ = write!(
                body,
                r#"{comma}["{}",{},{},{}]"#,
                r.point, r.at, r.value, r.quality
            );
        }
        if body.len() == 1 {
            return Ok(());
        }
        body.push(']');
        peer.send("POST", PEER, "application/json", body.as_bytes())?;
    }
}

/// Every question, beside rows that are fetched and summed in JavaScript, and SQLite's `sum()`.
fn sums(
    args: &TiersArgs,
    sensors: Sensors,
    connection: &mut Connection,
    peer: &mut Connection,
) -> Result<Vec<Sums>> {
    let mut all = Vec::new();
    for (at, question) in questions(sensors).into_iter().enumerate() {
        let whole = at == 0;
        let of = |how: &str, goal| Sums {
            name: format!("{}, peer {how}", question.name),
            ours: Vec::new(),
            theirs: Vec::new(),
            goal: whole.then_some(goal),
        };
        let mut both = [
            of("fetches rows", FETCHED_GOAL),
            of("asks sum()", SQLITE_GOAL),
        ];
        // One round before is not counted: code is compiled, caches fill.
        for round in 0..=args.rounds {
            let mut took = [0.0; 3];
            for turn in 0..3 {
                let who = (round + turn) % 3;
                took[who] = ask(connection, peer, &question, who)?;
            }
            for (sums, theirs) in both.iter_mut().zip(&took[1..]).filter(|_| round > 0) {
                sums.ours.push(took[0]);
                sums.theirs.push(*theirs);
            }
        }
        all.extend(both);
    }
    Ok(all)
}

/// Milliseconds until the answer is there: ours, the peer's by rows, the peer's by `sum()`.
fn ask(
    connection: &mut Connection,
    peer: &mut Connection,
    question: &Question,
    who: usize,
) -> Result<f64> {
    let (took, total) = match who {
        0 => ask_object(connection, question)?,
        1 => ask_peer(peer, "rows", &question.sql.replace("sum(value)", "value"))?,
        _ => return Ok(ask_peer(peer, "sum", &question.sql)?.0),
    };
    let (_, expected) = ask_peer(peer, "sum", &question.sql)?;
    check_equal(question.name, total, expected)?;
    Ok(took)
}

/// Milliseconds and the sum.
fn ask_object(connection: &mut Connection, question: &Question) -> Result<(f64, f64)> {
    let path = format!("{FOLDED}/{READINGS}/query");
    let body = question.query.to_string();
    let asked = instant();
    let answer = connection.json("POST", &path, body.as_bytes())?;
    let took = millis(asked.elapsed());
    let total = answer["rows"][0]["total"].as_f64();
    let total = total.ok_or_else(|| failed(format!("no sum in {answer}")))?;
    Ok((took, total))
}

fn ask_peer(peer: &mut Connection, how: &str, sql: &str) -> Result<(f64, f64)> {
    let body = json!({"how": how, "sql": sql}).to_string();
    let asked = instant();
    let answer = peer.json("PUT", PEER, body.as_bytes())?;
    let took = millis(asked.elapsed());
    let total = answer["total"].as_f64();
    let total = total.ok_or_else(|| failed(format!("no sum in {answer}")))?;
    Ok((took, total))
}
