//! Vortex blobs: columns as compressed, checksummed bytes, and back.
//!
//! Arrow arrays go in and come out. A blob has pages of equal row counts with least and greatest
//! values, so a reader decodes only the columns and pages it needs; every byte is under a checksum;
//! everything declared is checked before memory is taken. Pure and synchronous: no files, no clock, no threads.
//!
//! The bytes are in `docs/format/vortex-blob.md`. They are not those of LF AI's `.vortex` files,
//! which this crate neither reads nor writes.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{ArrayRef, Int64Array, StringArray};
//! use tidelog_vortex::{ColumnSpec, EncodeOptions, Scalar, VortexDecoder, VortexEncoder};
//!
//! let flights: ArrayRef = Arc::new(Int64Array::from(vec![Some(15), None, Some(1714)]));
//! let carriers: ArrayRef = Arc::new(StringArray::from(vec!["UA", "UA", "B6"]));
//! let columns = [ColumnSpec::plain(1, "flight"), ColumnSpec::plain(2, "carrier")];
//!
//! let encoder = VortexEncoder::new(EncodeOptions::default()).with_section(7, b"beside".to_vec());
//! let blob = encoder.encode(&columns, &[flights.clone(), carriers])?;
//!
//! let decoder = VortexDecoder::open(blob)?;
//! assert_eq!(decoder.rows(), 3);
//! assert_eq!(decoder.columns()[0].pages[0].max, Some(Scalar::Int(1714)));
//! assert_eq!(&decoder.read_page(0, 0)?, &flights);
//! assert_eq!(decoder.section(7)?.as_deref(), Some(&b"beside"[..]));
//! # Ok::<(), tidelog_vortex::Error>(())
//! ```

pub mod limits;

mod error;
pub use error::{Error, Kind, Result};

mod options;
pub use options::{EncodeOptions, Profile};

mod column;
pub use column::{Column, ColumnKind, ColumnSpec, Page};

mod scalar;
pub use scalar::Scalar;

mod encoder;
pub use encoder::VortexEncoder;

mod decoder;
pub use decoder::VortexDecoder;

mod take;

mod select;
pub use select::{Range, Selection};

mod inspect;
pub use inspect::{Alternative, Encoding};

// The container: header, index, footer.
mod footer;
mod hash;
mod header;
mod index;
mod wire;

// What a page holds.
mod arrays;
mod bitpack;
mod budget;
mod choose;
mod column_reader;
mod compress;
mod cost;
mod data_type;
mod decimal;
mod decode;
mod digits;
mod distinct;
mod fsst;
mod json;
mod node;
mod pairs;
mod parse;
mod pattern;
mod pco;
mod shapes;
mod shared;
mod statistics;
mod text_node;
mod texts;
mod times;
mod values;
mod word;
