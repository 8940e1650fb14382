//! Which events a reader wants.

use std::collections::BTreeSet;

use crate::{Event, Operation};

/// Chooses events by collection and operation; empty sets choose all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Collections wanted; empty for all.
    pub collections: BTreeSet<String>,
    /// Operations wanted; empty for all.
    pub operations: BTreeSet<Operation>,
}

impl EventFilter {
    /// True for an event the reader wants.
    pub fn matches(&self, event: &Event) -> bool {
        (self.collections.is_empty() || self.collections.contains(&*event.collection))
            && (self.operations.is_empty() || self.operations.contains(&event.operation))
    }

    /// True when every event is wanted.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty() && self.operations.is_empty()
    }
}
