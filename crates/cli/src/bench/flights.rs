//! The rows every benchmark writes: the flights out of one airport in 2013, as documents.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value as Json;
use tidelog_core::{JsonObject, Prepared, TypeSchema, TypeSpec};
use tidelog_log::{FieldType, Result, Row};

use super::figures::failed;

/// The collection the rows go to.
pub(crate) const COLLECTION: &str = "flights";

/// Where the rows and their schema are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Input {
    /// The rows, CSV compressed with zstd; see fixtures/nycflights13/README.md
    #[arg(long, default_value = "fixtures/nycflights13/flights.csv.zst")]
    flights: PathBuf,
    /// The declaration of the type
    #[arg(long, default_value = "schemas/airport.toml")]
    schema: PathBuf,
}

/// One row in every form that a benchmark hands over; made before anything is timed.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) key: String,
    /// The document's JSON, as a request's body has it.
    pub(crate) text: Box<str>,
    pub(crate) row: Row,
}

impl Input {
    /// The declaration as text.
    pub(crate) fn toml(&self) -> Result<String> {
        std::fs::read_to_string(&self.schema).map_err(|e| {
            failed(format!(
                "{}: {e}; run in the repository",
                self.schema.display()
            ))
        })
    }

    /// The type, registered for the first time.
    pub(crate) fn schema(&self) -> Result<Arc<TypeSchema>> {
        let spec = TypeSpec::from_toml(&self.toml()?)?;
        Ok(Arc::new(TypeSchema::register(None, &spec)?))
    }

    /// The first `limit` flights out of `airport`, or out of all three.
    pub(crate) fn flights(&self, airport: Option<&str>, limit: usize) -> Result<Vec<Flight>> {
        let schema = self.schema()?;
        let prepared = Prepared::new(schema.collection(COLLECTION)?.clone())?;
        let text = unpacked(&self.flights)?;
        let mut lines = csv::Reader::from_reader(text.as_slice());
        let header = lines.headers().map_err(|e| failed(e.to_string()))?.clone();
        let origin = header.iter().position(|name| name == "origin");
        let mut flights = Vec::new();
        for line in lines.records() {
            let line = line.map_err(|e| failed(e.to_string()))?;
            if flights.len() == limit {
                break;
            }
            let from = origin.and_then(|at| line.get(at));
            if airport.is_none_or(|airport| from == Some(airport)) {
                flights.push(flight(&prepared, &header, &line)?);
            }
        }
        if flights.len() < limit {
            let found = flights.len();
            return Err(failed(format!(
                "{limit} flights are asked for, there are {found}"
            )));
        }
        Ok(flights)
    }
}

fn flight(
    prepared: &Prepared,
    header: &csv::StringRecord,
    line: &csv::StringRecord,
) -> Result<Flight> {
    let mut document = JsonObject::new();
    for (name, cell) in header.iter().zip(line).filter(|(_, cell)| !cell.is_empty()) {
        let whole = prepared.collection.field(name);
        let whole = whole.is_some_and(|field| field.field_type == FieldType::Int);
        let json = match cell.parse::<i64>() {
            Ok(number) if whole => Json::from(number),
            _ => Json::from(cell),
        };
        document.insert(name.to_owned(), json);
    }
    let text = Json::Object(document.clone()).to_string().into();
    let row = prepared.row(document)?;
    let key = prepared.key_of(&row).unwrap_or_default();
    Ok(Flight { key, text, row })
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let shown =
        |e: std::io::Error| failed(format!("{}: {e}; run in the repository", path.display()));
    let file = File::open(path).map_err(shown)?;
    let mut bytes = Vec::new();
    zstd::Decoder::new(file)
        .and_then(|mut decoder| decoder.read_to_end(&mut bytes))
        .map_err(shown)?;
    Ok(bytes)
}
