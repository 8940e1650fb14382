//! Rows on their way to objects: a lane per object, an NDJSON request per chunk of a lane.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::Scope;
use std::time::Duration;

use serde_json::Value as Json;
use ureq::http::Method;

use super::Plan;
use crate::client::{Ask, Client, wait};
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;

/// Rows of one request. With the next: part of where turns end, so a change makes imports that
/// were interrupted before it not resumable.
const CHUNK_ROWS_MAX: usize = 5_000;
/// Bytes after which a request is sent.
const CHUNK_BYTES_MAX: usize = 8_000_000;
/// Bytes of rows that wait in all lanes; with more, every lane is sent.
const WAITING_BYTES_MAX: usize = 256_000_000;
/// How often a request that broke off, or was refused as busy, is sent again.
const RETRIES_MAX: u32 = 8;

/// Requests under way at once, each for another object.
const WORKERS: usize = 4;

/// Gathers rows into chunks and hands them to threads that send them. An object's chunks go
/// through one thread, in order; line numbers count each object's own rows.
#[derive(Debug)]
pub(crate) struct Sender {
    workers: Vec<SyncSender<Chunk>>,
    outcomes: Receiver<Result<Delivered>>,
    lanes: BTreeMap<String, Lane>,
    waiting: usize,
}

#[derive(Debug)]
struct Lane {
    object: ObjectName,
    worker: usize,
    /// Rows handed over before the waiting ones.
    sent: u64,
    body: Vec<u8>,
    /// The file's line of each waiting row.
    lines: Vec<u64>,
}

/// One request.
#[derive(Debug)]
struct Chunk {
    object: ObjectName,
    /// Number of its first row among the object's.
    first: u64,
    body: Vec<u8>,
    lines: Vec<u64>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) rows: u64,
    /// Of these, rows that an earlier run had done.
    pub(crate) replayed: u64,
    /// Bytes of JSON.
    pub(crate) bytes: u64,
    pub(crate) objects: usize,
}

/// What the reply to a chunk said.
enum Reply {
    Done { replayed: u64 },
    Problem(Failure),
}

impl Sender {
    /// Starts the threads.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        courier: &'scope Courier<'scope>,
    ) -> Self {
        let (done, outcomes) = channel();
        let worker = |_| {
            let (sender, chunks) = sync_channel::<Chunk>(1);
            let done = done.clone();
            // After a failure nothing more of the same objects is sent.
            scope.spawn(move || {
                for chunk in chunks {
                    let outcome = courier.deliver(chunk);
                    let failed = outcome.is_err();
                    if done.send(outcome).is_err() || failed {
                        return;
                    }
                }
            });
            sender
        };
        Self {
            workers: (0..WORKERS).map(worker).collect(),
            outcomes,
            lanes: BTreeMap::new(),
            waiting: 0,
        }
    }

    /// Takes one row of an object; hands the lane's chunk over when it is full.
    pub(crate) fn push(&mut self, type_name: &str, id: &str, line: u64, json: &str) -> Result<()> {
        if !self.lanes.contains_key(id) {
            let object = ObjectName::new(type_name, id);
            let object = object.map_err(|e| Failure::from(e).within(format!("line {line}")))?;
            let lane = Lane {
                object,
                worker: self.lanes.len() % WORKERS,
                sent: 0,
                body: Vec::new(),
                lines: Vec::new(),
            };
            self.lanes.insert(id.to_owned(), lane);
        }
        let Some(lane) = self.lanes.get_mut(id) else {
            return Ok(());
        };
        lane.body.extend_from_slice(json.as_bytes());
        lane.body.push(b'\n');
        lane.lines.push(line);
        self.waiting += json.len() + 1;
        if lane.lines.len() >= CHUNK_ROWS_MAX || lane.body.len() >= CHUNK_BYTES_MAX {
            return self.flush(id);
        }
        if self.waiting > WAITING_BYTES_MAX {
            return self.flush_all();
        }
        Ok(())
    }

    /// Sends what waits and returns when everything was answered.
    pub(crate) fn finish(mut self) -> Result<Delivered> {
        self.flush_all()?;
        self.workers.clear();
        let mut all = Delivered {
            objects: self.lanes.len(),
            ..Delivered::default()
        };
        for outcome in &self.outcomes {
            let one = outcome?;
            all.rows += one.rows;
            all.replayed += one.replayed;
            all.bytes += one.bytes;
        }
        Ok(all)
    }

    fn flush_all(&mut self) -> Result<()> {
        let ids: Vec<String> = self.lanes.keys().cloned().collect();
        ids.iter().try_for_each(|id| self.flush(id))
    }

    fn flush(&mut self, id: &str) -> Result<()> {
        let lane = self.lanes.get_mut(id);
        let Some(lane) = lane.filter(|lane| !lane.lines.is_empty()) else {
            return Ok(());
        };
        let chunk = Chunk {
            object: lane.object.clone(),
            first: lane.sent + 1,
            body: std::mem::take(&mut lane.body),
            lines: std::mem::take(&mut lane.lines),
        };
        lane.sent += chunk.lines.len() as u64;
        self.waiting -= chunk.body.len();
        match self.workers.get(lane.worker).map(|to| to.send(chunk)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure()),
        }
    }

    /// Why a worker is gone.
    fn failure(&self) -> Failure {
        let failed = self.outcomes.try_iter().find_map(Result::err);
        failed.unwrap_or_else(|| Failure::failed("an import thread ended"))
    }
}

/// Sends chunks; shared by the threads.
#[derive(Debug)]
pub(crate) struct Courier<'a> {
    pub(crate) client: &'a Client,
    pub(crate) plan: &'a Plan,
    /// The idempotency key of the whole import.
    pub(crate) key: String,
}

impl Courier<'_> {
    /// Sends a chunk until it is done: with its key, turns that are done are only answered.
    fn deliver(&self, chunk: Chunk) -> Result<Delivered> {
        let Chunk {
            object,
            first,
            body,
            lines,
        } = chunk;
        let mut delivered = Delivered {
            rows: lines.len() as u64,
            bytes: body.len() as u64,
            ..Delivered::default()
        };
        let collection = object.path(&[&self.plan.collection]);
        let mode = self.plan.mode.name();
        let path = format!("{collection}?mode={mode}&firstLine={first}");
        let ask = Ask::new(Method::POST, path, "application/x-ndjson", body)
            .header("idempotency-key", &self.key)
            .header("x-source", "tidelog-import");
        let mut tries = 0;
        loop {
            let answer = self.client.send(&ask);
            let failure = match answer.and_then(|answer| reply(answer.reader())) {
                Ok(Reply::Done { replayed }) => {
                    delivered.replayed = replayed;
                    return Ok(delivered);
                }
                Ok(Reply::Problem(failure)) | Err(failure) => failure,
            };
            if !failure.may_pass() || tries == RETRIES_MAX {
                return Err(located(failure, &object, first, &lines));
            }
            wait(Duration::from_millis(100 << tries));
            tries += 1;
        }
    }
}

/// Reads the reply's lines up to its last.
fn reply(reader: impl BufRead) -> Result<Reply> {
    let mut replayed = 0;
    for line in reader.lines() {
        let line = line.map_err(|e| broke_off(&e.to_string()))?;
        let turn: Json = serde_json::from_str(&line).map_err(|e| broke_off(&e.to_string()))?;
        if turn["done"] == true {
            return Ok(Reply::Done { replayed });
        }
        if turn["code"].is_string() {
            let status = turn["status"].as_u64().and_then(|n| u16::try_from(n).ok());
            return Ok(Reply::Problem(Failure::problem(status.unwrap_or(0), turn)));
        }
        if turn["replayed"] == true {
            replayed += turn["rows"].as_u64().unwrap_or(0);
        }
    }
    Err(broke_off("it has no last line"))
}

fn broke_off(why: &str) -> Failure {
    Failure::unreachable(format!("the reply broke off: {why}"))
}

/// Says which line of the file a refusal is about.
fn located(failure: Failure, object: &ObjectName, first: u64, lines: &[u64]) -> Failure {
    let row = failure.problem["line"].as_u64();
    let index = row.and_then(|row| usize::try_from(row.checked_sub(first)?).ok());
    match index.and_then(|index| lines.get(index)) {
        Some(line) => failure.within(format!("line {line} ({object})")),
        None => failure.within(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_without_a_last_line_broke_off() {
        let turn = "{\"firstLine\":1,\"line\":2,\"rows\":2,\"offset\":\"o\",\"replayed\":true}\n";
        assert!(reply(turn.as_bytes()).is_err_and(|f| f.may_pass()));
        let whole = format!("{turn}{{\"done\":true,\"rows\":2}}\n");
        assert!(matches!(
            reply(whole.as_bytes()),
            Ok(Reply::Done { replayed: 2 })
        ));
    }

    #[test]
    fn a_refusal_names_the_line_of_the_file() {
        let problem = "{\"status\":400,\"code\":\"wrong_type\",\"detail\":\"d\",\"line\":12,\"firstLine\":11}\n";
        let Ok(Reply::Problem(failure)) = reply(problem.as_bytes()) else {
            panic!("a problem");
        };
        let object = ObjectName::new("airport", "JFK").unwrap();
        let failure = located(failure, &object, 11, &[70, 75]);
        assert_eq!(failure.message, "line 75 (airport/JFK): wrong_type: d");
    }
}
