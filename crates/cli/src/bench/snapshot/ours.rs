//! Our side: an object in this process, asked as the server asks it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tidelog_core::snapshot_file::FileReader;
use tidelog_core::{
    Address, Caller, Command, Effect, JsonObject, LogPolicy, Mutation, NewDocument, Query, Reply,
    RestoreStatus, RestoreTarget, Snapshot, SnapshotCommand, SnapshotFile, SnapshotKind,
    SnapshotReply, SnapshotStatus, TypeSchema, TypeSpec,
};
use tidelog_embedded::{OpenObject, admit_beside, now};
use tidelog_log::{Error, Result};

use super::files::durable;
use crate::bench::figures::failed;
use crate::bench::tiers::sensors::{READINGS, Reading, Sensors, TYPE, check_equal};

/// Rows of one turn.
const BATCH: usize = 10_000;
/// Bytes of a file read at once; one turn takes their frames.
const READ_BYTES: usize = 1_000_000;

/// An object of readings.
pub(super) struct Object {
    open: OpenObject,
    schema: Arc<TypeSchema>,
}

impl Object {
    /// A new one, without a document.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let schema = TypeSchema::register(None, &TypeSpec::from_toml(TYPE)?)?;
        let address = Address::object(&schema.name, "one")?;
        let policy = LogPolicy {
            bytes_max: 1 << 40,
            ..LogPolicy::default()
        };
        Ok(Self {
            open: OpenObject::open(path, &address, policy, 1 << 40)?,
            schema: Arc::new(schema),
        })
    }

    /// A new one with all readings, in the order in which they arrive, folded.
    pub(super) fn fill(path: &Path, sensors: Sensors) -> Result<Self> {
        let mut object = Self::create(path)?;
        let mut readings = sensors.all();
        loop {
            let batch: Vec<Reading> = readings.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            object.write(batch.iter().map(|reading| Mutation::Insert {
                collection: READINGS.to_owned(),
                document: NewDocument::Text(reading.json().into()),
            }))?;
        }
        object.settle()?;
        Ok(object)
    }

    fn turn(&mut self, command: Command) -> Result<Vec<Effect>> {
        let mut outcome = self.open.group(vec![command]);
        let answer = outcome.answers.pop();
        answer.ok_or_else(|| Error::internal("a turn without an answer"))?
    }

    fn ask(&mut self, command: SnapshotCommand) -> Result<SnapshotReply> {
        let effects = self.turn(Command::Snapshot(Box::new(command)))?;
        let mut replies = effects.into_iter().filter_map(|effect| match effect {
            Effect::Reply(Reply::Snapshot(reply)) => Some(reply),
            _ => None,
        });
        let reply = replies.next();
        reply.ok_or_else(|| Error::internal("a snapshot's command was answered otherwise"))
    }

    fn write(&mut self, mutations: impl Iterator<Item = Mutation>) -> Result<()> {
        let command = Command::Write {
            schema: Arc::clone(&self.schema),
            caller: Caller::default(),
            mutations: mutations.collect(),
        };
        self.turn(command).map(drop)
    }

    /// Runs timers until none is due.
    pub(super) fn settle(&mut self) -> Result<()> {
        while self
            .open
            .engine()
            .view()
            .wake_at(self.open.sql())?
            .is_some_and(|at| at <= now())
        {
            self.turn(Command::Wake)?;
        }
        Ok(())
    }

    /// Takes a snapshot, all its steps; its id.
    pub(super) fn take(&mut self, kind: &str) -> Result<String> {
        let kind = match kind {
            "full" => SnapshotKind::Full,
            _ => SnapshotKind::Incremental,
        };
        let (parent, note) = (None, String::new());
        let SnapshotReply::Snapshot(taken) =
            self.ask(SnapshotCommand::Create { kind, parent, note })?
        else {
            return Err(Error::internal("a snapshot was answered otherwise"));
        };
        while self.snapshot(&taken.id)?.status == SnapshotStatus::Running {
            self.turn(Command::Wake)?;
        }
        Ok(taken.id)
    }

    /// What is said of a snapshot.
    pub(super) fn snapshot(&self, id: &str) -> Result<Snapshot> {
        self.open.engine().view().snapshot(self.open.sql(), id)
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(SnapshotCommand::Delete { id }).map(drop)
    }

    /// Writes a snapshot's file, durable.
    pub(super) fn export(&self, id: &str, path: &Path) -> Result<()> {
        let odd = |e: std::io::Error| failed(format!("{}: {e}", path.display()));
        let file = SnapshotFile::open(self.open.engine().view(), self.open.sql(), id)?;
        let mut out = File::create(path).map_err(odd)?;
        let mut at = 0;
        loop {
            let bytes = file.read(self.open.sql(), at, READ_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            out.write_all(&bytes).map_err(odd)?;
            at += bytes.len() as u64;
        }
        drop(out);
        durable(path)
    }

    /// Takes a file in; the id its snapshot gets. As the server does it: while a turn takes some frames,
    /// those that come next are looked at.
    pub(super) fn import(&mut self, path: &Path) -> Result<String> {
        let odd = |e: std::io::Error| failed(format!("{}: {e}", path.display()));
        let mut file = File::open(path).map_err(odd)?;
        let (mut reader, mut piece) = (FileReader::default(), vec![0; READ_BYTES]);
        let (mut looked, mut snapshot) = (Vec::new(), None);
        loop {
            let read = file.read(&mut piece).map_err(odd)?;
            let mut next = reader.push(piece.get(..read).unwrap_or_default())?;
            admit_beside(&mut next, || {
                if looked.is_empty() {
                    return Ok(());
                }
                let (schema, frames) = (Arc::clone(&self.schema), std::mem::take(&mut looked));
                let reply = self.ask(SnapshotCommand::Import { schema, frames })?;
                if let SnapshotReply::Import(import) = reply {
                    snapshot = import.snapshot;
                }
                Ok(())
            })?;
            looked = next;
            if read == 0 && looked.is_empty() {
                break;
            }
        }
        reader.finish()?;
        snapshot.ok_or_else(|| failed("a file was not taken whole"))
    }

    /// Brings a snapshot's state back.
    pub(super) fn restore(&mut self, id: &str) -> Result<()> {
        self.ask(SnapshotCommand::Restore {
            schema: Arc::clone(&self.schema),
            caller: Caller::default(),
            target: RestoreTarget::Snapshot(id.to_owned()),
            collections: Vec::new(),
            dry_run: false,
        })?;
        loop {
            let restore = self.open.engine().view().last_restore(self.open.sql())?;
            match restore.status {
                RestoreStatus::Running => drop(self.turn(Command::Wake)?),
                RestoreStatus::Complete => return Ok(()),
                _ => return Err(failed(format!("a restore failed: {:?}", restore.failure))),
            }
        }
    }

    /// Deletes every document; the object lives on.
    pub(super) fn delete_all(&mut self) -> Result<()> {
        let caller = Caller::default();
        self.turn(Command::DeleteObject { caller })?;
        self.settle()
    }

    /// Changes the value of one reading in so many; how many it changed.
    pub(super) fn change(&mut self, sensors: Sensors, one_in: usize) -> Result<usize> {
        let all: Vec<usize> = (0..sensors.rows).step_by(one_in).collect();
        for batch in all.chunks(BATCH) {
            self.write(batch.iter().map(|nth| {
                let reading = sensors.reading(*nth);
                let mut patch = JsonObject::new();
                patch.insert("value".to_owned(), json!(reading.value + 1.0));
                Mutation::Update {
                    collection: READINGS.to_owned(),
                    key: reading.key(),
                    patch,
                    if_version: None,
                }
            }))?;
        }
        Ok(all.len())
    }

    /// Reads one document by its key.
    pub(super) fn get(&self, reading: &Reading) -> Result<()> {
        let view = self.open.engine().view();
        view.get(self.open.sql(), READINGS, &reading.key())
            .map(drop)
    }

    /// Fails unless there are so many documents with this sum.
    pub(super) fn check(&self, wanted: (u64, f64)) -> Result<()> {
        let collection = self.schema.collection(READINGS)?;
        let query = json!({"aggregate": {"rows": {"count": "*"}, "total": {"sum": "value"}}});
        let answer = Query::parse(collection, &query)?.run(self.open.sql(), collection)?;
        let of = |name: &str| answer.rows.first().and_then(|row| row.get(name)?.as_f64());
        let (Some(rows), Some(total)) = (of("rows"), of("total")) else {
            return Err(failed(format!("no sum in {:?}", answer.rows)));
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        same("the object", (rows as u64, total), wanted)
    }
}

/// Fails unless rows and sums are the same.
pub(super) fn same(what: &str, found: (u64, f64), wanted: (u64, f64)) -> Result<()> {
    if found.0 != wanted.0 {
        let message = format!("{what} has {} rows, not {}", found.0, wanted.0);
        return Err(failed(message));
    }
    check_equal(what, found.1, wanted.1)
}
