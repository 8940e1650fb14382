//! Blobs that a restore adopted: their rows have other versions than when they were written.
//!
//! The n-th row that was not masked when the blob was adopted is the n-th event from `first` on. Its
//! mask of then is kept among the blobs, for the manifest and for each record that names it.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use tidelog_log::{Error, Result};

use super::blob::tag_of;
use super::cache::Tag;
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};
use crate::table::masks::Mask;

/// Where the versions of an adopted blob's rows begin, and which rows had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// The version of its first row that was not masked.
    pub(crate) first: u64,
    /// What keeps the mask of then; none: no row was masked.
    pub(crate) mask: Option<(BlobId, Tag)>,
}

impl Adopted {
    /// The versions of a run of rows; of what was masked any.
    pub(crate) fn versions(&self, sql: &dyn Sql, rows: Range<usize>) -> Result<ArrayRef> {
        let mask = mask_of(sql, self.mask)?;
        let small = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let masked = u64::from(mask.masked_before(small(rows.start)));
        let mut next = self.first + rows.start as u64 - masked;
        let versions = rows.map(|row| {
            let version = i64::try_from(next).unwrap_or(i64::MAX);
            next += u64::from(!mask.has(small(row)));
            version
        });
        Ok(Arc::new(versions.collect::<Int64Array>()))
    }

    /// What its versions are remembered under: the blob may have others elsewhere.
    pub(crate) fn tag_of_versions(&self, blob: Tag) -> Tag {
        let (_, mask) = self.mask.unwrap_or_default();
        let first = self.first.to_le_bytes().into_iter().cycle();
        let mut each = blob.into_iter().zip(mask).zip(first);
        std::array::from_fn(|_| {
            each.next()
                .map_or(0, |((blob, mask), first)| blob ^ mask ^ first)
        })
    }

    /// The manifest needs the blob no more.
    pub(crate) fn release(&self, sql: &dyn Sql) -> Result<()> {
        self.mask.map_or(Ok(()), |(id, _)| blobs::release(sql, id))
    }
}

/// The mask that a blob was adopted with.
///
/// # Errors
/// `corrupt` when it is not what was kept.
pub(crate) fn mask_of(sql: &dyn Sql, mask: Option<(BlobId, Tag)>) -> Result<Mask> {
    let Some((id, tag)) = mask else {
        return Ok(Mask::default());
    };
    let bits = blobs::body(sql, id)?;
    match tag_of(&bits) == tag {
        true => Ok(Mask::of_bits(bits)),
        false => Err(Error::corrupt(format!("mask {id} is not what was written"))),
    }
}
