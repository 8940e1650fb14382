//! The file of a snapshot, into an object: streamed, checked frame by frame, resumable.

use http::StatusCode;
use tidelog_core::snapshot_file::{FileReader, Frame, MAGIC};
use tidelog_core::{Import, SnapshotCommand, SnapshotReply};
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
    let mut done = None;
    loop {
        let chunk = request.body.chunk().await?;
        let is_end = chunk.is_none();
        if let Some(chunk) = chunk {
            let frames = reader.push(&chunk).map_err(damaged)?;
            bytes += frames.iter().map(|frame| frame.body.len()).sum::<usize>();
            waiting.extend(frames);
            if reader.offset() > FILE_BYTES_MAX {
                let message = format!("a snapshot's file has at most {FILE_BYTES_MAX} bytes");
                return Err(Error::too_large("snapshot_too_large", message));
            }
        }
        if !waiting.is_empty() && (is_end || bytes >= FILE_PART_BYTES) {
            let frames = host.admit(std::mem::take(&mut waiting)).await?;
            bytes = 0;
            let by = by.clone();
            let command = |schema| by.asks(SnapshotCommand::Import { schema, frames });
            done = Some(host.administer(&object, command).await.map_err(damaged)?);
        }
        if is_end {
            break;
        }
    }
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
