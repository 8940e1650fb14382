//! The same readings in SQLite, as one would put them there by hand.

use std::path::Path;

use rusqlite::{Connection, params};
use tidelog_log::{Error, Result};

use super::sensors::{Reading, Sensors};

/// Rows of one transaction.
const BATCH: usize = 10_000;
/// Memory for pages: the peer may keep the whole file in it.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA temp_store = MEMORY; PRAGMA cache_size = -256000";
const TABLE: &str = "CREATE TABLE readings (point TEXT NOT NULL, at INTEGER NOT NULL, \
                     value REAL NOT NULL, quality INTEGER NOT NULL, \
                     PRIMARY KEY (point, at)) WITHOUT ROWID";
const INSERT: &str = "INSERT INTO readings VALUES (?1, ?2, ?3, ?4)";

/// A SQLite file with a table of readings by sensor and time.
#[derive(Debug)]
pub(crate) struct Peer {
    connection: Connection,
}

impl Peer {
    /// Fills a new file, durable as ours.
    pub(crate) fn fill(path: &Path, sensors: Sensors) -> Result<Self> {
        let connection = Connection::open(path).map_err(failed)?;
        connection.execute_batch(PRAGMAS).map_err(failed)?;
        connection.execute_batch(TABLE).map_err(failed)?;
        let mut rows = sensors.all();
        loop {
            let batch: Vec<Reading> = rows.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            insert(&connection, &batch).map_err(failed)?;
        }
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection
            .query_row(checkpoint, [], |_| Ok(()))
            .map_err(failed)?;
        Ok(Self { connection })
    }

    /// Opens a file that was filled.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(failed)?;
        connection.execute_batch(PRAGMAS).map_err(failed)?;
        Ok(Self { connection })
    }

    /// The same rows without free space in their file.
    pub(crate) fn compacted(self) -> Result<Self> {
        let vacuum = "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.execute_batch(vacuum).map_err(failed)?;
        Ok(self)
    }

    /// Writes a copy without free space, as SQLite makes it. It is not durable yet.
    pub(crate) fn vacuum_into(&self, path: &Path) -> Result<()> {
        let path = path.to_string_lossy();
        let done = self.connection.execute("VACUUM INTO ?1", params![path]);
        done.map(drop).map_err(failed)
    }

    /// How many rows there are, and the sum of their values.
    pub(crate) fn sums(&self) -> Result<(u64, f64)> {
        let text = "SELECT count(*), sum(value) FROM readings";
        let found = self.connection.query_row(text, [], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        });
        found.map_err(failed)
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> Result<i64> {
        let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        self.connection
            .query_row(pages, [], |row| row.get(0))
            .map_err(failed)
    }

    /// One number that a statement answers.
    pub(crate) fn number(&self, text: &str) -> Result<f64> {
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        statement.query_row([], |row| row.get(0)).map_err(failed)
    }
}

fn insert(connection: &Connection, readings: &[Reading]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut statement = connection.prepare_cached(INSERT)?;
    for r in readings {
        statement.execute(params![r.point, r.at, r.value, r.quality])?;
    }
    connection.execute_batch("COMMIT")
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn failed(error: rusqlite::Error) -> Error {
    Error::internal(format!("the SQLite peer: {error}"))
}
