//! A snapshot's file, checked without a server: taken into a database of its own, and brought back there.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tidelog_core::snapshot_file::{FileReader, Frame, FrameKind, Head};
use tidelog_core::{
    Address, Caller, Command, Effect, Engine, Input, LogPolicy, Reply, Restore, RestoreStatus,
    RestoreTarget, Snapshot, SnapshotCommand, SnapshotReply, TypeSchema,
};
use tidelog_log::{Error, Result};

use crate::admission::admit;
use crate::folder::failed;
use crate::{Sqlite, entropy, now};

/// What a whole file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct FileReport {
    /// Where it comes from, and which snapshot it is of.
    pub head: Head,
    /// Its bytes.
    pub bytes: u64,
    /// Its frames.
    pub frames: u64,
    /// Its snapshots, the full one first.
    pub links: Vec<Snapshot>,
    /// What bringing the last one back made: documents per collection.
    pub restore: Restore,
}

/// Bytes read at once.
const READ_BYTES: usize = 1_000_000;
/// Bytes of frames that are taken in one turn.
const TURN_BYTES: usize = 4_000_000;

/// Checks every checksum of a file, then brings its state back in a database in `scratch`, replaying its
/// chain, and compares how many documents there are with what the snapshots say. `progress` is told the
/// bytes that were read.
///
/// # Errors
/// `corrupt` with the frame and the byte, `snapshot_truncated`, `unsupported_format`.
pub fn verify_snapshot_file(
    file: &Path,
    scratch: &Path,
    mut progress: impl FnMut(u64),
) -> Result<FileReport> {
    let mut input = std::fs::File::open(file).map_err(|e| failed(file, &e))?;
    let mut reader = FileReader::default();
    let mut waiting = Vec::new();
    let mut piece = vec![0; READ_BYTES];
    // What the head and the schema say is needed before a database can be made.
    let mut object = None;
    loop {
        let read = input.read(&mut piece).map_err(|e| failed(file, &e))?;
        waiting.extend(reader.push(piece.get(..read).unwrap_or_default())?);
        progress(reader.offset());
        if object.is_none()
            && let Some((head, schema)) = begun(&waiting)?
        {
            object = Some(Scratch::new(scratch, head, schema)?);
        }
        let bytes: usize = waiting.iter().map(|frame| frame.body.len()).sum();
        if let Some(object) = &mut object
            && (read == 0 || bytes >= TURN_BYTES)
        {
            object.take(std::mem::take(&mut waiting))?;
        }
        if read == 0 {
            break;
        }
    }
    reader.finish()?;
    let object = object.ok_or_else(|| Error::corrupt("the file has no schema"))?;
    object.report(reader.offset())
}

/// The head and the schema, once both are there.
fn begun(frames: &[Frame]) -> Result<Option<(Head, TypeSchema)>> {
    let of = |kind| frames.iter().find(|frame| frame.kind == kind);
    let (Some(head), Some(schema)) = (of(FrameKind::Head), of(FrameKind::Schema)) else {
        return Ok(None);
    };
    let head = serde_json::from_slice(&head.body);
    let head = head.map_err(|e| Error::corrupt(format!("the file's head does not read: {e}")))?;
    Ok(Some((head, TypeSchema::from_json(&schema.body)?)))
}

/// An object for the sake of one file.
struct Scratch {
    head: Head,
    schema: Arc<TypeSchema>,
    sql: Sqlite,
    engine: Engine,
    snapshot: Option<String>,
    frames: u64,
}

impl Scratch {
    fn new(folder: &Path, head: Head, schema: TypeSchema) -> Result<Self> {
        let address = Address::object(&head.type_name, &head.id)?;
        let sql = Sqlite::writer(&folder.join("verify.sqlite"), u64::MAX)?;
        let engine = Engine::open(&sql, &address, LogPolicy::default())?;
        Ok(Self {
            head,
            schema: Arc::new(schema),
            sql,
            engine,
            snapshot: None,
            frames: 0,
        })
    }

    fn turn(&mut self, command: Command) -> Result<Option<SnapshotReply>> {
        let input = Input {
            now: now(),
            entropy: entropy(),
            command,
        };
        self.sql.begin()?;
        let done = self.engine.turn(&self.sql, input);
        match done {
            Ok(effects) => {
                self.sql.commit()?;
                let reply = effects.into_iter().find_map(|effect| match effect {
                    Effect::Reply(Reply::Snapshot(reply)) => Some(reply),
                    _ => None,
                });
                Ok(reply)
            }
            Err(error) => {
                self.sql.rollback();
                Err(error)
            }
        }
    }

    fn ask(&mut self, command: SnapshotCommand) -> Result<SnapshotReply> {
        let reply = self.turn(Command::Snapshot(Box::new(command)))?;
        reply.ok_or_else(|| Error::internal("a snapshot's command was answered otherwise"))
    }

    fn take(&mut self, mut frames: Vec<Frame>) -> Result<()> {
        admit(&mut frames);
        let schema = Arc::clone(&self.schema);
        match self.ask(SnapshotCommand::Import { schema, frames })? {
            SnapshotReply::Import(import) => {
                self.frames = import.frames;
                self.snapshot = import.snapshot;
                Ok(())
            }
            _ => Err(Error::internal("an import was answered otherwise")),
        }
    }

    /// Brings the state back and compares what there is with what was said.
    fn report(mut self, bytes: u64) -> Result<FileReport> {
        let id = self.snapshot.clone();
        let id = id.ok_or_else(|| Error::corrupt("the file ends before all of it was there"))?;
        let schema = Arc::clone(&self.schema);
        self.ask(SnapshotCommand::Restore {
            schema,
            caller: Caller::default(),
            target: RestoreTarget::Snapshot(id.clone()),
            collections: Vec::new(),
            dry_run: false,
        })?;
        let restore = loop {
            let restore = self.engine.view().last_restore(&self.sql)?;
            match (restore.status, &restore.failure) {
                (RestoreStatus::Running, _) => drop(self.turn(Command::Wake)?),
                (RestoreStatus::Complete, _) => break restore,
                (_, failure) => {
                    let why = failure
                        .as_ref()
                        .map_or("", |failure| failure.message.as_str());
                    return Err(Error::corrupt(format!(
                        "the state does not come back: {why}"
                    )));
                }
            }
        };
        let page = self.engine.view().snapshots(&self.sql, None, 1_000)?;
        let mut links: Vec<Snapshot> = page.snapshots;
        links.retain(|link| link.imported);
        links.reverse();
        let said = links
            .iter()
            .find(|link| link.id == id)
            .map(|link| &link.documents);
        let state = self.engine.view().state(&self.sql)?;
        for (collection, there) in &state.documents {
            let wanted = said.and_then(|said| said.get(collection)).copied();
            if wanted.is_some_and(|wanted| wanted != *there) {
                let wanted = wanted.unwrap_or(0);
                return Err(Error::corrupt(format!(
                    "{collection} has {there} documents where the snapshot says {wanted}"
                )));
            }
        }
        self.engine.view().check_log(&self.sql)?;
        Ok(FileReport {
            head: self.head,
            bytes,
            frames: self.frames,
            links,
            restore,
        })
    }
}
