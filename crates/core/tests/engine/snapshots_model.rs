//! The model: of every key, what each of its events left of the document.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidelog_log::{Offset, StartAt};

use crate::lab::Lab;

/// What happened, as a reader of the log saw it.
#[derive(Default)]
pub(crate) struct Seen {
    /// The last event.
    pub(crate) head: u64,
    at: Option<Offset>,
    /// By collection and key: sequences, ascending, each with the document after it.
    keys: BTreeMap<(String, String), Versions>,
}

type Versions = Vec<(u64, Option<Json>)>;

/// The documents after an event.
pub(crate) struct State<'s>(BTreeMap<(&'s str, &'s str), &'s Json>);

impl Seen {
    /// Reads on in the log.
    pub(crate) fn follow(&mut self, lab: &Lab) {
        while self.head < lab.engine.head().0 {
            let start = self.at.map_or(StartAt::Beginning, StartAt::After);
            let page = lab.page(start, 1_000).unwrap();
            for event in &page.events {
                self.head += 1;
                assert_eq!(event["sequence"], json!(self.head));
                let text = |name: &str| event[name].as_str().unwrap().to_owned();
                let after = event.get("after").filter(|after| after.is_object());
                let place = (text("collection"), text("documentId"));
                let history = self.keys.entry(place).or_default();
                history.push((self.head, after.cloned()));
            }
            self.at = Some(page.next);
        }
    }

    /// The state after so many events.
    pub(crate) fn state(&self, sequence: u64) -> State<'_> {
        let each = self.keys.iter().filter_map(|((name, key), history)| {
            let until = history.partition_point(|(at, _)| *at <= sequence);
            let (_, after) = &history[until.checked_sub(1)?];
            Some(((name.as_str(), key.as_str()), after.as_ref()?))
        });
        State(each.collect())
    }
}

impl<'s> State<'s> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys of a collection, ascending.
    pub(crate) fn keys(&self, collection: &str) -> Vec<&'s str> {
        let own = self.0.keys().filter(|(name, _)| *name == collection);
        own.map(|(_, key)| *key).collect()
    }

    pub(crate) fn get(&self, collection: &str, key: &str) -> Option<&'s Json> {
        self.0.get(&(collection, key)).copied()
    }

    /// How many documents are otherwise in another state.
    pub(crate) fn differs(&self, other: &Self) -> u64 {
        let changed = self.0.iter().filter(|(at, d)| other.0.get(*at) != Some(*d));
        let added = other.0.keys().filter(|at| !self.0.contains_key(*at));
        (changed.count() + added.count()) as u64
    }
}
