//! A log record whose rows lie in blobs, made whole again.

use tidelog_log::{BlobReference, ChangeRef, Error, RecordWriter, Result};

use super::blob::Blob;
use super::main::each_of;
use crate::Document;
use crate::sql::Sql;
use crate::table::blobs;
use crate::table::masks::Mask;

/// The bytes of the record that a reference stands for.
///
/// # Errors
/// `corrupt` when the blobs no longer make the record that was hashed.
pub(crate) fn inline(sql: &dyn Sql, reference: &[u8]) -> Result<Vec<u8>> {
    let reference = BlobReference::decode(reference)?;
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
        true => Ok(record),
        false => Err(Error::corrupt(format!(
            "the blobs of the record at {} are not those that were hashed",
            reference.header.first_sequence
        ))),
    }
}

/// Lets go of the blobs of a record that is trimmed.
pub(crate) fn release(sql: &dyn Sql, reference: &[u8]) -> Result<()> {
    for (id, _) in BlobReference::decode(reference)?.blobs {
        blobs::release(sql, id)?;
    }
    Ok(())
}
