//! The file of a snapshot, from any byte on.

use bytes::Bytes;
use http::header::RANGE;
use http::{HeaderMap, StatusCode};
use tidelog_core::{Address, SnapshotFile, Sql, View};
use tidelog_log::{Error, Result};

use crate::handle::Routed;
use crate::limits::FILE_PART_BYTES;
use crate::reply::with_header;
use crate::{Body, Live, ObjectHost, Response, reply};

/// A part of a snapshot's file that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The snapshot.
    pub id: String,
    /// From this byte on.
    pub offset: u64,
}

/// Bytes of a snapshot's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBytes {
    /// How long the whole file is.
    pub total: u64,
    /// The bytes, about [`FILE_PART_BYTES`]; none at the end.
    pub bytes: Bytes,
}

impl FilePart {
    /// Reads it from what a connection sees.
    ///
    /// # Errors
    /// `unknown_snapshot`, `snapshot_incomplete`, `corrupt`.
    pub fn of(&self, view: &View, sql: &dyn Sql) -> Result<FileBytes> {
        let file = SnapshotFile::open(view, sql, &self.id)?;
        let bytes = file.read(sql, self.offset, FILE_PART_BYTES)?;
        Ok(FileBytes {
            total: file.bytes(),
            bytes: bytes.into(),
        })
    }
}

/// A file on its way out.
#[derive(Debug)]
pub struct FileStream {
    object: Address,
    next: FilePart,
    end: u64,
    ready: Bytes,
}

impl FileStream {
    /// The next bytes. A file that breaks off lacks its last frame, so the reader knows.
    pub(crate) async fn next<H: ObjectHost>(&mut self, host: &H) -> Option<Bytes> {
        if self.ready.is_empty() && self.next.offset < self.end {
            let wanted = self.next.clone();
            let read = host.snapshot_file(&self.object, wanted).await;
            self.ready = read.ok()?.bytes;
        }
        let left = usize::try_from(self.end.saturating_sub(self.next.offset)).unwrap_or(usize::MAX);
        let mut bytes = std::mem::take(&mut self.ready);
        bytes.truncate(left);
        self.next.offset += bytes.len() as u64;
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Answers the file, or the range of it that is asked for.
pub(crate) async fn download<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let object = request.object()?;
    let range = range(&request.headers)?;
    let (from, last) = range.unwrap_or((0, u64::MAX));
    let part = FilePart {
        id: request.value(2).to_owned(),
        offset: from,
    };
    let first = host.snapshot_file(&object, part.clone()).await?;
    let total = first.total;
    if from >= total {
        let message = format!("the file has {total} bytes");
        return Err(Error::invalid("invalid_range", message)
            .at("Range")
            .with("bytes", total));
    }
    let end = last.saturating_add(1).min(total);
    let tag = format!("\"{}-{total}\"", part.id);
    let stream = FileStream {
        object,
        next: part,
        end,
        ready: first.bytes,
    };
    let mut response: Response<B> = reply::bytes(
        StatusCode::OK,
        "application/vnd.tidelog.snapshot",
        Bytes::new(),
    );
    *response.body_mut() = Body::Stream(Live::File(Box::new(stream)));
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let said = format!("bytes {from}-{}/{total}", end - 1);
        response = with_header(response, "content-range", &said);
    }
    let response = with_header(response, "accept-ranges", "bytes");
    let response = with_header(response, "tidelog-file-bytes", &total.to_string());
    Ok(with_header(response, "etag", &tag))
}

/// The first and the last byte that a range asks for; none without one.
///
/// # Errors
/// `invalid_range` for several ranges at once, and for what is none.
fn range(headers: &HeaderMap) -> Result<Option<(u64, u64)>> {
    let Some(said) = headers.get(RANGE) else {
        return Ok(None);
    };
    let text = said.to_str().unwrap_or_default();
    let bounds = text
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'));
    let parsed = bounds.and_then(|(from, last)| {
        let last = if last.is_empty() {
            u64::MAX
        } else {
            last.parse().ok()?
        };
        Some((from.parse().ok()?, last))
    });
    let parsed = parsed.filter(|(from, last)| from <= last);
    parsed.map(Some).ok_or_else(|| {
        let message = "Range is bytes=FROM- or bytes=FROM-LAST";
        Error::invalid("invalid_range", message).at("Range")
    })
}
