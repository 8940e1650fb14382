//! Delta + main: what a collection's row table does not hold is folded into Vortex blobs.
//!
//! The row table is the *delta*: what changed lately. Past the collection's threshold it is folded,
//! by key, into blobs: the *main*. A document is in the row table, or in one unmasked row of one live
//! blob, never in both. A change of a folded document masks its row and writes the row table.

mod cache;
pub use cache::{BlobCache, CacheKey, Cached, RecentBlobs};

mod columns;
pub(crate) use columns::{
    Column, Origin, bytes_at, type_byte, type_of_byte, value_at, wrong_column,
};

mod adopted;
pub(crate) use adopted::{Adopted, mask_of};

mod manifest;
pub use manifest::KnownManifest;
pub(crate) use manifest::{BLOBS_MAX, Entry, Manifest};

mod bounds;
pub(crate) use bounds::{KeyBounds, Wanted, compare};

mod statistics;

mod blob;
pub use blob::OpenedBlob;
pub(crate) use blob::{Blob, foreign, remember, tag_of};

mod unique;
pub(crate) use unique::{Unique, no_duplicates};

mod write;
pub(crate) use write::{DOCUMENT_BYTES_FOLDED, ROWS_MAX, raw_bytes, write_blobs};

mod main;
pub(crate) use main::{Folded, Place, Stored};

mod ordered;

mod state;
pub(crate) use state::MainState;

mod plan;
pub(crate) use plan::threshold;

mod fold;
pub(crate) use fold::FOLD;

mod bulk;
pub(crate) use bulk::{Bulk, collection_of as bulk_collection};

#[cfg(test)]
pub(crate) use write::put_for_tests;

mod reference;
pub(crate) use reference::{inline, release};
