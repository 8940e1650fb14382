//! A database, sources that write logs, and a table that is fed and read back.

use std::cell::Cell;
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rusqlite::types::{ToSqlOutput, Value as SqliteValue, ValueRef};
use rusqlite::{Connection, ToSql};
use serde_json::json;
use tidelog_core::{Address, Collection, Sql, SqlValue};
use tidelog_lake::{
    BlobMeta, BlobStore, ChangeRow, ChangesScan, Committed, MemoryBlobs, PushReply, PutMode,
    TableActor, TableSettings,
};
use tidelog_log::{
    Batch, Epoch, Error, Event, FieldRef, Hash, Operation, Result, Row, Sequence, Turn, Value,
};

/// Runs a future that never has to wait.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future over memory had to wait"),
    }
}

/// SQLite as the port wants it.
pub(crate) struct Sqlite(pub(crate) Connection);

struct Arg<'a>(SqlValue<'a>);

impl ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Null => ToSqlOutput::Owned(SqliteValue::Null),
            SqlValue::Integer(i) => ToSqlOutput::Owned(SqliteValue::Integer(i)),
            SqlValue::Real(f) => ToSqlOutput::Owned(SqliteValue::Real(f)),
            SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            SqlValue::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn failed(error: rusqlite::Error) -> Error {
    Error::internal(error.to_string())
}

impl Sql for Sqlite {
    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let args = args.iter().copied().map(Arg);
        let mut rows = statement
            .query(rusqlite::params_from_iter(args))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let values: Vec<SqlValue<'_>> = (0..columns)
                .map(|at| match row.get_ref(at).unwrap() {
                    ValueRef::Null => SqlValue::Null,
                    ValueRef::Integer(i) => SqlValue::Integer(i),
                    ValueRef::Real(f) => SqlValue::Real(f),
                    ValueRef::Text(text) => SqlValue::Text(std::str::from_utf8(text).unwrap()),
                    ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
                })
                .collect();
            each(&values)?;
        }
        Ok(())
    }

    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let all = |sql: &str| self.0.execute_batch(sql).map_err(failed);
        all("SAVEPOINT turn")?;
        let done = body();
        if done.is_err() {
            all("ROLLBACK TO turn")?;
        }
        all("RELEASE turn")?;
        done
    }
}

/// Blobs whose next puts fail after a while: before the write, or after it.
#[derive(Default)]
pub(crate) struct FailingBlobs {
    pub(crate) inner: MemoryBlobs,
    pub(crate) puts_left: Cell<Option<usize>>,
    pub(crate) write_then_fail: Cell<bool>,
}

impl BlobStore for FailingBlobs {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes> {
        self.inner.get(key, range).await
    }

    async fn put(&self, key: &str, body: Bytes, mode: PutMode) -> Result<()> {
        let broken = || Err(Error::unavailable("store_down", "the store went away"));
        match self.puts_left.get() {
            Some(0) if !self.write_then_fail.get() => return broken(),
            Some(0) => {
                self.inner.put(key, body, mode).await?;
                return broken();
            }
            Some(left) => self.puts_left.set(Some(left - 1)),
            None => {}
        }
        self.inner.put(key, body, mode).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<BlobMeta>> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.inner.delete(keys).await
    }
}

/// A collection `flights` with these fields (`name`, `type`), ids from 1.
pub(crate) fn collection(fields: &[(&str, &str)], partition_by: &[(&str, &str)]) -> Collection {
    let fields: Vec<_> = (1..)
        .zip(fields)
        .map(|(id, (name, field_type))| json!({"id": id, "name": name, "type": field_type}))
        .collect();
    let parts: Vec<_> = partition_by
        .iter()
        .map(|(field, transform)| json!({"field": field, "transform": transform}))
        .collect();
    serde_json::from_value(json!({
        "id": 1, "name": "flights", "fields": fields,
        "cold": {"enabled": true, "partition_by": parts},
    }))
    .unwrap()
}

/// Every type once.
pub(crate) const ALL_TYPES: [(&str, &str); 11] = [
    ("name", "string"),
    ("seats", "int"),
    ("big", "bigint"),
    ("delay", "float"),
    ("late", "bool"),
    ("day", "date"),
    ("departed", "timestamp"),
    ("tags", "json"),
    ("photo", "binary"),
    ("ticket", "uuid"),
    ("embedding", "vector"),
];

/// A document with every type in it, different for every `n`; some values missing.
pub(crate) fn document(n: i64) -> Row {
    let narrow = i16::try_from(n % 1_000).unwrap();
    let mut row = Row {
        fields: vec![
            (1, Value::Text(format!("flight ✈ number {n}"))),
            (2, Value::Int(n * 3)),
            (3, Value::BigInt(i64::MAX - n)),
            (4, Value::Float(f64::from(narrow) / 7.0)),
            (5, Value::Bool(n % 2 == 0)),
            (6, Value::Date(15_000 + i32::from(narrow))),
            (
                7,
                Value::Timestamp(1_357_034_400_000_000 + n * 3_600_000_000),
            ),
            (8, Value::Json(format!(r#"{{"n":[{n},null]}}"#))),
            (9, Value::Binary(n.to_le_bytes().repeat(3))),
            (10, Value::Uuid(u128::from(n.unsigned_abs()).to_le_bytes())),
            (11, Value::Vector(vec![f32::from(narrow), 0.5])),
        ],
        ..Row::default()
    };
    if n % 3 == 0 {
        row.fields.retain(|(id, _)| id % 2 == 0);
        row.extra.insert("gate".to_owned(), json!(n));
        row.extra.insert("nothing".to_owned(), json!(null));
    }
    row
}

/// An object whose log is made up, turn by turn.
pub(crate) struct Source {
    pub(crate) object: String,
    pub(crate) events: Vec<Event>,
    taken: usize,
    salt: u8,
    pub(crate) schema_version: u32,
}

impl Source {
    pub(crate) fn new(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            events: Vec::new(),
            taken: 0,
            salt: 0,
            schema_version: 1,
        }
    }

    /// The same object after losing its log and writing another.
    pub(crate) fn diverged(mut self) -> Self {
        self.salt = 1;
        self
    }

    pub(crate) fn address(&self) -> String {
        Address::object("airport", &self.object)
            .unwrap()
            .to_string()
    }

    pub(crate) fn head(&self) -> Sequence {
        Sequence(self.events.len() as u64)
    }

    pub(crate) fn push(&mut self, before: Option<Row>, after: Option<Row>) {
        let sequence = self.head().next();
        let operation = match (&before, &after) {
            (None, _) => Operation::Insert,
            (Some(_), Some(_)) => Operation::Update,
            (Some(_), None) => Operation::Delete,
        };
        let changed = match (&before, &after) {
            (Some(before), Some(after)) => {
                let old = after.changes_from(before);
                old.iter().map(|old| old.field()).collect()
            }
            _ => Vec::new(),
        };
        let turn = Turn {
            epoch: Epoch(7),
            first_sequence: sequence,
            count: 1,
            timestamp: 1_700_000_000_000 + i64::try_from(sequence.0).unwrap(),
            schema_version: self.schema_version,
            source: "tests".to_owned(),
            ..Turn::default()
        };
        self.events.push(Event {
            turn: Arc::new(turn),
            sequence,
            operation,
            collection: Arc::from("flights"),
            key: format!("key-{}", sequence.0),
            before,
            after,
            changed,
        });
    }

    /// `count` more events: inserts, updates and deletes of documents.
    pub(crate) fn write(&mut self, count: usize) {
        for _ in 0..count {
            let n = i64::try_from(self.events.len()).unwrap();
            match n % 5 {
                3 => self.push(Some(document(n)), Some(document(n + 1))),
                4 => self.push(Some(document(n)), None),
                _ => self.push(None, Some(document(n))),
            }
        }
    }

    pub(crate) fn hash_at(&self, sequence: Sequence) -> Hash {
        match sequence.0 {
            0 => Hash::default(),
            n => Hash([self.salt.wrapping_add(n.to_le_bytes()[0]); 32]),
        }
    }

    /// The range `(from, to]` as a batch.
    pub(crate) fn range(&self, from: Sequence, to: Sequence) -> Batch {
        let inside = self
            .events
            .iter()
            .filter(|e| e.sequence > from && e.sequence <= to);
        Batch {
            source: self.address(),
            epoch: Epoch(7),
            from,
            from_hash: self.hash_at(from),
            to,
            to_hash: self.hash_at(to),
            events: inside.cloned().collect(),
        }
    }

    /// What was not taken yet.
    pub(crate) fn next(&mut self) -> Batch {
        let from = Sequence(self.taken as u64);
        self.taken = self.events.len();
        self.range(from, self.head())
    }
}

/// A table actor with its database and store.
pub(crate) struct Table<B> {
    pub(crate) sql: Sqlite,
    pub(crate) blobs: B,
    pub(crate) actor: TableActor,
    pub(crate) clock: i64,
    flushes: u64,
}

pub(crate) fn settings() -> TableSettings {
    TableSettings {
        prefix: "data/".to_owned(),
        ..TableSettings::default()
    }
}

impl<B: BlobStore> Table<B> {
    pub(crate) fn new(blobs: B, collection: &Collection) -> Self {
        Self::with(blobs, collection, settings())
    }

    pub(crate) fn with(blobs: B, collection: &Collection, settings: TableSettings) -> Self {
        let sql = Sqlite(Connection::open_in_memory().unwrap());
        let address = Address::table("airport", "flights").unwrap();
        let actor = TableActor::open(&sql, &address, settings).unwrap();
        actor
            .set_schema(&sql, 1_000, [9; 16], collection, 1)
            .unwrap();
        Self {
            sql,
            blobs,
            actor,
            clock: 1_000,
            flushes: 0,
        }
    }

    /// The actor as it is after a crash.
    pub(crate) fn reopen(&mut self) {
        let address = Address::table("airport", "flights").unwrap();
        self.actor = TableActor::open(&self.sql, &address, settings()).unwrap();
    }

    pub(crate) fn accept(&self, batch: &Batch) -> PushReply {
        let batch = batch.pack().unwrap();
        self.actor.accept(&self.sql, self.clock, &batch).unwrap()
    }

    pub(crate) fn entropy(&mut self) -> [u8; 16] {
        self.flushes += 1;
        u128::from(self.flushes).to_le_bytes()
    }

    pub(crate) fn try_flush(&mut self) -> Result<Vec<Committed>> {
        let entropy = self.entropy();
        self.clock += 10;
        let plan = self.actor.begin_flush(&self.sql, self.clock, entropy)?;
        let Some(plan) = plan else {
            return Ok(Vec::new());
        };
        let outcome = now(plan.write(&self.blobs))?;
        self.actor.finish_flush(&self.sql, self.clock, &outcome)
    }

    /// A flush of everything, whatever waits for its age.
    pub(crate) fn flush_all(&mut self) -> Vec<Committed> {
        let entropy = self.entropy();
        self.clock += 10;
        let plan = self
            .actor
            .begin_flush_of_all(&self.sql, self.clock, entropy);
        let outcome = now(plan.unwrap().unwrap().write(&self.blobs)).unwrap();
        let done = self.actor.finish_flush(&self.sql, self.clock, &outcome);
        done.unwrap()
    }

    pub(crate) fn flush(&mut self) -> Vec<Committed> {
        self.try_flush().unwrap()
    }

    pub(crate) fn metadata(&self) -> serde_json::Value {
        let (_, json) = self.actor.metadata(&self.sql).unwrap().unwrap();
        serde_json::from_str(&json).unwrap()
    }

    pub(crate) fn scan(&self) -> ChangesScan {
        let (_, json) = self.actor.metadata(&self.sql).unwrap().unwrap();
        now(ChangesScan::open(&self.blobs, &json)).unwrap()
    }

    /// Every row, by object and sequence.
    pub(crate) fn rows(&self, object: Option<&str>) -> Vec<ChangeRow> {
        let scan = self.scan();
        let mut rows = Vec::new();
        for at in 0..scan.files().len() {
            rows.extend(now(scan.read(&self.blobs, at, object)).unwrap());
        }
        rows.sort_by(|a, b| (&a.object, a.sequence).cmp(&(&b.object, b.sequence)));
        rows
    }

    /// The table holds exactly the events of these sources.
    pub(crate) fn assert_holds(&self, sources: &[&Source]) {
        let mut sources = sources.to_vec();
        sources.sort_by_key(|source| &source.object);
        let rows = self.rows(None);
        let mut rows = rows.iter();
        for source in sources {
            for event in &source.events {
                assert_same(
                    &source.object,
                    event,
                    rows.next().expect("a row is missing"),
                );
            }
        }
        assert_eq!(rows.next(), None, "a row too many");
    }
}

fn assert_same(object: &str, event: &Event, row: &ChangeRow) {
    let turn = &event.turn;
    assert_eq!(
        (row.object.as_str(), row.sequence),
        (object, event.sequence)
    );
    assert_eq!((row.epoch, row.turn), (turn.epoch, turn.first_sequence));
    assert_eq!((row.operation, &row.key), (event.operation, &event.key));
    assert_eq!(
        (row.timestamp, row.schema_version),
        (turn.timestamp, turn.schema_version)
    );
    assert_eq!((&row.source, &row.cause), (&turn.source, &turn.cause));
    assert_eq!(
        Some(&row.row),
        event.after.as_ref().or(event.before.as_ref())
    );
    assert_eq!(row.changed_fields.len(), event.changed.len());
    if event.operation == Operation::Update {
        let old = row.before.as_ref().unwrap();
        let before = event.before.as_ref().unwrap();
        for (name, field) in row.changed_fields.iter().zip(&event.changed) {
            let value = match field {
                FieldRef::Id(id) => before.get(*id).map(Value::to_json),
                FieldRef::Name(name) => before.extra.get(name).cloned(),
            };
            assert_eq!(old.get(name), value.as_ref(), "{name}");
        }
    }
}
