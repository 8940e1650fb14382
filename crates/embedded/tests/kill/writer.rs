//! A writer with keys of its own, who asks for a turn until it is answered, and knows therefore
//! exactly what must be there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::client::{Answer, Client};
use crate::process::pass;
use crate::random::Random;
use crate::{COLLECTIONS, OBJECTS, World};

/// Keys of one writer in each collection of its object.
const KEYS: u64 = 25;
/// Most mutations of a batch, and most documents of one insert: enough of them that some inserts go
/// straight into a blob.
const BATCH: u64 = 12;

/// A collection and a key.
pub(crate) type Place = (&'static str, String);

/// A document: its number and its version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) n: u64,
    pub(crate) version: u64,
}

/// What one writer knows.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) object: &'static str,
    /// Acknowledged: what every key holds, `None` after its delete.
    pub(crate) held: BTreeMap<Place, Option<Held>>,
    /// Asked and not answered: the number each key gets, `None` for a delete.
    pub(crate) asked: BTreeMap<Place, Option<u64>>,
    /// Deletes of each key that were ever asked for.
    pub(crate) deletes: BTreeMap<Place, u64>,
    /// Acknowledged: the sequence of each key's last event, deletes too.
    pub(crate) versions: BTreeMap<Place, u64>,
    /// Where the newest acknowledged turn is.
    pub(crate) offset: String,
}

/// What a writer did in all.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) turns: u64,
    /// Attempts whose answer never came.
    pub(crate) asked_again: u64,
    /// Of those, turns that had been done.
    pub(crate) replayed: u64,
    /// Events by object.
    pub(crate) object: &'static str,
    pub(crate) events: usize,
}

/// One request, the same at every attempt.
struct Request {
    method: &'static str,
    path: String,
    body: String,
    /// The keys in the order of the answer, with what they get.
    changes: Vec<(Place, Option<u64>)>,
}

pub(crate) struct Writer {
    id: u64,
    object: &'static str,
    random: Random,
    client: Client,
    world: Arc<World>,
    /// Grows with every change, so that every change differs.
    n: u64,
    done: Done,
}

impl Writer {
    pub(crate) fn spawn(id: u64, seed: u64, world: Arc<World>) -> JoinHandle<Done> {
        let object = OBJECTS[usize::try_from(id).unwrap() % OBJECTS.len()];
        world.models[usize::try_from(id).unwrap()]
            .lock()
            .unwrap()
            .object = object;
        let mut writer = Self {
            id,
            object,
            random: Random::new(seed.wrapping_mul(1_000).wrapping_add(id)),
            client: Client::new(&world.url),
            world,
            n: 0,
            done: Done {
                turns: 0,
                asked_again: 0,
                replayed: 0,
                object,
                events: 0,
            },
        };
        std::thread::spawn(move || {
            while !writer.world.stopping.load(Ordering::SeqCst) {
                writer.turn();
            }
            writer.done
        })
    }

    fn turn(&mut self) {
        let request = match self.random.between(0, 9) {
            0..=5 => self.single(),
            6 | 7 => self.inserts(),
            _ => self.batch(),
        };
        if request.changes.is_empty() {
            return;
        }
        self.note(&request);
        let key = format!("{}-{}", self.id, self.done.turns);
        let answer = self.ask(&request, &key);
        self.take(&request, &answer);
        self.done.turns += 1;
    }

    /// What is asked for is known before it can be done.
    fn note(&self, request: &Request) {
        let mut model = self.world.models[self.model()].lock().unwrap();
        model.asked = request.changes.iter().cloned().collect();
        for (place, gets) in &request.changes {
            if gets.is_none() {
                *model.deletes.entry(place.clone()).or_default() += 1;
            }
        }
    }

    fn model(&self) -> usize {
        usize::try_from(self.id).unwrap()
    }

    /// Asks until there is an answer.
    fn ask(&mut self, request: &Request, key: &str) -> Json {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let Request {
            method, path, body, ..
        } = request;
        let mut first = true;
        loop {
            let world = Arc::clone(&self.world);
            let _quiet = world.quiet.read().unwrap();
            match self.client.send(method, path, &headers, body) {
                Ok(answer) if answer.status < 300 => {
                    let json = answer.json();
                    let replayed = json["replayed"] == true;
                    assert!(
                        !(first && replayed),
                        "{method} {path}: a first attempt is replayed"
                    );
                    self.done.replayed += u64::from(replayed);
                    return json;
                }
                Ok(Answer { status: 503, .. }) => {}
                Ok(answer) => panic!("{method} {path}: {} {}", answer.status, answer.json()),
                Err(_) => {
                    first = false;
                    self.done.asked_again += 1;
                }
            }
            drop(_quiet);
            pass(Duration::from_millis(3));
        }
    }

    /// What was asked is acknowledged now: later reads must find it.
    fn take(&mut self, request: &Request, answer: &Json) {
        let written = answer["written"].as_array().expect("an answer to a turn");
        assert_eq!(written.len(), request.changes.len(), "{answer}");
        let mut model = self.world.models[self.model()].lock().unwrap();
        for ((place, n), written) in request.changes.iter().zip(written) {
            assert_eq!(written["key"], place.1.as_str());
            assert_ne!(written["operation"], "NONE", "{answer}");
            let version = written["version"].as_u64().unwrap();
            let held = n.map(|n| Held { n, version });
            model.held.insert(place.clone(), held);
            model.versions.insert(place.clone(), version);
        }
        answer["offset"]
            .as_str()
            .unwrap()
            .clone_into(&mut model.offset);
        self.done.events += written.len();
        model.asked.clear();
    }

    fn place(&mut self) -> Place {
        let collection = COLLECTIONS[usize::try_from(self.random.between(0, 1)).unwrap()];
        let key = self.random.between(1, KEYS);
        (collection, format!("w{}k{key}", self.id))
    }

    fn is_there(&self, place: &Place) -> bool {
        let model = self.world.models[self.model()].lock().unwrap();
        model.held.get(place).is_some_and(Option::is_some)
    }

    fn number(&mut self) -> u64 {
        self.n += 1;
        self.n
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/objects/ledger/{}/{rest}", self.object)
    }

    /// One insert, upsert, replacement, patch or delete.
    fn single(&mut self) -> Request {
        let place = self.place();
        let (collection, key) = place.clone();
        let n = self.number();
        let document = json!({"k": key, "n": n}).to_string();
        let one = format!("{collection}/{key}");
        let choice = self.random.between(0, 3);
        let (method, path, body, gets) = match (self.is_there(&place), choice) {
            (false, 0 | 1) => ("POST", collection.to_owned(), document, Some(n)),
            (_, 2) => (
                "POST",
                format!("{collection}?mode=upsert"),
                document,
                Some(n),
            ),
            (true, 0) => ("DELETE", one, String::new(), None),
            (true, 1) => ("PATCH", one, json!({"n": n}).to_string(), Some(n)),
            (_, _) => ("PUT", one, document, Some(n)),
        };
        Request {
            method,
            path: self.path(&path),
            body,
            changes: vec![(place, gets)],
        }
    }

    /// Several inserts of one collection in one turn.
    fn inserts(&mut self) -> Request {
        let (collection, _) = self.place();
        let keys = (1..=KEYS).map(|key| (collection, format!("w{}k{key}", self.id)));
        let free: Vec<Place> = keys.filter(|place| !self.is_there(place)).collect();
        let most = usize::try_from(self.random.between(1, BATCH)).unwrap();
        let mut changes = Vec::new();
        for place in free.into_iter().take(most) {
            changes.push((place, Some(self.number())));
        }
        let rows = changes
            .iter()
            .map(|((_, key), n)| json!({"k": key, "n": n}));
        Request {
            method: "POST",
            path: self.path(collection),
            body: Json::Array(rows.collect()).to_string(),
            changes,
        }
    }

    /// Mutations over both collections in one turn, each key once.
    fn batch(&mut self) -> Request {
        let mut chosen = BTreeMap::new();
        for _ in 0..self.random.between(1, BATCH) {
            chosen.insert(self.place(), self.random.between(0, 2));
        }
        let (mut changes, mut mutations) = (Vec::new(), Vec::new());
        for (place, choice) in chosen {
            let n = self.number();
            let (collection, key) = &place;
            let there = self.is_there(&place);
            let (mutation, gets) = match (there, choice) {
                (true, 0) => (
                    json!({"op": "delete", "collection": collection, "key": key}),
                    None,
                ),
                (true, 1) => (
                    json!({"op": "update", "collection": collection, "key": key,
                           "patch": {"n": n}}),
                    Some(n),
                ),
                (false, 0) => (
                    json!({"op": "insert", "collection": collection,
                           "document": {"k": key, "n": n}}),
                    Some(n),
                ),
                (_, _) => (
                    json!({"op": "upsert", "collection": collection,
                           "document": {"k": key, "n": n}}),
                    Some(n),
                ),
            };
            mutations.push(mutation);
            changes.push((place, gets));
        }
        Request {
            method: "POST",
            path: self.path("batch"),
            body: json!({"mutations": mutations}).to_string(),
            changes,
        }
    }
}
