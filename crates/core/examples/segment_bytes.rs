//! What segments save: `_log` bytes of a CSV's rows as events, before and after they become segments.
//!
//! ```text
//! zstd -dc fixtures/nycflights13/flights.csv.zst | head -50001 | \
//!   cargo run --release -p tidelog-core --example segment_bytes -- schemas/airport.toml flights 1
//! cargo run --release -p tidelog-core --example segment_bytes -- sensors 100000 1
//! ```
//!
//! The last number is how many events a turn has. With the name of a field after it every document is
//! changed once: that field becomes a number one higher.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for the terminal, not part of the product"
)]

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value as Json, json};
use tidelog_core::{
    Address, Caller, Command, Engine, Input, LogPolicy, Mutation, SqlExt, TypeSchema, TypeSpec,
};

#[path = "../tests/engine/sqlite.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod sqlite;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let load = match args[0].as_str() {
        "sensors" => sensors(args[1].parse().unwrap()),
        toml => csv(toml, &args[1]),
    };
    let turns = turns(&load, args[2].parse().unwrap(), args.get(3));
    let mut sql = sqlite::Sqlite::new();
    sql.memory = Some(sqlite::Memory::new());
    let address = Address::object(&load.0.name, "one").unwrap();
    let mut engine = Engine::open(&sql, &address, LogPolicy::default()).unwrap();
    let mut now = 1_700_000_000_000_i64;
    for mutations in turns {
        now += 37;
        let command = Command::Write {
            schema: Arc::clone(&load.0),
            caller: Caller::default(),
            mutations,
        };
        turn(&sql, &mut engine, now, command);
    }
    let read = |text: &str| {
        let found = sql.first(text, &[], |row| {
            Ok((row[0].unsigned()?, row[1].unsigned()?))
        });
        found.unwrap().unwrap()
    };
    let rows = "SELECT count(*), total(length(body)) FROM _log";
    let before = read(rows);
    let started = Instant::now();
    while engine
        .view()
        .wake_at(&sql)
        .unwrap()
        .is_some_and(|at| at <= now)
    {
        turn(&sql, &mut engine, now, Command::Wake);
    }
    let took = started.elapsed().as_secs_f64();
    let (after, segments) = (read(rows), read(&rows.replace("_log", "_segments")));
    let started = Instant::now();
    let events = engine.view().check_log(&sql).unwrap();
    let checked = started.elapsed().as_secs_f64();
    let (moved, held) = (before.1 - after.1, segments.1.max(1));
    println!(
        "{events} events in {} records, {} bytes; {moved} of them in {} segments of {} bytes: \
         {}.{:02} to 1; folding took {took:.2} s, walking the log {checked:.2} s",
        before.0,
        before.1,
        segments.0,
        segments.1,
        moved / held,
        moved % held * 100 / held,
    );
}

/// One turn, with as random ids as a host's: they do not compress.
fn turn(sql: &sqlite::Sqlite, engine: &mut Engine, now: i64, command: Command) {
    let hash = blake3::hash(&now.to_le_bytes());
    let input = Input {
        now,
        entropy: hash.as_bytes()[..16].try_into().unwrap(),
        command,
    };
    engine.turn(sql, input).unwrap();
}

/// The documents as inserts, then each once more with another number in the field `updated`.
fn turns(load: &Load, per_turn: usize, updated: Option<&String>) -> Vec<Vec<Mutation>> {
    let (_, collection, documents) = load;
    let insert = |document: &Map<String, Json>| Mutation::Insert {
        collection: collection.clone(),
        document: document.clone().into(),
    };
    let chunks = documents.chunks(per_turn);
    let mut turns: Vec<Vec<Mutation>> = chunks.map(|c| c.iter().map(insert).collect()).collect();
    if let Some(field) = updated {
        let upsert = |document: &Map<String, Json>| {
            let mut document = document.clone();
            let number = document.get(field).and_then(Json::as_i64).unwrap_or(0);
            document.insert(field.clone(), json!(number + 1));
            Mutation::Upsert {
                collection: collection.clone(),
                document: document.into(),
                if_version: None,
            }
        };
        let chunks = documents.chunks(per_turn);
        turns.extend(chunks.map(|c| c.iter().map(upsert).collect::<Vec<_>>()));
    }
    turns
}

type Load = (Arc<TypeSchema>, String, Vec<Map<String, Json>>);

/// Rows of a CSV on standard input, of a collection that a schema file declares.
fn csv(toml: &str, collection: &str) -> Load {
    let spec = TypeSpec::from_toml(&std::fs::read_to_string(toml).unwrap()).unwrap();
    let schema = TypeSchema::register(None, &spec).map(Arc::new).unwrap();
    let fields = &schema.collection(collection).unwrap().fields;
    let mut lines = std::io::stdin().lock().lines().map(Result::unwrap);
    let header: Vec<String> = lines
        .next()
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect();
    let documents = lines.map(|line| {
        let cells = header
            .iter()
            .zip(line.split(','))
            .filter(|(_, cell)| !cell.is_empty());
        let member = |(name, cell): (&String, &str)| {
            let field = fields.iter().find(|field| field.name == *name).unwrap();
            let json = match field.field_type.name() {
                "int" => json!(cell.parse::<i64>().unwrap()),
                "float" => json!(cell.parse::<f64>().unwrap()),
                _ => json!(cell),
            };
            (name.clone(), json)
        };
        cells.map(member).collect()
    });
    let documents = documents.collect();
    (schema, collection.to_owned(), documents)
}

/// Readings of 200 devices, one a second and device.
fn sensors(count: u64) -> Load {
    let spec = json!({"type": "plant", "collections": {"readings": {"fields": {
        "device": {"type": "string"}, "at": {"type": "timestamp"}, "temperature": {"type": "float"},
        "pressure": {"type": "float"}, "ok": {"type": "bool"}, "count": {"type": "int"}
    }}}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    let schema = TypeSchema::register(None, &spec).map(Arc::new).unwrap();
    let mut state = 7_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 54) as f64
    };
    let documents = (0..count).map(|n| {
        let json = json!({
            "device": format!("device-{:03}", n % 200), "at": 1_700_000_000_000 + n / 200 * 1_000,
            "temperature": (200.0 + noise() / 20.0).round() / 10.0, "pressure": 1_000.0 + (noise() / 8.0).round(),
            "ok": noise() > 3.0, "count": n / 200
        });
        json.as_object().unwrap().clone()
    });
    let documents = documents.collect();
    (schema, "readings".to_owned(), documents)
}
