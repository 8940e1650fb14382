//! An NDJSON body: a series of turns whose reply streams while the body arrives.

use bytes::{Bytes, BytesMut};
use serde_json::{Value as Json, json};
use tidelog_core::{Address, Caller, Mutation, NewDocument};
use tidelog_log::{Error, Offset, Result};

use crate::documents::WriteMode;
use crate::limits::{BODY_DEPTH_MAX, LINE_BYTES_MAX, NDJSON_TURN_BYTES, NDJSON_TURN_ROWS};
use crate::{BodySource, ObjectHost, error, json};

/// The reply to an NDJSON body.
///
/// Where turns end depends on the lines alone, never on how chunks arrive, so a repeated body
/// makes the same turns under the same keys (`<Idempotency-Key>#<first line>`).
#[derive(Debug)]
pub struct Ingest<B> {
    body: B,
    object: Address,
    collection: String,
    caller: Caller,
    mode: WriteMode,
    buffer: BytesMut,
    scanned: usize,
    ended: bool,
    line: u64,
    turns: u64,
    rows: u64,
    offset: Option<Offset>,
    done: bool,
}

struct Lines {
    numbers: Vec<u64>,
    mutations: Vec<Mutation>,
}

impl<B: BodySource> Ingest<B> {
    pub(crate) fn new(
        body: B,
        object: Address,
        collection: String,
        caller: Caller,
        mode: WriteMode,
        first_line: u64,
    ) -> Self {
        Self {
            body,
            object,
            collection,
            caller,
            mode,
            buffer: BytesMut::new(),
            scanned: 0,
            ended: false,
            line: first_line.saturating_sub(1),
            turns: 0,
            rows: 0,
            offset: None,
            done: false,
        }
    }

    /// One line: a turn that was written, the error that ended the series, or the summary.
    pub async fn next<H: ObjectHost>(&mut self, host: &H) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let line = match self.turn(host).await {
            Ok(Some(turn)) => turn,
            Ok(None) => self.summary(),
            Err(error) => {
                self.done = true;
                error::problem(&error)
            }
        };
        Some(Bytes::from(format!("{line}\n")))
    }

    fn summary(&mut self) -> Json {
        self.done = true;
        let mut summary = json!({
            "done": true, "line": self.line, "turns": self.turns, "rows": self.rows,
        });
        if let Some(offset) = self.offset {
            summary["offset"] = Json::from(offset.to_string());
        }
        summary
    }

    async fn turn<H: ObjectHost>(&mut self, host: &H) -> Result<Option<Json>> {
        let Lines { numbers, mutations } = self.gather().await?;
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return Ok(None);
        };
        let mut caller = self.caller.clone();
        if !caller.idempotency_key.is_empty() {
            caller.idempotency_key = format!("{}#{first}", caller.idempotency_key);
        }
        let written = host.write(&self.object, caller, mutations).await;
        let reply = written.map_err(|e| with_lines(e, &numbers, *first))?;
        self.turns += 1;
        self.rows += numbers.len() as u64;
        self.offset = Some(reply.offset);
        Ok(Some(json!({
            "line": last, "firstLine": first, "rows": numbers.len(),
            "offset": reply.offset.to_string(), "replayed": reply.replayed,
        })))
    }

    /// The lines of one turn. A bad line fails the whole turn, so that a corrected body sent
    /// again under the same key finds no half of it done.
    async fn gather(&mut self) -> Result<Lines> {
        let (mut numbers, mut mutations, mut bytes) = (Vec::new(), Vec::new(), 0);
        while numbers.len() < NDJSON_TURN_ROWS && bytes < NDJSON_TURN_BYTES {
            let line = self.line().await;
            let first = numbers.first().copied();
            let number = self.line;
            let located = |e: Error| {
                e.with("line", number)
                    .with("firstLine", first.unwrap_or(number))
            };
            let Some(line) = line.map_err(located)? else {
                break;
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            bytes += line.len();
            let document = document(&line).map_err(|why| located(bad_line(number, &why)))?;
            numbers.push(number);
            mutations.push(self.mode.mutation(&self.collection, document));
        }
        Ok(Lines { numbers, mutations })
    }

    async fn line(&mut self) -> Result<Option<Bytes>> {
        loop {
            let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.scanned + at + 1);
                self.scanned = 0;
                self.line += 1;
                return Ok(Some(line.freeze()));
            }
            self.scanned = self.buffer.len();
            if self.scanned > LINE_BYTES_MAX {
                let why = format!("longer than {LINE_BYTES_MAX} bytes");
                self.line += 1;
                return Err(bad_line(self.line, &why));
            }
            let chunk = if self.ended {
                None
            } else {
                self.body.chunk().await?
            };
            if let Some(chunk) = chunk {
                self.buffer.extend_from_slice(&chunk);
                continue;
            }
            self.ended = true;
            self.scanned = 0;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            return Ok(Some(self.buffer.split().freeze()));
        }
    }
}

/// A line's document, or what is wrong with the line.
fn document(line: &[u8]) -> Result<NewDocument, String> {
    let array = line.trim_ascii_start().starts_with(b"[");
    if !array && let Some([text]) = json::objects(line, BODY_DEPTH_MAX).as_deref() {
        return Ok(NewDocument::Text((*text).into()));
    }
    match json::parse(line, BODY_DEPTH_MAX) {
        Ok(Json::Object(document)) => Ok(document.into()),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(error.message().to_owned()),
    }
}

fn bad_line(number: u64, why: &str) -> Error {
    Error::invalid("invalid_ndjson_line", format!("line {number}: {why}"))
}

/// Tells which lines a refused turn held, and which of them the error is about when it says.
fn with_lines(error: Error, numbers: &[u64], first: u64) -> Error {
    let index = error.field().and_then(|field| {
        let (_, rest) = field.split_once('[')?;
        let (index, _) = rest.split_once(']')?;
        index.parse::<usize>().ok()
    });
    let line = index.and_then(|index| numbers.get(index)).copied();
    error
        .with("line", line.unwrap_or(first))
        .with("firstLine", first)
}
