//! The rows as rows of a SQLite table in memory, as a Durable Object holds them.

use anyhow::{Result, bail};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::{Decoded, Format, Reader};
use crate::cells::{Builder, Builders, Cell, cell, cells};
use crate::scan::Sum;
use crate::sets::{DataSet, Filter};

/// A table with one row for each, in their order.
#[derive(Debug, Default)]
pub struct Sqlite {
    /// SQLite reads them in place, and so must have them as long as it likes: leaked, once a set.
    kept: Option<&'static [u8]>,
}

impl Sqlite {
    pub fn new() -> Self {
        Self::default()
    }

    fn connect(&self) -> Result<Connection> {
        let Some(bytes) = self.kept else {
            bail!("no database was kept")
        };
        let mut connection = Connection::open_in_memory()?;
        connection.deserialize_bytes("main", bytes)?;
        Ok(connection)
    }
}

impl Format for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite-rows"
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>> {
        let mut connection = Connection::open_in_memory()?;
        let schema = set.batch.schema();
        let columns = schema.fields().iter().map(|field| {
            let affinity = match field.data_type() {
                DataType::Float64 => "REAL",
                DataType::Utf8 => "TEXT",
                _ => "INTEGER",
            };
            format!("\"{}\" {affinity}", field.name())
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        connection.execute_batch(&format!("CREATE TABLE rows ({columns})"))?;
        let marks = vec!["?"; set.batch.num_columns()].join(", ");
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare(&format!("INSERT INTO rows VALUES ({marks})"))?;
        for row in 0..set.batch.num_rows() {
            insert.execute(params_from_iter(cells(set.batch.columns(), row)?))?;
        }
        drop(insert);
        transaction.commit()?;
        Ok(vec![Bytes::copy_from_slice(&connection.serialize("main")?)])
    }

    fn keep(&mut self, parts: &[Bytes]) {
        self.kept = parts
            .first()
            .map(|part| &*Box::leak(part.to_vec().into_boxed_slice()));
    }

    fn decode(&self, set: &DataSet, _: &[Bytes]) -> Result<Decoded> {
        let mut builders = Builders::new(set.batch.schema())?;
        let connection = self.connect()?;
        let mut select = connection.prepare("SELECT * FROM rows ORDER BY rowid")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for (at, column) in builders.columns().iter_mut().enumerate() {
                append(row, at, column)?;
            }
        }
        Ok(Decoded::whole(builders.finish()?.columns().to_vec()))
    }

    fn open<'a>(&'a self, set: &'a DataSet, _: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        Ok(Box::new(Opened {
            connection: self.connect()?,
            schema: set.batch.schema(),
        }))
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Int(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        })
    }
}

fn append(row: &Row<'_>, at: usize, column: &mut Builder) -> Result<()> {
    match row.get_ref(at)? {
        ValueRef::Null => column.null(),
        ValueRef::Integer(value) => column.int(value)?,
        ValueRef::Real(value) => column.float(value)?,
        ValueRef::Text(value) => column.text(std::str::from_utf8(value)?)?,
        ValueRef::Blob(_) => bail!("a blob"),
    }
    Ok(())
}

struct Opened {
    connection: Connection,
    schema: SchemaRef,
}

impl Reader for Opened {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        let field = self.schema.field(column);
        let mut builder = Builder::new(field.data_type())?;
        let sql = format!("SELECT \"{}\" FROM rows ORDER BY rowid", field.name());
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            append(row, 0, &mut builder)?;
        }
        Ok(Decoded::whole(vec![builder.finish()]))
    }

    /// SQLite's own WHERE and sum(); there is no index, as there is none elsewhere.
    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let name = |column: usize| self.schema.field(column).name();
        let (tested, summed) = (name(filter.column), name(filter.sum));
        let sql = format!(
            "SELECT count(*), total(\"{summed}\") FROM rows WHERE \"{tested}\" >= ?1 AND \"{tested}\" < ?2"
        );
        let mut select = self.connection.prepare_cached(&sql)?;
        let bounds = [cell(&filter.low, 0)?, cell(&filter.high, 0)?];
        Ok(select.query_row(bounds, |row| {
            Ok(Sum {
                rows: row.get::<_, i64>(0)? as usize,
                sum: row.get(1)?,
            })
        })?)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        let mut select = self
            .connection
            .prepare_cached("SELECT * FROM rows WHERE rowid = ?1")?;
        let value = |row: &Row<'_>, at: usize| {
            Ok(match row.get_ref(at)? {
                ValueRef::Integer(value) => Cell::Int(value),
                ValueRef::Real(value) => Cell::Float(value),
                ValueRef::Text(value) => Cell::Text(std::str::from_utf8(value)?.to_owned()),
                ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
            })
        };
        let columns = self.schema.fields().len();
        let mut rows = select.query([row as i64 + 1])?;
        let Some(row) = rows.next()? else {
            bail!("no row {row}")
        };
        (0..columns).map(|at| value(row, at)).collect()
    }
}
