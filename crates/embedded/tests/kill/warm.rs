//! A reader of the cache, which a kill empties: it is never answered with an older document than the
//! write that it names with `atLeast`, nor than its own last answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::World;
use crate::client::{Answer, Client};
use crate::process::pass;
use crate::random::Random;
use crate::writer::Place;

/// What a reader of the cache did.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
}

/// What is known of a document before it is read.
struct Known {
    object: &'static str,
    place: Place,
    /// Sequence of its last event that is acknowledged.
    version: u64,
    /// That event was no delete.
    there: bool,
    /// Deletes that were answered so far.
    deletes: u64,
    /// The newest offset that its writer was given.
    offset: String,
}

pub(crate) struct WarmReader {
    random: Random,
    client: Client,
    world: Arc<World>,
    asked: Asked,
}

impl WarmReader {
    pub(crate) fn spawn(seed: u64, world: Arc<World>) -> JoinHandle<Asked> {
        let mut reader = Self {
            random: Random::new(seed.wrapping_mul(7_919)),
            client: Client::new(&world.url),
            world,
            asked: Asked::default(),
        };
        std::thread::spawn(move || {
            while !reader.world.stopping.load(Ordering::SeqCst) {
                reader.read();
                pass(Duration::from_millis(1));
            }
            reader.asked
        })
    }

    /// Reads a document at least as new as its writer knows it, and again as new as that answer.
    fn read(&mut self) {
        let Some(known) = self.choose() else { return };
        let Some(seen) = self.ask(&known, &known.offset) else {
            return;
        };
        self.check(&known, &seen);
        let version = version(&seen);
        let again = Known {
            there: version.is_some(),
            version: version.unwrap_or(known.version),
            ..known
        };
        let offset = seen.header("tidelog-offset").map(str::to_owned);
        if let Some(offset) = offset
            && let Some(seen) = self.ask(&again, &offset)
        {
            self.check(&again, &seen);
        }
    }

    fn choose(&mut self) -> Option<Known> {
        let models = self.world.models.len() as u64 - 1;
        let at = usize::try_from(self.random.between(0, models)).unwrap();
        let model = self.world.models[at].lock().unwrap();
        let count = model.versions.len() as u64;
        let choice = self.random.between(0, count.max(1) - 1);
        let (place, version) = model
            .versions
            .iter()
            .nth(usize::try_from(choice).unwrap())?;
        let deletes = model.deletes.get(place).copied().unwrap_or(0);
        Some(Known {
            object: model.object,
            place: place.clone(),
            version: *version,
            there: model.held.get(place).copied().flatten().is_some(),
            deletes: deletes - u64::from(model.asked.get(place) == Some(&None)),
            offset: model.offset.clone(),
        })
    }

    /// The answer; `None` while the server is down.
    fn ask(&mut self, known: &Known, at_least: &str) -> Option<Answer> {
        let (object, (collection, key)) = (known.object, &known.place);
        let terms = format!("consistency=warm&atLeast={at_least}");
        let path = format!("/v1/objects/ledger/{object}/{collection}/{key}?{terms}");
        let answer = self.client.send("GET", &path, &[], "").ok()?;
        match answer.status {
            200 | 404 => Some(answer),
            503 if answer.json()["code"] != "not_caught_up" => None,
            status => panic!("{path}: {status} {}", answer.json()),
        }
    }

    fn check(&mut self, known: &Known, seen: &Answer) {
        self.asked.reads += 1;
        self.asked.hits += u64::from(seen.header("tidelog-cache") == Some("hit"));
        let Known { object, place, .. } = known;
        match version(seen) {
            Some(version) => assert!(
                version > known.version || version == known.version && known.there,
                "{object} {place:?}: version {version} after {}",
                known.version
            ),
            None if known.there => {
                let deletes = self.deletes_of(known);
                assert!(
                    deletes > known.deletes,
                    "{object} {place:?} is gone, and nobody deleted it"
                );
            }
            None => {}
        }
    }

    /// Deletes that were asked for by now.
    fn deletes_of(&self, known: &Known) -> u64 {
        // Keys are of one writer each.
        let models = self.world.models.iter();
        let counts = models.map(|model| {
            let model = model.lock().unwrap();
            model.deletes.get(&known.place).copied().unwrap_or(0)
        });
        counts.max().unwrap_or(0)
    }
}

/// The version of the document in an answer.
fn version(answer: &Answer) -> Option<u64> {
    let tag = answer.header("etag").filter(|_| answer.status == 200)?;
    Some(tag.trim_matches('"').parse().unwrap())
}
