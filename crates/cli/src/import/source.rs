//! The file of an import, as rows of JSON text.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use indicatif::ProgressBar;
use serde_json::{Map, Value as Json};
use tidelog_api::limits::LINE_BYTES_MAX;
use tidelog_core::Collection;

use super::csv_rows::CsvRows;
use crate::failure::{Failure, Result};

/// One row, ready to be sent.
#[derive(Debug)]
pub(crate) struct ImportRow {
    /// Its line in the file, from 1.
    pub(crate) line: u64,
    /// A JSON object in one line.
    pub(crate) json: String,
    /// The value of the routing column.
    pub(crate) object: Option<String>,
}

/// Where rows come from.
pub(crate) enum Source {
    Csv(CsvRows<Box<dyn Read>>),
    Ndjson(Lines),
}

/// NDJSON, line by line.
pub(crate) struct Lines {
    reader: Box<dyn BufRead>,
    column: Option<String>,
    line: u64,
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The file's size, for a progress bar.
pub(crate) fn size(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.len())
}

impl Source {
    /// Opens the file and reads a CSV's header. `column` names the object of each row.
    pub(crate) fn open(
        path: &Path,
        collection: &Collection,
        column: Option<&str>,
        bar: &ProgressBar,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let wrong = |e: std::io::Error| Failure::failed(format!("{name}: {e}"));
        let plain = name.strip_suffix(".zst").unwrap_or(&name);
        let csv = plain.ends_with(".csv");
        if !csv && !is_stdin(path) && !plain.ends_with(".ndjson") && !plain.ends_with(".jsonl") {
            let message = format!("{name}: not .csv, .ndjson or .jsonl, nor one of them with .zst");
            return Err(Failure::usage(message));
        }
        let reader: Box<dyn Read> = if is_stdin(path) {
            Box::new(std::io::stdin())
        } else {
            let file = bar.wrap_read(File::open(path).map_err(wrong)?);
            if name.ends_with(".zst") {
                Box::new(zstd::Decoder::new(file).map_err(wrong)?)
            } else {
                Box::new(file)
            }
        };
        if csv {
            return Ok(Self::Csv(CsvRows::new(reader, collection, column)?));
        }
        Ok(Self::Ndjson(Lines {
            reader: Box::new(BufReader::new(reader)),
            column: column.map(str::to_owned),
            line: 0,
        }))
    }

    /// The next row; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ImportRow>> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Ndjson(lines) => lines.next(),
        }
    }
}

impl Lines {
    fn next(&mut self) -> Result<Option<ImportRow>> {
        loop {
            let mut text = Vec::new();
            let most = LINE_BYTES_MAX as u64 + 1;
            let read = (&mut self.reader).take(most).read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let at = self.line;
            if text.len() > LINE_BYTES_MAX {
                let message = format!("line {at}: longer than {LINE_BYTES_MAX} bytes");
                return Err(Failure::failed(message));
            }
            let json = String::from_utf8(text);
            let json = json.map_err(|_| Failure::failed(format!("line {at}: not UTF-8")))?;
            let json = json.trim();
            if json.is_empty() {
                continue;
            }
            let object = match &self.column {
                Some(column) => routed(json, column).map_err(|f| f.within(format!("line {at}")))?,
                None => None,
            };
            return Ok(Some(ImportRow {
                line: at,
                json: json.to_owned(),
                object,
            }));
        }
    }
}

fn routed(json: &str, column: &str) -> Result<Option<String>> {
    let row: Map<String, Json> =
        serde_json::from_str(json).map_err(|e| Failure::failed(e.to_string()))?;
    Ok(match row.get(column) {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    })
}
