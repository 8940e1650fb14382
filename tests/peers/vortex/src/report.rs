//! The tables as Markdown, and everything as JSON.

use serde_json::{Value as Json, json};

use crate::measure::{Measured, WORKS, Work};
use crate::sets::DataSet;

/// What was measured of one set.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    about: &'static str,
    rows: usize,
    columns: usize,
    arrow_bytes: usize,
    numeric: String,
    text: String,
    filter: String,
    pub formats: Vec<Measured>,
}

/// What ratios are to.
const BASELINE: &str = "parquet-zstd3";

impl Outcome {
    pub fn new(set: &DataSet, formats: Vec<Measured>) -> Self {
        let filter = &set.filter;
        Self {
            name: set.name,
            about: set.about,
            rows: set.batch.num_rows(),
            columns: set.batch.num_columns(),
            arrow_bytes: set.arrow_bytes(),
            numeric: set.column_name(set.numeric),
            text: set.column_name(set.text),
            filter: format!(
                "sum of `{}` over a range of `{}`",
                set.column_name(filter.sum),
                set.column_name(filter.column)
            ),
            formats,
        }
    }

    fn baseline(&self) -> Option<&Measured> {
        self.formats.iter().find(|format| format.format == BASELINE)
    }

    /// Bytes as parts of Parquet's.
    fn size(&self, of: &Measured) -> Option<f64> {
        Some(of.bytes as f64 / self.baseline()?.bytes as f64)
    }

    /// 10^6 Arrow bytes a second.
    fn megabytes(&self, of: &Measured, work: Work) -> Option<f64> {
        Some(self.arrow_bytes as f64 / 1e6 / of.seconds(work)?)
    }

    /// The better of texts as they are and as views.
    fn best(&self, of: &Measured) -> Option<f64> {
        let (plain, views) = (
            self.megabytes(of, Work::Decode)?,
            self.megabytes(of, Work::Views),
        );
        Some(plain.max(views.unwrap_or(0.0)))
    }

    /// How many times faster than Parquet.
    fn faster(&self, of: &Measured, work: Work) -> Option<f64> {
        Some(self.baseline()?.seconds(work)? / of.seconds(work)?)
    }

    /// The set's table.
    pub fn markdown(&self) -> String {
        let mut out = format!("\n### {}: {}\n\n", self.name, self.about);
        out += &format!(
            "{} rows x {} columns, {:.1} MB Arrow. A = `{}`, B = `{}`; scan = {}.\n\n",
            self.rows,
            self.columns,
            self.arrow_bytes as f64 / 1e6,
            self.numeric,
            self.text,
            self.filter
        );
        out += "| format | bytes | B/row | size | encode MB/s | decode MB/s | with views | decode, Parquet = 1 | A ms | B ms | scan ms | row µs warm | row µs cold |\n";
        out += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
        for of in &self.formats {
            let parts = if of.parts > 1 {
                format!(" ({} blobs)", of.parts)
            } else {
                String::new()
            };
            let scaled = |work, by: f64| of.seconds(work).map(|seconds| seconds * by);
            out += &line(&[
                format!("{}{parts}", of.format),
                of.bytes.to_string(),
                format!("{:.2}", of.bytes as f64 / self.rows as f64),
                figure(self.size(of), 3),
                short(self.megabytes(of, Work::Encode)),
                short(self.megabytes(of, Work::Decode)),
                short(self.megabytes(of, Work::Views)),
                figure(self.faster(of, Work::Decode), 2),
                short(scaled(Work::Numeric, 1e3)),
                short(scaled(Work::Text, 1e3)),
                short(scaled(Work::Scan, 1e3)),
                short(scaled(Work::RowWarm, 1e6)),
                short(scaled(Work::RowCold, 1e6)),
            ]);
        }
        for of in &self.formats {
            if let Some(chosen) = &of.chosen {
                out += &format!("\n{}: {chosen}\n", of.format);
            }
        }
        out
    }

    fn json(&self) -> Json {
        let format = |of: &Measured| {
            let mut json = json!({
                "format": of.format,
                "bytes": of.bytes,
                "parts": of.parts,
                "size": self.size(of),
                "encodeMBps": self.megabytes(of, Work::Encode),
                "decodeMBps": self.megabytes(of, Work::Decode),
                "chosen": of.chosen,
            });
            for work in WORKS {
                json["seconds"][format!("{work:?}")] = json!(of.seconds(work));
            }
            json
        };
        json!({
            "set": self.name,
            "about": self.about,
            "rows": self.rows,
            "columns": self.columns,
            "arrowBytes": self.arrow_bytes,
            "numeric": self.numeric,
            "text": self.text,
            "filter": self.filter,
            "formats": self.formats.iter().map(format).collect::<Vec<_>>(),
        })
    }
}

/// Geometric means over the sets, each ratio to Parquet in the same run.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut out = format!("\n### Geometric means over {} sets\n\n", outcomes.len());
    out += "| format | size, Parquet = 1 | largest | encode MB/s | decode MB/s | best of both | decode, Parquet = 1 | scan, Parquet = 1 | row µs warm | row µs cold |\n";
    out += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    let Some(first) = outcomes.first() else {
        return out;
    };
    for (at, of) in first.formats.iter().enumerate() {
        let each = |figure: &dyn Fn(&Outcome, &Measured) -> Option<f64>| -> Option<Vec<f64>> {
            outcomes
                .iter()
                .map(|outcome| figure(outcome, &outcome.formats[at]))
                .collect()
        };
        let mean =
            |figure: &dyn Fn(&Outcome, &Measured) -> Option<f64>| each(figure).map(geometric);
        let sizes = each(&Outcome::size);
        let micros = |work| mean(&move |_: &Outcome, of: &Measured| Some(of.seconds(work)? * 1e6));
        out += &line(&[
            of.format.to_owned(),
            figure(sizes.clone().map(geometric), 3),
            figure(sizes.map(|all| all.into_iter().fold(0.0, f64::max)), 3),
            short(mean(&|outcome, of| outcome.megabytes(of, Work::Encode))),
            short(mean(&|outcome, of| outcome.megabytes(of, Work::Decode))),
            short(mean(&|outcome, of| outcome.best(of))),
            figure(mean(&|outcome, of| outcome.faster(of, Work::Decode)), 2),
            figure(mean(&|outcome, of| outcome.faster(of, Work::Scan)), 2),
            short(micros(Work::RowWarm)),
            short(micros(Work::RowCold)),
        ]);
    }
    out
}

/// Every set and format, with the medians in seconds.
pub fn json(outcomes: &[Outcome], rounds: usize) -> Json {
    json!({"rounds": rounds, "sets": outcomes.iter().map(Outcome::json).collect::<Vec<_>>()})
}

fn geometric(figures: Vec<f64>) -> f64 {
    let logarithms: f64 = figures.iter().map(|figure| figure.ln()).sum();
    (logarithms / figures.len() as f64).exp()
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn figure(figure: Option<f64>, places: usize) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.places$}"))
}

/// Three digits that count.
fn short(value: Option<f64>) -> String {
    let places = match value {
        Some(value) if value >= 100.0 => 0,
        Some(value) if value >= 10.0 => 1,
        _ => 2,
    };
    figure(value, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_geometric_and_figures_short() {
        assert!((geometric(vec![1.0, 4.0]) - 2.0).abs() < 1e-9);
        assert_eq!(short(Some(1234.5)), "1234");
        assert_eq!(short(Some(12.34)), "12.3");
        assert_eq!(short(None), "–");
    }
}
