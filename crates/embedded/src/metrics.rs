//! Counters of this process, in Prometheus text form.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tidelog_api::metrics::head;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts anew; what it was.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// What this process has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) turns: Counter,
    pub(crate) turns_refused: Counter,
    pub(crate) groups: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) objects_opened: Counter,
    pub(crate) pushes: Counter,
    pub(crate) pushed_events: Counter,
    pub(crate) flushes: Counter,
    pub(crate) flush_failures: Counter,
    pub(crate) flush_micros: Counter,
    pub(crate) requests: [Counter; 6],
}

impl Metrics {
    /// The counters as text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let counters = [
            ("turns_total", "Inputs taken by objects.", &self.turns),
            (
                "turns_refused_total",
                "Inputs refused with an error.",
                &self.turns_refused,
            ),
            (
                "groups_total",
                "Transactions, each one fsync when it wrote.",
                &self.groups,
            ),
            (
                "queue_full_total",
                "Inputs refused because a thread was full.",
                &self.queue_full,
            ),
            (
                "objects_opened_total",
                "Object files opened for writing.",
                &self.objects_opened,
            ),
            (
                "pushes_total",
                "Batches accepted by table actors.",
                &self.pushes,
            ),
            (
                "pushed_events_total",
                "Events in those batches.",
                &self.pushed_events,
            ),
            ("flushes_total", "Commits of table actors.", &self.flushes),
            (
                "flush_failures_total",
                "Attempts of table actors that failed.",
                &self.flush_failures,
            ),
        ];
        for (name, help, counter) in counters {
            head(&mut out, name, help, "counter");
            let _ = writeln!(out, "tidelog_{name} {}", counter.get());
        }
        head(
            &mut out,
            "flush_seconds_total",
            "Time spent in commits.",
            "counter",
        );
        let micros = self.flush_micros.get();
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let _ = writeln!(out, "tidelog_flush_seconds_total {seconds}.{rest:06}");
        head(
            &mut out,
            "http_requests_total",
            "Answered requests by class of status.",
            "counter",
        );
        for (class, counter) in self.requests.iter().enumerate().skip(1) {
            let value = counter.get();
            let _ = writeln!(
                out,
                "tidelog_http_requests_total{{status=\"{class}xx\"}} {value}"
            );
        }
        out
    }
}
