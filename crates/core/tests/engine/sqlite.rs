//! The port over SQLite in memory, held to a Durable Object's limits, with real savepoints.

use std::cell::{Cell, RefCell};

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};
use tidelog_core::{BlobCache, CacheKey, Cached, RecentBlobs, Sql, SqlValue};
use tidelog_log::{Error, Result};

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The statement fails, and nothing else.
    Fails,
    /// The statement fails and everything of the transaction is undone, as with a full disk.
    Undoes,
    /// The process ends: nothing runs any more until [`Sqlite::mend`].
    Dies,
}

/// A database, and the statement that fails on demand.
pub(crate) struct Sqlite {
    connection: Connection,
    depth: Cell<u32>,
    /// Steps until something goes wrong. A statement is a step, and so is the end of a savepoint.
    fault: Cell<Option<(u32, Fault)>>,
    dead: Cell<bool>,
    /// The next statement that starts with this undoes everything, as a full disk does.
    pub(crate) full_at: Cell<Option<&'static str>>,
    /// A host's memory for blobs; none: everything is read from the database.
    pub(crate) memory: Option<Memory>,
}

/// Blobs and pages that were read.
#[derive(Debug)]
pub(crate) struct Memory(RefCell<RecentBlobs>);

impl Memory {
    /// Of 100 MB.
    pub(crate) fn new() -> Self {
        Self(RefCell::new(RecentBlobs::new(100_000_000)))
    }
}

impl BlobCache for Memory {
    fn get(&self, key: &CacheKey) -> Option<Cached> {
        self.0.borrow_mut().get(key)
    }

    fn put(&self, key: CacheKey, value: Cached) {
        self.0.borrow_mut().put(key, value);
    }
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        for (limit, max) in [
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
        ] {
            connection.set_limit(limit, max).unwrap();
        }
        Self {
            connection,
            depth: Cell::new(0),
            fault: Cell::new(None),
            dead: Cell::new(false),
            full_at: Cell::new(None),
            memory: None,
        }
    }

    /// Runs statements outside the port.
    pub(crate) fn batch(&self, text: &str) {
        self.connection.execute_batch(text).unwrap();
    }

    /// Makes something go wrong at this step from here on, counted from 1.
    pub(crate) fn break_at(&self, step: u32, fault: Fault) {
        self.fault.set(Some((step, fault)));
    }

    /// Lets every step go well again; true when something went wrong.
    pub(crate) fn mend(&self) -> bool {
        self.dead.set(false);
        self.fault.take().is_none()
    }

    fn step(&self) -> Result<()> {
        let broken = || Error::unavailable("storage_failed", "a test broke this step");
        if self.dead.get() {
            return Err(broken());
        }
        match self.fault.get() {
            None => return Ok(()),
            Some((1, fault)) => {
                self.fault.set(None);
                self.dead.set(fault == Fault::Dies);
                if fault != Fault::Fails && !self.connection.is_autocommit() {
                    self.batch("ROLLBACK");
                }
            }
            Some((steps, fault)) => {
                self.fault.set(Some((steps - 1, fault)));
                return Ok(());
            }
        }
        Err(broken())
    }
}

struct Argument<'a>(SqlValue<'a>);

impl ToSql for Argument<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Integer(i) => {
                assert!(i.abs() < 1 << 53, "an integer crosses as a double");
                ValueRef::Integer(i)
            }
            SqlValue::Real(f) => ValueRef::Real(f),
            SqlValue::Text(text) => ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> SqlValue<'_> {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(i) => SqlValue::Integer(i),
        // As JavaScript does: a whole number is an integer.
        ValueRef::Real(f) if f.fract() == 0.0 && f.abs() < 9e15 => {
            SqlValue::Integer(format!("{f:.0}").parse().unwrap())
        }
        ValueRef::Real(f) => SqlValue::Real(f),
        ValueRef::Text(text) => SqlValue::Text(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
    }
}

impl Sql for Sqlite {
    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        self.step()?;
        let failed = |e: rusqlite::Error| match e.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Error::conflict("constraint", e.to_string()),
            _ => Error::internal(format!("{e}: {sql}")),
        };
        if self
            .full_at
            .get()
            .is_some_and(|start| sql.starts_with(start))
        {
            self.full_at.set(None);
            self.batch("ROLLBACK");
            return Err(Error::unavailable("storage_full", "the disk is full"));
        }
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let args = args.iter().map(|value| Argument(*value));
        let mut rows = statement
            .query(rusqlite::params_from_iter(args))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells: Vec<SqlValue<'_>> = (0..columns)
                .map(|at| cell(row.get_ref(at).unwrap()))
                .collect();
            each(&cells)?;
        }
        Ok(())
    }

    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        if self.dead.get() {
            return self.step();
        }
        let name = format!("s{}", self.depth.get());
        self.batch(&format!("SAVEPOINT {name}"));
        self.depth.set(self.depth.get() + 1);
        let done = body().and_then(|()| self.step());
        self.depth.set(self.depth.get() - 1);
        match (done, self.connection.is_autocommit()) {
            (Ok(()), true) => Err(Error::internal("the savepoint is gone")),
            (Ok(()), false) => {
                self.batch(&format!("RELEASE {name}"));
                Ok(())
            }
            (Err(error), true) => Err(error),
            (Err(error), false) => {
                self.batch(&format!("ROLLBACK TO {name}; RELEASE {name}"));
                Err(error)
            }
        }
    }

    fn blob_cache(&self) -> Option<&dyn BlobCache> {
        self.memory.as_ref().map(|memory| memory as &dyn BlobCache)
    }
}
