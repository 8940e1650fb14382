//! One's own actors: typed messages, alarms and a look at what changed, over the same collections.
//!
//! An [`Actor`] is code without state: what it knows is in the documents of its object. Each
//! message, alarm and batch of changes is one turn in one savepoint, and what it writes is logged
//! like any other write. Messages to other objects are rows of that turn (`_outbox`); the host
//! delivers them at least once, and the receiver takes each exactly once.

pub mod limits;

mod behaviour;
pub use behaviour::{Actor, Actors, Behaviour, Messages};

mod context;
pub use context::Context;

mod change;
pub use change::Change;

mod letter;
pub use letter::{FailedLetter, Letter, Outcome};

mod state;
pub use state::ActorState;

mod turn;
pub use turn::{ActorCommand, MessageReply};

mod following;
mod post;
mod timers;

pub(crate) use timers::{is_timer, note_failure};

pub use tidelog_log::{Error, Kind, Operation, Result};

pub use crate::input::{JsonObject, Written, WrittenOperation};
pub use crate::query::QueryPage;
