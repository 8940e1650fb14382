//! What each actor has done since this process started.
//!
//! Kept in memory alone: a total that survives a restart would cost a row per group of turns.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_api::{Meter, MeterKey};
use tidelog_core::{Address, Command, Sql as _};
use tidelog_log::Sequence;

use crate::object::OpenObject;

/// Actors with a meter of their own; above it, those used longest ago are known by type alone.
const ACTORS_MAX: usize = 10_000;
/// Actors folded in one go, so that looking for the oldest is rare.
const FOLD: usize = ACTORS_MAX / 10;

/// The meters of all actors.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    actors: BTreeMap<Address, Used>,
    /// What actors did that have no meter of their own any more.
    folded: BTreeMap<MeterKey, Meter>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Used {
    meter: Meter,
    /// Which use of any meter was the last of this one.
    at: u64,
}

impl Meters {
    /// Adds what an actor did.
    pub(crate) fn add(&self, actor: &Address, did: &Meter) {
        let mut known = self.lock();
        known.uses += 1;
        let at = known.uses;
        if let Some(used) = known.actors.get_mut(actor) {
            used.meter.add(did);
            used.at = at;
            return;
        }
        known.actors.insert(actor.clone(), Used { meter: *did, at });
        if known.actors.len() > ACTORS_MAX {
            known.fold();
        }
    }

    /// Notes that an actor did something unasked: on Cloudflare an alarm, set (a row) and run.
    pub(crate) fn alarm(&self, actor: &Address) {
        self.add(actor, &alarms(1));
    }

    /// What one actor has done.
    pub(crate) fn of(&self, actor: &Address) -> Meter {
        let known = self.lock();
        known
            .actors
            .get(actor)
            .map_or_else(Meter::default, |used| used.meter)
    }

    /// What all actors of each kind and type have done.
    pub(crate) fn by_type(&self) -> BTreeMap<MeterKey, Meter> {
        let known = self.lock();
        let mut sums = known.folded.clone();
        for (actor, used) in &known.actors {
            sums.entry(key(actor)).or_default().add_actor(&used.meter);
        }
        sums
    }

    /// What all actors have done.
    pub(crate) fn total(&self) -> Meter {
        let mut total = Meter::default();
        for meter in self.by_type().values() {
            total.add_actor(meter);
        }
        total
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Folds the actors used longest ago into their types. Their gauges go: what an actor stores
    /// is read again when it is used again, and must not be there twice.
    fn fold(&mut self) {
        let mut oldest: Vec<(u64, Address)> = self
            .actors
            .iter()
            .map(|(actor, used)| (used.at, actor.clone()))
            .collect();
        oldest.sort();
        for (_, actor) in oldest.into_iter().take(FOLD) {
            if let Some(used) = self.actors.remove(&actor) {
                let counters = Meter {
                    stored_bytes: 0,
                    lake_bytes: 0,
                    nearly_full: 0,
                    ..used.meter
                };
                self.folded
                    .entry(key(&actor))
                    .or_default()
                    .add_actor(&counters);
            }
        }
    }
}

fn key(actor: &Address) -> MeterKey {
    MeterKey {
        type_name: actor.type_name.clone(),
        actor: actor.kind.name(),
    }
}

fn alarms(count: u64) -> Meter {
    Meter {
        alarms: count,
        rows_written: count,
        ..Meter::default()
    }
}

/// A group of turns, noted before it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupMeter {
    head: Sequence,
    requests: u64,
    alarms: u64,
}

impl GroupMeter {
    /// Notes what is to be done.
    pub(crate) fn start(object: &OpenObject, commands: &[Command]) -> Self {
        let wakes = commands
            .iter()
            .filter(|c| matches!(c, Command::Wake))
            .count();
        Self {
            head: object.engine().head(),
            requests: (commands.len() - wakes) as u64,
            alarms: wakes as u64,
        }
    }

    /// What the group came to. Rows of turns that were undone were written all the same; events
    /// count only where the group is durable.
    pub(crate) fn finish(self, object: &OpenObject, durable: bool) -> Meter {
        let mut did = object.sql().take_rows();
        did.add(&alarms(self.alarms));
        did.requests = self.requests;
        if durable {
            did.events = object.engine().head().0.saturating_sub(self.head.0);
        }
        if did.rows_written > 0 {
            did.stored_bytes = object.sql().database_bytes();
            let used = object.sql().used_bytes();
            let full = used.is_ok_and(|used| object.engine().view().is_nearly_full(used));
            did.nearly_full = u64::from(full);
        }
        did
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actors_used_longest_ago_are_known_by_type() {
        let meters = Meters::default();
        let object = |n: usize| Address::object("shop", &n.to_string()).unwrap();
        let did = Meter {
            events: 1,
            stored_bytes: 100,
            ..Meter::default()
        };
        for n in 0..ACTORS_MAX {
            meters.add(&object(n), &did);
        }
        meters.add(&object(0), &did);
        assert_eq!(meters.of(&object(1)).events, 1);
        meters.add(&object(ACTORS_MAX), &did);
        assert_eq!(meters.of(&object(0)).events, 2, "used since");
        assert_eq!(meters.of(&object(1)), Meter::default(), "the oldest");
        let total = meters.total();
        let all = ACTORS_MAX as u64 + 2;
        assert_eq!(total.events, all, "nothing done is lost");
        let kept = (ACTORS_MAX + 1 - FOLD) as u64;
        assert_eq!(total.stored_bytes, kept * 100);
    }
}
