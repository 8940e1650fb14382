//! A log record whose rows lie in blobs, made whole again.

use tidelog_log::{AdoptedRows, BlobReference, ChangeRef, Error, Hash, RecordWriter, Result};

use super::adopted::mask_of;
use super::blob::Blob;
use super::main::each_of;
use crate::Document;
use crate::sql::Sql;
use crate::table::blobs;
use crate::table::masks::Mask;

/// The bytes of the record that a reference stands for, and the hash that the chain goes on with.
///
/// # Errors
/// `corrupt` when the blobs no longer make the record that was hashed.
pub(crate) fn inline(sql: &dyn Sql, reference: &[u8]) -> Result<(Vec<u8>, Hash)> {
    let reference = BlobReference::decode(reference)?;
    if let Some(rows) = reference.adopted {
        return Ok((adopted(sql, &reference, rows)?, reference.hash));
    }
    let mut documents: Vec<Document> = Vec::with_capacity(reference.count as usize);
    for (id, tag) in &reference.blobs {
        let blob = Blob::open(sql, *id, *tag)?;
        each_of(&blob, &Mask::default(), &mut |_, document| {
            documents.push(document);
            Ok(())
        })?;
    }
    documents.sort_unstable_by_key(|document| document.version);
    let mut writer = RecordWriter::new(&reference.header);
    let collection = (reference.collection.0, reference.collection.1.as_str());
    for document in &documents {
        let change = ChangeRef::Insert {
            after: &document.row,
        };
        writer.push(collection, &document.key, change);
    }
    let (record, hash) = writer.finish()?;
    match hash == reference.hash {
        true => Ok((record, hash)),
        false => Err(Error::corrupt(format!(
            "the blobs of the record at {} are not those that were hashed",
            reference.header.first_sequence
        ))),
    }
}

/// The record of adopted rows, written out; its own hash is in no chain.
fn adopted(sql: &dyn Sql, reference: &BlobReference, rows: AdoptedRows) -> Result<Vec<u8>> {
    let odd = || Error::corrupt("a record of adopted rows does not count them");
    let (id, tag) = *reference.blobs.first().ok_or_else(odd)?;
    let (blob, mask) = (Blob::open(sql, id, tag)?, mask_of(sql, rows.mask)?);
    let collection = (reference.collection.0, reference.collection.1.as_str());
    let mut writer = RecordWriter::new(&reference.header);
    let end = u64::from(rows.start) + u64::from(rows.rows);
    let wanted = rows.start as usize..usize::try_from(end).unwrap_or(usize::MAX);
    for page in 0..blob.decoder.page_count() {
        let of_page = blob.rows_of(page);
        if of_page.end <= wanted.start || of_page.start >= wanted.end {
            continue;
        }
        let decoded = blob.decode(page, |_| true)?;
        for (at, row) in of_page.enumerate() {
            if wanted.contains(&row) && !mask.has(u32::try_from(row).unwrap_or(u32::MAX)) {
                let document = decoded.document(at)?;
                let after = &document.row;
                writer.push(collection, &document.key, ChangeRef::Insert { after });
            }
        }
    }
    match writer.count() == reference.count {
        true => Ok(writer.finish()?.0),
        false => Err(odd()),
    }
}

/// Lets go of the blobs of a record that is trimmed.
pub(crate) fn release(sql: &dyn Sql, reference: &[u8]) -> Result<()> {
    let reference = BlobReference::decode(reference)?;
    let mask = reference.adopted.and_then(|rows| rows.mask);
    for (id, _) in reference.blobs.into_iter().chain(mask) {
        blobs::release(sql, id)?;
    }
    Ok(())
}
