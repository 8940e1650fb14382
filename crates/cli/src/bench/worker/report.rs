//! What was measured, how it is printed, and the goals.

use serde_json::{Value as Json, json};
use tidelog_log::Result;

use super::WorkerArgs;
use crate::bench::figures::{grouped, median, median_ratio, per, percentile, say, table};

/// The sides' names.
pub(super) const NAMES: [&str; 2] = ["tidelog", "by hand"];

/// Least ratio of request rates for single inserts, of event rates for batches.
const SINGLES_GOAL: f64 = 0.8;
const BATCHES_GOAL: f64 = 1.5;
/// Most log rows per event at a batch of 100.
const LOG_ROWS_GOAL: f64 = 0.05;
/// One kind of work: so many requests of so many events each, over so many connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) batch: usize,
    pub(super) requests: usize,
    pub(super) connections: usize,
}

/// What one side did of one kind of work, over all rounds.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// A second, one figure a round.
    pub(super) requests: Vec<f64>,
    /// Milliseconds, one figure a request.
    pub(super) latencies: Vec<f64>,
    pub(super) rows_written: u64,
    pub(super) log_rows: u64,
    pub(super) events: u64,
}

/// By kind of work: ours, then the peer's.
pub(super) type Figures = Vec<(Work, [Measured; 2])>;

impl Work {
    fn name(&self) -> String {
        match (self.batch, self.connections) {
            (1, 1) => "single inserts, 1 connection".to_owned(),
            (1, n) => format!("single inserts, {n} connections"),
            (batch, _) => format!("batches of {}", grouped(count(batch))),
        }
    }

    /// The least ratio of ours to the peer's that is wanted.
    fn goal(&self) -> f64 {
        if self.batch == 1 {
            SINGLES_GOAL
        } else {
            BATCHES_GOAL
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

impl Measured {
    fn json(&self, work: Work) -> Json {
        let requests = median(&self.requests);
        json!({"requestsPerSecond": requests, "eventsPerSecond": requests * count(work.batch),
               "p50Millis": percentile(&self.latencies, 50),
               "p99Millis": percentile(&self.latencies, 99),
               "rowsWrittenPerEvent": per(self.rows_written, self.events),
               "logRowsPerEvent": per(self.log_rows, self.events)})
    }

    fn cells(&self, work: Work) -> Vec<String> {
        let requests = median(&self.requests);
        vec![
            grouped(requests),
            grouped(requests * count(work.batch)),
            format!("{:.2}", percentile(&self.latencies, 50)),
            format!("{:.2}", percentile(&self.latencies, 99)),
            format!("{:.2}", per(self.rows_written, self.events)),
            format!("{:.3}", per(self.log_rows, self.events)),
        ]
    }
}

pub(super) fn report(
    args: &WorkerArgs,
    workerd: &str,
    cold: [f64; 2],
    figures: &Figures,
) -> Result<()> {
    if args.json {
        let works = figures.iter().map(|(work, [ours, theirs])| {
            let ratio = median_ratio(&ours.requests, &theirs.requests);
            json!({"work": work.name(), "batch": work.batch, "connections": work.connections,
                   "tidelog": ours.json(*work), "peer": theirs.json(*work), "ratio": ratio,
                   "goal": work.goal(), "reached": ratio >= work.goal()})
        });
        let report = json!({"rounds": args.rounds, "workerd": workerd,
                            "coldMillis": {"tidelog": cold[0], "peer": cold[1]},
                            "works": works.collect::<Vec<_>>(), "logRows": log_rows(figures)});
        return say(&report.to_string());
    }
    let header = [
        "",
        "requests/s",
        "events/s",
        "p50 ms",
        "p99 ms",
        "rows/event",
        "log rows/event",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut goals = vec![
        ["ratio to by hand", "", "goal", "reached"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (work, measured) in figures {
        for (measured, name) in measured.iter().zip(NAMES) {
            let mut row = vec![format!("{}, {name}", work.name())];
            row.extend(measured.cells(*work));
            rows.push(row);
        }
        let ratio = median_ratio(&measured[0].requests, &measured[1].requests);
        let goal = format!("at least {}", work.goal());
        goals.push(goal_row(&work.name(), ratio, &goal, ratio >= work.goal()));
    }
    let found = log_rows(figures);
    if let (Some(figure), Some(reached)) = (found["figure"].as_f64(), found["reached"].as_bool()) {
        let goal = format!("at most {LOG_ROWS_GOAL}");
        goals.push(goal_row(
            "log rows per event, batches of 100",
            figure,
            &goal,
            reached,
        ));
    }
    table(&rows)?;
    say("")?;
    table(&goals)?;
    let [ours, theirs] = cold;
    say(&format!(
        "\nwarm; the first insert of all, cold, took {ours:.1} ms (tidelog) and {theirs:.1} ms (by \
         hand); workerd {workerd}"
    ))
}

fn goal_row(name: &str, figure: f64, goal: &str, reached: bool) -> Vec<String> {
    let reached = if reached { "yes" } else { "no" };
    let figure = format!("{figure:.2}");
    [name, &figure, goal, reached].map(str::to_owned).to_vec()
}

/// Whether a batch of 100 takes few enough log rows.
fn log_rows(figures: &Figures) -> Json {
    let hundred = figures.iter().find(|(work, _)| work.batch == 100);
    let Some((_, [ours, _])) = hundred else {
        return Json::Null;
    };
    let figure = per(ours.log_rows, ours.events);
    json!({"figure": figure, "goal": LOG_ROWS_GOAL, "reached": figure <= LOG_ROWS_GOAL})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_of_log_rows_is_that_of_a_hundred() {
        let work = |batch| Work {
            batch,
            requests: 1,
            connections: 1,
        };
        let ours = |log_rows| Measured {
            log_rows,
            events: 100,
            ..Measured::default()
        };
        let figures = |log_rows| {
            vec![
                (work(1), [ours(100), Measured::default()]),
                (work(100), [ours(log_rows), Measured::default()]),
            ]
        };
        assert_eq!(log_rows(&figures(5))["reached"], true);
        assert_eq!(log_rows(&figures(6))["reached"], false);
        assert_eq!(log_rows(&Vec::new()), Json::Null);
    }
}
