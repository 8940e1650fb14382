//! A reader that follows an object's log by long-poll and resumes by offset after every kill.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;

use crate::World;
use crate::client::{Answer, Client};
use crate::process::pass;

/// An event, as far as readers, log and lake must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sequence: u64,
    pub(crate) operation: String,
    pub(crate) collection: String,
    pub(crate) key: String,
    /// The number in the document after, or before its delete.
    pub(crate) n: i64,
}

impl Seen {
    pub(crate) fn of(event: &Json) -> Self {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let image = match event.get("after") {
            Some(after) => after,
            None => &event["before"],
        };
        Self {
            sequence: event["sequence"].as_u64().unwrap(),
            operation: text("operation"),
            collection: text("collection"),
            key: text("documentId"),
            n: image["n"].as_i64().unwrap(),
        }
    }
}

/// Everything a reader saw, in order.
pub(crate) struct Read {
    pub(crate) events: Vec<Seen>,
    /// How often it went on after a broken connection.
    pub(crate) resumed: u64,
}

pub(crate) struct Reader {
    object: &'static str,
    client: Client,
    world: Arc<World>,
    offset: String,
    cursor: String,
    read: Read,
}

impl Reader {
    pub(crate) fn spawn(object: &'static str, world: Arc<World>) -> JoinHandle<Read> {
        let mut reader = Self {
            object,
            client: Client::new(&world.url),
            world,
            offset: "-1".to_owned(),
            cursor: String::new(),
            read: Read {
                events: Vec::new(),
                resumed: 0,
            },
        };
        std::thread::spawn(move || {
            reader.follow();
            reader.read
        })
    }

    /// Reads until the writers have ended and nothing more is there.
    fn follow(&mut self) {
        loop {
            // Asked before the read: what was written before this is in what follows.
            let last = self.world.written.load(Ordering::SeqCst);
            let live = match (last, self.cursor.is_empty()) {
                (true, _) => String::new(),
                (false, true) => "&live=long-poll".to_owned(),
                (false, false) => format!("&live=long-poll&cursor={}", self.cursor),
            };
            let (object, offset) = (self.object, &self.offset);
            let path = format!("/v1/objects/ledger/{object}/changes?offset={offset}{live}");
            match self.client.send("GET", &path, &[], "") {
                Ok(answer) if answer.status == 200 || answer.status == 204 => {
                    self.take(&answer);
                    if last && answer.header("stream-up-to-date") == Some("true") {
                        return;
                    }
                }
                // The object comes with its first write; a server may be starting or stopping.
                Ok(Answer { status: 404, .. }) if self.read.events.is_empty() => pause(),
                Ok(Answer { status: 503, .. }) => pause(),
                Ok(answer) => panic!("{path}: {} {}", answer.status, answer.json()),
                Err(_) => {
                    self.read.resumed += 1;
                    pause();
                }
            }
        }
    }

    fn take(&mut self, answer: &Answer) {
        let Json::Array(events) = answer.json() else {
            return self.go_on(answer);
        };
        for event in &events {
            let seen = Seen::of(event);
            let last = self.read.events.last().map_or(0, |last| last.sequence);
            assert_eq!(seen.sequence, last + 1, "a reader of {}", self.object);
            self.read.events.push(seen);
        }
        self.go_on(answer);
    }

    fn go_on(&mut self, answer: &Answer) {
        let next = answer
            .header("stream-next-offset")
            .expect("the next offset");
        assert!(
            self.offset == "-1" || next >= self.offset.as_str(),
            "offsets grow"
        );
        self.offset = next.to_owned();
        self.cursor = answer
            .header("stream-cursor")
            .unwrap_or_default()
            .to_owned();
    }
}

fn pause() {
    pass(Duration::from_millis(5));
}
