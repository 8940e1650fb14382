//! The only place that reads a clock.

use std::time::{Duration, Instant};

/// Seconds that the call takes, and its answer.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time; this is its clock file"
)]
pub fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let answer = call();
    (started.elapsed().as_secs_f64(), answer)
}

/// Seconds of one call: it is made again until `least` is over, once at least.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time; this is its clock file"
)]
pub fn repeated<E>(least: Duration, mut call: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let started = Instant::now();
    let mut calls = 0.0;
    loop {
        call()?;
        calls += 1.0;
        if started.elapsed() >= least {
            return Ok(started.elapsed().as_secs_f64() / calls);
        }
    }
}
