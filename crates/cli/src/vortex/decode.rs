//! `tidelog vortex decode`: a blob to a file of rows, page by page.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use arrow_array::ArrayRef;
use clap::Args;
use serde_json::json;
use tidelog_vortex::VortexDecoder;

use super::delimited::CsvWriter;
use super::encode::{ratio, size};
use super::file_format::FileFormat;
use super::json_lines::LinesWriter;
use super::output::Output;
use super::parquet_file::ParquetWriter;
use super::table::arrow_bytes;
use super::{of_codec, unreadable};
use crate::failure::{Failure, Result};
use crate::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  tidelog vortex decode flights.tvx flights.parquet
  tidelog vortex decode flights.tvx flights.csv --force
  tidelog vortex decode events.tvx events.ndjson --json";

/// Flags of `vortex decode`.
#[derive(Args, Debug)]
pub(crate) struct DecodeArgs {
    /// The blob
    input: PathBuf,
    /// The rows: .parquet, .csv, .ndjson or .jsonl
    output: PathBuf,
    /// What the output is, where its name does not say it
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Largest blob, bytes: it is read whole, and beside it one page of every column
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    memory_max: u64,
    /// Replace the output if it is there
    #[arg(long)]
    force: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// One of the files that pages go to.
enum Writer<W: Write + Send> {
    Parquet(Box<ParquetWriter<W>>),
    Csv(Box<CsvWriter<W>>),
    Ndjson(LinesWriter<W>),
}

pub(super) fn run(args: &DecodeArgs) -> Result<()> {
    let output = Output::new(&args.output, args.force)?;
    let format = FileFormat::of(args.format, &args.output)?;
    if args
        .output
        .extension()
        .is_some_and(|ending| ending == "zst")
    {
        return Err(Failure::usage(
            "format_unknown: what is written is not compressed with .zst",
        ));
    }
    let input_bytes = size(&args.input)?;
    if input_bytes > args.memory_max {
        let most = args.memory_max;
        let message =
            format!("input_too_large: {input_bytes} bytes, more than {most} (--memory-max)");
        return Err(Failure::failed(message));
    }
    let blob = std::fs::read(&args.input).map_err(|e| unreadable(&args.input, &e))?;
    let blob = VortexDecoder::open(blob).map_err(|e| of_codec(&e))?;
    let mut arrow_bytes = 0;
    let bytes = output.write(|out| {
        arrow_bytes = write(&blob, format, out)?;
        Ok(())
    })?;
    let rows = blob.rows() as u64;
    if args.json {
        return print::line(json!({
            "output": args.output.display().to_string(),
            "rows": rows,
            "columns": blob.columns().len(),
            "inputBytes": input_bytes,
            "arrowBytes": arrow_bytes,
            "bytes": bytes,
            "ratio": ratio(arrow_bytes, input_bytes),
        }));
    }
    print::line(format_args!(
        "{}  {} rows, {} columns, {}",
        args.output.display(),
        print::count(rows),
        blob.columns().len(),
        print::bytes(bytes),
    ))
}

/// Writes every page; answers how many bytes they took in Arrow.
fn write(blob: &VortexDecoder, format: FileFormat, out: &mut BufWriter<File>) -> Result<u64> {
    let mut writer = Writer::new(format, out, blob)?;
    let mut bytes = 0;
    for page in 0..blob.page_count() {
        let columns = (0..blob.columns().len()).map(|column| blob.read_page(column, page));
        let columns: Vec<ArrayRef> = columns
            .collect::<Result<_, _>>()
            .map_err(|e| of_codec(&e))?;
        bytes += columns.iter().map(arrow_bytes).sum::<usize>() as u64;
        match &mut writer {
            Writer::Parquet(file) => file.write(&columns)?,
            Writer::Csv(file) => file.write(&columns)?,
            Writer::Ndjson(file) => file.write(&columns)?,
        }
    }
    match writer {
        Writer::Parquet(file) => file.finish()?,
        Writer::Csv(file) => file.finish()?,
        Writer::Ndjson(_) => {}
    }
    Ok(bytes)
}

impl<W: Write + Send> Writer<W> {
    fn new(format: FileFormat, out: W, blob: &VortexDecoder) -> Result<Self> {
        let columns = blob.columns();
        Ok(match format {
            FileFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::new(out, columns)?)),
            FileFormat::Csv => Self::Csv(Box::new(CsvWriter::new(out, columns)?)),
            FileFormat::Ndjson => Self::Ndjson(LinesWriter::new(out, columns)),
        })
    }
}
