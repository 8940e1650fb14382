//! The only place that reads the machine's clock and its randomness.
#![expect(clippy::disallowed_methods, reason = "the embedded host's clock")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX) + moved()
}

#[cfg(not(test))]
fn moved() -> i64 {
    0
}

/// How far a test has moved this process's clock, milliseconds.
#[cfg(test)]
fn moved() -> i64 {
    MOVED.load(std::sync::atomic::Ordering::SeqCst)
}

#[cfg(test)]
static MOVED: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

/// Moves this process's clock on.
#[cfg(test)]
pub(crate) fn advance(millis: i64) {
    MOVED.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
}

/// A monotonic moment, for durations.
pub fn instant() -> Instant {
    Instant::now()
}

/// Sixteen random bytes from the operating system.
pub fn entropy() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Ids only need to differ: the time and the process still make them so.
        bytes[..8].copy_from_slice(&now().to_le_bytes());
        bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    }
    bytes
}
