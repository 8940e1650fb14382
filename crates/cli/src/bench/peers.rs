//! What one would write instead of the engine: SQLite by hand, and with triggers that log.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value as Bound;
use tidelog_core::{Collection, RowTable, SqlValue};
use tidelog_log::{Error, Result, Sequence};

use super::flights::Flight;

/// One change, its arguments bound to be; made before anything is timed.
#[derive(Debug)]
pub(crate) enum Unit {
    /// Rows of one transaction.
    Insert(Vec<Vec<Bound>>),
    /// Key, version and the two delays of one row.
    Update([Bound; 4]),
}

/// A SQLite file with the same tables as the engine's, written by prepared statements.
#[derive(Debug)]
pub(crate) struct Peer {
    connection: Connection,
    insert: String,
}

const UPDATE: &str =
    "UPDATE flights SET _version = ?2, dep_delay = ?3, arr_delay = ?4 WHERE _key = ?1";

impl Peer {
    /// Makes the file with the statements that made the engine's tables; durable as the engine.
    pub(crate) fn new(path: &Path, create: &[String], collection: &Collection) -> Result<Self> {
        let connection = Connection::open(path).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; \
                 PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000",
            )
            .map_err(failed)?;
        for statement in create {
            connection.execute_batch(statement).map_err(failed)?;
        }
        let insert = RowTable::new(collection).insert;
        Ok(Self { connection, insert })
    }

    /// Adds a table of changes and the triggers that fill it with whole images as JSON.
    pub(crate) fn with_triggers(self, collection: &Collection) -> Result<Self> {
        let image = |of: &str| {
            let columns: Vec<String> = collection
                .columns()
                .map(|field| format!("'{0}', {of}.\"{0}\"", field.name))
                .collect();
            format!("json_object({})", columns.join(", "))
        };
        let (new, old) = (image("new"), image("old"));
        let ddl = format!(
            "CREATE TABLE changes (sequence INTEGER PRIMARY KEY, operation TEXT NOT NULL, \
               key TEXT NOT NULL, at INTEGER NOT NULL, before TEXT, after TEXT);
             CREATE TRIGGER flights_inserted AFTER INSERT ON flights BEGIN
               INSERT INTO changes (operation, key, at, after) VALUES
               ('INSERT', new._key, CAST(unixepoch('subsec') * 1000 AS INTEGER), {new}); END;
             CREATE TRIGGER flights_updated AFTER UPDATE ON flights BEGIN
               INSERT INTO changes (operation, key, at, before, after) VALUES
               ('UPDATE', new._key, CAST(unixepoch('subsec') * 1000 AS INTEGER), {old}, {new}); END;"
        );
        self.connection.execute_batch(&ddl).map_err(failed)?;
        Ok(self)
    }

    /// Makes one unit durable in a transaction of its own.
    pub(crate) fn write(&self, unit: &Unit) -> Result<()> {
        self.transact(unit).map_err(failed)
    }

    fn transact(&self, unit: &Unit) -> rusqlite::Result<()> {
        let run = |sql: &str| self.connection.prepare_cached(sql)?.raw_execute();
        run("BEGIN IMMEDIATE")?;
        match unit {
            Unit::Insert(rows) => {
                let mut statement = self.connection.prepare_cached(&self.insert)?;
                for row in rows {
                    statement.execute(rusqlite::params_from_iter(row))?;
                }
            }
            Unit::Update(args) => {
                let mut statement = self.connection.prepare_cached(UPDATE)?;
                statement.execute(rusqlite::params_from_iter(args))?;
            }
        }
        run("COMMIT")?;
        Ok(())
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> Result<i64> {
        let text = format!("SELECT count(*) FROM {table}");
        self.connection
            .query_row(&text, [], |row| row.get(0))
            .map_err(failed)
    }
}

/// The arguments of an insert, exactly those the engine binds.
pub(crate) fn bound(table: &RowTable, flight: &Flight) -> Result<Vec<Bound>> {
    table.bind(&flight.key, Sequence(1), &flight.row, |args| {
        Ok(args.iter().map(|value| owned(*value)).collect())
    })
}

fn owned(value: SqlValue<'_>) -> Bound {
    match value {
        SqlValue::Null => Bound::Null,
        SqlValue::Integer(i) => Bound::Integer(i),
        SqlValue::Real(f) => Bound::Real(f),
        SqlValue::Text(text) => Bound::Text(text.to_owned()),
        SqlValue::Blob(bytes) => Bound::Blob(bytes.to_vec()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn failed(error: rusqlite::Error) -> Error {
    Error::internal(format!("the SQLite peer: {error}"))
}
