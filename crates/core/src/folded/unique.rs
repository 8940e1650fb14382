//! Unique indexes over folded documents.
//!
//! A blob has one section per unique index that its collection had when it was written: for each row
//! that the index covers, ascending, 8 bytes of hash and 4 bytes of row, little-endian. A blob that is
//! older than the index is searched by its columns.

use std::collections::BTreeSet;

use tidelog_log::{Error, Result, Row, Value};

use super::blob::{Blob, foreign};
use super::main::Folded;
use crate::sql::{Sql, all};
use crate::{Collection, Document, Index, RowTable};

const HASH_BYTES: usize = 8;
const ITEM_BYTES: usize = HASH_BYTES + 4;

/// A unique index of a collection, ready to compare.
pub(crate) struct Unique<'c> {
    index: &'c Index,
    /// Values that a document's fields must have to be in the index.
    only: Vec<(u32, Option<Value>)>,
}

impl<'c> Unique<'c> {
    /// The unique indexes of a collection.
    pub(crate) fn all(collection: &'c Collection) -> Result<Vec<Self>> {
        let unique = collection.indexes.iter().filter(|index| index.unique);
        unique.map(|index| Self::new(collection, index)).collect()
    }

    fn new(collection: &Collection, index: &'c Index) -> Result<Self> {
        let only = index.only.iter().map(|(id, json)| {
            let field = collection.field_by_id(*id);
            let field = field.ok_or_else(|| Error::corrupt("an index of an unknown field"))?;
            Ok((*id, Value::from_json(field.field_type, json.clone())?))
        });
        Ok(Self {
            index,
            only: only.collect::<Result<_>>()?,
        })
    }

    /// The bytes that no second document may have; none when the index leaves the document out.
    pub(crate) fn value(&self, row: &Row) -> Option<Vec<u8>> {
        let covered = |(id, value): &(u32, Option<Value>)| row.get(*id) == value.as_ref();
        if !self.only.iter().all(covered) {
            return None;
        }
        let mut out = Vec::new();
        for id in &self.index.fields {
            row.get(*id)?.encode(&mut out);
        }
        Some(out)
    }

    /// The indexed fields, in order.
    pub(crate) fn fields(&self) -> &[u32] {
        &self.index.fields
    }

    /// Its columns as SQLite names them in the error of a violated constraint.
    pub(crate) fn columns(&self, collection: &Collection) -> String {
        let names = self
            .index
            .fields
            .iter()
            .filter_map(|id| collection.field_name(*id));
        let names: Vec<String> = names
            .map(|name| format!("{}.{name}", collection.name))
            .collect();
        names.join(", ")
    }

    /// The rows of a blob that may have the value.
    pub(crate) fn rows_like(&self, blob: &Blob<'_>, value: &[u8]) -> Result<Vec<u32>> {
        let section = blob.decoder.section(self.section()).map_err(foreign)?;
        let Some(section) = section else {
            return self.searched(blob, value);
        };
        let (items, rest) = section.as_chunks::<ITEM_BYTES>();
        if !rest.is_empty() {
            return Err(Error::corrupt("a unique section is cut"));
        }
        let wanted = hash(value);
        let first = items.partition_point(|item| hash_of(item) < wanted);
        let same = items[first..]
            .iter()
            .take_while(|item| hash_of(item) == wanted);
        Ok(same.map(row_of).collect())
    }

    fn searched(&self, blob: &Blob<'_>, value: &[u8]) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        let needed = |id| self.index.fields.contains(&id) || self.only.iter().any(|o| o.0 == id);
        for page in 0..blob.decoder.page_count() {
            let decoded = blob.decode(page, needed)?;
            let rows = blob.rows_of(page);
            for (at, row) in rows.enumerate() {
                if self.value(&decoded.document(at)?.row).as_deref() == Some(value) {
                    found.push(u32::try_from(row).unwrap_or(u32::MAX));
                }
            }
        }
        Ok(found)
    }

    /// The id of its section: stable over versions of the schema.
    fn section(&self) -> u32 {
        let definition = format!("unique {:?} {:?}", self.index.fields, self.index.only);
        let hash = blake3::hash(definition.as_bytes());
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_bytes()[..4]);
        // Ids from 2^31 on are the format's own.
        u32::from_le_bytes(id) >> 1
    }
}

/// The sections of a blob of these documents.
pub(crate) fn sections(
    collection: &Collection,
    documents: &[Document],
) -> Result<Vec<(u32, Vec<u8>)>> {
    let each = Unique::all(collection)?.into_iter().map(|unique| {
        let mut items: Vec<(u64, u32)> = (0_u32..)
            .zip(documents)
            .filter_map(|(row, document)| Some((hash(&unique.value(&document.row)?), row)))
            .collect();
        items.sort_unstable();
        let bytes = items.iter().flat_map(|(hash, row)| {
            let (hash, row) = (hash.to_le_bytes(), row.to_le_bytes());
            hash.into_iter().chain(row)
        });
        (unique.section(), bytes.collect())
    });
    Ok(each.collect())
}

/// Checks that no two documents of a collection have the same values of a unique index: SQLite does
/// for the row table, this for both together.
///
/// # Errors
/// `schema_upgrade_failed`.
pub(crate) fn no_duplicates(sql: &dyn Sql, collection: &Collection) -> Result<()> {
    let folded = Folded::open(sql, collection.id)?;
    if folded.is_empty() {
        return Ok(());
    }
    let table = RowTable::new(collection);
    for unique in Unique::all(collection)? {
        let mut seen = BTreeSet::new();
        let mut take = |document: &Document| {
            let fresh = unique.value(&document.row).is_none_or(|value| {
                let hash = *blake3::hash(&value).as_bytes();
                seen.insert(hash)
            });
            match fresh {
                true => Ok(()),
                false => Err(Error::conflict(
                    "schema_upgrade_failed",
                    format!(
                        "documents break a new unique index: {}",
                        unique.columns(collection)
                    ),
                )),
            }
        };
        for document in all(sql, &table.select, &[], |row| table.read(row))? {
            take(&document)?;
        }
        folded.each(&mut |_, document| take(&document))?;
    }
    Ok(())
}

fn hash(value: &[u8]) -> u64 {
    let mut out = [0; HASH_BYTES];
    out.copy_from_slice(&blake3::hash(value).as_bytes()[..HASH_BYTES]);
    u64::from_le_bytes(out)
}

fn hash_of(item: &[u8; ITEM_BYTES]) -> u64 {
    item[..HASH_BYTES]
        .iter()
        .rev()
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn row_of(item: &[u8; ITEM_BYTES]) -> u32 {
    item[HASH_BYTES..]
        .iter()
        .rev()
        .fold(0, |row, byte| row << 8 | u32::from(*byte))
}
