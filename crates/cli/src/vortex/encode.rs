//! `tidelog vortex encode`: a file of rows to one blob.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use tidelog_vortex::{EncodeOptions, Kind, Profile, VortexEncoder, limits};

use super::budget::Budget;
use super::file_format::FileFormat;
use super::output::Output;
use super::table::Table;
use super::{delimited, json_lines, of_codec, parquet_file, unreadable};
use crate::failure::Result;
use crate::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  tidelog vortex encode flights.parquet flights.tvx
  tidelog vortex encode fixtures/nycflights13/flights.csv.zst flights.tvx --profile small
  tidelog vortex encode events.ndjson events.tvx --json-columns before,after --json";

/// Flags of `vortex encode`.
#[derive(Args, Debug)]
pub(crate) struct EncodeArgs {
    /// The rows: .parquet, .csv, .ndjson or .jsonl; text also with .zst
    input: PathBuf,
    /// The blob to write, usually .tvx
    output: PathBuf,
    /// What the input is, where its name does not say it
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// What to weigh more
    #[arg(long, value_enum, default_value = "balanced")]
    profile: Weigh,
    /// Rows of a page, 1 to 65,536 [default: 8,192, or fewer where a page would be too large]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    page_rows: Option<u32>,
    /// Text columns that hold JSON, with commas
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    json_columns: Vec<String>,
    /// Most bytes of columns in memory, as Arrow holds them; the whole takes two to three times that
    #[arg(long, value_name = "BYTES", default_value_t = MEMORY_MAX, value_parser = clap::value_parser!(u32).range(1..=i64::from(MEMORY_MOST)))]
    memory_max: u32,
    /// Replace the output if it is there
    #[arg(long)]
    force: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// `--memory-max` by default, 1 GiB.
const MEMORY_MAX: u32 = 1 << 30;

/// The most that `--memory-max` may be: the offsets of one column have 31 bits.
const MEMORY_MOST: u32 = 2_000_000_000;

/// The profile of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Weigh {
    /// Decodes fastest
    Fast,
    /// Compresses where it pays
    Balanced,
    /// The fewest bytes
    Small,
}

pub(super) fn run(args: &EncodeArgs) -> Result<()> {
    let output = Output::new(&args.output, args.force)?;
    let format = FileFormat::of(args.format, &args.input)?;
    let input_bytes = size(&args.input)?;
    let table = read(format, args)?;
    let blob = encode(&table, args)?;
    let bytes = output.write(|out| Ok(out.write_all(&blob)?))?;
    let (rows, columns) = (table.rows() as u64, table.specs.len() as u64);
    let arrow_bytes = table.arrow_bytes() as u64;
    let ratio = ratio(arrow_bytes, bytes);
    if args.json {
        return print::line(json!({
            "output": args.output.display().to_string(),
            "rows": rows,
            "columns": columns,
            "inputBytes": input_bytes,
            "arrowBytes": arrow_bytes,
            "bytes": bytes,
            "ratio": ratio,
        }));
    }
    print::line(format_args!(
        "{}  {} rows, {columns} columns, {}, ratio {ratio:.2} to {} in Arrow; read {}",
        args.output.display(),
        print::count(rows),
        print::bytes(bytes),
        print::bytes(arrow_bytes),
        print::bytes(input_bytes),
    ))
}

/// How many times more bytes the first are; 0 of none.
#[expect(
    clippy::cast_precision_loss,
    reason = "bytes in memory are far below 2^52"
)]
pub(super) fn ratio(bytes: u64, of: u64) -> f64 {
    bytes as f64 / of.max(1) as f64
}

/// The size of a file that is to be read.
pub(super) fn size(path: &Path) -> Result<u64> {
    let file = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    Ok(file.len())
}

fn read(format: FileFormat, args: &EncodeArgs) -> Result<Table> {
    let mut budget = Budget::new(args.memory_max);
    let (input, json) = (&args.input, &args.json_columns[..]);
    match format {
        FileFormat::Parquet => parquet_file::read(input, json, &mut budget),
        FileFormat::Csv => delimited::read(input, json, &mut budget),
        FileFormat::Ndjson => json_lines::read(input, json, &mut budget),
    }
}

/// One blob of any size. Pages are halved while one would be larger than a reader takes, unless their rows were given.
fn encode(table: &Table, args: &EncodeArgs) -> Result<Vec<u8>> {
    let asked = args.page_rows.and_then(|rows| usize::try_from(rows).ok());
    let mut page_rows = asked.unwrap_or(limits::PAGE_ROWS);
    loop {
        let options = EncodeOptions {
            page_rows,
            profile: match args.profile {
                Weigh::Fast => Profile::Fast,
                Weigh::Balanced => Profile::Balanced,
                Weigh::Small => Profile::Small,
            },
            bytes_max: usize::MAX,
            rows_max: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
        };
        match VortexEncoder::new(options).encode(&table.specs, &table.arrays) {
            Err(error) if error.kind == Kind::TooLarge && asked.is_none() && page_rows > 1 => {
                page_rows /= 2;
            }
            encoded => return encoded.map_err(|e| of_codec(&e)),
        }
    }
}
