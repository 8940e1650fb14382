//! What goes to standard output and standard error, and numbers as people read them.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use crate::failure::Result;

/// Writes one line to standard output, at once.
pub(crate) fn line(text: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Writes one line to standard error; a closed one is nobody's loss.
pub(crate) fn note(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// A whole number with commas between thousands.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a decimal unit.
pub(crate) fn bytes(n: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(size, _)| n >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", n / size, n % size * 10 / size),
        None => format!("{n} B"),
    }
}

/// A duration in milliseconds or seconds.
pub(crate) fn time(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..10_000 => format!("{} ms", count(u64::try_from(millis).unwrap_or(0))),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// Things per second.
pub(crate) fn rate(n: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(n) * 1_000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(336_776), "336,776");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(4_955_938), "4.9 MB");
        assert_eq!(time(Duration::from_millis(1_234)), "1,234 ms");
        assert_eq!(rate(500, Duration::from_millis(250)), 2_000);
    }
}
