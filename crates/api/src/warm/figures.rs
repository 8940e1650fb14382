//! What became of warm reads, counted per object and per type.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tidelog_core::Address;

use crate::metrics::head;

/// Objects with figures of their own; when there are more, they start again.
const OBJECTS_MAX: usize = 10_000;

/// What became of one read that may be answered from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache; the answer may be this old, milliseconds.
    Hit(i64),
    /// Not there: the object answered.
    Miss,
    /// There, but too old or before `atLeast`: the object answered.
    Stale,
}

/// What became of the reads of an object, or of all objects of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmFigures {
    /// Reads answered from the cache.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Reads that found something too old.
    pub stale: u64,
    /// Ages of the hits added up, milliseconds.
    pub age_millis_total: u64,
    /// The greatest age of a hit, milliseconds.
    pub age_millis_max: u64,
}

impl WarmFigures {
    /// Adds other figures.
    pub fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.stale += other.stale;
        self.age_millis_total += other.age_millis_total;
        self.age_millis_max = self.age_millis_max.max(other.age_millis_max);
    }

    fn of(outcome: Outcome) -> Self {
        let mut figures = Self::default();
        match outcome {
            Outcome::Miss => figures.misses = 1,
            Outcome::Stale => figures.stale = 1,
            Outcome::Hit(age) => {
                figures.hits = 1;
                figures.age_millis_total = u64::try_from(age).unwrap_or(0);
                figures.age_millis_max = figures.age_millis_total;
            }
        }
        figures
    }
}

/// Counts since this process or isolate started.
#[derive(Debug, Default)]
pub struct Figures(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<Address, WarmFigures>,
    types: BTreeMap<String, WarmFigures>,
}

impl Figures {
    /// Counts one read.
    pub fn count(&self, object: &Address, outcome: Outcome) {
        let figures = WarmFigures::of(outcome);
        let mut known = self.lock();
        match known.types.get_mut(&object.type_name) {
            Some(sum) => sum.add(&figures),
            None => drop(known.types.insert(object.type_name.clone(), figures)),
        }
        if let Some(sum) = known.objects.get_mut(object) {
            return sum.add(&figures);
        }
        if known.objects.len() >= OBJECTS_MAX {
            known.objects.clear();
        }
        known.objects.insert(object.clone(), figures);
    }

    /// Those of one object.
    pub fn of(&self, object: &Address) -> WarmFigures {
        self.lock().objects.get(object).copied().unwrap_or_default()
    }

    /// Those of one object since they were last taken.
    pub fn take(&self, object: &Address) -> Option<WarmFigures> {
        self.lock().objects.remove(object)
    }

    /// Those of every type.
    pub fn by_type(&self) -> BTreeMap<String, WarmFigures> {
        self.lock().types.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the figures of every type as metrics.
pub fn figures_text(types: &BTreeMap<String, WarmFigures>) -> String {
    let mut out = String::new();
    let name = "warm_reads_total";
    head(
        &mut out,
        name,
        "Reads that the cache may answer, by what became of them.",
        "counter",
    );
    for (type_name, figures) in types {
        for (outcome, count) in [
            ("hit", figures.hits),
            ("miss", figures.misses),
            ("stale", figures.stale),
        ] {
            let _ = writeln!(
                out,
                "tidelog_{name}{{type=\"{type_name}\",outcome=\"{outcome}\"}} {count}"
            );
        }
    }
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1_000, millis % 1_000);
    let name = "warm_age_seconds_total";
    head(
        &mut out,
        name,
        "Ages of answers from the cache, added up.",
        "counter",
    );
    for (type_name, figures) in types {
        let age = seconds(figures.age_millis_total);
        let _ = writeln!(out, "tidelog_{name}{{type=\"{type_name}\"}} {age}");
    }
    let name = "warm_age_seconds_max";
    head(&mut out, name, "The oldest answer from the cache.", "gauge");
    for (type_name, figures) in types {
        let age = seconds(figures.age_millis_max);
        let _ = writeln!(out, "tidelog_{name}{{type=\"{type_name}\"}} {age}");
    }
    out
}
