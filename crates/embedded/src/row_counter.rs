//! What one connection reads and writes, in the rows that Cloudflare bills.
//!
//! Written: SQLite's own count of changed rows, and for an INSERT or DELETE one more per index of
//! its table. What an UPDATE changes in indexes, building an index and the row an upsert replaces
//! are not known cheaply and are left out; a partial index counts as if it took every row.
//!
//! Read: the rows a statement handed out, or those it stepped over in full scans if that is more.
//! Rows it passed over in a range of an index, and rows a writing statement looked up, are left
//! out. So an object on Cloudflare may show somewhat higher figures for the same work.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rusqlite::{Connection, Statement, StatementStatus};
use tidelog_api::Meter;

/// Statements whose index entries are remembered.
const STATEMENTS_MAX: usize = 128;

/// The counters of one connection. Plain cells: a connection is used by one thread at a time.
#[derive(Debug, Default)]
pub(crate) struct RowCounter {
    read: Cell<u64>,
    written: Cell<u64>,
    /// Index entries that each row of a statement makes or removes.
    entries: RefCell<BTreeMap<String, u64>>,
}

impl RowCounter {
    /// Counts what a statement read that handed out `rows`.
    pub(crate) fn read(&self, rows: u64, statement: &Statement<'_>) {
        let scanned = statement.reset_status(StatementStatus::FullscanStep);
        let scanned = u64::try_from(scanned).unwrap_or(0);
        self.read.set(self.read.get() + rows.max(scanned));
    }

    /// Counts what a statement wrote; `before` is the connection's total of changes before it.
    pub(crate) fn wrote(&self, connection: &Connection, sql: &str, before: u64) {
        let rows = connection.total_changes().saturating_sub(before);
        if rows == 0 {
            if ["CREATE", "DROP", "ALTER"]
                .iter()
                .any(|word| sql.starts_with(word))
            {
                self.forget();
            }
            return;
        }
        let entries = self.entries(connection, sql);
        self.written.set(self.written.get() + rows * (1 + entries));
    }

    /// Forgets which indexes tables have: they may have changed, or a change was undone.
    pub(crate) fn forget(&self) {
        self.entries.borrow_mut().clear();
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Meter {
        Meter {
            rows_read: self.read.take(),
            rows_written: self.written.take(),
            ..Meter::default()
        }
    }

    fn entries(&self, connection: &Connection, sql: &str) -> u64 {
        let Some(table) = target(sql) else { return 0 };
        if let Some(known) = self.entries.borrow().get(sql) {
            return *known;
        }
        let found = indexes(connection, table);
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= STATEMENTS_MAX {
            entries.clear();
        }
        entries.insert(sql.to_owned(), found);
        found
    }
}

/// The table that an INSERT or DELETE changes.
fn target(sql: &str) -> Option<&str> {
    let from = match sql.get(..6)? {
        "INSERT" => "INTO ",
        "DELETE" => "FROM ",
        _ => return None,
    };
    let (_, rest) = sql.split_once(from)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([' ', '(']).next(),
    }
}

/// How many indexes a table has beside itself: the key of a table without row ids is the table.
fn indexes(connection: &Connection, table: &str) -> u64 {
    let text = "SELECT count(*) FROM pragma_index_list(?1) WHERE origin <> 'pk' \
                OR NOT (SELECT wr FROM pragma_table_list(?1) LIMIT 1)";
    let count = connection.query_row(text, [table], |row| row.get::<_, i64>(0));
    // A count that cannot be made must not fail the write that it would have counted.
    count.map_or(0, i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use tidelog_core::{Sql as _, SqlExt as _, SqlValue};

    use crate::sqlite::Sqlite;

    fn open() -> (tempfile::TempDir, Sqlite) {
        let folder = tempfile::tempdir().unwrap();
        let sql = Sqlite::writer(&folder.path().join("a.db"), 10_000_000).unwrap();
        (folder, sql)
    }

    fn insert(sql: &Sqlite, table: &str, keys: std::ops::Range<i64>) {
        for key in keys {
            let text = format!("INSERT INTO {table} VALUES (?1, ?1)");
            sql.exec(&text, &[SqlValue::Integer(key)]).unwrap();
        }
    }

    #[test]
    fn a_written_row_counts_with_its_index_entries() {
        let (_folder, sql) = open();
        let written = || sql.take_rows().rows_written;
        sql.exec("CREATE TABLE plain (id INTEGER PRIMARY KEY, a)", &[])
            .unwrap();
        sql.exec(
            "CREATE TABLE \"keyed\" (k TEXT PRIMARY KEY, a) WITHOUT ROWID",
            &[],
        )
        .unwrap();
        sql.exec("CREATE TABLE pair (k TEXT PRIMARY KEY, a)", &[])
            .unwrap();
        for (table, expected) in [("plain", 10), ("\"keyed\"", 10), ("pair", 20)] {
            insert(&sql, table, 0..10);
            assert_eq!(written(), expected, "{table}");
        }
        sql.exec("CREATE INDEX keyed_by_a ON keyed (a)", &[])
            .unwrap();
        insert(&sql, "\"keyed\"", 10..15);
        assert_eq!(written(), 10, "the new index takes part");
        sql.exec("UPDATE \"keyed\" SET a = 0", &[]).unwrap();
        assert_eq!(written(), 15, "an update counts rows alone");
        sql.exec("DELETE FROM \"keyed\" WHERE k >= '0'", &[])
            .unwrap();
        assert_eq!(written(), 30, "a delete takes the entries too");
    }

    #[test]
    fn a_read_counts_what_was_handed_out_or_scanned() {
        let (_folder, sql) = open();
        sql.exec("CREATE TABLE plain (id INTEGER PRIMARY KEY, a)", &[])
            .unwrap();
        insert(&sql, "plain", 0..10);
        sql.take_rows();
        let count = |text: &str| {
            sql.run(text, &[], &mut |_| Ok(())).unwrap();
            sql.take_rows().rows_read
        };
        assert_eq!(count("SELECT a FROM plain WHERE id = 3"), 1);
        assert_eq!(count("SELECT a FROM plain"), 10);
        let scanned = count("SELECT a FROM plain WHERE a = 3");
        assert!((9..=10).contains(&scanned), "{scanned}");
        assert_eq!(
            count("SELECT a FROM plain WHERE id = 3"),
            1,
            "counters start anew"
        );
    }

    #[test]
    fn an_undone_index_is_forgotten() {
        let (_folder, sql) = open();
        sql.exec("CREATE TABLE plain (id INTEGER PRIMARY KEY, a)", &[])
            .unwrap();
        let undone = sql.savepoint(&mut || {
            sql.exec("CREATE INDEX plain_by_a ON plain (a)", &[])?;
            insert(&sql, "plain", 0..1);
            Err(tidelog_log::Error::internal("undone"))
        });
        assert!(undone.is_err());
        assert_eq!(sql.take_rows().rows_written, 2);
        insert(&sql, "plain", 0..1);
        assert_eq!(sql.take_rows().rows_written, 1);
    }
}
