//! What an object does when its alarm rings, and what it looks for when it starts.

use std::rc::Rc;

use tidelog_api::Meter;
use tidelog_core::{ActorCommand, Command, Sql as _};
use tidelog_log::Result;

use super::Object;
use crate::messages::RegistryAsk;
use crate::peers::shard_of;
use crate::{js, kept};

/// When an alarm's handler that died is called again.
const ALARM_AGAIN_MILLIS: i64 = 30_000;
/// The row of `_host` that holds the actor's timer that runs.
const RUNNING: &str = "running";
/// Longest wait between two attempts at what an alarm has to do.
const BACKOFF_MILLIS_MAX: i64 = 300_000;
/// Most often that the registry is told an object's counts, milliseconds.
const METER_MILLIS: i64 = 60_000;

impl Object {
    /// What the alarm has to do: tell the registry, push what is new, run the timers.
    pub(super) async fn ring(&self) -> Result<()> {
        let now = js::now();
        self.alarm.rung(now + ALARM_AGAIN_MILLIS);
        self.counts.alarm();
        match self.read(|view, sql| view.wake_at(sql)) {
            Ok(Some(at)) if at <= now => self.run_timers(now)?,
            Ok(_) => {}
            // Nothing was ever written: a first write that was undone had set this alarm.
            Err(error) if error.code() == "unknown_object" => {
                self.alarm.settle(None);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.gate.pass().await?;
        self.wake_readers();
        let done = match self.note().await {
            Ok(()) => self.push().await,
            failed => failed,
        };
        let posted = self.deliver_all().await;
        if let Err(error) = &posted {
            self.error.replace(Some(error.to_string()));
        }
        let carried = self.carry().await;
        if let Err(error) = &carried {
            self.error.replace(Some(error.to_string()));
        }
        let retry = self.after_push(&done);
        self.tell_meter(now).await?;
        let wake = self.read(|view, sql| view.wake_at(sql))?;
        if retry.is_some() {
            // The pause before the next attempt is for what came meanwhile, too.
            self.push_at.set(None);
        }
        // After a failure the outbox's timer asks again.
        let again = if posted.is_ok() {
            self.letters_at()?
        } else {
            None
        };
        // So does that of transfers.
        let more = carried.unwrap_or(false).then(js::now);
        let next = [wake, retry, self.push_at.get(), again, more]
            .into_iter()
            .flatten()
            .min();
        self.alarm.settle(next);
        Ok(())
    }

    /// Runs the timers that are due. The actor's own go one by one, each noted before it runs: a panic
    /// ends this instance, and the next one finds which of them it was.
    fn run_timers(&self, now: i64) -> Result<()> {
        let lost = kept::get(&self.sql, RUNNING)?.unwrap_or_default();
        if !lost.is_empty() {
            self.actor(ActorCommand::TimerLost(lost))?;
            kept::put(&self.sql, RUNNING, "")?;
        }
        for name in self.read(|view, sql| view.actor_timers_due(sql, now))? {
            kept::put(&self.sql, RUNNING, &name)?;
            self.actor(ActorCommand::Timer(name))?;
            kept::put(&self.sql, RUNNING, "")?;
        }
        // What is due still is the engine's.
        if self
            .read(|view, sql| view.wake_at(sql))?
            .is_some_and(|at| at <= now)
        {
            self.turn(Command::Wake)?;
        }
        Ok(())
    }

    fn actor(&self, command: ActorCommand) -> Result<()> {
        self.turn(Command::Actor(Box::new(command))).map(drop)
    }

    /// What the object has done so far.
    pub(crate) fn meter(&self) -> Result<Meter> {
        self.counts.note(self.alarm.sets(), self.blobs.operations());
        let events = self.tip().map_or(0, |(head, _)| head.0);
        let total = self.counts.total(&self.sql)?;
        let full = self.read(|view, sql| Ok(view.is_nearly_full(sql.used_bytes()?)));
        Ok(Meter {
            events,
            nearly_full: u64::from(full.unwrap_or(false)),
            ..total
        })
    }

    /// Keeps the counts, and tells the registry, which adds them up for `/metrics`.
    async fn tell_meter(&self, now: i64) -> Result<()> {
        if now - self.metered.get() < METER_MILLIS {
            return Ok(());
        }
        self.metered.set(now);
        let meter = self.meter()?;
        self.counts.keep(&self.sql)?;
        let ask = RegistryAsk::Meter {
            type_name: self.address.type_name.clone(),
            id: self.address.id.clone(),
            meter,
        };
        // Figures for people: the next time will do.
        let told: Result<()> = self.peers.registry(shard_of(&self.address), &ask).await;
        drop(told);
        Ok(())
    }

    /// Keeps a push's failure for `state`, and says when to try again.
    fn after_push(&self, done: &Result<()>) -> Option<i64> {
        match done {
            Ok(()) => {
                self.failures.set(0);
                self.error.replace(None);
                None
            }
            Err(error) => {
                self.error.replace(Some(error.to_string()));
                if !crate::push::may_mend(error) {
                    return None;
                }
                let failures = self.failures.get();
                self.failures.set(failures + 1);
                let wait = (1_000_i64 << failures.min(20)).min(BACKOFF_MILLIS_MAX);
                Some(js::now() + wait)
            }
        }
    }

    /// After a start: what is left to do gets an alarm, whatever alarm there is. A turn of this
    /// instance may have set a later one over that of an earlier instance.
    pub(super) async fn repair(self: Rc<Self>) {
        let Ok(true) = self.exists() else { return };
        let now = js::now();
        self.alarm.learn(now).await;
        let left = self.read(|view, sql| {
            let head = view.offset(sql)?.sequence;
            let cursors = view.cursors(sql)?;
            let behind = view.cold_tables().iter().any(|table| {
                let table = table.to_string();
                let known = cursors.iter().find(|cursor| cursor.destination == table);
                known.is_none_or(|cursor| cursor.committed < head)
            });
            let wake = view.wake_at(sql)?;
            let push = (behind && head.0 > 0).then_some(now + self.push_pause(view));
            Ok((push, wake))
        });
        let Ok((push, wake)) = left else { return };
        if let Some(at) = push {
            self.push_at.set(self.push_at.get().or(push));
            self.alarm.arm(at);
        }
        if let Some(at) = wake {
            self.alarm.arm(at);
        }
    }
}
