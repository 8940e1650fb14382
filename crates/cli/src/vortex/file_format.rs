//! Which files there are beside blobs, told by their names.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use clap::ValueEnum;

use super::unreadable;
use crate::failure::{Failure, Result};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    /// Parquet; its types are kept
    Parquet,
    /// Comma-separated values with a header; types are inferred
    Csv,
    /// One JSON object a line; types are inferred
    Ndjson,
}

impl FileFormat {
    /// The kind that was asked for, else by the name's ending; `.zst` behind it is not looked at.
    ///
    /// # Errors
    /// `format_unknown` when the name says nothing.
    pub(super) fn of(asked: Option<Self>, path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let plain = name.strip_suffix(".zst").unwrap_or(&name);
        let by_name = match plain.rsplit_once('.').map(|(_, ending)| ending) {
            Some("parquet") => Some(Self::Parquet),
            Some("csv") => Some(Self::Csv),
            Some("ndjson" | "jsonl") => Some(Self::Ndjson),
            _ => None,
        };
        asked.or(by_name).ok_or_else(|| {
            let message = "not .parquet, .csv, .ndjson or .jsonl; name it with --format";
            Failure::usage(format!("format_unknown: {name}: {message}"))
        })
    }
}

/// Opens a file to be read as text; one that ends in `.zst` is decompressed.
pub(super) fn open_text(path: &Path) -> Result<BufReader<Box<dyn Read>>> {
    let failed = |e: std::io::Error| unreadable(path, &e);
    let file = File::open(path).map_err(failed)?;
    let reader: Box<dyn Read> = match path.extension().is_some_and(|ending| ending == "zst") {
        true => Box::new(zstd::Decoder::new(file).map_err(failed)?),
        false => Box::new(file),
    };
    Ok(BufReader::with_capacity(1 << 16, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_format_and_a_flag_wins() {
        let of = |asked, name: &str| FileFormat::of(asked, Path::new(name)).ok();
        assert_eq!(of(None, "a.parquet"), Some(FileFormat::Parquet));
        assert_eq!(of(None, "dir.x/a.csv.zst"), Some(FileFormat::Csv));
        assert_eq!(of(None, "a.jsonl"), Some(FileFormat::Ndjson));
        assert_eq!(of(Some(FileFormat::Csv), "a.txt"), Some(FileFormat::Csv));
        let failure = FileFormat::of(None, Path::new("a.txt")).unwrap_err();
        assert!(failure.message.starts_with("format_unknown"), "{failure}");
    }
}
