//! One digital object in its Durable Object.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::Array;
use tidelog_api::{Meter, handle_object};
use tidelog_core::{
    Address, Command, Effect, Engine, Input, Reply, Sql, SqlExt, View, stored_address,
};
use tidelog_log::{Error, Kind, Result, Sequence};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::alarm::Alarm;
use crate::counts::Counts;
use crate::gate::Gate;
use crate::js;
use crate::messages::{self, ObjectAsk, RegistryAsk};
use crate::peers::{Peers, address_of, shard_of};
use crate::settings::Settings;
use crate::sql::DurableSql;
use crate::{crossing, kept};

/// When an alarm's handler that died is called again.
const ALARM_AGAIN_MILLIS: i64 = 30_000;
/// Longest wait between two attempts at what an alarm has to do.
const BACKOFF_MILLIS_MAX: i64 = 300_000;
/// Most often that the registry is told an object's counts, milliseconds.
const METER_MILLIS: i64 = 60_000;

/// An object: its engine over its database, and what the host does around it. All of it can be
/// lost at any time but the database.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) address: Address,
    pub(crate) settings: Settings,
    pub(crate) sql: DurableSql,
    pub(crate) gate: Gate,
    pub(crate) alarm: Alarm,
    pub(crate) peers: Peers,
    engine: RefCell<Option<Engine>>,
    /// The status that the registry was told; read once.
    noted: RefCell<Option<String>>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// The next push of new events, milliseconds since 1970.
    pub(crate) push_at: Cell<Option<i64>>,
    pub(crate) failures: Cell<u32>,
    pub(crate) error: RefCell<Option<String>>,
    pub(crate) counts: Counts,
    /// When the registry was told the counts last.
    metered: Cell<i64>,
}

impl Object {
    fn open(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Self> {
        let sql = DurableSql::of(storage.clone())?;
        let name = match name {
            Some(name) => name,
            None => stored_address(&sql)?.unwrap_or_default(),
        };
        Ok(Self {
            address: address_of(&name)?,
            settings: Settings::read(env)?,
            sql,
            gate: Gate::of(storage.clone()),
            alarm: Alarm::of(storage.clone()),
            peers: Peers::of(env),
            engine: RefCell::default(),
            noted: RefCell::default(),
            waiting: RefCell::default(),
            push_at: Cell::default(),
            failures: Cell::default(),
            error: RefCell::default(),
            counts: Counts::default(),
            metered: Cell::default(),
        })
    }

    /// True when the object was written before. A database without tables costs nothing.
    fn exists(&self) -> Result<bool> {
        let text = "SELECT 1 FROM sqlite_master WHERE name = '_meta'";
        Ok(self.sql.first(text, &[], |_| Ok(()))?.is_some())
    }

    /// Handles one input. The first write makes the object; if it is refused, nothing is made.
    pub(crate) fn turn(&self, command: Command) -> Result<Reply> {
        let mut slot = self.engine.borrow_mut();
        let input = Input {
            now: js::now(),
            entropy: js::random(),
            command,
        };
        let effects = match slot.as_mut() {
            Some(engine) => engine.turn(&self.sql, input),
            None => self.first_turn(&mut slot, input),
        };
        let effects = match effects {
            Ok(effects) => effects,
            Err(error) => {
                // After a failure of the database what is remembered may be ahead of it.
                if matches!(
                    error.kind(),
                    Kind::Internal | Kind::Unavailable | Kind::Corrupt
                ) {
                    *slot = None;
                }
                return Err(error);
            }
        };
        drop(slot);
        self.gate.wrote();
        self.run(effects)
    }

    fn first_turn(&self, slot: &mut Option<Engine>, input: Input) -> Result<Vec<Effect>> {
        let writes = matches!(input.command, Command::Write { .. });
        if !writes && !self.exists()? {
            return Err(self.unknown());
        }
        let mut input = Some(input);
        let mut opened = None;
        let mut effects = Vec::new();
        self.sql.savepoint(&mut || {
            let mut engine = Engine::open(&self.sql, &self.address, self.settings.log)?;
            kept::create(&self.sql)?;
            let input = input
                .take()
                .ok_or_else(|| Error::internal("a turn ran twice"))?;
            effects = engine.turn(&self.sql, input)?;
            opened = Some(engine);
            Ok(())
        })?;
        *slot = opened;
        Ok(effects)
    }

    fn run(&self, effects: Vec<Effect>) -> Result<Reply> {
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Reply(reply) => answer = Some(reply),
                Effect::Changed(_) => self.grown(),
                Effect::WakeAt(at) => self.alarm.arm(at),
            }
        }
        answer.ok_or_else(|| Error::internal("a turn gave no reply"))
    }

    /// The log has grown: push soon, and wake those who follow once it is durable.
    fn grown(&self) {
        let at = js::now() + self.settings.push_millis;
        let at = self.push_at.get().map_or(at, |set| set.min(at));
        self.push_at.set(Some(at));
        self.alarm.arm(at);
    }

    /// Wakes the live readers; what they will read is durable.
    pub(crate) fn wake_readers(&self) {
        for reader in self.waiting.borrow_mut().drain(..) {
            let _ = reader.send(());
        }
    }

    /// True while someone waits for the log to grow.
    pub(crate) fn has_readers(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Resolves when the log has grown.
    pub(crate) fn next_growth(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|reader| !reader.is_canceled());
        waiting.push(sender);
        receiver
    }

    /// Reads what the newest turn left.
    ///
    /// # Errors
    /// `unknown_object` when the object was never written.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&View, &DurableSql) -> Result<T>) -> Result<T> {
        let mut slot = self.engine.borrow_mut();
        if slot.is_none() {
            if !self.exists()? {
                return Err(self.unknown());
            }
            kept::create(&self.sql)?;
            *slot = Some(Engine::open(&self.sql, &self.address, self.settings.log)?);
        }
        match slot.as_ref() {
            Some(engine) => read(engine.view(), &self.sql),
            None => Err(self.unknown()),
        }
    }

    /// The newest event and whether the log is closed; `None` without an object.
    pub(crate) fn tip(&self) -> Option<(Sequence, bool)> {
        let slot = self.engine.borrow();
        let engine = slot.as_ref()?;
        Some((engine.head(), engine.status() == "deleted"))
    }

    /// Tells the registry of an object that it does not list as it is. The row in `_host` follows
    /// the telling, so a crash between makes the next start tell again.
    pub(crate) async fn note(&self) -> Result<()> {
        let Some(status) = self.engine.borrow().as_ref().map(Engine::status) else {
            return Ok(());
        };
        if self.noted.borrow().is_none() {
            let noted = kept::get(&self.sql, "noted")?;
            *self.noted.borrow_mut() = Some(noted.unwrap_or_default());
        }
        if self.noted.borrow().as_deref() == Some(status) {
            return Ok(());
        }
        let ask = RegistryAsk::Note {
            type_name: self.address.type_name.clone(),
            id: self.address.id.clone(),
            status: status.to_owned(),
        };
        let () = self.peers.registry(shard_of(&self.address), &ask).await?;
        kept::put(&self.sql, "noted", status)?;
        *self.noted.borrow_mut() = Some(status.to_owned());
        Ok(())
    }

    pub(crate) fn unknown(&self) -> Error {
        let message = format!("{} was never written", self.address.short());
        Error::not_found("unknown_object", message).at("id")
    }

    /// What the alarm has to do: tell the registry, push what is new, run the timers.
    async fn ring(&self) -> Result<()> {
        let now = js::now();
        self.alarm.rung(now + ALARM_AGAIN_MILLIS);
        self.counts.alarm();
        match self.read(|view, sql| view.wake_at(sql)) {
            Ok(Some(at)) if at <= now => drop(self.turn(Command::Wake)?),
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
        let retry = self.after_push(&done);
        self.tell_meter(now).await?;
        let wake = self.read(|view, sql| view.wake_at(sql))?;
        if retry.is_some() {
            // The pause before the next attempt is for what came meanwhile, too.
            self.push_at.set(None);
        }
        let next = [wake, retry, self.push_at.get()]
            .into_iter()
            .flatten()
            .min();
        self.alarm.settle(next);
        Ok(())
    }

    /// What the object has done so far.
    pub(crate) fn meter(&self) -> Result<Meter> {
        self.counts.note(self.alarm.sets(), (0, 0));
        let events = self.tip().map_or(0, |(head, _)| head.0);
        let total = self.counts.total(&self.sql)?;
        Ok(Meter { events, ..total })
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
    async fn repair(self: Rc<Self>) {
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
            let push = (behind && head.0 > 0).then_some(now + self.settings.push_millis);
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

/// One object, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct ObjectActor(pub(crate) Rc<Object>);

#[wasm_bindgen]
impl ObjectActor {
    /// The object with this name (its permanent address) over its storage; without a name, the one
    /// that the storage holds.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Self, JsValue> {
        let object = Object::open(storage, env, name);
        let object = Rc::new(object.map_err(|e| JsValue::from_str(&e.to_string()))?);
        spawn_local(Rc::clone(&object).repair());
        Ok(Self(object))
    }

    /// Answers one HTTP request: `{status, headers, body}`.
    pub async fn fetch(
        &self,
        method: String,
        path: String,
        query: String,
        headers: Array,
        body: JsValue,
    ) -> JsValue {
        let object = &self.0;
        object.counts.request();
        let request = match crossing::request(&method, path, query, &headers, body) {
            Ok(request) => request,
            Err(error) => return crossing::refused(&error),
        };
        let response = handle_object(&**object, request).await;
        crossing::answer(response, Some(object))
    }

    /// Answers another actor.
    pub async fn ask(&self, message: String) -> String {
        let object = &self.0;
        object.counts.request();
        messages::reply(object.asked(&message).and_then(messages::value))
    }

    /// The alarm's handler.
    pub async fn alarm(&self) {
        if let Err(error) = self.0.ring().await {
            // The alarm is set again already.
            worker::console_error!("tidelog: {}: {error}", self.0.address);
            self.0.error.replace(Some(error.to_string()));
        }
    }

    /// Returns once everything written so far is durable.
    pub async fn gate(&self) -> bool {
        self.0.gate.pass().await.is_ok()
    }

    /// The permanent address.
    pub fn name(&self) -> String {
        self.0.address.to_string()
    }

    /// The newest event, to see whether sockets have something to read.
    pub fn head(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "sequences are within 2^53")]
        self.0.tip().map_or(0.0, |(head, _)| head.0 as f64)
    }
}

impl Object {
    fn asked(&self, message: &str) -> Result<()> {
        let ObjectAsk::Committed {
            destination,
            sequence,
        } = messages::read(message)?;
        let command = Command::Committed {
            destination,
            sequence,
        };
        self.turn(command).map(drop)
    }
}
