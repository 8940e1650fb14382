//! Objects whose logs have grown since they were pushed, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_api::metrics;
use tidelog_core::Address;
use tokio::sync::Notify;

/// What the pump has to do, and has not done yet.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    grown: Mutex<Grown>,
    some: Notify,
}

#[derive(Debug, Default)]
struct Grown {
    /// Those the pump has not heard of.
    unheard: BTreeSet<Address>,
    /// When the oldest event was written that waits to be pushed, or somewhat later; milliseconds since
    /// 1970.
    since: BTreeMap<Address, i64>,
    /// The same of those that are being pushed.
    pushing: BTreeMap<Address, i64>,
}

impl Dirty {
    /// An object's log has grown.
    pub(crate) fn mark(&self, object: &Address, now: i64) {
        let mut grown = self.lock();
        if !grown.unheard.contains(object) {
            grown.unheard.insert(object.clone());
        }
        grown.since.entry(object.clone()).or_insert(now);
        drop(grown);
        self.some.notify_one();
    }

    /// Waits until an object was marked.
    pub(crate) async fn marked(&self) {
        self.some.notified().await;
    }

    /// The objects that were marked since this was called last.
    pub(crate) fn take(&self) -> BTreeSet<Address> {
        std::mem::take(&mut self.lock().unheard)
    }

    /// An object is being pushed: what grows from here on waits for the next push.
    pub(crate) fn begin(&self, object: &Address) {
        let mut grown = self.lock();
        if let Some(since) = grown.since.remove(object) {
            earlier(&mut grown.pushing, object, since);
        }
    }

    /// A push has ended; what it was to bring waits on when it failed.
    pub(crate) fn end(&self, object: &Address, done: bool) {
        let mut grown = self.lock();
        if let Some(since) = grown.pushing.remove(object)
            && !done
        {
            earlier(&mut grown.since, object, since);
        }
    }

    /// How many objects wait, and the oldest of them how long, by type, as metrics.
    pub(crate) fn text(&self, now: i64) -> String {
        let mut types: BTreeMap<String, (u64, i64)> = BTreeMap::new();
        let grown = self.lock();
        for (object, since) in grown.since.iter().chain(&grown.pushing) {
            let (count, age) = types.entry(object.type_name.clone()).or_default();
            *count += 1;
            *age = (now - since).max(*age);
        }
        drop(grown);
        let mut out = String::new();
        let (objects, age) = ("unpushed_objects", "unpushed_age_millis");
        let help = "Objects with events that are not in the inboxes of their tables.";
        metrics::head(&mut out, objects, help, "gauge");
        for (name, (count, _)) in &types {
            let _ = writeln!(out, "tidelog_{objects}{{type=\"{name}\"}} {count}");
        }
        metrics::head(&mut out, age, "Age of the oldest such event.", "gauge");
        for (name, (_, millis)) in &types {
            let _ = writeln!(out, "tidelog_{age}{{type=\"{name}\"}} {millis}");
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, Grown> {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn earlier(times: &mut BTreeMap<Address, i64>, object: &Address, since: i64) {
    let time = times.entry(object.clone()).or_insert(since);
    *time = since.min(*time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_as_old_as_its_first_event() {
        let (dirty, object) = (Dirty::default(), Address::object("shop", "one").unwrap());
        let says = |now, count: u64, age: i64| {
            let text = dirty.text(now);
            let none = !text.contains("{type=\"shop\"}");
            let objects = format!("tidelog_unpushed_objects{{type=\"shop\"}} {count}\n");
            let millis = format!("tidelog_unpushed_age_millis{{type=\"shop\"}} {age}\n");
            let there = text.contains(&objects) && text.contains(&millis);
            assert!(if count == 0 { none } else { there }, "{text}");
        };
        says(100, 0, 0);
        dirty.mark(&object, 100);
        dirty.mark(&object, 150);
        says(160, 1, 60);
        assert_eq!(dirty.take().len(), 1);
        dirty.begin(&object);
        says(170, 1, 70);
        dirty.end(&object, false);
        says(180, 1, 80);
        dirty.begin(&object);
        dirty.mark(&object, 190);
        dirty.end(&object, true);
        says(200, 1, 10);
        dirty.begin(&object);
        dirty.end(&object, true);
        says(210, 0, 0);
    }
}
