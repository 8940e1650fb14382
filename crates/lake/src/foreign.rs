//! Other crates' errors as ours.

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use tidelog_log::Error;

/// Iceberg's: what it refuses of our making is a bug or damaged bytes.
pub(crate) fn iceberg(error: iceberg::Error) -> Error {
    match error.kind() {
        iceberg::ErrorKind::DataInvalid => Error::corrupt(format!("iceberg: {error}")),
        _ => Error::internal(format!("iceberg: {error}")),
    }
}

/// Arrow's.
pub(crate) fn arrow(error: ArrowError) -> Error {
    Error::internal(format!("arrow: {error}"))
}

/// Parquet's.
pub(crate) fn parquet(error: ParquetError) -> Error {
    Error::corrupt(format!("parquet: {error}"))
}

/// JSON that we wrote ourselves.
pub(crate) fn json(error: serde_json::Error) -> Error {
    Error::corrupt(format!("stored JSON: {error}"))
}
