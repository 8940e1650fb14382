//! The file of a snapshot, into an object: streamed, checked frame by frame, resumable.

use futures_util::future::join;
use http::StatusCode;
use tidelog_core::snapshot_file::{FRAME_BYTES, FileReader, Frame, MAGIC};
use tidelog_core::{Address, Import, SnapshotCommand, SnapshotReply};
use tidelog_log::{Error, Kind, Result};

use super::{Look, Who, answered};
use crate::handle::Routed;
use crate::limits::{FILE_BYTES_MAX, FILE_PART_BYTES};
use crate::{BodySource, ObjectHost, Response, reply};

/// Takes a file: 201 with the snapshot's id once it was taken whole; of a part of one 202, with where to
/// go on.
pub(crate) async fn upload<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let object = request.object()?;
    let offset = request
        .parameters
        .number("offset", 0, FILE_BYTES_MAX)?
        .unwrap_or(0);
    let by = Who::of(&request, "")?;
    let mut reader = match offset {
        0 => FileReader::default(),
        offset => {
            let at = host.look(&object, Look::Import).await?;
            resumed(&at, offset)?
        }
    };
    let (mut waiting, mut bytes) = (Vec::<Frame>::new(), 0);
    let mut taking = Taking {
        host,
        object: &object,
        by: &by,
        looked: Vec::new(),
        done: None,
    };
    loop {
        let chunk = request.body.chunk().await;
        let is_end = matches!(chunk, Ok(None));
        let frames = match chunk {
            Ok(Some(chunk)) => reader.push(&chunk).map_err(damaged),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match frames {
            Ok(frames) => {
                let sizes = frames.iter().map(|frame| frame.body.len() + FRAME_BYTES);
                bytes += sizes.sum::<usize>();
                waiting.extend(frames);
            }
            Err(error) => {
                // What came before is whole: the rest of the file can go on behind it.
                taking.next(waiting).await?;
                taking.next(Vec::new()).await?;
                return Err(error);
            }
        }
        if reader.offset() > FILE_BYTES_MAX {
            let message = format!("a snapshot's file has at most {FILE_BYTES_MAX} bytes");
            return Err(Error::too_large("snapshot_too_large", message));
        }
        if is_end || bytes >= FILE_PART_BYTES {
            bytes = 0;
            taking.next(std::mem::take(&mut waiting)).await?;
        }
        if is_end {
            taking.next(Vec::new()).await?;
            break;
        }
    }
    let done = taking.done;
    if request.parameters.get("partial") != Some("true") {
        reader.finish()?;
    } else if done.is_none() {
        let at = host.look(&object, Look::Import).await?;
        return Ok(reply::json(StatusCode::ACCEPTED, &at));
    }
    let done = done.ok_or_else(|| Error::invalid("invalid_body", "the body is empty"))?;
    match &done {
        SnapshotReply::Import(_) => Ok(answered(&done, StatusCode::CREATED)),
        _ => Err(Error::internal("an import was answered otherwise")),
    }
}

/// Frames on their way to the object: while it takes some, the host looks at the next.
struct Taking<'u, H> {
    host: &'u H,
    object: &'u Address,
    by: &'u Who,
    looked: Vec<Frame>,
    done: Option<SnapshotReply>,
}

impl<H: ObjectHost> Taking<'_, H> {
    /// Has the frames of before taken and these looked at.
    async fn next(&mut self, frames: Vec<Frame>) -> Result<()> {
        let looked = std::mem::take(&mut self.looked);
        let (taken, next) = join(self.take(looked), self.host.admit(frames)).await;
        if let Some(reply) = taken? {
            self.done = Some(reply);
        }
        self.looked = next?;
        Ok(())
    }

    async fn take(&self, frames: Vec<Frame>) -> Result<Option<SnapshotReply>> {
        if frames.is_empty() {
            return Ok(None);
        }
        let by = self.by.clone();
        let command = |schema| by.asks(SnapshotCommand::Import { schema, frames });
        let taken = self.host.administer(self.object, command).await;
        taken.map(Some).map_err(damaged)
    }
}

/// What does not check out is the file that was sent, not what is stored here.
fn damaged(error: Error) -> Error {
    match error.kind() {
        Kind::Corrupt => Error::invalid("snapshot_damaged", error.message()),
        _ => error,
    }
}

/// Goes on where the object stands.
fn resumed(at: &serde_json::Value, offset: u64) -> Result<FileReader> {
    let at: Import =
        serde_json::from_value(at.clone()).map_err(|e| Error::internal(e.to_string()))?;
    if at.offset != offset || offset < MAGIC.len() as u64 {
        let message = format!("the object has taken {} bytes of the file", at.offset);
        return Err(Error::conflict("import_out_of_order", message)
            .at("offset")
            .with("offset", at.offset));
    }
    Ok(FileReader::resume(at.frames, at.offset, &at.source))
}
