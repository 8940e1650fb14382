//! A server that is killed at random moments while it is written to, read from and flushed.
//!
//! The server is a process of its own: this binary again, told by an environment variable where
//! its data folder and port are. After every kill: each acknowledged write is there, and what was
//! not acknowledged is asked again under its idempotency key; readers go on from their offset and
//! meet every sequence once. At the end the lake holds the log, event by event. Documents fold into blobs
//! all the while: those of one collection past a few, those of the other right away. The cache is on, pushed
//! to for one collection; who reads from it finds nothing older than what was acknowledged.
//!
//! `TIDELOG_KILL_ROUNDS` (20) and `TIDELOG_SEED` (1) say how often and how.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test of a whole process: a failed step ends it, and it is told what to do by variables"
)]

mod client;
mod process;
mod random;
mod reader;
mod verify;
mod warm;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use process::Process;
use random::Random;
use reader::Reader;
use warm::WarmReader;
use writer::{Model, Writer};

/// The objects that are written to; each has a reader.
pub(crate) const OBJECTS: [&str; 2] = ["left", "right"];
/// The collections of an object.
pub(crate) const COLLECTIONS: [&str; 2] = ["entries", "notes"];
/// Writers; each has keys of its own, so that what must be there is known exactly.
const WRITERS: u64 = 4;
/// The type of both objects. Two collections: each table takes a part of the log only.
pub(crate) const SCHEMA: &str = r#"
type = "ledger"
[warm]
enabled = true
default_ttl = "1m"
collections = ["entries"]
[collections.entries]
key = ["k"]
indexes = [{ fields = ["n", "k"], unique = true }]
[collections.entries.hot]
vortex_threshold = 6
[collections.entries.fields]
k = { type = "string", required = true }
n = { type = "int", required = true }
[collections.notes]
key = ["k"]
[collections.notes.hot]
vortex_threshold = 1
[collections.notes.fields]
k = { type = "string", required = true }
n = { type = "int", required = true }
"#;

/// What all threads share.
pub(crate) struct World {
    pub(crate) url: String,
    /// Writers hold it to read during one attempt, the checker to write while it looks.
    pub(crate) quiet: RwLock<()>,
    /// Set once: writers finish their turn and end.
    pub(crate) stopping: AtomicBool,
    /// Set once they have: readers read to the end.
    pub(crate) written: AtomicBool,
    pub(crate) models: Vec<Mutex<Model>>,
}

/// The server's process, when this binary was started as one; else nothing.
#[test]
fn child_serves_when_told_to() {
    process::serve_if_told();
}

#[test]
fn a_killed_server_loses_nothing_and_repeats_nothing() {
    let rounds = number("TIDELOG_KILL_ROUNDS", 20);
    let seed = number("TIDELOG_SEED", 1);
    let started = tidelog_embedded::instant();
    println!("{rounds} rounds, seed {seed}, about {} s", rounds * 2 + 10);

    let data = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed);
    let mut server = Process::start(data.path());
    client::register(&server.url);
    let world = Arc::new(World {
        url: server.url.clone(),
        quiet: RwLock::new(()),
        stopping: false.into(),
        written: false.into(),
        models: (0..WRITERS).map(|_| Mutex::default()).collect(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|id| Writer::spawn(id, seed, Arc::clone(&world)))
        .collect();
    let readers: Vec<_> = OBJECTS
        .iter()
        .map(|object| Reader::spawn(object, Arc::clone(&world)))
        .collect();
    let warm: Vec<_> = (0..2)
        .map(|reader| WarmReader::spawn(seed + reader, Arc::clone(&world)))
        .collect();

    let mut checked = 0;
    for _ in 0..rounds {
        checked += one_kill(&mut server, &mut random, &world);
    }
    // Everything asked is answered before the end: without another kill, no attempt is lost.
    process::pass(Duration::from_millis(300));
    world.stopping.store(true, Ordering::SeqCst);
    let done: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    let warm: Vec<_> = warm.into_iter().map(|w| w.join().unwrap()).collect();
    world.written.store(true, Ordering::SeqCst);
    checked += verify::acknowledged_writes(&world);
    let logs = verify::logs(&world.url);
    let read = readers.into_iter().map(|r| r.join().unwrap());
    let read: Vec<_> = read.collect();
    for ((object, log), read) in OBJECTS.iter().zip(&logs).zip(&read) {
        assert_eq!(&read.events, log, "what the reader of {object} saw");
    }
    verify::counts_match(&done, &logs);
    let lake = verify::lake(&world.url, data.path(), &logs);
    assert!(server.stop(), "the server stops gracefully");
    let folded = verify::files(data.path(), &logs, &world);

    let events: usize = logs.iter().map(Vec::len).sum();
    let turns: u64 = done.iter().map(|w| w.turns).sum();
    let again: u64 = done.iter().map(|w| w.asked_again).sum();
    let replayed: u64 = done.iter().map(|w| w.replayed).sum();
    let resumed: u64 = read.iter().map(|r| r.resumed).sum();
    let warm_reads: u64 = warm.iter().map(|w| w.reads).sum();
    let hits: u64 = warm.iter().map(|w| w.hits).sum();
    println!(
        "{rounds} kills: {turns} turns, {events} events, {checked} documents looked at, \
         {again} attempts repeated, {replayed} of them done before, {resumed} reads resumed, \
         {lake} rows in the lake, {folded} documents folded at the end, {hits} of {warm_reads} \
         reads that the cache may answer were, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(events > 0 && turns > 0, "something was written");
    assert!(hits > 0, "the cache was used");
}

/// Kills the server at some moment, starts it again, and looks at what was acknowledged.
fn one_kill(server: &mut Process, random: &mut Random, world: &World) -> u64 {
    // Waiting is the point here: the moment of the kill is what varies.
    process::pass(Duration::from_millis(random.between(50, 1_200)));
    server.kill();
    let _quiet = world.quiet.write().unwrap();
    if random.between(0, 4) == 0 {
        // A start is interrupted too.
        server.spawn();
        process::pass(Duration::from_millis(random.between(0, 60)));
        server.kill();
    }
    server.spawn();
    server.wait_until_ready();
    verify::acknowledged_writes(world)
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}
