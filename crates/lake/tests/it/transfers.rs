//! Snapshots of an object into object storage and back, over a store in memory, with everything broken.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, Caller, Command, Effect, Engine, ForkOrder, ForkPlace, Input, LogPolicy, Mutation,
    NewDocument, Query, Reply, Restore, RestoreStatus, RestoreTarget, Snapshot, SnapshotCommand,
    SnapshotFile, SnapshotKind, SnapshotPolicy, SnapshotReply, SnapshotStatus, SnapshotTier,
    TransferAsk, TransferCommand, TypeSchema, TypeSpec,
};
use tidelog_lake::{BlobMeta, BlobStore, MemoryBlobs, PutMode, TransferHost, transfer};
use tidelog_log::{Error, Result, Sequence};

use crate::support::{Sqlite, now};

mod damage;
mod discovery;
mod faults;
mod moves;
mod rules;

const PREFIX: &str = "lake/";

/// What breaks at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// The store answers an error and did nothing.
    Before,
    /// It did what was asked, and the answer is an error.
    After,
    /// The process ends before the call.
    DiesBefore,
    /// The process ends after it.
    DiesAfter,
}

/// Counts calls of the store and turns of the object; one of them breaks.
#[derive(Debug, Default)]
struct Fuse {
    calls: Cell<usize>,
    at: Cell<Option<(usize, Break)>>,
    dead: Cell<bool>,
}

fn down() -> Error {
    Error::unavailable("blob_store", "the store went away")
}

impl Fuse {
    /// Runs a call, which may break; a turn of the object only breaks with the process.
    async fn call<T>(&self, is_turn: bool, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.dead.get() {
            return Err(down());
        }
        let number = self.calls.get();
        self.calls.set(number + 1);
        let breaks = self.at.get().filter(|(at, _)| *at == number);
        match breaks.map(|(_, how)| how) {
            Some(Break::Before) if !is_turn => Err(down()),
            Some(Break::After) if !is_turn => call.await.and(Err(down())),
            Some(Break::DiesBefore) => {
                self.dead.set(true);
                Err(down())
            }
            Some(Break::DiesAfter) => {
                self.dead.set(true);
                call.await.and(Err(down()))
            }
            _ => call.await,
        }
    }
}

struct Store {
    inner: MemoryBlobs,
    fuse: Rc<Fuse>,
}

impl BlobStore for Store {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        self.fuse.call(false, self.inner.get(key, range)).await
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        self.fuse.call(false, self.inner.put(key, body, mode)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        let list = self.inner.list(prefix, after, limit);
        self.fuse.call(false, list).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.fuse.call(false, self.inner.delete(keys)).await
    }
}

/// An object with its database, and the storage beside it.
struct World {
    sql: Sqlite,
    engine: RefCell<Engine>,
    schema: Arc<TypeSchema>,
    address: Address,
    now: Cell<i64>,
    turns: Cell<u64>,
    fuse: Rc<Fuse>,
    store: Rc<Store>,
}

fn policy() -> LogPolicy {
    LogPolicy {
        snapshots: SnapshotPolicy {
            step_rows: 20,
            step_bytes: 1_500,
            direct_rows: 8,
            direct_bytes: 4_000,
            ..SnapshotPolicy::default()
        },
        ..LogPolicy::default()
    }
}

fn typed() -> Arc<TypeSchema> {
    let spec = json!({"type": "lab", "collections": {"notes": {
        "fields": {"n": {"type": "int"}, "t": {"type": "string"}},
        "hot": {"vortex_threshold": 16},
    }}});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes()).unwrap();
    Arc::new(TypeSchema::register(None, &spec).unwrap())
}

impl World {
    fn new(id: &str) -> Self {
        let fuse = Rc::new(Fuse::default());
        let store = Rc::new(Store {
            inner: MemoryBlobs::new(),
            fuse: Rc::clone(&fuse),
        });
        Self::beside(id, store)
    }

    /// A new object of this address whose storage is there already.
    fn beside(id: &str, store: Rc<Store>) -> Self {
        let address = Address::object("lab", id).unwrap();
        let sql = Sqlite(rusqlite::Connection::open_in_memory().unwrap());
        Self {
            engine: RefCell::new(Engine::open(&sql, &address, policy()).unwrap()),
            sql,
            schema: typed(),
            address,
            now: Cell::new(1_700_000_000_000),
            turns: Cell::new(0),
            fuse: Rc::clone(&store.fuse),
            store,
        }
    }

    /// The process starts again.
    fn reopen(&self) {
        self.fuse.dead.set(false);
        let opened = Engine::open(&self.sql, &self.address, policy()).unwrap();
        *self.engine.borrow_mut() = opened;
    }

    fn turn(&self, command: Command) -> Result<Vec<Effect>> {
        self.turns.set(self.turns.get() + 1);
        let mut entropy = [7; 16];
        entropy[..8].copy_from_slice(&self.turns.get().to_le_bytes());
        let input = Input {
            now: self.now.get(),
            entropy,
            command,
        };
        self.engine.borrow_mut().turn(&self.sql, input)
    }

    fn ask(&self, command: SnapshotCommand) -> Result<SnapshotReply> {
        let effects = self.turn(Command::Snapshot(Box::new(command)))?;
        let reply = effects.into_iter().find_map(|effect| match effect {
            Effect::Reply(Reply::Snapshot(reply)) => Some(reply),
            _ => None,
        });
        Ok(reply.unwrap())
    }

    fn write(&self, mutations: Vec<Mutation>) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let command = Command::Write {
            schema,
            caller: Caller::default(),
            mutations,
        };
        self.turn(command).map(drop)
    }

    fn take(&self, kind: SnapshotKind) -> String {
        self.now.set(self.now.get() + 1_000);
        let (parent, note) = (None, String::new());
        let id = match self
            .ask(SnapshotCommand::Create { kind, parent, note })
            .unwrap()
        {
            SnapshotReply::Snapshot(snapshot) => snapshot.id,
            other => panic!("{other:?}"),
        };
        self.settle();
        assert_eq!(self.snapshot(&id).status, SnapshotStatus::Complete);
        id
    }

    fn snapshot(&self, id: &str) -> Snapshot {
        let engine = self.engine.borrow();
        engine.view().snapshot(&self.sql, id).unwrap()
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        let engine = self.engine.borrow();
        let page = engine.view().snapshots(&self.sql, None, 1_000);
        page.unwrap().snapshots
    }

    fn last_restore(&self) -> Restore {
        let engine = self.engine.borrow();
        engine.view().last_restore(&self.sql).unwrap()
    }

    /// Runs timers, and transfers where the store is to be reached, until none is left within an hour. The
    /// process starts again where it ended; `then` looks at what there is after each.
    fn settle_with(&self, carries: bool, then: &dyn Fn(&Self)) {
        let end = self.now.get() + 3_600_000;
        for _ in 0..2_000 {
            if carries {
                drop(now(transfer(self, &*self.store, PREFIX, 5)));
            }
            if self.fuse.dead.get() {
                self.reopen();
            }
            then(self);
            let engine = self.engine.borrow();
            let view = engine.view();
            let due = view
                .transfer_due(&self.sql, self.now.get())
                .unwrap()
                .is_some();
            let wake = view.wake_at(&self.sql).unwrap();
            drop(engine);
            if due && carries {
                continue;
            }
            match wake.filter(|wake| *wake <= end) {
                None => return,
                Some(wake) => self.now.set(self.now.get().max(wake)),
            }
            self.turn(Command::Wake).unwrap();
        }
        panic!("it does not come to rest");
    }

    fn settle(&self) {
        self.settle_with(true, &|_| {});
    }

    fn promote(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(SnapshotCommand::Promote { id }).map(drop)
    }

    fn recall(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(SnapshotCommand::Recall { id }).map(drop)
    }

    fn delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(SnapshotCommand::Delete { id }).map(drop)
    }

    fn restore(&self, target: RestoreTarget, dry_run: bool) -> Result<Restore> {
        let schema = Arc::clone(&self.schema);
        match self.ask(SnapshotCommand::Restore {
            schema,
            caller: Caller::default(),
            target,
            collections: Vec::new(),
            dry_run,
        })? {
            SnapshotReply::Restore(restore) => Ok(*restore),
            other => panic!("{other:?}"),
        }
    }

    fn documents(&self) -> Json {
        let collection = self.schema.collection("notes").unwrap();
        let query = Query::parse(collection, &json!({"limit": 1000, "orderBy": ["id"]})).unwrap();
        let mut rows = query.run(&self.sql, collection).unwrap().rows;
        for row in &mut rows {
            row.remove("_version");
        }
        json!(rows)
    }

    /// The file of a snapshot, with those that it builds on.
    fn file(&self, id: &str) -> Result<Vec<u8>> {
        let engine = self.engine.borrow();
        let file = SnapshotFile::open(engine.view(), &self.sql, id)?;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < file.bytes() {
            bytes.extend(file.read(&self.sql, bytes.len() as u64, 1_000)?);
        }
        Ok(bytes)
    }

    /// What object storage has.
    fn stored(&self) -> BTreeMap<String, Bytes> {
        let inner = &self.store.inner;
        let keys = inner.keys().into_iter();
        keys.map(|key| (key.clone(), now(inner.get(&key, None)).unwrap()))
            .collect()
    }

    /// The parts of a snapshot's file in object storage, one after the other.
    fn cold_file(&self, id: &str) -> Vec<u8> {
        let of_it = |key: &str| key.contains(id) && !key.ends_with("manifest");
        let parts = self.stored().into_iter().filter(|(key, _)| of_it(key));
        parts.flat_map(|(_, bytes)| bytes).collect()
    }

    fn damage(&self, key: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = now(self.store.inner.get(key, None)).unwrap().to_vec();
        change(&mut bytes);
        now(self.store.inner.put(key, bytes.into(), PutMode::Overwrite)).unwrap();
    }

    fn part_key(&self, id: &str, part: usize) -> String {
        format!(
            "{PREFIX}default/snapshots/lab/{}/{id}/{part:06}",
            self.address.id
        )
    }
}

impl TransferHost for World {
    async fn transfer_due(&self) -> Result<Option<TransferAsk>> {
        let engine = self.engine.borrow();
        engine.view().transfer_due(&self.sql, self.now.get())
    }

    async fn hand_over(&self, to: &str, _: ForkOrder, _: Vec<u8>) -> Result<ForkPlace> {
        panic!("nothing here is forked to {to}");
    }

    async fn transferred(&self, told: TransferCommand) -> Result<()> {
        let turn = async { self.turn(Command::Transferred(Box::new(told))).map(drop) };
        self.fuse.call(true, turn).await
    }
}

fn note(n: u64) -> Mutation {
    // Text that does not compress to nothing.
    let text: String = (0..8)
        .map(|i| format!("{:x}", (n + 1) * 7_919_123 * (i + 3)))
        .collect();
    let document = json!({"id": format!("k{n:03}"), "n": n, "t": text});
    Mutation::Upsert {
        collection: "notes".to_owned(),
        document: NewDocument::Text(document.to_string().into()),
        if_version: None,
    }
}

fn gone(n: u64) -> Mutation {
    Mutation::Delete {
        collection: "notes".to_owned(),
        key: format!("k{n:03}"),
        if_version: None,
    }
}

/// An object with a full snapshot and two incrementals, blobs, masks and rows, and the documents at each.
fn chain() -> (World, Vec<String>, Vec<Json>) {
    let world = World::new("one");
    world.write((0..60).map(note).collect()).unwrap();
    world.write(vec![gone(3), note(100), note(101)]).unwrap();
    let mut ids = vec![world.take(SnapshotKind::Full)];
    let mut states = vec![world.documents()];
    for more in [200, 300] {
        world.write((more..more + 30).map(note).collect()).unwrap();
        world.write(vec![gone(more / 50), note(7)]).unwrap();
        ids.push(world.take(SnapshotKind::Incremental));
        states.push(world.documents());
    }
    world.write((400..440).map(note).collect()).unwrap();
    world
        .write((0..60).filter(|n| *n % 7 == 0).map(gone).collect())
        .unwrap();
    (world, ids, states)
}

fn promoted() -> (World, Vec<String>, Vec<Json>) {
    let (world, ids, states) = chain();
    for id in &ids {
        world.promote(id).unwrap();
    }
    world.settle();
    (world, ids, states)
}
