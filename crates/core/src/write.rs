//! A turn that changes documents: checks, rows, one log record, the answer.

use serde_json::json;
use tidelog_log::limits::{LABEL_BYTES_MAX, SEQUENCE_MAX, TURN_ROWS_MAX};
use tidelog_log::{
    ChangeRef, Epoch, Error, Kind, Offset, OldValue, RecordHeader, RecordWriter, Result, Row,
    Sequence,
};

use crate::document::{Prepared, check_key};
use crate::engine::{PRUNE, PRUNE_MILLIS, TRIM};
use crate::sql::{Sql, SqlValue, one, quoted};
use crate::table::{idempotency, lineage, log, meta, wakes};
use crate::view::unknown_document;
use crate::{
    Caller, Document, Engine, JsonObject, Mutation, TurnReply, TypeSchema, View, Written,
    WrittenOperation,
};

impl Engine {
    pub(crate) fn write(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        schema: &TypeSchema,
        caller: &Caller,
        mutations: Vec<Mutation>,
    ) -> Result<TurnReply> {
        check_caller(caller)?;
        check_turn(&mutations)?;
        let fingerprint = fingerprint(caller, &mutations);
        if let Some(reply) = self.answered(sql, now, caller, fingerprint.as_ref())? {
            return Ok(reply);
        }
        if self.status == meta::Status::Deleting {
            return Err(Error::conflict(
                "object_deleting",
                "the object is being deleted; try later",
            ));
        }
        if self.log_bytes > self.policy.bytes_max {
            let message = format!(
                "the log holds {} bytes; flush it to the lake",
                self.log_bytes
            );
            return Err(Error::unavailable("log_full", message));
        }
        self.upgrade(sql, schema)?;
        let mut turn = self.begin(now, caller, "")?;
        let view = self.view.clone();
        let mut ids = IdMaker {
            now,
            entropy,
            made: 0,
        };
        let many = mutations.len() > 1;
        let mut written = Vec::with_capacity(mutations.len());
        for (at, mutation) in mutations.into_iter().enumerate() {
            let done = turn.apply(sql, &view, mutation, &mut ids);
            written.push(done.map_err(|e| if many { e.within(format!("[{at}]")) } else { e })?);
        }
        self.finish(sql, turn)?;
        let reply = TurnReply {
            offset: self.offset(),
            written,
            replayed: false,
        };
        self.remember(sql, now, caller, fingerprint.as_ref(), &reply)?;
        Ok(reply)
    }

    pub(crate) fn offset(&self) -> Offset {
        Offset {
            epoch: self.head.epoch,
            sequence: self.head.sequence,
        }
    }

    fn answered(
        &self,
        sql: &dyn Sql,
        now: i64,
        caller: &Caller,
        fingerprint: Option<&blake3::Hash>,
    ) -> Result<Option<TurnReply>> {
        let Some(fingerprint) = fingerprint else {
            return Ok(None);
        };
        let Some(found) = idempotency::find(sql, &caller.idempotency_key, now)? else {
            return Ok(None);
        };
        if found.fingerprint != fingerprint.as_bytes() {
            return Err(Error::conflict(
                "idempotency_key_reused",
                "this Idempotency-Key was used with another body",
            )
            .at("Idempotency-Key"));
        }
        let odd = |_| Error::corrupt("a remembered reply does not read");
        let (offset, written): (String, Vec<Written>) =
            serde_json::from_str(&found.reply).map_err(odd)?;
        Ok(Some(TurnReply {
            offset: offset.parse()?,
            written,
            replayed: true,
        }))
    }

    fn remember(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        caller: &Caller,
        fingerprint: Option<&blake3::Hash>,
        reply: &TurnReply,
    ) -> Result<()> {
        let Some(fingerprint) = fingerprint else {
            return Ok(());
        };
        let text = json!([reply.offset.to_string(), reply.written]).to_string();
        if text.len() > tidelog_log::limits::PART_BYTES_MAX {
            return Err(Error::too_large(
                "idempotent_reply_too_large",
                "the keys of this turn are too long to be remembered; split it",
            ));
        }
        let key = &caller.idempotency_key;
        idempotency::remember(sql, key, fingerprint.as_bytes(), &text, now)?;
        if self.remembered == 0 {
            wakes::set(sql, PRUNE, now + PRUNE_MILLIS)?;
        }
        self.remembered += 1;
        let limit = tidelog_log::limits::IDEMPOTENCY_KEYS_MAX as u64;
        if self.remembered > limit + limit / 10 {
            idempotency::prune(sql, now)?;
            self.remembered = limit;
        }
        Ok(())
    }

    /// Starts a turn's record, opening a new epoch where one is due.
    pub(crate) fn begin(&mut self, now: i64, caller: &Caller, cause: &str) -> Result<OpenTurn> {
        let first_sequence = self.head.sequence.next();
        if first_sequence.0 + TURN_ROWS_MAX as u64 > SEQUENCE_MAX {
            return Err(Error::new(
                Kind::Unsupported,
                "log_exhausted",
                "no sequence is left",
            ));
        }
        let reborn = self.status == meta::Status::Deleted;
        let opens = self.head.epoch.0 == 0 || reborn || self.fenced;
        let epoch = if opens {
            self.head.epoch.opened_at(now)
        } else {
            self.head.epoch
        };
        let header = RecordHeader {
            epoch,
            parent_epoch: if opens { self.head.epoch } else { Epoch(0) },
            first_sequence,
            timestamp: now.max(self.head.timestamp),
            schema_version: self.view.version,
            previous: self.head.hash,
            source: caller.source.clone(),
            correlation_id: caller.correlation_id.clone(),
            trace_parent: caller.trace_parent.clone(),
            idempotency_key: caller.idempotency_key.clone(),
            cause: cause.to_owned(),
        };
        Ok(OpenTurn {
            writer: RecordWriter::new(&header),
            header,
            opens,
            reborn,
        })
    }

    /// Stores the record of a turn that made events; a turn without events leaves no trace.
    pub(crate) fn finish(&mut self, sql: &dyn Sql, turn: OpenTurn) -> Result<()> {
        let OpenTurn {
            writer,
            header,
            opens,
            reborn,
        } = turn;
        let count = u64::from(writer.count());
        if count == 0 {
            return Ok(());
        }
        let (record, hash) = writer.finish()?;
        log::append(sql, header.first_sequence, &record)?;
        self.log_bytes += record.len() as u64;
        if opens {
            let opened = lineage::Opened {
                epoch: header.epoch,
                first_sequence: header.first_sequence,
            };
            lineage::open(sql, opened, header.parent_epoch)?;
            self.fenced = false;
            // From here on the timer sets itself again; without cold collections nothing else would.
            let keep = self.policy.keep_millis.max(1_000);
            wakes::set(sql, TRIM, header.timestamp + keep)?;
        }
        if reborn {
            meta::set_status(sql, meta::Status::Active)?;
            self.status = meta::Status::Active;
        }
        self.head = log::Head {
            epoch: header.epoch,
            sequence: Sequence(header.first_sequence.0 + count - 1),
            hash,
            timestamp: header.timestamp,
        };
        Ok(())
    }
}

/// A record being written.
pub(crate) struct OpenTurn {
    pub(crate) writer: RecordWriter,
    header: RecordHeader,
    opens: bool,
    reborn: bool,
}

/// Makes UUIDv7 ids from a turn's time and randomness.
struct IdMaker {
    now: i64,
    entropy: [u8; 16],
    made: u64,
}

impl IdMaker {
    fn next(&mut self) -> String {
        self.made += 1;
        let mut seed = blake3::Hasher::new();
        seed.update(&self.entropy).update(&self.made.to_le_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&seed.finalize().as_bytes()[..10]);
        let millis = u64::try_from(self.now).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .to_string()
    }
}

impl OpenTurn {
    fn apply(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        mutation: Mutation,
        ids: &mut IdMaker,
    ) -> Result<Written> {
        match mutation {
            Mutation::Insert {
                collection,
                document,
            } => {
                let prepared = view.prepared(&collection)?;
                let (key, row) = keyed_row(prepared, document, ids)?;
                self.insert(sql, view, prepared, key, &row)
            }
            Mutation::Upsert {
                collection,
                document,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let (key, row) = keyed_row(prepared, document, ids)?;
                self.put(sql, view, prepared, key, row, if_version)
            }
            Mutation::Put {
                collection,
                key,
                mut document,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                check_key(&key)?;
                prepared.fill_key(&mut document, &key);
                let (own, row) = keyed_row(prepared, document, ids)?;
                check_same_key(&key, &own)?;
                self.put(sql, view, prepared, key, row, if_version)
            }
            Mutation::Update {
                collection,
                key,
                patch,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let before = stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                let row = prepared.patched(&before.row, patch)?;
                check_same_key(&key, &key_of(prepared, &row).unwrap_or_else(|| key.clone()))?;
                self.update(sql, view, prepared, before, row)
            }
            Mutation::Delete {
                collection,
                key,
                if_version,
            } => {
                let prepared = view.prepared(&collection)?;
                let before = stored(sql, prepared, &key)?;
                let before = before.ok_or_else(|| unknown_document(&collection, &key))?;
                check_version(Some(&before), if_version)?;
                check_unreferenced(sql, view, &collection, &key)?;
                self.delete(sql, prepared, &before)
            }
        }
    }

    fn next_version(&self) -> Sequence {
        Sequence(self.header.first_sequence.0 + u64::from(self.writer.count()))
    }

    fn insert(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: String,
        row: &Row,
    ) -> Result<Written> {
        check_references(sql, view, prepared, row, None)?;
        let version = self.next_version();
        let table = &prepared.table;
        table
            .bind(&key, version, row, |args| {
                sql.run(&table.insert, args, &mut |_| Ok(()))
            })
            .map_err(|e| constraint(e, &prepared.collection.name, &key))?;
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        self.writer
            .push(collection, &key, ChangeRef::Insert { after: row });
        Ok(Written {
            key,
            version,
            operation: WrittenOperation::Insert,
        })
    }

    fn put(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        key: String,
        row: Row,
        if_version: Option<Sequence>,
    ) -> Result<Written> {
        let before = stored(sql, prepared, &key)?;
        check_version(before.as_ref(), if_version)?;
        match before {
            Some(before) => self.update(sql, view, prepared, before, row),
            None => self.insert(sql, view, prepared, key, &row),
        }
    }

    fn update(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        before: Document,
        row: Row,
    ) -> Result<Written> {
        let old = row.changes_from(&before.row);
        if old.is_empty() {
            let Document { key, version, .. } = before;
            return Ok(Written {
                key,
                version,
                operation: WrittenOperation::None,
            });
        }
        check_references(sql, view, prepared, &row, Some(&old))?;
        let version = self.next_version();
        let after = Document {
            key: before.key,
            version,
            row,
        };
        let name = &prepared.collection.name;
        prepared
            .table
            .update(sql, &after, &old)
            .map_err(|e| constraint(e, name, &after.key))?;
        let change = ChangeRef::Update {
            after: &after.row,
            old: &old,
        };
        self.writer
            .push((prepared.collection.id, name), &after.key, change);
        Ok(Written {
            key: after.key,
            version,
            operation: WrittenOperation::Update,
        })
    }

    pub(crate) fn delete(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        before: &Document,
    ) -> Result<Written> {
        let version = self.next_version();
        let key = before.key.clone();
        sql.run(&prepared.table.delete, &[SqlValue::Text(&key)], &mut |_| {
            Ok(())
        })?;
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        self.writer.push(
            collection,
            &key,
            ChangeRef::Delete {
                before: &before.row,
            },
        );
        Ok(Written {
            key,
            version,
            operation: WrittenOperation::Delete,
        })
    }
}

fn stored(sql: &dyn Sql, prepared: &Prepared, key: &str) -> Result<Option<Document>> {
    let table = &prepared.table;
    one(sql, &table.select_one, &[SqlValue::Text(key)], |row| {
        table.read(row)
    })
}

fn keyed_row(
    prepared: &Prepared,
    mut document: JsonObject,
    ids: &mut IdMaker,
) -> Result<(String, Row)> {
    if prepared.collection.key.is_empty() && !document.contains_key("id") {
        document.insert("id".to_owned(), json!(ids.next()));
    }
    let row = prepared.row(document)?;
    let key = key_of(prepared, &row).ok_or_else(|| {
        Error::invalid(
            "wrong_type",
            "the member id, the document's key, is a string",
        )
        .at("id")
    })?;
    check_key(&key)?;
    Ok((key, row))
}

/// The key that a row's key fields, or its member `id`, make.
fn key_of(prepared: &Prepared, row: &Row) -> Option<String> {
    prepared.key_of(row).or_else(|| {
        let declared = prepared
            .collection
            .field("id")
            .and_then(|field| row.get(field.id));
        match (declared, row.extra.get("id")) {
            (Some(tidelog_log::Value::Text(id)), _) => Some(id.clone()),
            (_, Some(serde_json::Value::String(id))) => Some(id.clone()),
            _ => None,
        }
    })
}

fn check_same_key(key: &str, own: &str) -> Result<()> {
    if key == own {
        return Ok(());
    }
    Err(Error::invalid(
        "key_mismatch",
        format!("the document's key fields say {own:?}, not {key:?}"),
    )
    .at("key"))
}

fn check_version(before: Option<&Document>, if_version: Option<Sequence>) -> Result<()> {
    let found = before.map_or(Sequence(0), |document| document.version);
    match if_version {
        Some(wanted) if wanted != found => Err(Error::conflict(
            "version_mismatch",
            format!("the document has version {found}, not {wanted}"),
        )
        .at("ifVersion")
        .with("version", found.0)),
        _ => Ok(()),
    }
}

fn check_references(
    sql: &dyn Sql,
    view: &View,
    prepared: &Prepared,
    row: &Row,
    old: Option<&[OldValue]>,
) -> Result<()> {
    for field in &prepared.collection.fields {
        let Some(target) = &field.check.references else {
            continue;
        };
        let unchanged = old.is_some_and(|old| {
            !old.iter()
                .any(|o| matches!(o, OldValue::Field(id, _) if *id == field.id))
        });
        let (false, Some(tidelog_log::Value::Text(key))) = (unchanged, row.get(field.id)) else {
            continue;
        };
        if stored(sql, view.prepared(target)?, key)?.is_none() {
            return Err(Error::invalid(
                "check_failed",
                format!("{target} has no document {key:?}"),
            )
            .at(&field.name));
        }
    }
    Ok(())
}

fn check_unreferenced(sql: &dyn Sql, view: &View, collection: &str, key: &str) -> Result<()> {
    for prepared in view.collections.iter() {
        for field in &prepared.collection.fields {
            if field.check.references.as_deref() != Some(collection) {
                continue;
            }
            let (table, column) = (quoted(&prepared.collection.name), quoted(&field.name));
            let text = format!("SELECT _key FROM {table} WHERE {column} = ?1 LIMIT 1");
            let held = one(sql, &text, &[SqlValue::Text(key)], |row| {
                Ok(row[0].text()?.to_owned())
            })?;
            if let Some(holder) = held {
                let name = &prepared.collection.name;
                let message = format!("{name} document {holder:?} refers to it in {}", field.name);
                return Err(Error::conflict("document_referenced", message).at("key"));
            }
        }
    }
    Ok(())
}

/// Says which key or which unique index a violated constraint is about.
fn constraint(error: Error, collection: &str, key: &str) -> Error {
    if error.code() != "constraint" {
        return error;
    }
    if error.message().ends_with("._key") {
        let shown: String = key.chars().take(80).collect();
        let message = format!("{collection} already has a document {shown:?}");
        return Error::conflict("duplicate_key", message).at("key");
    }
    let columns = error
        .message()
        .rsplit_once("failed: ")
        .map_or("", |(_, columns)| columns);
    let message = format!("another document has the same values of the unique index: {columns}");
    Error::conflict("unique_violation", message).at(columns)
}

fn check_caller(caller: &Caller) -> Result<()> {
    for (name, label) in [
        ("source", &caller.source),
        ("correlationId", &caller.correlation_id),
        ("traceparent", &caller.trace_parent),
        ("Idempotency-Key", &caller.idempotency_key),
    ] {
        if label.len() > LABEL_BYTES_MAX {
            let message = format!("{name} is at most {LABEL_BYTES_MAX} bytes");
            return Err(Error::too_large("label_too_long", message).at(name));
        }
    }
    Ok(())
}

fn check_turn(mutations: &[Mutation]) -> Result<()> {
    if mutations.len() <= TURN_ROWS_MAX {
        return Ok(());
    }
    let message = format!(
        "{} rows; a turn takes at most {TURN_ROWS_MAX}",
        mutations.len()
    );
    Err(Error::too_large("too_many_rows", message))
}

/// A hash of what is asked; `None` without an idempotency key.
fn fingerprint(caller: &Caller, mutations: &[Mutation]) -> Option<blake3::Hash> {
    if caller.idempotency_key.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for mutation in mutations {
        let (what, collection, key, body, version) = match mutation {
            Mutation::Insert {
                collection,
                document,
            } => ("insert", collection, "", Some(document), None),
            Mutation::Upsert {
                collection,
                document,
                if_version,
            } => ("upsert", collection, "", Some(document), *if_version),
            Mutation::Put {
                collection,
                key,
                document,
                if_version,
            } => ("put", collection, key.as_str(), Some(document), *if_version),
            Mutation::Update {
                collection,
                key,
                patch,
                if_version,
            } => ("update", collection, key.as_str(), Some(patch), *if_version),
            Mutation::Delete {
                collection,
                key,
                if_version,
            } => ("delete", collection, key.as_str(), None, *if_version),
        };
        hasher.update(
            json!([what, collection, key, body, version])
                .to_string()
                .as_bytes(),
        );
    }
    Some(hasher.finalize())
}
