//! What was measured, as tables and as JSON.

use serde_json::{Value as Json, json};
use tidelog_log::Result;

use super::HostKind;
use super::gets::Gets;
use super::sums::Sums;
use crate::bench::figures::{grouped, per, percentile, say, table};

/// Everything that one run measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) host: HostKind,
    /// Readings in blobs.
    pub(super) rows: usize,
    pub(super) gets: Vec<Gets>,
    pub(super) sums: Vec<Sums>,
    pub(super) sizes: Option<Sizes>,
    pub(super) notes: Vec<String>,
}

/// Bytes of the same readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// All live blobs.
    pub(super) blobs: u64,
    /// How many blobs.
    pub(super) count: u64,
    /// The whole database of the object in use, its log and indexes included.
    pub(super) object: u64,
    /// A SQLite file with nothing but the rows.
    pub(super) sqlite: u64,
    /// As lines of JSON.
    pub(super) json: u64,
    /// The data files of the changes table, where they can be counted.
    pub(super) lake: Option<u64>,
}

/// What the seed promises: SQLite rows to blobs, JSON to blobs.
const SEED_TIMES: [u64; 2] = [2, 10];

impl Report {
    /// Prints it.
    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        if as_json {
            return say(&self.json().to_string());
        }
        table(&self.get_rows())?;
        say("")?;
        table(&self.sum_rows())?;
        if let Some(sizes) = &self.sizes {
            say("")?;
            table(&sizes.cells(self.rows))?;
        }
        self.notes
            .iter()
            .try_for_each(|note| say(&format!("\n{note}")))
    }

    fn get_rows(&self) -> Vec<Vec<String>> {
        let header = ["get by key, ms", "through", "p50", "p99", "gets", "seed"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.gets.iter().map(Gets::cells));
        rows
    }

    fn sum_rows(&self) -> Vec<Vec<String>> {
        let first = format!("{} rows, ms", grouped(float(self.rows)));
        let header = [
            &first,
            "tidelog",
            "peer",
            "times as fast",
            "goal",
            "reached",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(self.sums.iter().map(Sums::cells));
        rows
    }

    fn json(&self) -> Json {
        let gets: Vec<Json> = self.gets.iter().map(Gets::json).collect();
        let sums: Vec<Json> = self.sums.iter().map(Sums::json).collect();
        let sizes = self.sizes.map(|sizes| sizes.json());
        json!({"host": self.host.name(), "rows": self.rows, "gets": gets, "sums": sums,
               "bytes": sizes, "notes": self.notes})
    }
}

impl Gets {
    fn cells(&self) -> Vec<String> {
        let shown = |percent| format!("{:.3}", percentile(&self.millis, percent));
        let (p50, p99) = (shown(50), shown(99));
        let (count, seed) = (self.millis.len().to_string(), self.seed.to_string());
        [self.tier, self.way, &p50, &p99, &count, &seed]
            .map(str::to_owned)
            .to_vec()
    }

    fn json(&self) -> Json {
        let shown = |percent| percentile(&self.millis, percent);
        json!({"tier": self.tier, "through": self.way, "p50Millis": shown(50),
               "p99Millis": shown(99), "gets": self.millis.len(), "seedMillis": self.seed})
    }
}

impl Sums {
    fn reached(&self) -> Option<bool> {
        self.goal.map(|goal| self.ratio() >= goal)
    }

    fn cells(&self) -> Vec<String> {
        let (ours, theirs) = self.millis();
        let (goal, reached) = match self.goal {
            Some(goal) => (format!("at least {goal}"), self.reached() == Some(true)),
            None => (String::new(), false),
        };
        vec![
            self.name.clone(),
            format!("{ours:.2}"),
            format!("{theirs:.2}"),
            format!("{:.2}", self.ratio()),
            goal,
            match self.goal {
                Some(_) if reached => "yes".to_owned(),
                Some(_) => "no".to_owned(),
                None => String::new(),
            },
        ]
    }

    fn json(&self) -> Json {
        let (ours, theirs) = self.millis();
        json!({"sum": self.name, "tidelogMillis": ours, "peerMillis": theirs,
               "timesAsFast": self.ratio(), "goal": self.goal, "reached": self.reached()})
    }
}

impl Sizes {
    fn cells(&self, rows: usize) -> Vec<Vec<String>> {
        let rows = u64::try_from(rows).unwrap_or(0);
        let line = |name: &str, bytes: u64, seed: &str| {
            let times = format!("{:.2}", per(bytes, self.blobs));
            let each = format!("{:.1}", per(bytes, rows));
            let bytes = grouped(per(bytes, 1));
            [name, &bytes, &each, &times, seed]
                .map(str::to_owned)
                .to_vec()
        };
        let header = ["on disk", "bytes", "a row", "times the blobs", "seed"];
        let [sqlite, json] = SEED_TIMES.map(|times| times.to_string());
        let mut lines = vec![
            header.map(str::to_owned).to_vec(),
            line(&format!("{} blobs", self.count), self.blobs, ""),
            line("the object's database", self.object, ""),
            line("the rows in SQLite", self.sqlite, &sqlite),
            line("the rows as JSON", self.json, &json),
        ];
        let lake = self
            .lake
            .map(|bytes| line("the lake's data files", bytes, ""));
        lines.extend(lake);
        lines
    }

    fn json(&self) -> Json {
        json!({"blobs": self.blobs, "blobCount": self.count, "object": self.object,
               "sqlite": self.sqlite, "json": self.json, "lake": self.lake,
               "sqliteToBlobs": per(self.sqlite, self.blobs), "seedSqlite": SEED_TIMES[0],
               "jsonToBlobs": per(self.json, self.blobs), "seedJson": SEED_TIMES[1]})
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(ours: f64, goal: Option<f64>) -> Sums {
        Sums {
            name: "sum".to_owned(),
            ours: vec![ours; 3],
            theirs: vec![40.0; 3],
            goal,
        }
    }

    #[test]
    fn a_goal_is_reached_when_the_peer_takes_that_many_times_as_long() {
        assert_eq!(
            sums(2.0, Some(20.0)).cells()[3..],
            ["20.00", "at least 20", "yes"]
        );
        assert_eq!(sums(2.1, Some(20.0)).json()["reached"], false);
        assert_eq!(sums(2.1, None).json()["reached"], Json::Null);
    }

    #[test]
    fn sizes_are_beside_the_seeds_promise() {
        let sizes = Sizes {
            blobs: 10,
            count: 1,
            object: 12,
            sqlite: 45,
            json: 90,
            lake: None,
        };
        assert_eq!(sizes.cells(2)[3][2..], ["22.5", "4.50", "2"]);
        assert_eq!(sizes.json()["jsonToBlobs"], 9.0);
    }
}
