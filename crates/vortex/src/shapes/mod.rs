//! Texts that share their form, such as JSON objects: what stays the same in a *shape*, what varies
//! in columns of its own. A text may also be a copy or an edit of an earlier one.
//!
//! Nothing is parsed or checked: pieces and values put together give the text byte by byte.

mod assemble;
mod constants;
mod forms;
mod history;
mod pen;
mod scan;
mod survey;
mod table;

pub(crate) use assemble::{Parts, assemble};
pub(crate) use forms::{IMAGES_JOINED, JOINED_BYTES, PIECE_BYTES, Supply};
pub(crate) use history::{History, Traced};
pub(crate) use scan::Scanner;
pub(crate) use survey::Survey;
pub(crate) use table::ShapeTable;

/// Most places for values in one shape; a text with more is kept whole.
pub(crate) const SLOTS_MAX: usize = 64;

/// Most shapes of a page; texts of others are kept whole.
pub(crate) const SHAPES_MAX: usize = 256;

/// Most images of a page some of which come from others, when written: where the values of each are
/// takes a reader up to 304 bytes.
pub(crate) const HISTORY_IMAGES_MAX: usize = 24_576;

/// How an image comes about.
pub(crate) const NEW: u64 = 0;
/// An edit of the image before it.
pub(crate) const EDIT: u64 = 1;
/// A copy of an earlier image.
pub(crate) const COPY: u64 = 2;
