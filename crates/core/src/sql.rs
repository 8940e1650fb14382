//! The port to an actor's private SQLite database, and conveniences over it.

use tidelog_log::{Error, Result};

/// A value that crosses the port. Integers stay within ±(2^53 - 1); anything wider is a blob.
///
/// A whole number read from a `REAL` column may come back as [`SqlValue::Integer`] (JavaScript
/// has one number type): read by the declared type, never by the variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SqlValue<'a> {
    /// SQL NULL.
    Null,
    /// Within ±(2^53 - 1).
    Integer(i64),
    /// Finite.
    Real(f64),
    /// UTF-8.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// The actor's private SQLite database. Every call completes before it returns.
///
/// Implementers map failures to [`Error`]: a violated constraint is `constraint` (conflict) with
/// SQLite's message, a full disk is `storage_full` (unavailable), a damaged file is `corrupt`.
pub trait Sql {
    /// Runs one statement with bound parameters and hands every result row to `each`.
    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()>;

    /// Runs `body` atomically: an error undoes every statement it ran. Calls may nest.
    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()>;

    /// Bytes of the database that are in use: what deleting freed does not count.
    fn used_bytes(&self) -> Result<u64> {
        let text = "SELECT (page_count - freelist_count) * page_size \
                    FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let used = one(self, text, &[], |row| row[0].unsigned())?;
        used.ok_or_else(|| Error::internal("the database does not say its size"))
    }
}

/// Conveniences for users of the port.
pub trait SqlExt: Sql {
    /// Runs a statement that returns nothing.
    fn exec(&self, sql: &str, args: &[SqlValue<'_>]) -> Result<()> {
        self.run(sql, args, &mut |_| Ok(()))
    }

    /// Collects what `read` makes of every row.
    fn rows<T>(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        mut read: impl FnMut(&[SqlValue<'_>]) -> Result<T>,
    ) -> Result<Vec<T>>
    where
        Self: Sized,
    {
        all(self, sql, args, &mut read)
    }

    /// What `read` makes of the first row, if there is one.
    fn first<T>(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        mut read: impl FnMut(&[SqlValue<'_>]) -> Result<T>,
    ) -> Result<Option<T>>
    where
        Self: Sized,
    {
        one(self, sql, args, &mut read)
    }
}

impl<S: Sql> SqlExt for S {}
impl SqlExt for dyn Sql + '_ {}

/// Collects what `read` makes of every row; [`SqlExt::rows`] for a `dyn Sql`.
pub fn all<T>(
    sql: &(impl Sql + ?Sized),
    text: &str,
    args: &[SqlValue<'_>],
    mut read: impl FnMut(&[SqlValue<'_>]) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    sql.run(text, args, &mut |row| {
        out.push(read(row)?);
        Ok(())
    })?;
    Ok(out)
}

/// What `read` makes of the first row; [`SqlExt::first`] for a `dyn Sql`.
pub fn one<T>(
    sql: &(impl Sql + ?Sized),
    text: &str,
    args: &[SqlValue<'_>],
    mut read: impl FnMut(&[SqlValue<'_>]) -> Result<T>,
) -> Result<Option<T>> {
    let mut out = None;
    sql.run(text, args, &mut |row| {
        if out.is_none() {
            out = Some(read(row)?);
        }
        Ok(())
    })?;
    Ok(out)
}

/// Runs `body` in a savepoint and returns what it returns.
pub fn atomically<T>(sql: &dyn Sql, mut body: impl FnMut() -> Result<T>) -> Result<T> {
    let mut out = None;
    sql.savepoint(&mut || {
        out = Some(body()?);
        Ok(())
    })?;
    out.ok_or_else(|| Error::internal("a savepoint did not run its body"))
}

impl<'a> SqlValue<'a> {
    /// The whole number in an INTEGER column.
    pub fn integer(self) -> Result<i64> {
        match self {
            Self::Integer(i) => Ok(i),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and in range is exact"
            )]
            Self::Real(f) if f.fract() == 0.0 && f.abs() < 9.1e15 => Ok(f as i64),
            other => Err(unexpected("an integer", other)),
        }
    }

    /// The unsigned whole number in an INTEGER column.
    pub fn unsigned(self) -> Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| Error::corrupt("a count is negative"))
    }

    /// The number in a REAL column.
    pub fn real(self) -> Result<f64> {
        match self {
            Self::Real(f) => Ok(f),
            #[expect(clippy::cast_precision_loss, reason = "integers cross within 2^53")]
            Self::Integer(i) => Ok(i as f64),
            other => Err(unexpected("a number", other)),
        }
    }

    /// The text in a TEXT column.
    pub fn text(self) -> Result<&'a str> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(unexpected("text", other)),
        }
    }

    /// The bytes in a BLOB column.
    pub fn blob(self) -> Result<&'a [u8]> {
        match self {
            Self::Blob(bytes) => Ok(bytes),
            other => Err(unexpected("a blob", other)),
        }
    }

    /// `None` for NULL.
    pub fn optional(self) -> Option<Self> {
        (self != Self::Null).then_some(self)
    }
}

/// An unsigned number as it crosses the port.
pub fn int(n: u64) -> SqlValue<'static> {
    SqlValue::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn unexpected(wanted: &str, got: SqlValue<'_>) -> Error {
    Error::corrupt(format!("expected {wanted} in a column, got {got:?}"))
}

/// A name as an SQL identifier. Names come from a checked schema; quoting is the second wall.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
