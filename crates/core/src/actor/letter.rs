//! A message from one object to another, on its way.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidelog_log::{Epoch, Error, Kind};

use super::limits::BROKEN_ATTEMPTS_MAX;
use crate::Address;

/// A message to another object. `(epoch, number)` grows along everything one object sends, so the
/// receiver knows by the last one it took which it had before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Who sends it.
    pub from: Address,
    /// The sender's epoch when it was sent.
    pub epoch: Epoch,
    /// Counts everything the sender ever sent.
    pub number: u64,
    /// Who is to take it.
    pub to: Address,
    /// The message's name.
    pub message: String,
    /// What is sent.
    pub body: Json,
    /// Of the turn that sent it.
    pub correlation_id: String,
    /// Of the turn that sent it.
    pub trace_parent: String,
}

impl Letter {
    pub(super) fn place(&self) -> (Epoch, u64) {
        (self.epoch, self.number)
    }
}

/// What became of a letter at its receiver.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The receiver took it, now or before; its turn is durable.
    Taken,
    /// The receiver, or the way to it, failed.
    Failed(Error),
}

/// True for failures that trying again may mend: the receiver is not there, or it is broken and
/// was not tried often. All others are the receiver's answer: it will not take the message.
pub(super) fn may_mend(error: &Error, attempts: u32) -> bool {
    match error.kind() {
        Kind::Unavailable => true,
        Kind::Internal | Kind::Corrupt => attempts < BROKEN_ATTEMPTS_MAX,
        Kind::Conflict => error.code() == "object_deleting",
        _ => false,
    }
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedLetter {
    /// Counts everything the sender ever sent.
    pub number: u64,
    /// Who was to take it, `type/id`.
    pub to: String,
    /// The message's name.
    pub message: String,
    /// What was sent, as JSON text.
    pub body: String,
    /// The code of the refusal.
    pub code: String,
    /// The refusal in words.
    pub detail: String,
    /// When it was given up, milliseconds since 1970.
    pub at: i64,
}
