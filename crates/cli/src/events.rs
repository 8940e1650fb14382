//! Following an object's log: server-sent events, connected again where they broke off.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value as Json;

use crate::client::{Ask, Client, wait};
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;
use crate::print;

/// Longest wait before a lost connection is tried again.
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// One part of a server-sent stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// Changes, in order.
    Events(Vec<Json>),
    /// Where the stream stands.
    Control { next: String, closed: bool },
}

/// A place in an object's log that moves forward.
#[derive(Clone, Debug)]
pub(crate) struct Follower<'a> {
    pub(crate) client: &'a Client,
    pub(crate) object: ObjectName,
    /// Further parameters, `&name=value…`.
    pub(crate) filter: String,
    /// Where the next read starts.
    pub(crate) offset: String,
    /// Try again when the server cannot be reached, instead of giving up.
    pub(crate) patient: bool,
}

impl Follower<'_> {
    /// Reads pages up to the present head; returns true when the stream is closed there.
    pub(crate) fn catch_up(&mut self, mut each: impl FnMut(&Json) -> Result<()>) -> Result<bool> {
        loop {
            let answer = self.client.send(&Ask::get(self.path("")))?;
            let next = answer.header("stream-next-offset").to_owned();
            let up_to_date = answer.header("stream-up-to-date") == "true";
            let closed = answer.header("stream-closed") == "true";
            let events: Vec<Json> = answer.json()?;
            events.iter().try_for_each(&mut each)?;
            if next.is_empty() || (next == self.offset && !up_to_date) {
                return Err(Failure::failed("the log stands still before its end"));
            }
            self.offset = next;
            if up_to_date {
                return Ok(closed);
            }
        }
    }

    /// Follows the log until `each` breaks or the stream closes. A stream that ended is taken up
    /// again after the last event seen, and a lost connection too by a patient follower.
    pub(crate) fn follow(
        &mut self,
        mut each: impl FnMut(&Json) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.connection(&mut each) {
                Ok(ControlFlow::Break(())) => return Ok(()),
                Ok(ControlFlow::Continue(())) => pause = Duration::from_millis(100),
                Err(failure) if self.patient && failure.may_pass() => {
                    print::note(format_args!("{failure}; trying again"));
                    wait(pause);
                    pause = (pause * 2).min(RECONNECT_WAIT_MAX);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn connection(
        &mut self,
        each: &mut impl FnMut(&Json) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let answer = self.client.send(&Ask::get(self.path("&live=sse")))?;
        let mut reader = answer.reader();
        while let Some(frame) = frame(&mut reader)? {
            match frame {
                Frame::Events(events) => {
                    for event in &events {
                        let flow = each(event)?;
                        if let Some(offset) = event["offset"].as_str() {
                            offset.clone_into(&mut self.offset);
                        }
                        if flow.is_break() {
                            return Ok(flow);
                        }
                    }
                }
                Frame::Control { next, closed } => {
                    self.offset = next;
                    if closed {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn path(&self, live: &str) -> String {
        let (changes, offset) = (self.object.path(&["changes"]), &self.offset);
        format!("{changes}?offset={offset}{live}{}", self.filter)
    }
}

/// Reads up to the end of one event; `None` where the stream ends, also within an event.
fn frame(reader: &mut impl BufRead) -> Result<Option<Frame>> {
    let (mut name, mut data) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) => return Err(Failure::unreachable(format!("the stream broke off: {e}"))),
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(rest) = line.strip_prefix("event:") {
            rest.trim_start().clone_into(&mut name);
        } else if let Some(rest) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.is_empty() && !data.is_empty() {
            match parsed(&name, &data)? {
                Some(frame) => return Ok(Some(frame)),
                None => data.clear(),
            }
        }
    }
}

fn parsed(name: &str, data: &str) -> Result<Option<Frame>> {
    let wrong = |e: serde_json::Error| Failure::failed(format!("the stream sent no JSON: {e}"));
    Ok(match name {
        "data" => Some(Frame::Events(serde_json::from_str(data).map_err(wrong)?)),
        "control" => {
            let control: Json = serde_json::from_str(data).map_err(wrong)?;
            let next = control["streamNextOffset"].as_str().unwrap_or_default();
            Some(Frame::Control {
                next: next.to_owned(),
                closed: control["streamClosed"] == true,
            })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn frames_are_read_over_comments_and_lines() {
        let mut text = ":\n\nevent: data\ndata:[\ndata:{\"a\":1},\ndata:{\"a\":2}\ndata:]\n\n\
                    event: control\ndata:{\"streamNextOffset\":\"5_6\",\"streamClosed\":true}\n\n\
                    event: data\ndata:[1"
            .as_bytes();
        let events = vec![json!({"a": 1}), json!({"a": 2})];
        assert_eq!(frame(&mut text).unwrap(), Some(Frame::Events(events)));
        let next = "5_6".to_owned();
        let control = Frame::Control { next, closed: true };
        assert_eq!(frame(&mut text).unwrap(), Some(control));
        assert_eq!(frame(&mut text).unwrap(), None);
    }
}
