//! Rows on their way to objects: a lane per object, an NDJSON request per chunk of a lane.

use std::collections::BTreeMap;
use std::io::BufRead;
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
/// Lanes with rows waiting; the fullest is sent when there is one more.
const LANES_WAITING_BYTES_MAX: usize = 256_000_000;
/// How often a request that broke off, or was refused as busy, is sent again.
const RETRIES_MAX: u32 = 8;

/// Sends rows in order per object. Line numbers count each object's own rows.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    client: &'a Client,
    plan: &'a Plan,
    key: String,
    lanes: BTreeMap<String, Lane>,
    waiting: usize,
    pub(crate) rows: u64,
    pub(crate) replayed: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct Lane {
    /// Rows sent before the waiting ones.
    sent: u64,
    body: Vec<u8>,
    /// The file's line of each waiting row.
    lines: Vec<u64>,
}

/// What the reply to a chunk said.
enum Reply {
    Done { replayed: u64 },
    Problem(Failure),
}

impl<'a> Sender<'a> {
    pub(crate) fn new(client: &'a Client, plan: &'a Plan, key: String) -> Self {
        Self {
            client,
            plan,
            key,
            lanes: BTreeMap::new(),
            waiting: 0,
            rows: 0,
            replayed: 0,
            bytes: 0,
        }
    }

    /// How many objects got rows.
    pub(crate) fn objects(&self) -> usize {
        self.lanes.len()
    }

    /// Takes one row for the object `id`; sends the lane's chunk when it is full.
    pub(crate) fn push(&mut self, id: &str, line: u64, json: &str) -> Result<()> {
        if !self.lanes.contains_key(id) {
            self.lanes.insert(id.to_owned(), Lane::default());
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
        if self.waiting > LANES_WAITING_BYTES_MAX {
            return self.finish();
        }
        Ok(())
    }

    /// Sends what waits in every lane.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let ids: Vec<String> = self.lanes.keys().cloned().collect();
        ids.iter().try_for_each(|id| self.flush(id))
    }

    fn flush(&mut self, id: &str) -> Result<()> {
        let Some(lane) = self.lanes.get_mut(id).filter(|lane| !lane.lines.is_empty()) else {
            return Ok(());
        };
        let (body, lines) = (
            std::mem::take(&mut lane.body),
            std::mem::take(&mut lane.lines),
        );
        let first = lane.sent + 1;
        lane.sent += lines.len() as u64;
        self.waiting -= body.len();
        let object = ObjectName::new(&self.plan.type_name, id);
        let object = object.map_err(|e| Failure::from(e).within(format!("line {}", lines[0])))?;
        self.bytes += body.len() as u64;
        let replayed = self.send(&object, first, body, &lines)?;
        self.rows += lines.len() as u64;
        self.replayed += replayed;
        Ok(())
    }

    /// Sends a chunk until it is done: with its key, turns that are done are only answered.
    fn send(&self, object: &ObjectName, first: u64, body: Vec<u8>, lines: &[u64]) -> Result<u64> {
        let collection = object.path(&[&self.plan.collection]);
        let mode = self.plan.mode.name();
        let path = format!("{collection}?mode={mode}&firstLine={first}");
        let ask = Ask::new(Method::POST, path, "application/x-ndjson", body)
            .header("idempotency-key", &self.key)
            .header("x-source", "tidelog-import");
        let mut tries = 0;
        loop {
            let outcome = self
                .client
                .send(&ask)
                .and_then(|answer| reply(answer.reader()));
            let failure = match outcome {
                Ok(Reply::Done { replayed }) => return Ok(replayed),
                Ok(Reply::Problem(failure)) | Err(failure) => failure,
            };
            if !failure.may_pass() || tries == RETRIES_MAX {
                return Err(located(failure, object, first, lines));
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
