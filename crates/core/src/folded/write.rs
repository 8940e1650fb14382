//! Documents become blobs.

use tidelog_log::Result;
use tidelog_vortex::{EncodeOptions, Kind, VortexEncoder};

use super::blob::{foreign, tag_of};
use super::bounds::KeyBounds;
use super::columns::{Origin, columns_of};
use super::manifest::Entry;
use super::unique;
use crate::document::row_bytes_at_least;
use crate::sql::Sql;
use crate::table::{blobs, meta};
use crate::{Collection, Document};

/// Rows of one blob at most.
pub(crate) const ROWS_MAX: usize = 65_536;
/// A larger document stays in the row table: a blob holds 1.9 MB in all.
pub(crate) const DOCUMENT_BYTES_FOLDED: usize = 900_000;

/// Stores documents, ascending by key, in as few blobs as the limits allow, each with so many
/// holders.
pub(crate) fn write_blobs(
    sql: &dyn Sql,
    collection: &Collection,
    documents: &[Document],
    holders: u32,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut left: Vec<&[Document]> = documents.chunks(ROWS_MAX).rev().collect();
    while let Some(part) = left.pop() {
        match encoded(collection, part)? {
            Some(body) => entries.extend(stored(sql, collection, part, (&body, holders))?),
            None => {
                let (first, second) = part.split_at(part.len() / 2);
                left.extend([second, first]);
            }
        }
    }
    Ok(entries)
}

/// The bytes of one blob; none when they would be too many.
fn encoded(collection: &Collection, documents: &[Document]) -> Result<Option<Vec<u8>>> {
    let (specs, arrays) = columns_of(collection, documents)?;
    let origin = Origin::of(collection, &specs);
    let mut encoder = VortexEncoder::new(EncodeOptions::default()).with_metadata(origin.encode());
    for (id, section) in unique::sections(collection, documents)? {
        encoder = encoder.with_section(id, section);
    }
    match encoder.encode(&specs, &arrays) {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind == Kind::TooLarge && documents.len() > 1 => Ok(None),
        Err(error) => Err(foreign(error)),
    }
}

fn stored(
    sql: &dyn Sql,
    collection: &Collection,
    documents: &[Document],
    (body, holders): (&[u8], u32),
) -> Result<Option<Entry>> {
    let (Some(first), Some(last)) = (documents.first(), documents.last()) else {
        return Ok(None);
    };
    meta::holds_blobs(sql)?;
    let id = blobs::put(sql, body, holders)?;
    let raw_bytes: usize = documents.iter().map(raw_bytes).sum();
    let rows = u32::try_from(documents.len()).unwrap_or(u32::MAX);
    let sizes = (body.len() as u64, raw_bytes as u64);
    let keys = (first.key.as_str(), last.key.as_str());
    let mut entry = Entry::new((id, tag_of(body)), rows, sizes, keys);
    entry.bounds = KeyBounds::of(collection, documents);
    Ok(Some(entry))
}

/// Bytes of a document before any encoding, about.
pub(crate) fn raw_bytes(document: &Document) -> usize {
    document.key.len() + 8 + row_bytes_at_least(&document.row)
}

/// Makes one live blob of documents, ascending by key, some of them masked.
#[cfg(test)]
pub(crate) fn put_for_tests(
    sql: &dyn Sql,
    collection: &Collection,
    documents: &[Document],
    masked: impl Iterator<Item = u32>,
) {
    use super::manifest::Manifest;
    use crate::table::masks::{self, Mask};
    let mut manifest = std::sync::Arc::unwrap_or_clone(Manifest::of(sql, collection.id).unwrap());
    let mut mask = Mask::default();
    masked.for_each(|row| assert!(mask.set(row)));
    for entry in write_blobs(sql, collection, documents, 1).unwrap() {
        masks::set(sql, entry.id, &mask).unwrap();
        manifest.add(entry);
    }
    manifest.store(sql, collection.id).unwrap();
}

/// A blob of documents, ascending by key, in memory alone.
#[cfg(test)]
pub(super) fn encoded_for_tests(
    collection: &Collection,
    documents: &[Document],
) -> super::blob::OpenedBlob {
    let body = encoded(collection, documents).unwrap().unwrap();
    super::blob::OpenedBlob::of_bytes(body).unwrap()
}
