//! The `Sql` port over a SQLite file: WAL, `synchronous=FULL`, and a version without the WAL-reset bug.

use std::cell::Cell;
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tidelog_api::Meter;
use tidelog_core::{Sql, SqlValue};
use tidelog_log::{Error, Kind, Result};

use crate::row_counter::RowCounter;

/// SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections checkpoint at once.
pub const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;

/// One connection to one actor's database file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    depth: Cell<u32>,
    rows: RowCounter,
    /// The transaction holds one turn: undoing the turn is undoing the transaction.
    alone: Cell<bool>,
}

/// Refuses to start on a SQLite with the WAL-reset bug.
///
/// # Errors
/// `sqlite_too_old`.
pub fn check_version() -> Result<()> {
    if rusqlite::version_number() >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    let message = format!(
        "SQLite {} can corrupt WAL files; 3.51.3 is needed",
        rusqlite::version()
    );
    Err(Error::new(Kind::Unsupported, "sqlite_too_old", message))
}

impl Sqlite {
    /// Opens a file for its one writer, creating it; it may grow to `bytes_max`.
    pub fn writer(path: &Path, bytes_max: u64) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(map)?;
        Self::writer_on(connection, bytes_max)
    }

    /// Makes a writer of a connection that is open, whatever VFS is under it.
    pub fn writer_on(connection: Connection, bytes_max: u64) -> Result<Self> {
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; \
                 PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000",
            )
            .map_err(map)?;
        let page: u64 = connection
            .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
            .map_err(map)?
            .unsigned_abs();
        let pages = (bytes_max / page.max(1)).clamp(64, 4_294_967_294);
        connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(map)?;
        Ok(Self::with(connection))
    }

    /// Opens a file that exists to read what is committed.
    pub fn reader(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(map)?;
        connection
            .execute_batch(
                "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4000",
            )
            .map_err(map)?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .map_err(map)?;
        Ok(Self::with(connection))
    }

    fn with(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Self {
            connection,
            depth: Cell::new(0),
            rows: RowCounter::default(),
            alone: Cell::new(false),
        }
    }

    /// Starts a transaction that several turns share.
    pub fn begin(&self) -> Result<()> {
        self.alone.set(false);
        self.batch("BEGIN IMMEDIATE")
    }

    /// Starts a transaction for one turn. Its savepoint costs nothing: SQLite keeps no copies of the
    /// pages that a larger turn changes, because only the whole transaction can be undone.
    pub fn begin_alone(&self) -> Result<()> {
        self.begin()?;
        self.alone.set(true);
        Ok(())
    }

    /// Starts a transaction that sees one committed state.
    pub fn begin_read(&self) -> Result<()> {
        self.batch("BEGIN DEFERRED")
    }

    /// Makes the transaction durable: when this returns, it survives a power cut.
    pub fn commit(&self) -> Result<()> {
        self.alone.set(false);
        self.batch("COMMIT")
    }

    /// Undoes the transaction, if one is open.
    pub fn rollback(&self) {
        self.alone.set(false);
        if !self.connection.is_autocommit() {
            drop(self.batch("ROLLBACK"));
        }
    }

    /// Rows read and written since the last call.
    pub(crate) fn take_rows(&self) -> Meter {
        self.rows.take()
    }

    /// Size of the database, what is free in it included, bytes; 0 when SQLite does not say.
    pub(crate) fn database_bytes(&self) -> u64 {
        let pages = self.pragma("PRAGMA page_count").unwrap_or(0);
        pages * self.pragma("PRAGMA page_size").unwrap_or(0)
    }

    /// A pragma that answers a count. It is no row read.
    fn pragma(&self, text: &str) -> Result<u64> {
        let statement = self.connection.prepare_cached(text);
        let count = statement.and_then(|mut s| s.query_row([], |row| row.get::<_, i64>(0)));
        count.map(i64::unsigned_abs).map_err(map)
    }

    /// Runs the body of the transaction's only savepoint.
    fn whole(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.alone.set(false);
        self.depth.set(1);
        let done = body();
        self.depth.set(0);
        // SQLite may have rolled the transaction back itself; then the commit that follows must fail.
        if done.is_err() && !self.connection.is_autocommit() {
            self.batch("ROLLBACK")?;
            self.batch("BEGIN IMMEDIATE")?;
        }
        done
    }

    fn batch(&self, sql: &str) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut s| s.raw_execute())
            .map_err(map)?;
        Ok(())
    }
}

impl Sql for Sqlite {
    fn used_bytes(&self) -> Result<u64> {
        let pages = self.pragma("PRAGMA page_count")?;
        let used = pages.saturating_sub(self.pragma("PRAGMA freelist_count")?);
        Ok(used * self.pragma("PRAGMA page_size")?)
    }

    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(map)?;
        for (at, value) in args.iter().enumerate() {
            statement
                .raw_bind_parameter(at + 1, Argument(*value))
                .map_err(map)?;
        }
        let (columns, before) = (statement.column_count(), self.connection.total_changes());
        if columns == 0 {
            statement.raw_execute().map_err(map)?;
            self.rows.wrote(&self.connection, sql, before);
            return Ok(());
        }
        let mut handed_out = 0;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(map)? {
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                values.push(from_ref(row.get_ref(column).map_err(map)?)?);
            }
            each(&values)?;
            handed_out += 1;
        }
        drop(rows);
        self.rows.read(handed_out, &statement);
        // A statement with RETURNING does both.
        self.rows.wrote(&self.connection, sql, before);
        Ok(())
    }

    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        if self.alone.get() {
            return self.whole(body);
        }
        let name = format!("turn_{}", self.depth.get());
        self.batch(&format!("SAVEPOINT {name}"))?;
        self.depth.set(self.depth.get() + 1);
        let done = body();
        self.depth.set(self.depth.get() - 1);
        match done {
            Ok(()) => self.batch(&format!("RELEASE {name}")),
            Err(error) => {
                self.rows.forget();
                // SQLite may have rolled the whole transaction back itself (a full disk).
                if !self.connection.is_autocommit() {
                    self.batch(&format!("ROLLBACK TO {name}"))?;
                    self.batch(&format!("RELEASE {name}"))?;
                }
                Err(error)
            }
        }
    }
}

struct Argument<'a>(SqlValue<'a>);

impl ToSql for Argument<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Integer(i) => ValueRef::Integer(i),
            SqlValue::Real(f) => ValueRef::Real(f),
            SqlValue::Text(text) => ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn from_ref(value: ValueRef<'_>) -> Result<SqlValue<'_>> {
    Ok(match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(i) => SqlValue::Integer(i),
        ValueRef::Real(f) => SqlValue::Real(f),
        ValueRef::Text(text) => SqlValue::Text(
            std::str::from_utf8(text).map_err(|_| Error::corrupt("text in SQLite is not UTF-8"))?,
        ),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
    })
}

/// An error of SQLite as what the caller does next.
#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
pub(crate) fn map(error: rusqlite::Error) -> Error {
    let message = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Error::conflict("constraint", message),
        Some(ErrorCode::DiskFull) => Error::unavailable("storage_full", message),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::corrupt(message),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable("storage_busy", message)
        }
        Some(ErrorCode::TooBig) => Error::too_large("row_too_large", message),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            Error::unavailable("storage_failed", message)
        }
        _ => Error::internal(message),
    }
}
