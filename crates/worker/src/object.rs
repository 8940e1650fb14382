//! One digital object in its Durable Object.

use std::cell::{Cell, RefCell};

use futures_channel::oneshot;
use tidelog_api::WarmFigures;
use tidelog_core::{
    Address, Behaviour, Command, Effect, Engine, Input, Reply, Sql, SqlExt, View, stored_address,
};
use tidelog_log::{Error, Kind, Result, Sequence};
use wasm_bindgen::JsValue;

use crate::alarm::Alarm;
use crate::blobs::R2Blobs;
use crate::counts::Counts;
use crate::gate::Gate;
use crate::messages::RegistryAsk;
use crate::peers::{Peers, shard_of};
use crate::settings::Settings;
use crate::sql::DurableSql;
use crate::warm::EdgeCache;
use crate::{actors, js, kept};

mod actor;
pub use actor::ObjectActor;

mod alarm;

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
    /// Letters are on their way: only one round of deliveries at a time.
    pub(crate) delivering: Cell<bool>,
    /// So is something to object storage, or from there.
    pub(crate) carrying: Cell<bool>,
    /// The bucket of the lake, where snapshots go too.
    pub(crate) blobs: R2Blobs,
    behaviour: Option<Behaviour>,
    pub(crate) counts: Counts,
    pub(crate) cache: EdgeCache,
    /// How far changes were pushed to the cache since this instance was made.
    pub(crate) pushed: Cell<Option<Sequence>>,
    /// What fronts have counted of this object's reads.
    pub(crate) figures: Cell<WarmFigures>,
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
        let address = Address::parse(&name)?;
        let behaviour = actors::of(&address.type_name)?;
        let settings = Settings::read(env)?;
        let blobs = R2Blobs::of_lake(env)?;
        Ok(Self {
            address,
            cache: EdgeCache::of(&settings.cache_host),
            pushed: Cell::default(),
            figures: Cell::default(),
            settings,
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
            delivering: Cell::default(),
            carrying: Cell::default(),
            blobs,
            behaviour,
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
        let writes = input.command.makes_object();
        if !writes && !self.exists()? {
            return Err(self.unknown());
        }
        let mut input = Some(input);
        let mut opened = None;
        let (mut effects, mut blank) = (Vec::new(), false);
        let done = self.sql.savepoint(&mut || {
            let mut engine = self.open_engine()?;
            kept::create(&self.sql)?;
            let input = input
                .take()
                .ok_or_else(|| Error::internal("a turn ran twice"))?;
            effects = engine.turn(&self.sql, input)?;
            if engine.head().0 == 0 && engine.view().is_blank(&self.sql)? {
                // A message that left nothing: there is no object, as before. The error is seen here
                // only, and undoes the tables.
                blank = true;
                return Err(self.unknown());
            }
            opened = Some(engine);
            Ok(())
        });
        if !blank {
            done?;
        }
        *slot = opened;
        Ok(effects)
    }

    fn open_engine(&self) -> Result<Engine> {
        let behaviour = self.behaviour.as_ref();
        Engine::open_as(&self.sql, &self.address, self.settings.log, behaviour)
    }

    fn run(&self, effects: Vec<Effect>) -> Result<Reply> {
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Reply(reply) => answer = Some(reply),
                Effect::Changed(_) => self.grown(),
                Effect::WakeAt(at) => self.alarm.arm(at),
                // Delivery is an alarm's work, so that it outlives this instance.
                Effect::Posted | Effect::Transfer => self.alarm.arm(js::now()),
            }
        }
        answer.ok_or_else(|| Error::internal("a turn gave no reply"))
    }

    /// The log has grown: push soon, and wake those who follow once it is durable.
    fn grown(&self) {
        let slot = self.engine.borrow();
        let pause = slot.as_ref().map(|engine| self.push_pause(engine.view()));
        drop(slot);
        let at = js::now() + pause.unwrap_or(self.settings.push_millis);
        let at = self.push_at.get().map_or(at, |set| set.min(at));
        self.push_at.set(Some(at));
        self.alarm.arm(at);
    }

    /// How long new events wait for others: as the type says, or else the operator.
    fn push_pause(&self, view: &View) -> i64 {
        let declared = view.sync_policy().interval_millis;
        declared.unwrap_or(self.settings.push_millis)
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
        self.read_engine(|engine, sql| read(engine.view(), sql))
    }

    /// The same, with what the engine remembers.
    pub(crate) fn read_engine<T>(
        &self,
        read: impl FnOnce(&Engine, &DurableSql) -> Result<T>,
    ) -> Result<T> {
        let mut slot = self.engine.borrow_mut();
        if slot.is_none() {
            if !self.exists()? {
                return Err(self.unknown());
            }
            kept::create(&self.sql)?;
            *slot = Some(self.open_engine()?);
        }
        match slot.as_ref() {
            Some(engine) => read(engine, &self.sql),
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
}
