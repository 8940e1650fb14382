//! What an actor is to its author, and what a host knows of all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tidelog_log::{Error, Result};

use super::{Change, Context};
use crate::check_name;

/// The behaviour of the objects of one type.
///
/// It holds no state that changes: an object is evicted and opened again at any time, perhaps on
/// another machine. What is to last goes into documents. Time and randomness come from the
/// [`Context`], so that a turn can be run again and give the same.
pub trait Actor: Send + Sync + 'static {
    /// Names every message the actor takes, each with the function that handles it.
    fn messages(messages: &mut Messages<Self>)
    where
        Self: Sized;

    /// Runs when an alarm that [`Context::set_alarm`] set is due. The alarm is cleared; set it again
    /// for another time. A failing one is tried again after 1 s, doubled up to 5 min, and shows in
    /// the object's `state`.
    ///
    /// # Errors
    /// Whatever went wrong: nothing the turn did stays.
    fn on_alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()> {
        let _ = ctx;
        let message = format!("the actor sets an alarm {name:?} and has no on_alarm");
        Err(Error::internal(message))
    }

    /// The collections whose changes [`Actor::on_change`] is given; none when it has none.
    fn follows(&self) -> &'static [&'static str] {
        &[]
    }

    /// Is given the changes of the followed collections, whoever made them, in order and each once,
    /// in a turn of its own soon after theirs. What `on_change` itself writes is not given to it.
    /// It moves on only when it succeeds; until then it is tried again as an alarm is.
    ///
    /// # Errors
    /// Whatever went wrong: nothing the turn did stays. The writes that were the changes stand.
    fn on_change(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        let _ = (ctx, changes);
        Ok(())
    }
}

type Handler<A> = Box<dyn Fn(&A, &mut Context<'_>, Json) -> Result<Json> + Send + Sync>;

/// The messages of one actor, by name.
pub struct Messages<A> {
    handlers: BTreeMap<&'static str, Handler<A>>,
    wrong: Option<Error>,
}

impl<A: 'static> Messages<A> {
    /// Handles the message `name` with `handle`: a function of the actor, the turn and what was
    /// sent, which answers the reply. Both are any serde types; `()` for nothing.
    pub fn on<M, R>(
        &mut self,
        name: &'static str,
        handle: fn(&A, &mut Context<'_>, M) -> Result<R>,
    ) -> &mut Self
    where
        M: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let known = self.handlers.contains_key(name);
        let twice = || Error::invalid("duplicate_name", format!("message {name} twice"));
        let checked = check_name("message", name).and(if known { Err(twice()) } else { Ok(()) });
        if let Err(error) = checked {
            self.wrong.get_or_insert(error);
        }
        let handler: Handler<A> = Box::new(move |actor, ctx, body| {
            let reply = handle(actor, ctx, message(body)?)?;
            serde_json::to_value(reply)
                .map_err(|e| Error::internal(format!("the reply to {name} is no JSON: {e}")))
        });
        self.handlers.insert(name, handler);
        self
    }
}

impl<A> fmt::Debug for Messages<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}

/// What was sent, as its type; an error names the place that is of another shape.
fn message<M: DeserializeOwned>(body: Json) -> Result<M> {
    serde_path_to_error::deserialize(body).map_err(|wrong| {
        let place = wrong.path().to_string();
        let error = Error::invalid("invalid_message", wrong.into_inner().to_string());
        if place == "." { error } else { error.at(place) }
    })
}

/// The actors that a host runs, by type.
#[derive(Clone, Debug, Default)]
pub struct Actors {
    behaviours: BTreeMap<String, Behaviour>,
    wrong: Option<Error>,
}

impl Actors {
    /// No actors: objects are documents and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the objects of a type their behaviour.
    #[must_use]
    pub fn with<A: Actor>(mut self, type_name: &str, actor: A) -> Self {
        let mut messages = Messages {
            handlers: BTreeMap::new(),
            wrong: None,
        };
        A::messages(&mut messages);
        let known = self.behaviours.contains_key(type_name);
        let twice = || Error::invalid("duplicate_name", format!("two actors of type {type_name}"));
        let checked = check_name("type", type_name).and(if known { Err(twice()) } else { Ok(()) });
        self.wrong = self.wrong.or(checked.err()).or(messages.wrong.take());
        let behaviour = Behaviour(Arc::new(Bound { actor, messages }));
        self.behaviours.insert(type_name.to_owned(), behaviour);
        self
    }

    /// Says what is wrong with a name; hosts ask when they start.
    ///
    /// # Errors
    /// `invalid_name` or `duplicate_name`.
    pub fn check(&self) -> Result<()> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    /// The behaviour of a type's objects, if they have one.
    pub fn of(&self, type_name: &str) -> Option<&Behaviour> {
        self.behaviours.get(type_name)
    }
}

/// One actor, whatever its type in Rust.
#[derive(Clone)]
pub struct Behaviour(Arc<dyn Behaves>);

impl Behaviour {
    /// The same behaviour, with `watch(true)` before and `watch(false)` after each piece of the actor's
    /// own code: so a host that cannot catch a panic knows whose it was.
    #[must_use]
    pub fn watched(&self, watch: fn(bool)) -> Self {
        let actor = self.clone();
        Self(Arc::new(Watched { actor, watch }))
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.names()
    }

    pub(super) fn handle(&self, ctx: &mut Context<'_>, name: &str, body: Json) -> Result<Json> {
        self.0.handle(ctx, name, body)
    }

    pub(super) fn alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()> {
        self.0.alarm(ctx, name)
    }

    pub(super) fn follows(&self) -> &'static [&'static str] {
        self.0.follows()
    }

    pub(super) fn changed(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        self.0.changed(ctx, changes)
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Behaviour").field(&self.names()).finish()
    }
}

trait Behaves: Send + Sync {
    fn names(&self) -> Vec<&'static str>;
    fn handle(&self, ctx: &mut Context<'_>, name: &str, body: Json) -> Result<Json>;
    fn alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()>;
    fn follows(&self) -> &'static [&'static str];
    fn changed(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()>;
}

struct Watched {
    actor: Behaviour,
    watch: fn(bool),
}

impl Watched {
    fn run<T>(&self, run: impl FnOnce(&Behaviour) -> T) -> T {
        (self.watch)(true);
        let done = run(&self.actor);
        (self.watch)(false);
        done
    }
}

impl Behaves for Watched {
    fn names(&self) -> Vec<&'static str> {
        self.actor.names()
    }

    fn handle(&self, ctx: &mut Context<'_>, name: &str, body: Json) -> Result<Json> {
        self.run(|actor| actor.handle(ctx, name, body))
    }

    fn alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()> {
        self.run(|actor| actor.alarm(ctx, name))
    }

    fn follows(&self) -> &'static [&'static str] {
        self.actor.follows()
    }

    fn changed(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        self.run(|actor| actor.changed(ctx, changes))
    }
}

struct Bound<A> {
    actor: A,
    messages: Messages<A>,
}

impl<A: Actor> Behaves for Bound<A> {
    fn names(&self) -> Vec<&'static str> {
        self.messages.handlers.keys().copied().collect()
    }

    fn handle(&self, ctx: &mut Context<'_>, name: &str, body: Json) -> Result<Json> {
        match self.messages.handlers.get(name) {
            Some(handler) => handler(&self.actor, ctx, body),
            None => Err(Error::internal(format!(
                "message {name:?} was not looked up"
            ))),
        }
    }

    fn alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()> {
        self.actor.on_alarm(ctx, name)
    }

    fn follows(&self) -> &'static [&'static str] {
        self.actor.follows()
    }

    fn changed(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        self.actor.on_change(ctx, changes)
    }
}
