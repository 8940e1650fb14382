//! What was measured, as lines with their ratios, or as JSON.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tidelog_log::Result;

use crate::bench::figures::{grouped, median, median_ratio, millis, per, say, table};

/// One round: how long each took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// A full snapshot.
    pub(super) taken: Duration,
    /// The same with its file.
    pub(super) exported: Duration,
    /// `VACUUM INTO` and a copy.
    pub(super) vacuumed: Duration,
    /// The file is taken in.
    pub(super) imported: Duration,
    /// The same, restored.
    pub(super) restored: Duration,
    /// A copy of the peer's file.
    pub(super) copied: Duration,
}

/// An incremental snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incremental {
    pub(super) changed: usize,
    pub(super) took: Duration,
    pub(super) bytes: u64,
}

/// All of one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) rows: usize,
    pub(super) sqlite_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) zstd_bytes: u64,
    pub(super) rounds: Vec<Round>,
    pub(super) in_place: Duration,
    pub(super) incrementals: Vec<Incremental>,
}

/// One line beside its peer.
struct Line {
    name: &'static str,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    goal: Option<f64>,
}

impl Report {
    fn of(&self, what: impl Fn(&Round) -> Duration) -> Vec<f64> {
        self.rounds
            .iter()
            .map(|round| millis(what(round)))
            .collect()
    }

    fn lines(&self) -> Vec<Line> {
        let line = |name, ours, theirs, goal| Line {
            name,
            ours,
            theirs,
            goal,
        };
        let vacuumed = || self.of(|r| r.vacuumed);
        let copied = || self.of(|r| r.copied);
        let in_place = vec![millis(self.in_place); self.rounds.len()];
        vec![
            line(
                "snapshot beside VACUUM INTO + copy",
                self.of(|r| r.taken),
                vacuumed(),
                None,
            ),
            line(
                "snapshot + file beside VACUUM INTO + copy",
                self.of(|r| r.exported),
                vacuumed(),
                Some(1.0),
            ),
            line(
                "file taken in beside copy",
                self.of(|r| r.imported),
                copied(),
                None,
            ),
            line(
                "file -> new object beside copy",
                self.of(|r| r.restored),
                copied(),
                Some(0.5),
            ),
            line(
                "deleted object, in place, beside copy",
                in_place,
                copied(),
                Some(0.5),
            ),
        ]
    }

    /// Prints it.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        match json {
            true => say(&self.json().to_string()),
            false => self.text(),
        }
    }

    fn speed(&self, took: &[f64]) -> f64 {
        per(self.sqlite_bytes, 1_000) / median(took)
    }

    fn json(&self) -> Json {
        let lines = self.lines().into_iter().map(|line| {
            json!({"name": line.name, "millis": median(&line.ours), "peerMillis": median(&line.theirs),
                   "megabytesPerSecond": self.speed(&line.ours), "peerMegabytesPerSecond": self.speed(&line.theirs),
                   "ratio": median_ratio(&line.theirs, &line.ours), "goal": line.goal})
        });
        let incrementals = self
            .incrementals
            .iter()
            .map(|i| json!({"changed": i.changed, "millis": millis(i.took), "bytes": i.bytes}));
        json!({"rows": self.rows, "rounds": self.rounds.len(), "sqliteBytes": self.sqlite_bytes,
               "fileBytes": self.file_bytes, "zstdBytes": self.zstd_bytes,
               "fileToZstd": per(self.file_bytes, self.zstd_bytes), "memory": "warm",
               "lines": lines.collect::<Vec<_>>(), "incrementals": incrementals.collect::<Vec<_>>()})
    }

    fn text(&self) -> Result<()> {
        say(&format!(
            "{} rows; SQLite file {} bytes; files in the system's memory (warm); all durable",
            grouped(per(self.rows as u64, 1)),
            grouped(per(self.sqlite_bytes, 1))
        ))?;
        let header = ["", "ms", "peer ms", "MB/s", "peer MB/s", "ratio", "goal"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for line in self.lines() {
            rows.push(vec![
                line.name.to_owned(),
                grouped(median(&line.ours)),
                grouped(median(&line.theirs)),
                grouped(self.speed(&line.ours)),
                grouped(self.speed(&line.theirs)),
                format!("{:.2}", median_ratio(&line.theirs, &line.ours)),
                line.goal
                    .map_or(String::new(), |goal| format!(">= {goal:.1}")),
            ]);
        }
        table(&rows)?;
        say(&format!(
            "size: file {} bytes, zstd -19 of the SQLite file {} bytes, ratio {:.2} (goal <= 0.6)",
            grouped(per(self.file_bytes, 1)),
            grouped(per(self.zstd_bytes, 1)),
            per(self.file_bytes, self.zstd_bytes)
        ))?;
        self.incrementals.iter().try_for_each(|i| {
            say(&format!(
                "incremental after {} changes: {:.0} ms, {} bytes; a change {:.1} us, {:.1} bytes",
                grouped(per(i.changed as u64, 1)),
                millis(i.took),
                grouped(per(i.bytes, 1)),
                millis(i.took) * 1_000.0 / per(i.changed as u64, 1),
                per(i.bytes, i.changed as u64)
            ))
        })
    }
}
