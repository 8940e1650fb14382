//! What a file may say of a document: it was checked when it was written, but a file can be forged.

use tidelog_log::limits::DOCUMENT_BYTES_MAX;
use tidelog_log::{Error, Result, Row};

use crate::Document;
use crate::document::{Prepared, check_key};
use crate::folded::raw_bytes;

/// Refuses a document whose key or whose values the collection cannot have.
///
/// # Errors
/// `corrupt`.
pub(super) fn check(prepared: &Prepared, key: &str, row: Option<&Row>) -> Result<()> {
    let collection = &prepared.collection;
    let odd = |what: &str| {
        let name = &collection.name;
        Error::corrupt(format!("a document of {name} in the snapshot {what}"))
    };
    check_key(key).map_err(|e| odd(e.message()))?;
    for (id, value) in row.iter().flat_map(|row| &row.fields) {
        let field = collection.field_by_id(*id);
        if field.is_some_and(|field| field.field_type != value.field_type()) {
            return Err(odd("has a value of another type than its field"));
        }
    }
    Ok(())
}

/// Refuses a document that is larger than any can be.
pub(super) fn check_bytes(document: &Document) -> Result<()> {
    match raw_bytes(document) <= 2 * DOCUMENT_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::corrupt("a document of the snapshot is too large")),
    }
}
