//! Which call of `entry.mjs` runs, so that an actor's panic is answered to who asked for it.
//!
//! A panic ends the instance and all calls in it. `instance.mjs` numbers them, and is told which one runs
//! an actor's own code while that does.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

use crate::js;

thread_local! {
    /// The call that is being polled; 0: none that anyone waits for.
    static CALL: Cell<u32> = const { Cell::new(0) };
}

/// A call's work, known as that call's while it runs.
pub(crate) async fn numbered<F: Future>(call: u32, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        CALL.set(call);
        let done = work.as_mut().poll(context);
        CALL.set(0);
        done
    })
    .await
}

/// An actor's own code begins to run, or has ended.
pub(crate) fn acting(runs: bool) {
    js::acting(if runs { CALL.get() } else { 0 });
}
