//! A reader of one object's stream in a thread of its own.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value as Json;

use super::churn::Made;
use crate::client::Client;
use crate::events::Follower;
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;

/// Longest wait for the next event.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long after the last event there must be no other.
const QUIET: Duration = Duration::from_millis(200);

/// Receives what the thread sees.
#[derive(Debug)]
pub(crate) struct Watcher {
    seen: Receiver<Made>,
}

impl Watcher {
    /// Follows the object from its present head; the thread ends with the server or the watcher.
    pub(crate) fn start(client: &Client, object: ObjectName) -> Result<Self> {
        let client = client.clone();
        let (sender, seen) = channel();
        let (ready, started) = channel();
        std::thread::Builder::new()
            .name("demo-follower".to_owned())
            .spawn(move || {
                let mut follower = Follower {
                    client: &client,
                    object,
                    filter: String::new(),
                    offset: "now".to_owned(),
                    patient: false,
                };
                let at_head = follower.catch_up(|_| Ok(()));
                if ready.send(at_head.map(drop)).is_err() {
                    return;
                }
                // Its end is the server's or the watcher's; what it missed, `expect` finds.
                drop(follower.follow(|event| {
                    Ok(match sender.send(made(event)) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(_) => ControlFlow::Break(()),
                    })
                }));
            })?;
        let started = started.recv();
        started.map_err(|_| Failure::failed("the follower did not start"))??;
        Ok(Self { seen })
    }

    /// Checks that exactly these events came, in this order.
    pub(crate) fn expect(&mut self, made: &[Made]) -> Result<()> {
        for (at, expected) in made.iter().enumerate() {
            let seen = self.seen.recv_timeout(EVENT_WAIT_MAX).map_err(|_| {
                let missing = made.len() - at;
                Failure::failed(format!("the follower is missing {missing} events"))
            })?;
            if seen != *expected {
                let message = format!("the follower saw {seen:?} where {expected:?} was written");
                return Err(Failure::failed(message));
            }
        }
        match self.seen.recv_timeout(QUIET) {
            Ok(more) => Err(Failure::failed(format!("nobody wrote {more:?}"))),
            Err(_) => Ok(()),
        }
    }
}

fn made(event: &Json) -> Made {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    Made {
        sequence: event["sequence"].as_u64().unwrap_or(0),
        operation: text("operation"),
        key: text("documentId"),
    }
}
