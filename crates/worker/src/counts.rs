//! An actor's cost meter: what this instance counted, on top of what earlier ones kept.

use std::cell::{Cell, RefCell};

use tidelog_api::Meter;
use tidelog_log::Result;

use crate::kept;
use crate::sql::DurableSql;

/// The row that keeps the counts.
const KEPT: &str = "meter";

/// Counts of one actor. They are stored when its alarm rings: an eviction loses what was counted
/// since, a write more for every call would cost more than it tells.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// What earlier instances kept; read once.
    before: RefCell<Option<Meter>>,
    requests: Cell<u64>,
    alarms: Cell<u64>,
    alarms_set: Cell<u64>,
    r2: Cell<(u64, u64)>,
}

impl Counts {
    /// The actor was called.
    pub(crate) fn request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// The alarm rang, for which it had been set.
    pub(crate) fn alarm(&self) {
        self.alarms.set(self.alarms.get() + 1);
    }

    /// How often the alarm was set in this instance, and R2 operations of class A and B.
    pub(crate) fn note(&self, alarms_set: u64, r2: (u64, u64)) {
        self.alarms_set.set(alarms_set);
        self.r2.set(r2);
    }

    /// Everything counted so far, `events` and the lake's size left to the caller.
    pub(crate) fn total(&self, sql: &DurableSql) -> Result<Meter> {
        if self.before.borrow().is_none() {
            let kept = kept::get(sql, KEPT)?;
            let kept = kept.and_then(|text| serde_json::from_str(&text).ok());
            *self.before.borrow_mut() = Some(kept.unwrap_or_default());
        }
        let (rows_read, rows_written) = sql.costs();
        let (r2_class_a, r2_class_b) = self.r2.get();
        let mut total = self.before.borrow().unwrap_or_default();
        total.add(&Meter {
            rows_read,
            rows_written: rows_written + self.alarms_set.get(),
            requests: self.requests.get(),
            alarms: self.alarms.get(),
            r2_class_a,
            r2_class_b,
            stored_bytes: sql.stored_bytes(),
            ..Meter::default()
        });
        Ok(total)
    }

    /// Stores the counts.
    pub(crate) fn keep(&self, sql: &DurableSql) -> Result<Meter> {
        let total = self.total(sql)?;
        let text = serde_json::to_string(&total);
        let text = text.map_err(|e| tidelog_log::Error::internal(e.to_string()))?;
        kept::put(sql, KEPT, &text)?;
        Ok(total)
    }
}
