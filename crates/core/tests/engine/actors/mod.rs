//! Actors: messages, alarms, `on_change`, and messages between objects.

mod changes;
mod full;
mod letters;
mod lost;
mod messages;
mod teller;
mod timers;
mod world;
