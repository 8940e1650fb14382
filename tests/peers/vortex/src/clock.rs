//! The only place that reads a clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use cpu_time::ProcessTime;

/// What seconds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// Processor time of this process, all threads: nothing waits for a disk or a network here, so
    /// on a quiet machine it is the time that passes, and on a busy one it is still right.
    Cpu,
    /// The time that passes.
    Wall,
}

static IS_WALL: AtomicBool = AtomicBool::new(false);

/// Chooses for the whole run.
pub fn choose(clock: Clock) {
    IS_WALL.store(clock == Clock::Wall, Ordering::Relaxed);
}

/// A moment of the chosen clock.
enum Moment {
    Cpu(ProcessTime),
    Wall(Instant),
}

impl Moment {
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark measures time; this is its clock file"
    )]
    fn now() -> Self {
        match IS_WALL.load(Ordering::Relaxed) {
            true => Self::Wall(Instant::now()),
            false => Self::Cpu(ProcessTime::now()),
        }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Cpu(started) => started.elapsed(),
            Self::Wall(started) => started.elapsed(),
        }
    }
}

/// Seconds that the call takes, and its answer.
pub fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let started = Moment::now();
    let answer = call();
    (started.elapsed().as_secs_f64(), answer)
}

/// Seconds of one call: it is made again until `least` is over, once at least.
pub fn repeated<E>(least: Duration, mut call: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let started = Moment::now();
    let mut calls = 0.0;
    loop {
        call()?;
        calls += 1.0;
        let elapsed = started.elapsed();
        if elapsed >= least {
            return Ok(elapsed.as_secs_f64() / calls);
        }
    }
}
