//! The one alarm of a Durable Object.

use std::cell::Cell;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::js;

/// An alarm this late was lost: the platform forgets one that failed six times.
const LOST_MILLIS: i64 = 60_000;

/// Moves the platform's alarm, only earlier until it has rung. Setting it is part of the same
/// write as the statements before it, so nothing is awaited.
#[derive(Debug)]
pub(crate) struct Alarm {
    storage: JsValue,
    set: Cell<Option<i64>>,
    sets: Cell<u64>,
}

impl Alarm {
    pub(crate) fn of(storage: JsValue) -> Self {
        Self {
            storage,
            set: Cell::new(None),
            sets: Cell::new(0),
        }
    }

    /// Sees to it that the alarm rings at `at`, milliseconds since 1970, or before.
    pub(crate) fn arm(&self, at: i64) {
        if self.set.get().is_some_and(|set| set <= at) {
            return;
        }
        self.set.set(Some(at));
        self.sets.set(self.sets.get() + 1);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are within 2^53")]
        js::set_alarm(&self.storage, at as f64);
    }

    /// The alarm rings: the platform has forgotten it. Sets it again first of all, so that a
    /// handler which dies is called once more.
    pub(crate) fn rung(&self, again: i64) {
        self.set.set(None);
        self.arm(again);
    }

    /// The handler is done: the alarm rings at `next`, or not at all.
    pub(crate) fn settle(&self, next: Option<i64>) {
        self.set.set(None);
        match next {
            Some(next) => self.arm(next),
            None => js::delete_alarm(&self.storage),
        }
    }

    /// After a start: learns of the alarm that an earlier instance set. One that is long overdue was
    /// lost, and counts as none.
    pub(crate) async fn learn(&self, now: i64) {
        let asked = js::get_alarm(&self.storage).map(JsFuture::from);
        let found = match asked {
            Ok(asked) => asked.await.ok().and_then(|at| at.as_f64()),
            Err(_) => None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds are within 2^53"
        )]
        let found = found.map(|at| at as i64);
        if self.set.get().is_none() {
            self.set.set(found.filter(|at| *at > now - LOST_MILLIS));
        }
    }

    /// How often it was set in this instance; each time is a row written.
    pub(crate) fn sets(&self) -> u64 {
        self.sets.get()
    }
}
