//! The table actor: its database, its schema, its pointer.

use serde_json::Value as Json;
use tidelog_core::{ActorKind, Address, Collection, Sql, SqlExt, SqlValue, all, atomically, one};
use tidelog_log::limits::PART_BYTES_MAX;
use tidelog_log::{Error, Result};
use uuid::Uuid;

use crate::columns::TableSchema;
use crate::settings::Places;
use crate::{TableSettings, foreign, metadata};

const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS lake_table (
        one INTEGER PRIMARY KEY CHECK (one = 1), address TEXT NOT NULL, uuid BLOB,
        schema_version INTEGER NOT NULL DEFAULT 0, schema TEXT,
        written_version INTEGER NOT NULL DEFAULT 0, location TEXT,
        metadata_number INTEGER NOT NULL DEFAULT 0, snapshot_id INTEGER,
        oldest_sequence INTEGER NOT NULL DEFAULT 0, commits INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0, committed_at INTEGER,
        inbox_events INTEGER NOT NULL DEFAULT 0, inbox_bytes INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS lake_metadata (part INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lake_sources (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,
        accepted INTEGER NOT NULL, hash BLOB NOT NULL, committed INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lake_inbox (
        id INTEGER PRIMARY KEY, source INTEGER NOT NULL, start INTEGER NOT NULL,
        stop INTEGER NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
        schema_version INTEGER NOT NULL, received_at INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS lake_inbox_source ON lake_inbox (source, id)",
    "CREATE TABLE IF NOT EXISTS lake_parts (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lake_intent (
        one INTEGER PRIMARY KEY CHECK (one = 1), uuid BLOB NOT NULL, attempt INTEGER NOT NULL,
        last_inbox INTEGER NOT NULL, begun_at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lake_garbage (
        key TEXT PRIMARY KEY, after_sequence INTEGER NOT NULL)",
];

/// One collection's Iceberg tables and the marks of the objects that feed them.
///
/// All state is in its SQLite database; a value of this type only knows where the table is, so
/// it may be thrown away and opened again at any time. Every method is one atomic step.
#[derive(Clone, Debug)]
pub struct TableActor {
    pub(crate) address: Address,
    pub(crate) settings: TableSettings,
}

/// The one row of `lake_table`, as far as a flush needs it.
#[derive(Clone, Debug)]
pub(crate) struct TableRow {
    pub(crate) uuid: Uuid,
    pub(crate) schema_version: u32,
    pub(crate) schema: Option<String>,
    pub(crate) written_version: u32,
    pub(crate) location: Option<String>,
    pub(crate) metadata_number: u64,
}

impl TableActor {
    /// Opens the actor at `address`, made by [`Address::table`], and creates what is missing.
    ///
    /// # Errors
    /// `wrong_address` when the address is no table's or the database is another actor's.
    pub fn open(sql: &dyn Sql, address: &Address, settings: TableSettings) -> Result<Self> {
        let wrong = |message: String| Error::conflict("wrong_address", message);
        if address.kind != ActorKind::Table {
            return Err(wrong(format!("{address} is not a table")));
        }
        let name = address.to_string();
        let stored = atomically(sql, || {
            for table in TABLES {
                sql.exec(table, &[])?;
            }
            sql.exec(
                "INSERT INTO lake_table (one, address) VALUES (1, ?) ON CONFLICT DO NOTHING",
                &[SqlValue::Text(&name)],
            )?;
            let read = "SELECT address FROM lake_table";
            one(sql, read, &[], |row| Ok(row[0].text()?.to_owned()))
        })?;
        if stored.as_deref() != Some(name.as_str()) {
            return Err(wrong(format!("this database is {stored:?}, not {name}")));
        }
        Ok(Self {
            address: address.clone(),
            settings,
        })
    }

    /// The address of the table whose database this is; `None` where there is none yet.
    pub fn stored_address(sql: &dyn Sql) -> Result<Option<String>> {
        let made = "SELECT 1 FROM sqlite_master WHERE name = 'lake_table'";
        if one(sql, made, &[], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        let read = "SELECT address FROM lake_table";
        one(sql, read, &[], |row| Ok(row[0].text()?.to_owned()))
    }

    /// Takes a newer version of the collection's schema: columns are added, and renamed by id.
    ///
    /// The next flush, due at once, writes it into the table's metadata; the first one creates
    /// the table with a uuid made of `entropy`. Lower and equal versions change nothing.
    ///
    /// # Errors
    /// `invalid_partition` when `partition_by` does not fit the fields; `field_id_too_large`.
    pub fn set_schema(
        &self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        collection: &Collection,
        schema_version: u32,
    ) -> Result<()> {
        let schema = TableSchema::of(collection, schema_version)?;
        let uuid = *uuid::Builder::from_random_bytes(entropy).as_uuid();
        let text = serde_json::to_string(&schema).map_err(foreign::json)?;
        atomically(sql, || {
            if self.row(sql)?.schema_version >= schema_version {
                return Ok(());
            }
            let base = self.stored_metadata(sql)?;
            let location = self.places(&schema).location();
            metadata::with_schema(base, &schema, uuid, &location, &self.address, now).map_err(
                |error| Error::invalid("invalid_partition", error.message()).at("partition_by"),
            )?;
            sql.exec(
                "UPDATE lake_table SET schema_version = ?, schema = ?, uuid = coalesce(uuid, ?)",
                &[
                    SqlValue::Integer(i64::from(schema_version)),
                    SqlValue::Text(&text),
                    SqlValue::Blob(uuid.as_bytes()),
                ],
            )
        })
    }

    /// The schema version an accepted event needs and the actor was not given yet.
    pub fn schema_wanted(&self, sql: &dyn Sql) -> Result<Option<u32>> {
        let text = "SELECT max(schema_version) FROM lake_inbox";
        let wanted = one(sql, text, &[], |row| match row[0].optional() {
            Some(version) => version.unsigned(),
            None => Ok(0),
        })?;
        let wanted = narrow(wanted.unwrap_or(0))?;
        Ok((wanted > self.row(sql)?.schema_version).then_some(wanted))
    }

    /// The table's metadata location (`s3://...`) and its JSON; `None` before the first flush.
    pub fn metadata(&self, sql: &dyn Sql) -> Result<Option<(String, String)>> {
        let Some(location) = self.row(sql)?.location else {
            return Ok(None);
        };
        Ok(Some((location, read_metadata(sql)?)))
    }

    /// The bucket of the table's files; empty for the host's warehouse, and while no schema is known.
    pub fn bucket(&self, sql: &dyn Sql) -> Result<String> {
        Ok(self
            .schema(sql)?
            .map(|schema| schema.bucket)
            .unwrap_or_default())
    }

    /// At most `limit` keys of blobs that nothing references any more.
    pub fn garbage(&self, sql: &dyn Sql, limit: u32) -> Result<Vec<String>> {
        all(
            sql,
            "SELECT key FROM lake_garbage
             WHERE after_sequence <= (SELECT oldest_sequence FROM lake_table) ORDER BY key LIMIT ?",
            &[SqlValue::Integer(i64::from(limit))],
            |row| Ok(row[0].text()?.to_owned()),
        )
    }

    /// Forgets keys that [`TableActor::garbage`] gave and that are deleted now.
    pub fn garbage_deleted(&self, sql: &dyn Sql, keys: &[String]) -> Result<()> {
        atomically(sql, || {
            for key in keys {
                let text = "DELETE FROM lake_garbage WHERE key = ?";
                sql.exec(text, &[SqlValue::Text(key)])?;
            }
            Ok(())
        })
    }

    pub(crate) fn row(&self, sql: &dyn Sql) -> Result<TableRow> {
        let row = one(
            sql,
            "SELECT uuid, schema_version, schema, written_version, location, metadata_number
             FROM lake_table",
            &[],
            |row| {
                let uuid = row[0].optional().map(SqlValue::blob).transpose()?;
                let text = |value: SqlValue<'_>| match value.optional() {
                    Some(text) => Ok(Some(text.text()?.to_owned())),
                    None => Ok::<_, Error>(None),
                };
                Ok(TableRow {
                    uuid: Uuid::from_slice(uuid.unwrap_or(&[0; 16]))
                        .map_err(|_| Error::corrupt("a table uuid is not 16 bytes"))?,
                    schema_version: narrow(row[1].unsigned()?)?,
                    schema: text(row[2])?,
                    written_version: narrow(row[3].unsigned()?)?,
                    location: text(row[4])?,
                    metadata_number: row[5].unsigned()?,
                })
            },
        )?;
        row.ok_or_else(|| Error::corrupt("a table actor without its row"))
    }

    /// The newest schema the actor was given.
    pub(crate) fn schema(&self, sql: &dyn Sql) -> Result<Option<TableSchema>> {
        let schema = self.row(sql)?.schema;
        let read = |text: String| serde_json::from_str(&text).map_err(foreign::json);
        schema.map(read).transpose()
    }

    /// Where the table's blobs are under `schema`; no later schema moves them.
    pub(crate) fn places(&self, schema: &TableSchema) -> Places {
        Places::changes(&self.settings, &self.address, schema)
    }

    /// The metadata that is durable now, as JSON.
    pub(crate) fn stored_metadata(&self, sql: &dyn Sql) -> Result<Option<Json>> {
        match self.metadata(sql)? {
            Some((_, text)) => serde_json::from_str(&text).map_err(foreign::json),
            None => Ok(None),
        }
    }
}

pub(crate) fn narrow(n: u64) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::corrupt("a stored number is over 32 bits"))
}

pub(crate) fn write_metadata(sql: &dyn Sql, text: &str) -> Result<()> {
    sql.exec("DELETE FROM lake_metadata", &[])?;
    for (part, body) in (0_i64..).zip(text.as_bytes().chunks(PART_BYTES_MAX)) {
        sql.exec(
            "INSERT INTO lake_metadata (part, body) VALUES (?, ?)",
            &[SqlValue::Integer(part), SqlValue::Blob(body)],
        )?;
    }
    Ok(())
}

fn read_metadata(sql: &dyn Sql) -> Result<String> {
    let mut bytes = Vec::new();
    let text = "SELECT body FROM lake_metadata ORDER BY part";
    sql.run(text, &[], &mut |row| {
        bytes.extend_from_slice(row[0].blob()?);
        Ok(())
    })?;
    String::from_utf8(bytes).map_err(|_| Error::corrupt("stored table metadata is not UTF-8"))
}
