//! `tidelog vortex`: Vortex blobs as files, and what is in them.

mod budget;
mod cell_type;
mod decode;
mod delimited;
mod encode;
mod file_format;
mod inspect;
mod json_lines;
mod output;
mod parquet_file;
mod table;
mod value_text;

#[cfg(test)]
mod tests;

use clap::Subcommand;

use crate::failure::{Failure, Result};

/// What to do with blobs.
#[derive(Subcommand, Debug)]
pub(crate) enum VortexCommand {
    /// Print columns, encodings, sizes and ratios, and check every checksum
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::InspectArgs),
    /// Make a blob of a Parquet, CSV or NDJSON file
    #[command(after_help = encode::EXAMPLES)]
    Encode(encode::EncodeArgs),
    /// Make a Parquet, CSV or NDJSON file of a blob
    #[command(after_help = decode::EXAMPLES)]
    Decode(decode::DecodeArgs),
}

pub(crate) fn run(command: &VortexCommand) -> Result<()> {
    match command {
        VortexCommand::Inspect(args) => inspect::run(args),
        VortexCommand::Encode(args) => encode::run(args),
        VortexCommand::Decode(args) => decode::run(args),
    }
}

/// An error of the codec, with its code.
fn of_codec(error: &tidelog_vortex::Error) -> Failure {
    Failure::failed(error.to_string())
}

/// A file's content is not what it should be.
fn invalid(message: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("input_invalid: {message}"))
}

/// A file cannot be opened.
fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("file_unreadable: {}: {error}", path.display()))
}
