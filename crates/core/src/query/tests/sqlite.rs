//! The port over SQLite in memory, held to a Durable Object's limits.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use tidelog_log::{Error, Result};

use crate::sql::{Sql, SqlExt, SqlValue, quoted};
use crate::{BlobCache, CacheKey, Cached, Collection, Document, RecentBlobs, RowTable};

/// A database that remembers the statements it ran.
pub(super) struct Sqlite {
    connection: Connection,
    pub(super) statements: RefCell<Vec<String>>,
    blobs: Blobs,
}

#[derive(Debug)]
struct Blobs(RefCell<RecentBlobs>);

impl BlobCache for Blobs {
    fn get(&self, key: &CacheKey) -> Option<Cached> {
        self.0.borrow_mut().get(key)
    }

    fn put(&self, key: CacheKey, value: Cached) {
        self.0.borrow_mut().put(key, value);
    }
}

impl Sqlite {
    /// A database with the collection's table, its indexes and these documents.
    pub(super) fn with(collection: &Collection, documents: &[Document]) -> Self {
        Self::folded(collection, documents, |_| None)
    }

    /// The same, with documents in blobs: `blob_of` says in which by their place.
    pub(super) fn folded(
        collection: &Collection,
        documents: &[Document],
        blob_of: impl Fn(usize) -> Option<usize>,
    ) -> Self {
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
            blobs: Blobs(RefCell::new(RecentBlobs::new(100_000_000))),
        };
        let table = RowTable::new(collection);
        crate::table::create(&database).unwrap();
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
        let mut blobs: BTreeMap<usize, Vec<Document>> = BTreeMap::new();
        for (at, document) in documents.iter().enumerate() {
            if let Some(blob) = blob_of(at) {
                blobs.entry(blob).or_default().push(document.clone());
                continue;
            }
            let run = |args: &[SqlValue<'_>]| database.exec(&table.insert, args);
            let (key, row) = (&document.key, &document.row);
            table.bind(key, document.version, row, run).unwrap();
        }
        fold(&database, collection, blobs.into_values(), &table);
        database.exec("COMMIT", &[]).unwrap();
        database.statements.borrow_mut().clear();
        database
    }
}

/// Stores blobs, each with older forms of some documents of the row table, which are masked.
fn fold(
    database: &Sqlite,
    collection: &Collection,
    blobs: impl Iterator<Item = Vec<Document>>,
    table: &RowTable,
) {
    let in_rows = database.rows(&table.select, &[], |row| table.read(row));
    let stale: Vec<Document> = in_rows.unwrap().into_iter().step_by(3).collect();
    for documents in blobs {
        // An older form has the same key, so it has the same key fields.
        let old_row = |document: &Document| match collection.key.is_empty() {
            true => documents[0].row.clone(),
            false => document.row.clone(),
        };
        let hidden = stale.iter().map(|document| Document {
            row: old_row(document),
            ..document.clone()
        });
        let mut all: Vec<Document> = documents.iter().cloned().chain(hidden).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        let masked = (0_u32..)
            .zip(&all)
            .filter(|(_, d)| stale.iter().any(|s| s.key == d.key));
        let masked = masked.map(|(row, _)| row);
        crate::folded::put_for_tests(database, collection, &all, masked);
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

    fn blob_cache(&self) -> Option<&dyn BlobCache> {
        Some(&self.blobs)
    }
}
