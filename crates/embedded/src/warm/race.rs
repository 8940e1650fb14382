//! No warm answer is older than its TTL, and none with `strong` or `atLeast` older than what it was to
//! have seen, whoever writes and reads at once, whatever the cache loses, however often the object is closed,
//! and whatever the clock does.
//!
//! `TIDELOG_SEED` (1) and `TIDELOG_SEEDS` (4, at most 200) choose the runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use tidelog_log::Offset;

use super::tests::{Answer, Shop, TTL_MILLIS, ask};
use super::*;
use crate::host::Embedded;

const OBJECT: &str = "/v1/objects/shop/one";
const SCHEMA: &str = r#"
type = "shop"
[warm]
enabled = true
default_ttl = 60
max_entries = ENTRIES
collections = ["pushed"]
[cold]
enabled = false
[collections.pushed.fields]
n = { type = "int" }
[collections.read.fields]
n = { type = "int" }
"#;

/// Documents: two collections, two in each.
const PLACES: [(&str, &str); 4] = [
    ("pushed", "a"),
    ("read", "a"),
    ("pushed", "b"),
    ("read", "b"),
];
const WRITES: u64 = 40;
const READS: u64 = 250;

/// Numbers that a seed gives, for whom to do what.
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, n: u64) -> u64 {
        let x = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % n
    }

    /// Lets others run for a while.
    async fn rest(&self, most: u64) {
        for _ in 0..self.below(most) {
            tokio::task::yield_now().await;
        }
    }
}

/// A write that was acknowledged: by when, and where it is in the log.
#[derive(Clone, Debug)]
struct Written {
    by: i64,
    n: u64,
    offset: Offset,
}

/// What a read was answered.
#[derive(Debug)]
struct Seen {
    place: usize,
    n: Option<u64>,
    /// The newest event that the answer says it has seen.
    offset: Offset,
}

struct Race {
    host: Arc<Embedded>,
    chance: Chance,
    /// Bytes beside the number in each document.
    padding: usize,
    written: [Mutex<Vec<Written>>; PLACES.len()],
    seen: Mutex<Vec<Seen>>,
    next: AtomicU64,
    hits: AtomicU64,
}

impl Race {
    fn of(host: &Arc<Embedded>, seed: u64, padding: usize) -> Self {
        Self {
            host: Arc::clone(host),
            chance: Chance(AtomicU64::new(seed)),
            padding,
            written: Default::default(),
            seen: Mutex::default(),
            next: AtomicU64::new(1),
            hits: AtomicU64::new(0),
        }
    }

    /// One writer at a time per document, so that later numbers are newer.
    async fn write(&self, place: usize) {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        let (collection, key) = PLACES[place];
        let body = json!({"n": n, "padding": "x".repeat(self.padding)}).to_string();
        let line = format!("PUT {OBJECT}/{collection}/{key}");
        let done = ask(&self.host, &line, &[], body.as_bytes()).await;
        assert!(matches!(done.status, 200 | 201), "{}", done.text);
        let offset = done.json()["offset"].as_str().unwrap().parse().unwrap();
        let by = clock::now();
        lock(&self.written[place]).push(Written { by, n, offset });
    }

    /// The newest value known to be written by a time.
    fn known(&self, place: usize, by: i64) -> Option<Written> {
        let written = lock(&self.written[place]);
        written.iter().rev().find(|one| one.by <= by).cloned()
    }

    /// Reads, and goes on from what its last answer has seen: a session.
    async fn session(&self) {
        let mut last: BTreeMap<usize, (Option<u64>, Offset)> = BTreeMap::new();
        for _ in 0..READS {
            let place = usize::try_from(self.chance.below(PLACES.len() as u64)).unwrap();
            let asked = clock::now();
            let newest = self.known(place, asked);
            let (terms, least) = match (self.chance.below(7), newest, last.get(&place)) {
                (0, newest, _) => (
                    vec![("consistency", "strong".to_owned())],
                    newest.map(|w| w.n),
                ),
                (1, Some(w), _) => (at_least(w.offset), Some(w.n)),
                (2, _, Some((n, offset))) => (at_least(*offset), *n),
                _ => {
                    let warm = vec![("consistency", "warm".to_owned())];
                    (warm, self.known(place, asked - TTL_MILLIS).map(|w| w.n))
                }
            };
            let (answer, n) = self.read(place, &terms).await;
            assert!(
                n >= least,
                "{:?} with {terms:?}: {n:?}, older than {least:?}; {answer:?}",
                PLACES[place]
            );
            if let Ok(offset) = answer.header("tidelog-offset").parse() {
                last.insert(place, (n, offset));
                lock(&self.seen).push(Seen { place, n, offset });
            }
        }
    }

    async fn read(&self, place: usize, terms: &[(&str, String)]) -> (Answer, Option<u64>) {
        let (collection, key) = PLACES[place];
        let answer = if self.chance.below(3) == 0 {
            let mut body = json!({"where": {"_key": key}, "select": ["n"]});
            for (name, value) in terms {
                body[*name] = Json::from(value.as_str());
            }
            let line = format!("POST {OBJECT}/{collection}/query");
            ask(&self.host, &line, &[], body.to_string().as_bytes()).await
        } else {
            let terms = terms.iter().map(|(name, value)| format!("{name}={value}"));
            let terms = terms.collect::<Vec<_>>().join("&");
            let line = format!("GET {OBJECT}/{collection}/{key}?{terms}");
            ask(&self.host, &line, &[], b"").await
        };
        let hit = answer.header("tidelog-cache") == "hit";
        self.hits.fetch_add(u64::from(hit), Ordering::Relaxed);
        let n = match answer.status {
            200 => {
                let json = answer.json();
                json.get("rows").map_or(&json, |rows| &rows[0])["n"].as_u64()
            }
            404 => None,
            _ => panic!("{answer:?}"),
        };
        (answer, n)
    }

    /// What else may happen at any time.
    async fn disturb(&self) {
        let memory = &self.host.warm.memory;
        match self.chance.below(7) {
            0 => memory.invalidate_all(),
            1 => {
                let keys: Vec<_> = memory.iter().map(|(key, _)| key).collect();
                let gone = keys.iter().filter(|_| self.chance.below(3) == 0);
                gone.for_each(|key| memory.invalidate(key.as_ref()));
            }
            2 => memory.run_pending_tasks(),
            // Past the TTL as often as not: what was written before is due in every answer then.
            3 => {
                let most = 2 * u64::try_from(TTL_MILLIS).unwrap();
                clock::advance(i64::try_from(self.chance.below(most)).unwrap());
            }
            4 => lock(&self.host.shared.touches.0).clear(),
            5 => self.host.readers.close_idle(),
            _ => {
                let line = format!("POST {OBJECT}/sync");
                ask(&self.host, &line, &[], br#"{"tier":"warm"}"#).await;
            }
        }
    }

    /// With every write known: each answer is the document as it was at the event that it names.
    fn check_answers(&self) {
        for Seen { place, n, offset } in lock(&self.seen).iter() {
            let written = lock(&self.written[*place]);
            let then = written
                .iter()
                .filter(|one| one.offset.sequence <= offset.sequence);
            let wanted = then.max_by_key(|one| one.offset.sequence).map(|one| one.n);
            assert_eq!(*n, wanted, "{:?} at {offset}", PLACES[*place]);
        }
    }
}

fn at_least(offset: Offset) -> Vec<(&'static str, String)> {
    vec![
        ("consistency", "warm".to_owned()),
        ("atLeast", offset.to_string()),
    ]
}

/// Writers, readers and disturbances at once; how many answers came from the cache.
fn run(seed: u64) -> u64 {
    let chance = Chance(AtomicU64::new(seed.wrapping_mul(977)));
    let entries = [2, 6, 40][usize::try_from(chance.below(3)).unwrap()];
    let padding = [0, 60_000][usize::try_from(chance.below(2)).unwrap()];
    let idle = [0, 60][usize::try_from(chance.below(2)).unwrap()];
    eprintln!(
        "TIDELOG_SEED={seed}: {entries} entries, {padding} more bytes, closed after {idle} s"
    );
    let schema = SCHEMA.replace("ENTRIES", &entries.to_string());
    let shop = Shop::open_as(&schema, |settings| {
        settings.threads = 2;
        settings.idle_seconds = idle;
        settings.warm_bytes_max = 1_000_000;
    });
    let race = Arc::new(Race::of(shop.host(), seed, padding));
    shop.server.block_on(race.write(1));
    let mut tasks = Vec::new();
    for place in 0..PLACES.len() {
        let race = Arc::clone(&race);
        tasks.push(shop.server.spawn(async move {
            for _ in 0..WRITES {
                race.write(place).await;
                race.chance.rest(20).await;
            }
        }));
    }
    for _ in 0..6 {
        let race = Arc::clone(&race);
        tasks.push(shop.server.spawn(async move { race.session().await }));
    }
    let disturber = Arc::clone(&race);
    tasks.push(shop.server.spawn(async move {
        for _ in 0..100 {
            disturber.disturb().await;
            disturber.chance.rest(60).await;
        }
    }));
    for task in tasks {
        shop.server.block_on(task).unwrap();
    }
    race.check_answers();
    race.hits.load(Ordering::Relaxed)
}

#[test]
fn no_reader_is_answered_with_an_older_value_than_asked_for() {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    let count = number("TIDELOG_SEEDS").unwrap_or(4).min(200);
    let hits: u64 = (first..first + count).map(run).sum();
    eprintln!("{hits} answers came from the cache");
    assert!(hits > 20 * count, "only {hits} hits: nothing was tested");
}

#[expect(clippy::disallowed_methods, reason = "the test runner's own variables")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}
