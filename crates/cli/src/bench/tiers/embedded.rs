//! The tiers of the embedded host: in this process, and over HTTP where a user goes that way.

use std::path::Path;

use tidelog_core::Query;
use tidelog_embedded::{Server, Settings, instant};
use tidelog_log::Result;

use super::cold::Lake;
use super::gets::{Gets, Reader, SEED_COLD, SEED_HOT, SEED_WARM, cold, over_http, warm};
use super::peer::Peer;
use super::report::{Report, Sizes};
use super::sensors::{READINGS, RECENT, Reading, Sensors, check_equal, prepared};
use super::server::{FOLDED, HOT, count, fill, settled, synced};
use super::sums::{Question, Sums, questions};
use super::{HostKind, TiersArgs};
use crate::bench::figures::{failed, millis};
use crate::bench::http::Connection;
use crate::bench::scratch::Scratch;

pub(super) fn run(args: &TiersArgs, sensors: Sensors) -> Result<()> {
    let scratch = Scratch::new(args.folder.as_deref())?;
    let data = scratch.path().join("data");
    let server = Server::start(Settings {
        data: data.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        ..Settings::default()
    })?;
    fill(&server.url(), sensors, args.recent)?;
    let mut connection = Connection::open(&server.url())?;
    synced(&mut connection, FOLDED)?;
    let state = settled(&mut connection, FOLDED)?;
    let lake = Lake::open(&mut connection, &data)?;
    let gets = gets(args, sensors, &mut connection, (&data, &lake))?;
    drop(connection);
    server.stop()?;

    let peer = Peer::fill(&scratch.path().join("peer.db"), sensors)?;
    let mut reader = Reader::open(&data, "FOLDED")?;
    let sums = sums(args, sensors, &mut reader, &peer)?;
    let sizes = Sizes {
        blobs: count(&state, "/folded/0/bytes")?,
        count: count(&state, "/folded/0/blobs")?,
        object: count(&state, "/database/bytes")?,
        sqlite: peer.bytes()?.unsigned_abs(),
        json: sensors.json_bytes(),
        lake: Some(lake.bytes()?),
    };
    let report = Report {
        host: HostKind::Embedded,
        rows: args.rows,
        gets,
        sums,
        sizes: Some(sizes),
        notes: Vec::new(),
    };
    report.print(args.json)
}

/// Gets of every kind.
fn gets(
    args: &TiersArgs,
    sensors: Sensors,
    connection: &mut Connection,
    (data, lake): (&Path, &Lake),
) -> Result<Vec<Gets>> {
    let few: Vec<Reading> = sensors.some(args.gets, args.recent).collect();
    let all: Vec<Reading> = sensors.some(args.gets, args.rows).collect();
    let anew = &all[..args.slow_gets().min(all.len())];
    let of = |tier, way, seed, millis| Gets {
        tier,
        way,
        millis,
        seed,
    };
    let (mut hot, mut folded) = (Reader::open(data, "HOT")?, Reader::open(data, "FOLDED")?);
    // Once before, so that what is kept in memory is there.
    hot.gets(RECENT, &few, false)?;
    folded.gets(READINGS, &all, false)?;
    let (hot_path, folded_path) = (format!("{HOT}/{RECENT}"), format!("{FOLDED}/{READINGS}"));
    over_http(connection, &hot_path, &few, "")?;
    over_http(connection, &folded_path, &all, "")?;
    let mut all_kinds = vec![
        of(
            "hot, row",
            "engine",
            SEED_HOT,
            hot.gets(RECENT, &few, false)?,
        ),
        of(
            "hot, row",
            "HTTP",
            SEED_HOT,
            over_http(connection, &hot_path, &few, "")?,
        ),
        of(
            "hot, blob in memory",
            "engine",
            SEED_HOT,
            folded.gets(READINGS, &all, false)?,
        ),
        of(
            "hot, blob in memory",
            "HTTP",
            SEED_HOT,
            over_http(connection, &folded_path, &all, "")?,
        ),
        of(
            "hot, blob from file",
            "engine",
            SEED_HOT,
            folded.gets(READINGS, anew, true)?,
        ),
        of(
            "warm, hit",
            "HTTP",
            SEED_WARM,
            warm(connection, FOLDED, READINGS, &all)?,
        ),
    ];
    all_kinds.extend(cold_gets(connection, lake, anew)?);
    Ok(all_kinds)
}

/// Gets from the lake, with the snapshot's files known, and with manifests read for each.
fn cold_gets(connection: &mut Connection, lake: &Lake, readings: &[Reading]) -> Result<Vec<Gets>> {
    let path = format!("{FOLDED}/{READINGS}");
    let of = |tier, way, millis| Gets {
        tier,
        way,
        millis,
        seed: SEED_COLD,
    };
    Ok(vec![
        of("cold, table open", "library", lake.gets(readings, false)?),
        of(
            "cold, table open",
            "HTTP",
            cold(connection, &path, readings)?,
        ),
        of(
            "cold, table opened anew",
            "library",
            lake.gets(readings, true)?,
        ),
    ])
}

/// Every question, with blobs in memory, and with that memory emptied before each.
fn sums(args: &TiersArgs, sensors: Sensors, reader: &mut Reader, peer: &Peer) -> Result<Vec<Sums>> {
    let mut all = Vec::new();
    for anew in [false, true] {
        for question in questions(sensors) {
            let how = if anew { ", blobs from file" } else { "" };
            let mut sums = Sums {
                name: format!("{}{how}", question.name),
                ours: Vec::new(),
                theirs: Vec::new(),
                goal: None,
            };
            // One round before is not counted: memories fill, statements are prepared.
            for round in 0..=args.rounds {
                let (ours, theirs) = one_round(reader, peer, &question, round % 2 == 0, anew)?;
                if round > 0 {
                    sums.ours.push(ours);
                    sums.theirs.push(theirs);
                }
            }
            all.push(sums);
        }
    }
    Ok(all)
}

/// Milliseconds of ours and theirs.
fn one_round(
    reader: &mut Reader,
    peer: &Peer,
    question: &Question,
    ours_first: bool,
    anew: bool,
) -> Result<(f64, f64)> {
    if anew {
        reader.forget();
    }
    let (ours, theirs) = match ours_first {
        true => {
            let ours = ask(reader, question)?;
            (ours, ask_peer(peer, question)?)
        }
        false => {
            let theirs = ask_peer(peer, question)?;
            (ask(reader, question)?, theirs)
        }
    };
    check_equal(question.name, ours.1, theirs.1)?;
    Ok((ours.0, theirs.0))
}

/// From the query's JSON to its answer.
fn ask(reader: &mut Reader, question: &Question) -> Result<(f64, f64)> {
    let prepared = prepared()?;
    let asked = instant();
    let answer = reader.read(|_, sql| {
        let query = Query::parse(&prepared.collection, &question.query)?;
        query.run(sql, &prepared.collection)
    })?;
    let took = millis(asked.elapsed());
    let total = answer
        .rows
        .first()
        .and_then(|row| row.get("total")?.as_f64());
    let total = total.ok_or_else(|| failed(format!("no sum in {:?}", answer.rows)))?;
    Ok((took, total))
}

fn ask_peer(peer: &Peer, question: &Question) -> Result<(f64, f64)> {
    let asked = instant();
    let answer = peer.number(&question.sql)?;
    Ok((millis(asked.elapsed()), answer))
}
