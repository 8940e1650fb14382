//! What an object's database holds, as a reader of committed data sees it.

use std::sync::Arc;

use tidelog_log::{Error, Offset, Result, Sequence};

use crate::document::Prepared;
use crate::folded::{Folded, Wanted};
use crate::sql::{Sql, SqlValue, one, quoted};
use crate::table::{blobs, cursors, log, meta, schema, wakes};
use crate::{
    Address, BlobState, Cursor, Found, HotPolicy, ObjectState, SnapshotsPolicy, SyncPolicy,
    TypeSchema, Warning,
};

/// The schema in force, compiled. Cheap to keep beside a connection; [`View::refresh`] follows.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) address: Address,
    pub(crate) version: u32,
    pub(crate) collections: Arc<Vec<Arc<Prepared>>>,
    pub(crate) hot: HotPolicy,
    pub(crate) sync: SyncPolicy,
    pub(crate) snapshots: SnapshotsPolicy,
}

/// Share of an object's size limit at which `state` warns, percent.
const WARN_PERCENT: u64 = 80;

impl View {
    /// Reads the schema of an object's database.
    pub fn open(sql: &dyn Sql, address: &Address) -> Result<Self> {
        let mut view = Self {
            address: address.clone(),
            version: 0,
            collections: Arc::new(Vec::new()),
            hot: HotPolicy::default(),
            sync: SyncPolicy::default(),
            snapshots: SnapshotsPolicy::default(),
        };
        view.refresh(sql)?;
        Ok(view)
    }

    /// Reads the schema again if a newer version came into force.
    pub fn refresh(&mut self, sql: &dyn Sql) -> Result<()> {
        if schema::version(sql)? != self.version
            && let Some(newest) = schema::newest(sql)?
        {
            self.adopt(newest)?;
        }
        Ok(())
    }

    pub(crate) fn adopt(&mut self, schema: TypeSchema) -> Result<()> {
        self.version = schema.version;
        (self.hot, self.sync, self.snapshots) = (schema.hot, schema.sync, schema.snapshots);
        let prepared = schema
            .collections
            .into_iter()
            .map(|c| Prepared::new(c).map(Arc::new));
        self.collections = Arc::new(prepared.collect::<Result<_>>()?);
        Ok(())
    }

    /// The compiled collection of this name.
    ///
    /// # Errors
    /// `unknown_collection`.
    pub fn prepared(&self, name: &str) -> Result<&Arc<Prepared>> {
        self.collections
            .iter()
            .find(|p| p.collection.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self
                    .collections
                    .iter()
                    .map(|p| p.collection.name.as_str())
                    .collect();
                let shown: String = name.chars().take(80).collect();
                let (kind, known) = (&self.address.type_name, known.join(", "));
                Error::not_found(
                    "unknown_collection",
                    format!("type {kind} has no collection {shown:?}; it has {known}"),
                )
                .at("collection")
            })
    }

    /// The table actors of the collections with cold sync.
    pub fn cold_tables(&self) -> Vec<Address> {
        let cold = self
            .collections
            .iter()
            .filter(|p| p.collection.cold.enabled);
        let tables = cold.map(|p| Address::table(&self.address.type_name, &p.collection.name));
        tables.filter_map(Result::ok).collect()
    }

    /// Refuses to read documents of an object that is being, or was, deleted.
    pub fn check_alive(&self, sql: &dyn Sql) -> Result<()> {
        match meta::status(sql)? {
            meta::Status::Active => Ok(()),
            _ => Err(Error::not_found(
                "object_deleted",
                format!("{} was deleted", self.address.short()),
            )),
        }
    }

    /// Reads one document.
    ///
    /// # Errors
    /// `unknown_collection`, `unknown_document`, `object_deleted`.
    pub fn get(&self, sql: &dyn Sql, collection: &str, key: &str) -> Result<Found> {
        self.check_alive(sql)?;
        let prepared = self.prepared(collection)?;
        let table = &prepared.table;
        let found = one(sql, &table.select_one, &[SqlValue::Text(key)], |row| {
            table.read(row)
        })?;
        let document = match found {
            Some(document) => Some(document),
            None => {
                let wanted = Wanted::of(&prepared.collection, key);
                Folded::open(sql, prepared.collection.id)?.get(&wanted)?
            }
        };
        let document = document.ok_or_else(|| unknown_document(collection, key))?;
        let json = document
            .row
            .to_json(|id| prepared.collection.field_name(id));
        let serde_json::Value::Object(members) = json else {
            return Err(Error::internal("a row is not an object"));
        };
        Ok(Found {
            key: document.key,
            version: document.version,
            document: members,
        })
    }

    /// Where the object stands.
    pub fn state(&self, sql: &dyn Sql) -> Result<ObjectState> {
        let head = log::head(sql)?;
        let (mut documents, mut folded) = (Vec::new(), Vec::new());
        for prepared in self.collections.iter() {
            let name = &prepared.collection.name;
            let count = format!("SELECT count(*) FROM {}", quoted(name));
            let count = one(sql, &count, &[], |row| row[0].unsigned())?.unwrap_or(0);
            let main = Folded::open(sql, prepared.collection.id)?.state(name)?;
            documents.push((name.clone(), count + main.documents));
            folded.extend((main.blobs > 0).then_some(main));
        }
        let log = log::size(sql)?;
        let used_bytes = sql.used_bytes()?;
        Ok(ObjectState {
            status: meta::status(sql)?.name(),
            epoch: head.epoch,
            expires: crate::snapshot::ends_at(sql)?,
            head: head.sequence,
            head_hash: head.hash,
            head_timestamp: head.timestamp,
            earliest: log::earliest(sql)?.unwrap_or(head.sequence.next()),
            schema_version: self.version,
            documents,
            folded,
            blobs: blobs::size(sql)?,
            log_records: log.records,
            log_bytes: log.bytes,
            log_segments: log.segments,
            log_segment_bytes: log.segment_bytes,
            used_bytes,
            used_bytes_max: self.hot.max_bytes,
            warnings: self.warnings(used_bytes),
            cursors: cursors::list(sql)?,
            wakes: wakes::list(sql)?,
            actor: self.actor_state(sql)?,
        })
    }

    /// The live blobs of a collection: id, rows, masked rows, bytes.
    ///
    /// # Errors
    /// `unknown_collection`.
    pub fn blobs(&self, sql: &dyn Sql, collection: &str) -> Result<Vec<BlobState>> {
        Folded::open(sql, self.prepared(collection)?.collection.id)?.blobs()
    }

    /// The bytes of a blob (`docs/format/vortex-blob.md`).
    ///
    /// # Errors
    /// `corrupt` when it is gone.
    pub fn blob(&self, sql: &dyn Sql, id: u64) -> Result<Vec<u8>> {
        blobs::body(sql, id)
    }

    /// True when a database of this size is close to the object's limit, or over it.
    pub fn is_nearly_full(&self, used_bytes: u64) -> bool {
        used_bytes >= self.hot.max_bytes / 100 * WARN_PERCENT
    }

    /// What an operator should see to before writes are refused.
    fn warnings(&self, used_bytes: u64) -> Vec<Warning> {
        if !self.is_nearly_full(used_bytes) {
            return Vec::new();
        }
        let max = self.hot.max_bytes;
        let message = format!(
            "the object's database holds {used_bytes} of {max} bytes (hot.max_size); at the limit \
             it takes deletes only"
        );
        let code = "object_nearly_full";
        vec![Warning { code, message }]
    }

    /// How the object's log goes to its tables.
    pub fn sync_policy(&self) -> SyncPolicy {
        self.sync
    }

    /// Where a reader stands who has seen everything.
    pub fn offset(&self, sql: &dyn Sql) -> Result<Offset> {
        let head = log::head(sql)?;
        Ok(Offset {
            epoch: head.epoch,
            sequence: head.sequence,
        })
    }

    /// True once the object was deleted and its log is closed.
    pub fn is_closed(&self, sql: &dyn Sql) -> Result<bool> {
        Ok(meta::status(sql)? == meta::Status::Deleted)
    }

    /// How far each destination has committed.
    pub fn cursors(&self, sql: &dyn Sql) -> Result<Vec<Cursor>> {
        cursors::list(sql)
    }

    /// The earliest timer, milliseconds since 1970.
    pub fn wake_at(&self, sql: &dyn Sql) -> Result<Option<i64>> {
        wakes::earliest(sql)
    }

    /// When the turn that holds `sequence` was made, milliseconds since 1970; `None` beyond the
    /// log's ends.
    pub fn time_of(&self, sql: &dyn Sql, sequence: Sequence) -> Result<Option<i64>> {
        log::time_of(sql, sequence)
    }
}

pub(crate) fn unknown_document(collection: &str, key: &str) -> Error {
    let shown: String = key.chars().take(80).collect();
    Error::not_found(
        "unknown_document",
        format!("{collection} has no document {shown:?}"),
    )
    .at("key")
}
