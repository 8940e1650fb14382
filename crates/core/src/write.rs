//! A turn that changes documents: checks, rows, one log record, the answer.

use std::collections::BTreeSet;

use serde_json::json;
use tidelog_log::limits::{LABEL_BYTES_MAX, SEQUENCE_MAX, TURN_ROWS_MAX};
use tidelog_log::{
    BlobReference, Epoch, Error, Kind, Offset, RecordHeader, RecordWriter, Result, Sequence,
};

use crate::engine::{PRUNE, PRUNE_MILLIS, TRIM};
use crate::folded::bulk_collection;
use crate::mutate::{IdMaker, OpenTurn};
use crate::snapshot::{Job, SCRATCH, ends_at, object_restoring};
use crate::sql::Sql;
use crate::table::{idempotency, lineage, log, meta, wakes};
use crate::{
    Caller, Engine, JsonObject, Mutation, NewDocument, TurnReply, TypeSchema, View, Written,
};

impl Engine {
    pub(crate) fn write(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        schema: &TypeSchema,
        caller: &Caller,
        mut mutations: Vec<Mutation>,
    ) -> Result<TurnReply> {
        check_caller(caller)?;
        check_turn(&mutations)?;
        let fingerprint = fingerprint(caller, &mut mutations)?;
        if let Some(reply) = self.answered(sql, now, caller, fingerprint.as_ref())? {
            return Ok(reply);
        }
        if self.status == meta::Status::Deleting {
            return Err(Error::conflict(
                "object_deleting",
                "the object is being deleted; try later",
            ));
        }
        self.check_room()?;
        self.upgrade(sql, schema)?;
        if mutations.iter().any(Mutation::grows) {
            self.view.check_size(sql)?;
        }
        let mut turn = self.begin(now, caller, "")?;
        let view = self.view.clone();
        let mut ids = IdMaker {
            now,
            entropy,
            made: 0,
        };
        let written = match bulk_collection(&view, &mutations) {
            Some(prepared) => turn.insert_all(sql, &view, prepared, mutations, &mut ids)?,
            None => turn.apply_all(sql, &view, mutations, &mut ids)?,
        };
        self.finish(sql, turn)?;
        self.arm_expire(sql, now)?;
        let reply = TurnReply {
            offset: self.offset(),
            written,
            replayed: false,
        };
        self.remember(sql, now, caller, fingerprint.as_ref(), &reply)?;
        Ok(reply)
    }

    /// Refuses to write more while the log is at its limit.
    pub(crate) fn check_room(&self) -> Result<()> {
        if self.log_bytes <= self.policy.bytes_max {
            return Ok(());
        }
        let message = format!(
            "the log holds {} bytes; flush it to the lake",
            self.log_bytes
        );
        Err(Error::unavailable("log_full", message))
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
        let Some(text) = self.recall(sql, now, caller, fingerprint)? else {
            return Ok(None);
        };
        let odd = |_| Error::corrupt("a remembered reply does not read");
        let (offset, written): (String, Vec<Written>) = serde_json::from_str(&text).map_err(odd)?;
        Ok(Some(TurnReply {
            offset: offset.parse()?,
            written,
            replayed: true,
        }))
    }

    /// What was answered under the caller's idempotency key, if it was used before.
    ///
    /// # Errors
    /// `idempotency_key_reused` when something else was asked under it.
    pub(crate) fn recall(
        &self,
        sql: &dyn Sql,
        now: i64,
        caller: &Caller,
        fingerprint: Option<&blake3::Hash>,
    ) -> Result<Option<String>> {
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
        Ok(Some(found.reply))
    }

    fn remember(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        caller: &Caller,
        fingerprint: Option<&blake3::Hash>,
        reply: &TurnReply,
    ) -> Result<()> {
        if fingerprint.is_none() {
            return Ok(());
        }
        let text = json!([reply.offset.to_string(), reply.written]).to_string();
        if text.len() > tidelog_log::limits::PART_BYTES_MAX {
            return Err(Error::too_large(
                "idempotent_reply_too_large",
                "the keys of this turn are too long to be remembered; split it",
            ));
        }
        self.remember_text(sql, now, caller, fingerprint, &text)
    }

    /// Remembers an answer under the caller's idempotency key, if there is one.
    pub(crate) fn remember_text(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        caller: &Caller,
        fingerprint: Option<&blake3::Hash>,
        text: &str,
    ) -> Result<()> {
        let Some(fingerprint) = fingerprint else {
            return Ok(());
        };
        let key = &caller.idempotency_key;
        idempotency::remember(sql, key, fingerprint.as_bytes(), text, now)?;
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
    ///
    /// # Errors
    /// `object_restoring` while documents must not change.
    pub(crate) fn begin(&mut self, now: i64, caller: &Caller, cause: &str) -> Result<OpenTurn> {
        if self.job.as_ref().is_some_and(Job::keeps_writes_out) {
            return Err(object_restoring());
        }
        self.begin_restored(now, caller, cause)
    }

    /// The same for the turn that brings a state back.
    pub(crate) fn begin_restored(
        &mut self,
        now: i64,
        caller: &Caller,
        cause: &str,
    ) -> Result<OpenTurn> {
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
            main: std::mem::take(&mut self.main),
            touched: BTreeSet::new(),
            bulk: None,
        })
    }

    /// Stores the record of a turn that made events; a turn without events leaves no trace.
    pub(crate) fn finish(&mut self, sql: &dyn Sql, turn: OpenTurn) -> Result<()> {
        let OpenTurn {
            writer,
            header,
            opens,
            reborn,
            main,
            touched,
            bulk,
        } = turn;
        self.main = main;
        let count = u64::from(writer.count());
        if count == 0 {
            return Ok(());
        }
        self.main.store_masks(sql)?;
        self.plan_fold(sql, header.timestamp, touched)?;
        let collections = writer.collections().to_vec();
        let (mut record, hash) = writer.finish()?;
        if let Some(bulk) = bulk {
            let collection = (bulk.collection.0, bulk.collection.1.as_str());
            record = BlobReference::encode(&record, collection, &bulk.blobs)?;
        }
        log::append(sql, header.first_sequence, &record)?;
        self.follow_from(sql, header.first_sequence, header.timestamp)?;
        self.log_bytes += record.len() as u64;
        self.plan_segment(sql, header.timestamp, record.len() as u64)?;
        if opens {
            let epochs = (header.epoch, header.parent_epoch);
            self.opened_epoch(sql, epochs, header.first_sequence, header.timestamp)?;
        }
        if reborn {
            self.revive(sql)?;
        }
        self.head = log::Head {
            epoch: header.epoch,
            sequence: Sequence(header.first_sequence.0 + count - 1),
            hash,
            timestamp: header.timestamp,
        };
        self.touched.note(&self.head, &collections);
        self.arm_schedule(sql)
    }
}

impl Engine {
    /// Notes a new epoch, and the one before, with the event and the time it begins at.
    pub(crate) fn opened_epoch(
        &mut self,
        sql: &dyn Sql,
        (epoch, parent): (Epoch, Epoch),
        first_sequence: Sequence,
        timestamp: i64,
    ) -> Result<()> {
        let opened = lineage::Opened {
            epoch,
            first_sequence,
        };
        lineage::open(sql, opened, parent)?;
        self.fenced = false;
        // From here on the timer sets itself again; without cold collections nothing else would.
        let keep = self.policy.keep_millis.max(1_000);
        wakes::set(sql, TRIM, timestamp + keep)
    }

    /// An object that was deleted lives again.
    pub(crate) fn revive(&mut self, sql: &dyn Sql) -> Result<()> {
        if self.status != meta::Status::Active {
            meta::set_status(sql, meta::Status::Active)?;
            self.status = meta::Status::Active;
            if let Some(at) = ends_at(sql)? {
                // What was a scratch fork is not lived in.
                wakes::set(sql, SCRATCH, at)?;
            }
        }
        Ok(())
    }
}

impl View {
    /// Refuses what would make a full object larger. Deletes are not asked for it, though the log grows
    /// with them.
    ///
    /// # Errors
    /// `object_full`.
    pub(crate) fn check_size(&self, sql: &dyn Sql) -> Result<()> {
        let (used, max) = (sql.used_bytes()?, self.hot.max_bytes);
        if used < max {
            return Ok(());
        }
        let message = format!("the object holds {used} bytes of at most {max}; delete documents");
        Err(Error::unavailable("object_full", message).at("hot.max_size"))
    }
}

pub(crate) fn check_caller(caller: &Caller) -> Result<()> {
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

/// A hash of what is asked, whatever the order of members and the space between them; `None`
/// without an idempotency key.
fn fingerprint(caller: &Caller, mutations: &mut [Mutation]) -> Result<Option<blake3::Hash>> {
    if caller.idempotency_key.is_empty() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    for mutation in mutations {
        let (what, collection, key, body, version) = match mutation {
            Mutation::Insert {
                collection,
                document,
            } => ("insert", collection, "", Some(members(document)?), None),
            Mutation::Upsert {
                collection,
                document,
                if_version,
            } => {
                let document = members(document)?;
                ("upsert", collection, "", Some(document), *if_version)
            }
            Mutation::Put {
                collection,
                key,
                document,
                if_version,
            } => (
                "put",
                collection,
                key.as_str(),
                Some(&*document),
                *if_version,
            ),
            Mutation::Update {
                collection,
                key,
                patch,
                if_version,
            } => (
                "update",
                collection,
                key.as_str(),
                Some(&*patch),
                *if_version,
            ),
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
    Ok(Some(hasher.finalize()))
}

/// A document's members, and leaves them in its place: they are needed again to write it.
fn members(document: &mut NewDocument) -> Result<&JsonObject> {
    if let NewDocument::Text(text) = document {
        *document = NewDocument::Text(std::mem::take(text))
            .into_members()?
            .into();
    }
    match document {
        NewDocument::Members(members) => Ok(members),
        NewDocument::Text(_) => Err(Error::internal("a document stayed text")),
    }
}
