//! One object to try things on: a database, an engine, a clock that the test moves.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, Caller, ChangesPage, ChangesRequest, Command, Effect, Engine, Images, Input,
    LogPolicy, Mutation, NewDocument, ObjectState, Quantity, Reply, Restore, RestoreTarget,
    Snapshot, SnapshotCommand, SnapshotKind, SnapshotReply, SnapshotRetentionSpec, SqlExt,
    TurnReply, TypeSchema, TypeSpec,
};
use tidelog_log::{Error, EventFilter, Result, Sequence, StartAt};

use crate::sqlite::Sqlite;

/// When every lab starts, milliseconds since 1970.
pub(crate) const START: i64 = 1_700_000_000_000;

pub(crate) struct Lab {
    pub(crate) sql: Sqlite,
    pub(crate) engine: Engine,
    pub(crate) schema: Arc<TypeSchema>,
    pub(crate) now: i64,
    pub(crate) policy: LogPolicy,
    /// Turns so far: what each takes its randomness from.
    pub(crate) turns: u64,
}

/// Registers a version of the type `lab` with these collections.
pub(crate) fn schema(previous: Option<&TypeSchema>, collections: Json) -> Result<Arc<TypeSchema>> {
    let collections = match crate::THRESHOLD {
        Some(threshold) => folding(collections, threshold),
        None => collections,
    };
    let spec = json!({"type": "lab", "collections": collections});
    let spec = TypeSpec::from_json(spec.to_string().as_bytes())?;
    TypeSchema::register(previous, &spec).map(Arc::new)
}

pub(crate) fn address() -> Address {
    Address::object("lab", "one").unwrap()
}

/// A collection without rules.
pub(crate) fn notes() -> Json {
    json!({"notes": {"fields": {"n": {"type": "int"}, "t": {"type": "string"}}}})
}

/// Collections that fold past so many rows; 0: never.
pub(crate) fn folding(mut collections: Json, threshold: u64) -> Json {
    for collection in collections.as_object_mut().unwrap().values_mut() {
        if collection.get("hot").is_some() {
            continue;
        }
        collection["hot"] = json!({"vortex_threshold": threshold});
    }
    collections
}

/// A type with every rule a collection can have.
pub(crate) fn town() -> Json {
    json!({
        "people": {
            "fields": {
                "name": {"type": "string", "required": true, "pattern": "[A-Z].*"},
                "age": {"type": "int", "min": 0, "max": 150},
                "role": {"type": "string", "enum": ["guest", "admin"], "default": "guest"},
                "born": {"type": "date"},
                "email": {"type": "string"},
                "boss": {"type": "string", "references": "people"},
                "place": {"type": "vector", "dimensions": 2},
                "more": {"type": "json"}
            },
            "indexes": [
                {"fields": ["email"], "unique": true},
                {"fields": ["name"], "unique": true, "where": {"role": "admin"}}
            ]
        },
        "airports": {"key": ["code"], "fields": {"code": {"type": "string", "required": true}}},
        "flights": {
            "key": ["day", "carrier", "number"],
            "fields": {
                "day": {"type": "date", "required": true},
                "carrier": {"type": "string", "required": true},
                "number": {"type": "int", "required": true},
                "to": {"type": "string", "references": "airports"}
            }
        }
    })
}

/// Old records become segments early: of 4 records or 100 kB, after 3 newer ones.
pub(crate) fn small_segments() -> LogPolicy {
    LogPolicy {
        segment_records: 4,
        segment_bytes: 100_000,
        segment_tail: 3,
        ..LogPolicy::default()
    }
}

impl Lab {
    pub(crate) fn new(collections: Json) -> Self {
        Self::with_policy(collections, LogPolicy::default())
    }

    pub(crate) fn with_policy(collections: Json, policy: LogPolicy) -> Self {
        let sql = Sqlite::new();
        Self {
            engine: Engine::open(&sql, &address(), policy).unwrap(),
            schema: schema(None, collections).unwrap(),
            sql,
            now: START,
            policy,
            turns: 0,
        }
    }

    /// The type's next version.
    pub(crate) fn register(&mut self, collections: Json) {
        self.schema = schema(Some(&self.schema), collections).unwrap();
    }

    /// Forgets the engine and opens the database again.
    pub(crate) fn reopen(&mut self) {
        self.engine = Engine::open(&self.sql, &address(), self.policy).unwrap();
    }

    pub(crate) fn turn(&mut self, command: Command) -> Result<Vec<Effect>> {
        self.turns += 1;
        let mut entropy = [0; 16];
        entropy[..8].copy_from_slice(&self.turns.to_le_bytes());
        let now = self.now;
        self.engine.turn(
            &self.sql,
            Input {
                now,
                entropy,
                command,
            },
        )
    }

    /// Runs timers until none is due.
    pub(crate) fn settle(&mut self) {
        while self.wake_is_due() {
            self.turn(Command::Wake).unwrap();
        }
    }

    /// True when a timer should run.
    pub(crate) fn wake_is_due(&self) -> bool {
        let at = self.engine.view().wake_at(&self.sql).unwrap();
        at.is_some_and(|at| at <= self.now)
    }

    pub(crate) fn write(&mut self, mutations: Vec<Mutation>) -> Result<TurnReply> {
        self.write_as(Caller::default(), mutations)
    }

    pub(crate) fn write_as(
        &mut self,
        caller: Caller,
        mutations: Vec<Mutation>,
    ) -> Result<TurnReply> {
        let schema = Arc::clone(&self.schema);
        let effects = self.turn(Command::Write {
            schema,
            caller,
            mutations,
        })?;
        if crate::THRESHOLD.is_some() {
            self.settle();
        }
        match effects.into_iter().next() {
            Some(Effect::Reply(Reply::Turn(reply))) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete_object(&mut self) -> Result<Vec<Effect>> {
        self.turn(Command::DeleteObject {
            caller: Caller::default(),
        })
    }

    /// Asks about snapshots.
    pub(crate) fn snapshots(&mut self, command: SnapshotCommand) -> Result<SnapshotReply> {
        let effects = self.turn(Command::Snapshot(Box::new(command)))?;
        match effects.into_iter().next() {
            Some(Effect::Reply(Reply::Snapshot(reply))) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    /// Snapshots stay, however old and many.
    pub(crate) fn keep_all(&mut self) {
        let (hot_age, hot_count) = (Some(Quantity::Number(0)), Some(0));
        let rules = SnapshotRetentionSpec {
            hot_age,
            hot_count,
            ..SnapshotRetentionSpec::default()
        };
        self.snapshots(SnapshotCommand::SetRetention(rules))
            .unwrap();
    }

    /// Takes a snapshot, all its steps.
    pub(crate) fn take(&mut self, kind: SnapshotKind) -> Result<Snapshot> {
        let (parent, note) = (None, String::new());
        let command = SnapshotCommand::Create { kind, parent, note };
        let SnapshotReply::Snapshot(taken) = self.snapshots(command)? else {
            panic!("no snapshot");
        };
        self.finish_job();
        self.engine.view().snapshot(&self.sql, &taken.id)
    }

    /// Brings a state of all collections back, all steps.
    pub(crate) fn restore(&mut self, target: RestoreTarget, dry_run: bool) -> Result<Restore> {
        self.snapshots(self.restoring(target, dry_run))?;
        self.finish_job();
        self.engine.view().last_restore(&self.sql)
    }

    pub(crate) fn restoring(&self, target: RestoreTarget, dry_run: bool) -> SnapshotCommand {
        SnapshotCommand::Restore {
            schema: Arc::clone(&self.schema),
            caller: Caller::default(),
            target,
            collections: Vec::new(),
            dry_run,
        }
    }

    /// Runs the timer of what is under way until nothing is.
    pub(crate) fn finish_job(&mut self) {
        let due = |lab: &Self| {
            let wakes = "SELECT at FROM _wakes WHERE name = 'snapshot'";
            lab.sql.first(wakes, &[], |row| row[0].integer()).unwrap()
        };
        while let Some(at) = due(self) {
            self.now = self.now.max(at);
            self.turn(Command::Wake).unwrap();
            let failing = self.state().wakes.into_iter();
            let failing = failing.filter(|(name, _, tries)| name == "snapshot" && *tries > 0);
            assert_eq!(failing.count(), 0, "a step fails");
        }
    }

    /// A table actor of this collection has committed up to here.
    pub(crate) fn committed(&mut self, collection: &str, sequence: u64) {
        let destination = Address::table("lab", collection).unwrap().to_string();
        let sequence = Sequence(sequence);
        self.turn(Command::Committed {
            destination,
            sequence,
        })
        .unwrap();
    }

    pub(crate) fn get(&self, collection: &str, key: &str) -> Result<Json> {
        let found = self.engine.view().get(&self.sql, collection, key)?;
        Ok(Json::Object(found.document))
    }

    pub(crate) fn state(&self) -> ObjectState {
        self.engine.view().state(&self.sql).unwrap()
    }

    pub(crate) fn page(&self, start: StartAt, limit: usize) -> Result<ChangesPage> {
        let request = ChangesRequest {
            start,
            filter: EventFilter::default(),
            images: Images::Changed,
            limit,
        };
        self.engine.view().changes(&self.sql, &request)
    }

    /// Every event still in the log.
    pub(crate) fn events(&self) -> Vec<Json> {
        self.page(StartAt::Beginning, 10_000).unwrap().events
    }

    pub(crate) fn check_log(&self) -> u64 {
        self.engine.view().check_log(&self.sql).unwrap()
    }

    /// Every row of every table, and every definition.
    pub(crate) fn dump(&self) -> Vec<String> {
        let list = "SELECT name, sql FROM sqlite_master ORDER BY name";
        let read = |row: &[tidelog_core::SqlValue<'_>]| Ok(format!("{row:?}"));
        let mut lines = self.sql.rows(list, &[], read).unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let name = |row: &[tidelog_core::SqlValue<'_>]| Ok(row[0].text()?.to_owned());
        for table in self.sql.rows(tables, &[], name).unwrap() {
            let text = format!("SELECT '{table}', * FROM \"{table}\" ORDER BY 2");
            lines.extend(self.sql.rows(&text, &[], read).unwrap());
        }
        lines
    }

    /// The error of a write that must change nothing.
    pub(crate) fn refused(&mut self, mutations: Vec<Mutation>) -> Error {
        let (before, head) = (self.dump(), self.engine.head());
        let error = self.write(mutations).unwrap_err();
        assert_eq!(self.dump(), before, "{error}");
        assert_eq!(self.engine.head(), head, "{error}");
        error
    }
}

fn members(json: Json) -> tidelog_core::JsonObject {
    match json {
        Json::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn insert(collection: &str, document: Json) -> Mutation {
    let (collection, document) = (collection.to_owned(), members(document).into());
    Mutation::Insert {
        collection,
        document,
    }
}

pub(crate) fn upsert(collection: &str, document: Json) -> Mutation {
    let (collection, document) = (collection.to_owned(), members(document).into());
    Mutation::Upsert {
        collection,
        document,
        if_version: None,
    }
}

pub(crate) fn put(collection: &str, key: &str, document: Json) -> Mutation {
    let (collection, key, document) = (collection.to_owned(), key.to_owned(), members(document));
    Mutation::Put {
        collection,
        key,
        document,
        if_version: None,
    }
}

pub(crate) fn update(collection: &str, key: &str, patch: Json) -> Mutation {
    let (collection, key, patch) = (collection.to_owned(), key.to_owned(), members(patch));
    Mutation::Update {
        collection,
        key,
        patch,
        if_version: None,
    }
}

pub(crate) fn delete(collection: &str, key: &str) -> Mutation {
    let (collection, key) = (collection.to_owned(), key.to_owned());
    Mutation::Delete {
        collection,
        key,
        if_version: None,
    }
}

/// The same change, its document as JSON text.
pub(crate) fn as_text(mutation: &Mutation) -> Mutation {
    let mut mutation = mutation.clone();
    if let Mutation::Insert { document, .. } | Mutation::Upsert { document, .. } = &mut mutation {
        let members = document.clone().into_members().unwrap();
        *document = NewDocument::Text(Json::Object(members).to_string().into());
    }
    mutation
}

/// The same change, only of this version.
pub(crate) fn of_version(mut mutation: Mutation, version: u64) -> Mutation {
    match &mut mutation {
        Mutation::Insert { .. } => panic!("an insert names no version"),
        Mutation::Upsert { if_version, .. }
        | Mutation::Put { if_version, .. }
        | Mutation::Update { if_version, .. }
        | Mutation::Delete { if_version, .. } => *if_version = Some(Sequence(version)),
    }
    mutation
}
