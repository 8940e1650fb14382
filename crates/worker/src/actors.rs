//! The actors of this Worker: what a crate of one's own registers.

use std::cell::RefCell;

use tidelog_core::{Actors, Behaviour};

use crate::call;

thread_local! {
    static ACTORS: RefCell<Actors> = RefCell::default();
}

/// Gives the objects of this Worker their actors. Called by what [`actors!`](crate::actors) makes,
/// once in every instance of the module, before anything else.
pub fn register(actors: Actors) {
    ACTORS.with_borrow_mut(|all| *all = actors);
}

/// The behaviour of a type's objects, if they have one.
///
/// # Errors
/// `invalid_name` or `duplicate_name` of an actor or a message.
pub(crate) fn of(type_name: &str) -> tidelog_log::Result<Option<Behaviour>> {
    ACTORS.with_borrow(|actors| {
        actors.check()?;
        let behaviour = actors.of(type_name);
        Ok(behaviour.map(|behaviour| behaviour.watched(call::acting)))
    })
}

/// Registers the actors of the crate that stands at the end: `tidelog_worker::actors!(my::actors())`
/// with an expression of type [`Actors`].
///
/// A macro, because the function that `instance.mjs` calls must be exported by that crate itself.
#[macro_export]
macro_rules! actors {
    ($actors:expr) => {
        #[doc(hidden)]
        #[$crate::exported(js_name = tidelogActors, wasm_bindgen = $crate::wasm_bindgen)]
        pub fn tidelog_actors() {
            $crate::register($actors);
        }
    };
}
