//! A message as a turn: look it up, run it, keep what it did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidelog_log::{Error, Kind, Offset, Result, Sequence};

use super::behaviour::Behaviour;
use super::context::{Context, check_size};
use super::limits::REPLY_BYTES_MAX;
use super::{Letter, Outcome};
use crate::engine::Reply;
use crate::mutate::IdMaker;
use crate::sql::Sql;
use crate::table::meta;
use crate::write::check_caller;
use crate::{Address, Caller, Engine, TypeSchema};

/// What the actor in an object is asked, and what it is told of its own messages.
#[derive(Clone, Debug)]
pub enum ActorCommand {
    /// Handle a message from outside.
    Message {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
        /// Who asks.
        caller: Caller,
        /// The message's name.
        name: String,
        /// What is sent.
        body: Json,
    },
    /// Take a message of another object, unless it was taken before.
    Deliver {
        /// The registry's newest version of the type.
        schema: Arc<TypeSchema>,
        /// The message.
        letter: Letter,
    },
    /// A message of this object met its receiver, or did not.
    Delivered {
        /// Who was to take it.
        to: Address,
        /// Its number.
        number: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// Run one timer of the actor, if it is due: what a host does that cannot catch a panic, so
    /// that one timer's panic does not undo the others' work.
    Timer(String),
    /// A timer of the actor ended the instance it ran in: it has failed.
    TimerLost(String),
}

impl ActorCommand {
    /// True when an object is made for it that does not exist.
    pub fn makes_object(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::Deliver { .. })
    }
}

/// The answer to a message from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageReply {
    /// What the actor answered.
    pub reply: Json,
    /// Where a reader stands who has seen this turn.
    pub offset: Offset,
    /// True when an idempotency key was seen before and nothing was done again.
    pub replayed: bool,
}

/// What makes a turn of an actor start.
pub(super) struct Occasion<'o> {
    pub(super) now: i64,
    pub(super) entropy: [u8; 16],
    pub(super) caller: &'o Caller,
    pub(super) sender: Option<&'o Address>,
    /// What the log keeps as the turn's cause.
    pub(super) cause: &'o str,
}

impl Engine {
    pub(crate) fn act(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        entropy: [u8; 16],
        command: ActorCommand,
    ) -> Result<Reply> {
        match command {
            ActorCommand::Message {
                schema,
                caller,
                name,
                body,
            } => {
                check_caller(&caller)?;
                self.message(sql, (now, entropy), &schema, &caller, &name, body)
                    .map(Reply::Message)
            }
            ActorCommand::Deliver { schema, letter } => self
                .deliver(sql, (now, entropy), &schema, letter)
                .map(|()| Reply::Done),
            ActorCommand::Delivered {
                to,
                number,
                outcome,
            } => self
                .delivered(sql, now, &to, number, &outcome)
                .map(|()| Reply::Done),
            ActorCommand::Timer(name) => self
                .actor_timer(sql, now, entropy, &name)
                .map(|()| Reply::Done),
            ActorCommand::TimerLost(name) => {
                self.actor_timer_lost(sql, now, &name).map(|()| Reply::Done)
            }
        }
    }

    fn message(
        &mut self,
        sql: &dyn Sql,
        (now, entropy): (i64, [u8; 16]),
        schema: &TypeSchema,
        caller: &Caller,
        name: &str,
        body: Json,
    ) -> Result<MessageReply> {
        let fingerprint = fingerprint(caller, name, &body);
        if let Some(text) = self.recall(sql, now, caller, fingerprint.as_ref())? {
            let odd = |_| Error::corrupt("a remembered reply does not read");
            let (offset, reply): (String, Json) = serde_json::from_str(&text).map_err(odd)?;
            return Ok(MessageReply {
                reply,
                offset: offset.parse()?,
                replayed: true,
            });
        }
        let occasion = Occasion {
            now,
            entropy,
            caller,
            sender: None,
            cause: &format!("message:{name}"),
        };
        let reply = self.handle(sql, &occasion, schema, name, body)?;
        let offset = self.offset();
        let text = json!([offset.to_string(), reply]).to_string();
        if text.len() > REPLY_BYTES_MAX {
            let message = format!("a reply has at most {REPLY_BYTES_MAX} bytes");
            return Err(Error::too_large("reply_too_large", message));
        }
        self.remember_text(sql, now, caller, fingerprint.as_ref(), &text)?;
        Ok(MessageReply {
            reply,
            offset,
            replayed: false,
        })
    }

    /// Handles a message, whoever sent it.
    pub(super) fn handle(
        &mut self,
        sql: &dyn Sql,
        occasion: &Occasion<'_>,
        schema: &TypeSchema,
        name: &str,
        body: Json,
    ) -> Result<Json> {
        let behaviour = self.behaviour_for(name)?;
        check_size(body.to_string().len())?;
        self.check_writable()?;
        self.upgrade(sql, schema)?;
        self.acting(sql, occasion, |ctx| behaviour.handle(ctx, name, body))
    }

    /// The behaviour that takes this message.
    ///
    /// # Errors
    /// `unknown_message`, with the messages there are.
    fn behaviour_for(&self, name: &str) -> Result<Behaviour> {
        let type_name = &self.view.address.type_name;
        let unknown = |message| Error::not_found("unknown_message", message).at("message");
        let Some(behaviour) = &self.behaviour else {
            return Err(unknown(format!("type {type_name} has no actor here")));
        };
        let names = behaviour.names();
        if names.contains(&name) {
            return Ok(behaviour.clone());
        }
        let shown: String = name.chars().take(80).collect();
        let known = names.join(", ");
        Err(unknown(format!(
            "type {type_name} takes no message {shown:?}; it takes {known}"
        )))
    }

    /// Runs a piece of an actor as one turn: its changes are one record, its messages go to the
    /// outbox. A panic in it is an error like any other, where panics can be caught.
    pub(super) fn acting<T>(
        &mut self,
        sql: &dyn Sql,
        occasion: &Occasion<'_>,
        run: impl FnOnce(&mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut open = self.begin(occasion.now, occasion.caller, occasion.cause)?;
        let view = self.view.clone();
        let mut ctx = Context {
            sql,
            view: &view,
            open: &mut open,
            ids: IdMaker {
                now: occasion.now,
                entropy: occasion.entropy,
                made: 0,
            },
            caller: occasion.caller,
            sender: occasion.sender,
            sends: Vec::new(),
            failed: None,
            drawn: 0,
            changes: 0,
            room: None,
        };
        let done = catch_unwind(AssertUnwindSafe(|| run(&mut ctx)));
        let (sends, failed) = (std::mem::take(&mut ctx.sends), ctx.failed.take());
        let done = match done {
            Ok(done) => done?,
            Err(panic) => {
                self.panicked = true;
                return Err(panicked(&*panic));
            }
        };
        if let Some(error) = failed {
            return Err(error);
        }
        self.finish(sql, open)?;
        self.post(sql, occasion, sends)?;
        Ok(done)
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        if self.status == meta::Status::Deleting {
            let message = "the object is being deleted; try later";
            return Err(Error::conflict("object_deleting", message));
        }
        self.check_room()
    }

    /// Where `on_change` begins: the events from here on are given to it.
    pub(crate) fn follow_from(&self, sql: &dyn Sql, first: Sequence, now: i64) -> Result<()> {
        match &self.behaviour {
            Some(behaviour) if !behaviour.follows().is_empty() => {
                super::following::begin(sql, first, now)
            }
            _ => Ok(()),
        }
    }
}

/// A hash of what is asked; `None` without an idempotency key.
fn fingerprint(caller: &Caller, name: &str, body: &Json) -> Option<blake3::Hash> {
    let keyed = !caller.idempotency_key.is_empty();
    keyed.then(|| blake3::hash(json!(["message", name, body]).to_string().as_bytes()))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the actor panicked: {}", text.unwrap_or("no message"));
    Error::new(Kind::Internal, "actor_failed", message)
}
