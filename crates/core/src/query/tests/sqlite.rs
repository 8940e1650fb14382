//! The port over SQLite in memory, held to a Durable Object's limits.

use std::cell::RefCell;

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use tidelog_log::{Error, Result};

use crate::sql::{Sql, SqlExt, SqlValue, quoted};
use crate::{Collection, Document, RowTable};

/// A database that remembers the statements it ran.
pub(super) struct Sqlite {
    connection: Connection,
    pub(super) statements: RefCell<Vec<String>>,
}

impl Sqlite {
    /// A database with the collection's table, its indexes and these documents.
    pub(super) fn with(collection: &Collection, documents: &[Document]) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        for (limit, max) in [
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
        ] {
            connection.set_limit(limit, max).unwrap();
        }
        let database = Self {
            connection,
            statements: RefCell::default(),
        };
        let table = RowTable::new(collection);
        database.exec(&table.create, &[]).unwrap();
        for (at, index) in collection.indexes.iter().enumerate() {
            let fields: Vec<String> = index
                .fields
                .iter()
                .map(|id| quoted(collection.field_name(*id).unwrap()))
                .collect();
            let (name, fields) = (quoted(&collection.name), fields.join(", "));
            let text = format!("CREATE INDEX index_{at} ON {name} ({fields})");
            database.exec(&text, &[]).unwrap();
        }
        database.exec("BEGIN", &[]).unwrap();
        for document in documents {
            let run = |args: &[SqlValue<'_>]| database.exec(&table.insert, args);
            let (key, row) = (&document.key, &document.row);
            table.bind(key, document.version, row, run).unwrap();
        }
        database.exec("COMMIT", &[]).unwrap();
        database.statements.borrow_mut().clear();
        database
    }
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Integer(i) => {
                assert!(i.abs() < 1 << 53, "an integer crosses as a double");
                ValueRef::Integer(*i)
            }
            SqlValue::Real(f) => ValueRef::Real(*f),
            SqlValue::Text(text) => ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Sql for Sqlite {
    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        let failed = |e: rusqlite::Error| Error::internal(format!("{e}: {sql}"));
        self.statements.borrow_mut().push(sql.to_owned());
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement
            .query(rusqlite::params_from_iter(args))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let cells: Vec<SqlValue<'_>> = (0..columns)
                .map(|at| match row.get_ref(at).unwrap() {
                    ValueRef::Null => SqlValue::Null,
                    ValueRef::Integer(i) => SqlValue::Integer(i),
                    // As JavaScript does: a whole number is an integer.
                    ValueRef::Real(f) if f.fract() == 0.0 && f.abs() < 9e15 => {
                        SqlValue::Integer(format!("{f:.0}").parse().unwrap())
                    }
                    ValueRef::Real(f) => SqlValue::Real(f),
                    ValueRef::Text(text) => SqlValue::Text(std::str::from_utf8(text).unwrap()),
                    ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
                })
                .collect();
            each(&cells)?;
        }
        Ok(())
    }

    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        body()
    }
}
