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
pub(super) struct Peer {
    connection: Connection,
}

impl Peer {
    /// Fills a new file, durable as ours.
    pub(super) fn fill(path: &Path, sensors: Sensors) -> Result<Self> {
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

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> Result<i64> {
        let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        self.connection
            .query_row(pages, [], |row| row.get(0))
            .map_err(failed)
    }

    /// One number that a statement answers.
    pub(super) fn number(&self, text: &str) -> Result<f64> {
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
