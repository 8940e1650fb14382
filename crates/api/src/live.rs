//! Answers that go on: server-sent events, the reply to an NDJSON body, the file of a snapshot.

use bytes::Bytes;

use crate::{BodySource, EventStream, FileStream, Ingest, ObjectHost};

/// An answer that is made while the client reads it. It owns all it needs but the host.
#[derive(Debug)]
pub enum Live<B> {
    /// Changes of an object as server-sent events.
    Events(Box<EventStream>),
    /// The reply to an NDJSON body, one line per turn.
    Ingest(Box<Ingest<B>>),
    /// The file of a snapshot.
    File(Box<FileStream>),
}

impl<B: BodySource> Live<B> {
    /// The next bytes to send; `None` at the end. Waits at most the keep-alive interval.
    pub async fn next<H: ObjectHost>(&mut self, host: &H) -> Option<Bytes> {
        match self {
            Self::Events(events) => events.next(host).await,
            Self::Ingest(ingest) => ingest.next(host).await,
            Self::File(file) => file.next(host).await,
        }
    }
}
