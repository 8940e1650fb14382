//! Segments: old log records, many together, as columns.
//!
//! A segment is a Vortex blob whose rows are events. In its sections are further blobs: one of the
//! records, and one per collection with its images, a column per field. What can be computed again is
//! not stored: sequences, lengths, and every hash but the first and the last of the chain. The bytes are
//! in `docs/format/log-segment.md`.

mod origin;

mod records;

mod images;

mod encode;
pub(crate) use encode::{Outcome, encode};

mod decode;
pub(crate) use decode::{decode, place_of, records, references, span};

mod fold;
pub(crate) use fold::{SEGMENT, Unfolded};

/// The column of operations: 1 byte as in a record.
const OPERATION: u32 = 0;
/// The column that says of which collection an event is: its place in the [`origin::Origin`].
const COLLECTION: u32 = 1;
/// The column of document keys.
const KEY: u32 = 2;

/// The section with the records, a blob.
const RECORDS_SECTION: u32 = 1;
/// The section with the images of the first collection, a blob; the others follow.
const IMAGES_SECTION: u32 = 16;

/// Events of one segment at most.
const EVENTS_MAX: usize = 65_536;
/// Bytes that the records of one segment may come to.
const RECORDS_BYTES_MAX: usize = 64_000_000;
