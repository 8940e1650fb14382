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

#[test]
fn a_promoted_snapshot_is_in_object_storage_and_not_in_the_object_and_comes_back_the_same() {
    let (world, ids, states) = chain();
    let before = world.documents();
    let file = world.file(&ids[0]).unwrap();
    let chain_file = world.file(&ids[2]).unwrap();
    let used = world
        .engine
        .borrow()
        .view()
        .state(&world.sql)
        .unwrap()
        .blobs
        .1;
    for id in &ids {
        world.promote(id).unwrap();
    }
    assert_eq!(world.stored().len(), 0);
    world.settle();
    for id in &ids {
        let snapshot = world.snapshot(id);
        assert_eq!(snapshot.tier, SnapshotTier::Cold);
        let cold = snapshot.cold.unwrap();
        assert!(
            cold.parts > 1 && cold.bytes == world.cold_file(id).len() as u64,
            "{cold:?}"
        );
        assert_eq!((snapshot.moving, snapshot.failure), (None, None));
        let refused = world.file(id).unwrap_err();
        assert_eq!(refused.code(), "snapshot_cold");
    }
    assert!(
        world
            .engine
            .borrow()
            .view()
            .state(&world.sql)
            .unwrap()
            .blobs
            .1
            < used
    );
    // A full snapshot's parts are its portable file; an incremental's are shorter than its chain's.
    assert_eq!(world.cold_file(&ids[0]), file);
    assert!(world.cold_file(&ids[2]).len() < chain_file.len() / 2);
    // Back with all that it builds on, the same to the byte.
    world.recall(&ids[2]).unwrap();
    world.settle();
    assert_eq!(world.file(&ids[2]).unwrap(), chain_file);
    assert!(
        world
            .snapshots()
            .iter()
            .all(|s| s.tier == SnapshotTier::Hot && s.cold.is_some())
    );
    assert_eq!(world.documents(), before);
    for (id, state) in ids.iter().zip(&states) {
        world
            .restore(RestoreTarget::Snapshot(id.clone()), false)
            .unwrap();
        world.settle();
        assert_eq!(world.last_restore().status, RestoreStatus::Complete);
        assert_eq!(world.documents(), *state);
    }
    // And dropped again without a new put.
    let stored = world.stored();
    world.promote(&ids[1]).unwrap();
    let calls = world.fuse.calls.get();
    world.settle();
    assert_eq!(world.snapshot(&ids[1]).tier, SnapshotTier::Cold);
    assert!(world.fuse.calls.get() > calls && world.stored() == stored);
}

#[test]
fn a_restore_of_what_is_cold_waits_for_it_by_itself_and_writes_go_on_meanwhile() {
    for target in 0..5 {
        let (world, ids, states) = promoted();
        let target = match target {
            at @ 0..3 => (RestoreTarget::Snapshot(ids[at].clone()), at),
            // States between, of the chain and the log: what is hot is taken first.
            3 => (RestoreTarget::Sequence(world.snapshot(&ids[1]).sequence), 1),
            _ => (RestoreTarget::Time(world.snapshot(&ids[2]).timestamp), 2),
        };
        let restore = world.restore(target.0.clone(), false).unwrap();
        if matches!(target.0, RestoreTarget::Snapshot(_)) {
            assert_eq!(restore.status, RestoreStatus::Running);
            world.write(vec![note(999)]).unwrap();
            let again = world.restore(target.0, true).unwrap_err();
            assert_eq!(again.code(), "restore_running");
        }
        world.settle();
        assert_eq!(world.last_restore().status, RestoreStatus::Complete);
        assert_eq!(world.documents(), states[target.1]);
    }
}

#[test]
fn a_restore_that_is_given_up_while_it_waits_leaves_what_was_cold_cold() {
    let (world, ids, _) = promoted();
    let before = world.documents();
    let dump = world.stored();
    world
        .restore(RestoreTarget::Snapshot(ids[2].clone()), false)
        .unwrap();
    now(transfer(&world, &*world.store, PREFIX, 2)).unwrap();
    world.ask(SnapshotCommand::CancelRestore).unwrap();
    world.settle();
    assert_eq!(world.last_restore().status, RestoreStatus::Cancelled);
    for id in &ids {
        let snapshot = world.snapshot(id);
        assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Cold, None));
    }
    assert_eq!((world.documents(), world.stored()), (before, dump));
}

/// What breaks, at every call in turn: old or new, nothing lost, and in the end it is done.
fn survives(
    set_up: impl Fn() -> World,
    begin: impl Fn(&World),
    check: impl Fn(&World),
    done: impl Fn(&World),
) {
    for how in [
        Break::Before,
        Break::After,
        Break::DiesBefore,
        Break::DiesAfter,
    ] {
        for at in 0.. {
            let world = set_up();
            begin(&world);
            let base = world.fuse.calls.get();
            world.fuse.at.set(Some((base + at, how)));
            world.settle_with(true, &|world| check(world));
            let calls = world.fuse.calls.get() - base;
            done(&world);
            if at >= calls {
                assert!(at > 3, "{how:?}: only {at} calls");
                break;
            }
        }
    }
}

/// Every snapshot is whole: hot and to be read, or cold with all its parts and its manifest.
fn nothing_is_lost(world: &World, files: &BTreeMap<String, Vec<u8>>, count: usize) {
    let all = world.snapshots();
    assert_eq!(all.len(), count);
    for snapshot in all {
        let manifest = format!("{}/manifest", snapshot.id);
        let is_cold = world.stored().keys().any(|key| key.ends_with(&manifest));
        match (snapshot.tier, snapshot.kind) {
            (SnapshotTier::Hot, SnapshotKind::Full) => {
                assert!(world.file(&snapshot.id).unwrap() == files[&snapshot.id]);
            }
            (SnapshotTier::Hot, _) => {}
            (SnapshotTier::Cold, _) => {
                assert!(is_cold && world.cold_file(&snapshot.id) == files[&snapshot.id]);
            }
        }
    }
}

fn files(world: &World) -> BTreeMap<String, Vec<u8>> {
    let all = world.snapshots().into_iter();
    all.map(|s| (s.id.clone(), world.cold_file(&s.id)))
        .collect()
}

/// Every snapshot brings its state back, wherever it is.
fn all_come_back(world: &World, ids: &[String], states: &[Json]) {
    world.fuse.at.set(None);
    for (id, state) in ids.iter().zip(states) {
        world
            .restore(RestoreTarget::Snapshot(id.clone()), false)
            .unwrap();
        world.settle();
        assert_eq!(world.documents(), *state);
    }
}

#[test]
fn a_promotion_that_breaks_at_any_call_loses_nothing_and_ends_cold() {
    let (known, ids, states) = promoted();
    let (files, stored) = (files(&known), known.stored());
    survives(
        || chain().0,
        |world| {
            world.promote(&ids[0]).unwrap();
            world.promote(&ids[2]).unwrap();
        },
        |world| nothing_is_lost(world, &files, 3),
        |world| {
            for id in [&ids[0], &ids[2]] {
                let snapshot = world.snapshot(id);
                assert_eq!(
                    (snapshot.tier, snapshot.failure),
                    (SnapshotTier::Cold, None)
                );
            }
            let known = stored.iter().filter(|(key, _)| !key.contains(&ids[1]));
            assert!(world.stored().iter().eq(known));
            all_come_back(world, &ids, &states);
        },
    );
}

#[test]
fn a_recall_and_a_restore_that_break_at_any_call_end_as_if_nothing_had() {
    let (known, ids, states) = promoted();
    let files = files(&known);
    let stored = known.stored();
    let before = known.documents();
    survives(
        || promoted().0,
        |world| {
            let target = RestoreTarget::Snapshot(ids[2].clone());
            let restore = world.restore(target, false).unwrap();
            assert_eq!(restore.status, RestoreStatus::Running);
        },
        |world| {
            if world.last_restore().status == RestoreStatus::Running {
                assert_eq!(world.documents(), before);
                let undo = usize::from(world.last_restore().undo.is_some());
                if undo == 0 {
                    nothing_is_lost(world, &files, 3);
                }
            }
        },
        |world| {
            assert_eq!(world.last_restore().status, RestoreStatus::Complete);
            assert_eq!(world.documents(), states[2]);
            assert_eq!(world.stored(), stored);
        },
    );
}

#[test]
fn a_deletion_that_breaks_at_any_call_leaves_nothing_behind_and_keeps_the_others() {
    let (known, ids, states) = promoted();
    let files = files(&known);
    survives(
        || promoted().0,
        |world| {
            let refused = world.delete(&ids[1]).unwrap_err();
            assert_eq!(refused.code(), "snapshot_has_children");
            world.delete(&ids[2]).unwrap();
            let refused = world.restore(RestoreTarget::Snapshot(ids[2].clone()), false);
            assert_eq!(refused.unwrap_err().code(), "snapshot_incomplete");
            assert_eq!(world.snapshot(&ids[2]).status, SnapshotStatus::Deleting);
        },
        |world| {
            let of_it = world.stored().keys().any(|key| key.contains(&ids[2]));
            let is_listed = world.snapshots().iter().any(|s| s.id == ids[2]);
            assert!(is_listed || !of_it, "the row goes last");
            for id in &ids[..2] {
                assert!(world.cold_file(id) == files[id]);
            }
        },
        |world| {
            assert!(!world.stored().keys().any(|key| key.contains(&ids[2])));
            assert_eq!(world.snapshots().len(), 2);
            all_come_back(world, &ids[..2], &states);
        },
    );
}

#[test]
fn what_is_being_promoted_or_recalled_can_be_deleted() {
    for steps in 0..6 {
        let (world, ids, _) = chain();
        world.promote(&ids[2]).unwrap();
        now(transfer(&world, &*world.store, PREFIX, steps)).unwrap();
        world.delete(&ids[2]).unwrap();
        world.settle();
        assert_eq!((world.snapshots().len(), world.stored().len()), (2, 0));
        let (world, ids, _) = promoted();
        let blobs = |world: &World| {
            world
                .engine
                .borrow()
                .view()
                .state(&world.sql)
                .unwrap()
                .blobs
        };
        let held = blobs(&world);
        world.recall(&ids[2]).unwrap();
        now(transfer(&world, &*world.store, PREFIX, steps)).unwrap();
        for id in ids.iter().rev() {
            world.delete(id).unwrap();
        }
        world.settle();
        assert_eq!((world.snapshots().len(), world.stored().len()), (0, 0));
        assert_eq!(blobs(&world), held, "after {steps} steps");
    }
}

#[test]
fn parts_that_are_missing_or_altered_are_named_and_the_object_stays_as_it_was() {
    let (known, ids, _) = promoted();
    let before = known.documents();
    for (part, code) in [
        (0, "snapshot_part_missing"),
        (1, "snapshot_part_missing"),
        (0, "snapshot_damaged"),
        (1, "snapshot_damaged"),
    ] {
        let (world, ids, states) = promoted();
        let key = world.part_key(&ids[1], part);
        let whole = now(world.store.inner.get(&key, None)).unwrap();
        match code {
            "snapshot_damaged" => world.damage(&key, |bytes| bytes[40] ^= 1),
            _ => now(world.store.inner.delete(std::slice::from_ref(&key))).unwrap(),
        }
        world
            .restore(RestoreTarget::Snapshot(ids[2].clone()), false)
            .unwrap();
        world.settle();
        let restore = world.last_restore();
        assert_eq!(restore.status, RestoreStatus::Failed);
        let failure = restore.failure.unwrap();
        assert_eq!(failure.code, code);
        assert!(
            failure.message.contains(&ids[1]) && failure.message.contains(&key),
            "{failure:?}"
        );
        assert_eq!(world.documents(), before);
        let link = world.snapshot(&ids[1]);
        assert_eq!((link.tier, link.moving), (SnapshotTier::Cold, None));
        assert_eq!(link.failure.unwrap().code, code);
        // What was mended outside comes back.
        now(world.store.inner.put(&key, whole, PutMode::Overwrite)).unwrap();
        all_come_back(&world, &ids, &states);
    }
    // A chain with a link that is gone says which.
    let (world, _, _) = promoted();
    let text = "DELETE FROM _snapshots WHERE id = ?1";
    world.sql.0.execute(text, [&ids[1]]).unwrap();
    let refused = world.restore(RestoreTarget::Snapshot(ids[2].clone()), false);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "snapshot_chain_broken");
    assert!(refused.message().contains(&ids[1]));
}

#[test]
fn a_store_that_is_down_shows_and_is_tried_again() {
    let (world, ids, states) = promoted();
    world.fuse.dead.set(true);
    world
        .restore(RestoreTarget::Snapshot(ids[0].clone()), false)
        .unwrap();
    // The store alone is down.
    let ask = now(world.transfer_due()).unwrap().unwrap();
    let (number, step) = (ask.number, ask.step);
    let outcome = tidelog_core::TransferOutcome::Failed(down());
    let told = TransferCommand {
        number,
        step,
        outcome,
    };
    world.turn(Command::Transferred(Box::new(told))).unwrap();
    let restore = world.last_restore();
    assert_eq!(restore.status, RestoreStatus::Running);
    assert_eq!(restore.failure.unwrap().code, "blob_store");
    assert_eq!(world.snapshot(&ids[0]).failure.unwrap().code, "blob_store");
    assert!(
        now(world.transfer_due()).unwrap().is_none(),
        "it waits first"
    );
    world.fuse.dead.set(false);
    world.settle();
    assert_eq!(world.last_restore().failure, None);
    assert_eq!(world.documents(), states[0]);
    assert_eq!(world.snapshot(&ids[0]).failure, None);
}

#[test]
fn another_snapshot_under_the_same_name_is_not_replaced() {
    let (known, ids, _) = promoted();
    let world = chain().0;
    for (key, body) in known.stored() {
        now(world.store.inner.put(&key, body, PutMode::Overwrite)).unwrap();
    }
    // The same bytes are success.
    world.promote(&ids[1]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[1]).tier, SnapshotTier::Cold);
    // Other bytes below a manifest are another snapshot's.
    let key = world.part_key(&ids[0], 1);
    world.damage(&key, |bytes| bytes[9] ^= 1);
    let stored = world.stored();
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "snapshot_cold_differs");
    assert!(world.file(&ids[0]).is_ok() && world.stored() == stored);
    // Without the manifest they are what a broken attempt left.
    let manifest = key.replace("000001", "manifest");
    now(world.store.inner.delete(&[manifest])).unwrap();
    world.promote(&ids[0]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[0]).tier, SnapshotTier::Cold);
    assert_eq!(world.stored(), known.stored());
}

#[test]
fn a_damaged_copy_is_found_before_the_hot_one_goes_and_mended_by_the_next_promotion() {
    let (world, ids, _) = promoted();
    let stored = world.stored();
    world.recall(&ids[0]).unwrap();
    world.settle();
    world.damage(&world.part_key(&ids[0], 1), |bytes| bytes[9] ^= 1);
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.cold), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "snapshot_damaged");
    world.promote(&ids[0]).unwrap();
    world.settle();
    assert_eq!(world.snapshot(&ids[0]).tier, SnapshotTier::Cold);
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_damaged_blob_is_not_promoted() {
    let (world, ids, _) = chain();
    let flip = "UPDATE _blobs SET body = CAST(substr(body, 1, 99) || x'00ff' || substr(body, 102) AS BLOB)";
    world.sql.0.execute(flip, []).unwrap();
    world.promote(&ids[0]).unwrap();
    world.settle();
    let snapshot = world.snapshot(&ids[0]);
    assert_eq!((snapshot.tier, snapshot.moving), (SnapshotTier::Hot, None));
    assert_eq!(snapshot.failure.unwrap().code, "corrupt");
    assert!(!world.stored().keys().any(|key| key.ends_with("manifest")));
}

fn discover(world: &World) {
    let schema = Arc::clone(&world.schema);
    world.ask(SnapshotCommand::Discover { schema }).unwrap();
}

#[test]
fn an_object_whose_database_is_lost_finds_its_snapshots_and_comes_back() {
    for id in ["one", "Zürich ✈", "~", "a%2F*?"] {
        let (old, _, states) = {
            let world = World::new(id);
            world.write((0..60).map(note).collect()).unwrap();
            let full = world.take(SnapshotKind::Full);
            world.write((60..70).map(note).collect()).unwrap();
            let last = world.take(SnapshotKind::Incremental);
            for id in [&full, &last] {
                world.promote(id).unwrap();
            }
            world.settle();
            let state = world.documents();
            (world, full, vec![state])
        };
        let listed: Vec<String> = old.snapshots().into_iter().map(|s| s.id).collect();
        // What is below the prefix and none of ours is passed over.
        let root = old.stored().into_keys().next().unwrap();
        let root = root.split(&listed[1]).next().unwrap().to_owned();
        let manifest = old.stored()[&format!("{root}{}/manifest", listed[0])].clone();
        let strangers = [
            format!("{root}0/manifest"),
            format!("{root}00000000-0000-7000-8000-000000000000/manifest"),
            format!("{root}{}/zzz", listed[0]),
            format!("{root}z"),
        ];
        for key in &strangers {
            now(old
                .store
                .inner
                .put(key, manifest.clone(), PutMode::Overwrite))
            .unwrap();
        }
        for how in [Break::Before, Break::DiesBefore, Break::DiesAfter] {
            for at in 0..6 {
                let new = World::beside(id, Rc::clone(&old.store));
                discover(&new);
                new.fuse.at.set(Some((new.fuse.calls.get() + at, how)));
                new.settle();
                new.fuse.at.set(None);
                let found = new.engine.borrow().view().discovery(&new.sql).unwrap();
                assert_eq!(found.status, RestoreStatus::Complete);
                assert_eq!((found.found, found.skipped), (4, 2), "{found:?}");
                let mut added = found.added.clone();
                added.reverse();
                assert_eq!(added, listed);
                let all = new.snapshots();
                assert!(
                    all.iter()
                        .all(|s| s.imported && s.tier == SnapshotTier::Cold)
                );
                discover(&new);
                new.settle();
                let again = new.engine.borrow().view().discovery(&new.sql).unwrap();
                assert_eq!((again.found, again.added.len()), (found.found, 0));
                new.restore(RestoreTarget::Snapshot(listed[0].clone()), false)
                    .unwrap();
                new.settle();
                assert_eq!(new.last_restore().status, RestoreStatus::Complete);
                assert_eq!(new.documents(), states[0]);
                // Not by a sequence: that is another log's.
                let sequence = RestoreTarget::Sequence(Sequence(1));
                new.restore(sequence, true).unwrap();
            }
        }
    }
}

#[test]
fn another_objects_snapshots_are_not_taken_for_ones_own() {
    let (known, ids, _) = promoted();
    let other = World::beside("two", Rc::clone(&known.store));
    for (key, body) in known.stored() {
        let key = key.replace("/one/", "/two/");
        now(other.store.inner.put(&key, body, PutMode::Overwrite)).unwrap();
    }
    discover(&other);
    other.settle();
    let found = other.engine.borrow().view().discovery(&other.sql).unwrap();
    assert_eq!((found.added.len(), found.skipped), (0, 3));
    assert_eq!(found.failure.unwrap().code, "snapshot_of_another_type");
    assert!(other.snapshots().is_empty() && ids.len() == 3);
}
