//! Writes per second, durable, of the engine and of two ways to do it by hand.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rusqlite::types::Value as Bound;
use serde_json::json;
use tidelog_core::{
    Address, Caller, Collection, Command, JsonObject, LogPolicy, Mutation, NewDocument, RowTable,
    SqlExt, TypeSchema,
};
use tidelog_embedded::{OpenObject, instant};
use tidelog_log::{Error, Result};

use super::figures::{failed, grouped, median, rate, say, table};
use super::flights::{COLLECTION, Flight, Input};
use super::peers::{Peer, Unit, bound};
use super::scratch::Scratch;

/// What to measure, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct HotArgs {
    #[command(flatten)]
    input: Input,
    /// Rounds; in each, all three take their turn, and the median round counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Single inserts and single updates of one round
    #[arg(long, default_value_t = 300)]
    singles: usize,
    /// Batches of 1,000 of one round
    #[arg(long, default_value_t = 5)]
    batches: usize,
    /// Also single inserts that arrive N at a time and share a commit
    #[arg(long, value_name = "N", default_value_t = 32)]
    group: usize,
    /// Where the three databases go for the time of the run; the disk is what is measured
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Rows of one batch.
const BATCH: usize = 1_000;
/// The kinds of work, in the order of the report.
const WORK: [&str; 3] = [
    "single inserts",
    "batches of 1,000 (rows)",
    "single updates",
];

/// One round's work for the engine; each command is one transaction.
struct EngineRound([Vec<Command>; 3]);
/// The same work for the peers.
struct PeerRound([Vec<Unit>; 3]);

/// Operations a second by kind of work, one figure a round.
#[derive(Default)]
struct Rates([Vec<f64>; 3]);

pub(crate) fn run(args: &HotArgs) -> Result<()> {
    let schema = args.input.schema()?;
    let collection = schema.collection(COLLECTION)?.clone();
    let per_round = args.singles + args.batches * BATCH;
    let grouped_rows = args.group * args.rounds * GROUPS;
    let flights = args
        .input
        .flights(Some("JFK"), per_round * args.rounds + grouped_rows)?;
    let (flights, for_groups) = flights.split_at(per_round * args.rounds);
    let scratch = Scratch::new(args.folder.as_deref())?;

    let mut engine = open_engine(&scratch, &schema)?;
    let create = statements(&engine)?;
    let plain = Peer::new(&scratch.path().join("plain.db"), &create, &collection)?;
    let logged = Peer::new(&scratch.path().join("logged.db"), &create, &collection)?
        .with_triggers(&collection)?;

    let mut rates = [Rates::default(), Rates::default(), Rates::default()];
    for (round, rows) in flights.chunks(per_round).enumerate() {
        let peers_work = peer_round(args, &collection, rows)?;
        // Who goes first changes, so that no one always meets the freshest disk.
        for turn in 0..3 {
            let who = (round + turn) % 3;
            match who {
                0 => run_engine(
                    &mut engine,
                    engine_round(args, &schema, rows),
                    &mut rates[0],
                )?,
                1 => run_peer(&plain, &peers_work, &mut rates[1])?,
                _ => run_peer(&logged, &peers_work, &mut rates[2])?,
            }
        }
    }
    check_same(&engine, &plain, &logged, flights.len())?;
    let shared = run_groups(&mut engine, &schema, args.group, for_groups)?;
    report(args, &rates, shared)
}

fn open_engine(scratch: &Scratch, schema: &Arc<TypeSchema>) -> Result<OpenObject> {
    let path = scratch.path().join("engine.db");
    let address = Address::object(&schema.name, "JFK")?;
    let mut engine = OpenObject::open(&path, &address, LogPolicy::default(), 1 << 40)?;
    // The first turn brings the schema into force; it writes nothing else.
    take(&mut engine, vec![write(schema, Vec::new())])?;
    Ok(engine)
}

/// What made the collection's table and its indexes, for the peers to have the same.
fn statements(engine: &OpenObject) -> Result<Vec<String>> {
    let text = "SELECT sql FROM sqlite_master WHERE tbl_name = 'flights' AND sql IS NOT NULL \
                ORDER BY type DESC";
    let found = engine
        .sql()
        .rows(text, &[], |row| Ok(row[0].text()?.to_owned()))?;
    match found.is_empty() {
        true => Err(Error::internal("the engine has not made its table")),
        false => Ok(found),
    }
}

fn write(schema: &Arc<TypeSchema>, mutations: Vec<Mutation>) -> Command {
    Command::Write {
        schema: Arc::clone(schema),
        caller: Caller::default(),
        mutations,
    }
}

fn insert(flight: &Flight) -> Mutation {
    Mutation::Insert {
        collection: COLLECTION.to_owned(),
        document: NewDocument::Text(flight.text.clone()),
    }
}

/// The delays that an update gives; never those the row has.
fn delays(at: usize) -> (i64, i64) {
    let n = i64::try_from(at).unwrap_or(0);
    (2_000 + n, 4_000 + n)
}

fn patch(at: usize, flight: &Flight) -> Mutation {
    let (departure, arrival) = delays(at);
    let mut patch = JsonObject::new();
    patch.insert("dep_delay".to_owned(), json!(departure));
    patch.insert("arr_delay".to_owned(), json!(arrival));
    Mutation::Update {
        collection: COLLECTION.to_owned(),
        key: flight.key.clone(),
        patch,
        if_version: None,
    }
}

/// Rows spread over those of the round, to be updated.
fn chosen(args: &HotArgs, rows: &[Flight]) -> impl Iterator<Item = (usize, Flight)> {
    let step = (rows.len() / args.singles.max(1)).max(1);
    let chosen = rows.iter().step_by(step).take(args.singles);
    chosen.cloned().enumerate().collect::<Vec<_>>().into_iter()
}

fn engine_round(args: &HotArgs, schema: &Arc<TypeSchema>, rows: &[Flight]) -> EngineRound {
    let (singles, batches) = rows.split_at(args.singles);
    let singles = singles.iter().map(|f| write(schema, vec![insert(f)]));
    let batches = batches.chunks(BATCH);
    let batches = batches.map(|rows| write(schema, rows.iter().map(insert).collect()));
    let updates = chosen(args, rows).map(|(at, f)| write(schema, vec![patch(at, &f)]));
    EngineRound([singles.collect(), batches.collect(), updates.collect()])
}

fn peer_round(args: &HotArgs, collection: &Collection, rows: &[Flight]) -> Result<PeerRound> {
    let table = RowTable::new(collection);
    let (singles, batches) = rows.split_at(args.singles);
    let unit = |rows: &[Flight]| -> Result<Unit> {
        let rows = rows.iter().map(|flight| bound(&table, flight));
        Ok(Unit::Insert(rows.collect::<Result<_>>()?))
    };
    let singles = singles.iter().map(|f| unit(std::slice::from_ref(f)));
    let updates = chosen(args, rows).map(|(at, flight)| {
        let (departure, arrival) = delays(at);
        let numbers = [2, departure, arrival].map(Bound::Integer);
        let [version, departure, arrival] = numbers;
        Unit::Update([Bound::Text(flight.key), version, departure, arrival])
    });
    Ok(PeerRound([
        singles.collect::<Result<_>>()?,
        batches.chunks(BATCH).map(unit).collect::<Result<_>>()?,
        updates.collect(),
    ]))
}

fn run_engine(engine: &mut OpenObject, round: EngineRound, rates: &mut Rates) -> Result<()> {
    for ((at, commands), rates) in (0..).zip(round.0).zip(&mut rates.0) {
        let rows = operations(at, commands.len());
        let started = instant();
        for command in commands {
            take(engine, vec![command])?;
        }
        rates.push(rate(rows, started.elapsed()));
    }
    Ok(())
}

fn run_peer(peer: &Peer, round: &PeerRound, rates: &mut Rates) -> Result<()> {
    for ((at, units), rates) in (0..).zip(&round.0).zip(&mut rates.0) {
        let rows = operations(at, units.len());
        let started = instant();
        for unit in units {
            peer.write(unit)?;
        }
        rates.push(rate(rows, started.elapsed()));
    }
    Ok(())
}

/// How many rows so many units of a kind of work write.
fn operations(work: usize, units: usize) -> usize {
    if work == 1 { units * BATCH } else { units }
}

fn take(engine: &mut OpenObject, commands: Vec<Command>) -> Result<()> {
    let outcome = engine.group(commands);
    outcome.answers.into_iter().try_for_each(|a| a.map(drop))
}

/// Groups of one round.
const GROUPS: usize = 10;

/// Single inserts that wait together and share one commit, rows a second by round.
fn run_groups(
    engine: &mut OpenObject,
    schema: &Arc<TypeSchema>,
    group: usize,
    rows: &[Flight],
) -> Result<f64> {
    let mut rates = Vec::new();
    for round in rows.chunks((group * GROUPS).max(1)) {
        let groups = round.chunks(group);
        let groups = groups.map(|rows| rows.iter().map(|f| write(schema, vec![insert(f)])));
        let groups: Vec<Vec<Command>> = groups.map(Iterator::collect).collect();
        let started = instant();
        for commands in groups {
            take(engine, commands)?;
        }
        rates.push(rate(round.len(), started.elapsed()));
    }
    Ok(median(&rates))
}

/// All three must have done the same work, and the two that log must have logged it.
fn check_same(engine: &OpenObject, plain: &Peer, logged: &Peer, rows: usize) -> Result<()> {
    let events = engine.engine().view().check_log(engine.sql())?;
    let found = [plain.count(COLLECTION)?, logged.count(COLLECTION)?];
    let changes = logged.count("changes")?;
    let wanted = i64::try_from(rows).unwrap_or(0);
    if found == [wanted; 2] && i64::try_from(events) == Ok(changes) {
        return Ok(());
    }
    Err(failed(format!(
        "{rows} rows written: the peers hold {found:?}, the engine logged {events} events, the \
         triggers {changes}"
    )))
}

fn report(args: &HotArgs, rates: &[Rates; 3], shared: f64) -> Result<()> {
    let middle = |who: usize, work: usize| median(&rates[who].0[work]);
    // Ratios are medians over the rounds too: both sides of one round met the same disk.
    let ratio = |work: usize, other: usize| {
        let pairs = rates[0].0[work].iter().zip(&rates[other].0[work]);
        median(&pairs.map(|(a, b)| a / b).collect::<Vec<_>>())
    };
    if args.json {
        let works = (0..3).map(|work| {
            json!({"work": WORK[work], "engine": middle(0, work), "sqlite": middle(1, work),
                   "sqliteTriggers": middle(2, work), "toSqlite": ratio(work, 1),
                   "toSqliteTriggers": ratio(work, 2)})
        });
        let report = json!({"rounds": args.rounds, "works": works.collect::<Vec<_>>(),
                            "group": {"size": args.group, "engine": shared}});
        return say(&report.to_string());
    }
    let header = [
        "per second, durable",
        "a tidelog",
        "b sqlite",
        "c + triggers",
        "a/b",
        "a/c",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (work, name) in WORK.iter().enumerate() {
        let mut row = vec![(*name).to_owned()];
        row.extend((0..3).map(|who| grouped(middle(who, work))));
        row.extend([1, 2].map(|other| format!("{:.2}", ratio(work, other))));
        rows.push(row);
    }
    rows.push(vec![
        format!("inserts, {} share a commit", args.group),
        grouped(shared),
    ]);
    table(&rows)
}
