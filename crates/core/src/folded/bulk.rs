//! A bulk insert goes straight into blobs: its rows are written once, for the collection and the log.

use std::collections::BTreeSet;

use tidelog_log::{ChangeRef, Error, Result, Row, Sequence};

use super::bounds::{KeyBounds, Wanted};
use super::cache::Tag;
use super::manifest::{BLOBS_MAX, Entry};
use super::plan::threshold;
use super::unique::Unique;
use super::write::{DOCUMENT_BYTES_FOLDED, raw_bytes, write_blobs};
use crate::document::Prepared;
use crate::engine::undoes;
use crate::mutate::{IdMaker, OpenTurn, check_references, keyed_row};
use crate::sql::{Sql, SqlValue, all, one, quoted};
use crate::table::blobs::BlobId;
use crate::table::rows::to_sql;
use crate::{Document, Mutation, View, Written, WrittenOperation};

/// Bytes of keys that one statement takes: a bound text is at most 2 MB on a Durable Object.
const KEYS_BYTES_MAX: usize = 1_000_000;

/// Where the rows of a bulk insert lie.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) collection: (u32, String),
    pub(crate) blobs: Vec<(BlobId, Tag)>,
}

/// The collection of a turn that inserts at least as many documents as its threshold, and does
/// nothing else.
pub(crate) fn collection_of<'v>(view: &'v View, mutations: &[Mutation]) -> Option<&'v Prepared> {
    let name = mutations.first()?.collection();
    let prepared = view.prepared(name).ok()?;
    let rows = threshold(&prepared.collection)?;
    let refers_to_itself = |f: &crate::Field| f.check.references.as_deref() == Some(name);
    let bulk = mutations.len() as u64 >= rows
        && !prepared.collection.fields.iter().any(refers_to_itself)
        && mutations.iter().all(|mutation| {
            matches!(mutation, Mutation::Insert { collection, .. } if collection == name)
        });
    bulk.then_some(&**prepared)
}

impl OpenTurn {
    /// Inserts the documents of a turn that does nothing else. Answers and errors are those of
    /// inserting them one by one.
    pub(crate) fn insert_all(
        &mut self,
        sql: &dyn Sql,
        view: &View,
        prepared: &Prepared,
        mutations: Vec<Mutation>,
        ids: &mut IdMaker,
    ) -> Result<Vec<Written>> {
        let many = mutations.len() > 1;
        let within = |at: usize, e: Error| if many { e.within(format!("[{at}]")) } else { e };
        let mut rows: Vec<(String, Row)> = Vec::with_capacity(mutations.len());
        let mut refused = None;
        for (at, mutation) in mutations.into_iter().enumerate() {
            let Mutation::Insert { document, .. } = mutation else {
                return Err(Error::internal("a bulk insert with another mutation"));
            };
            let row = keyed_row(prepared, document, ids).and_then(|(key, row)| {
                check_references(self, sql, view, prepared, &row, None)?;
                Ok((key, row))
            });
            match row {
                Ok(row) => rows.push(row),
                // The transaction may be gone: nothing more is written.
                Err(error) if undoes(&error) => return Err(within(at, error)),
                Err(error) => {
                    refused = Some(within(at, error));
                    break;
                }
            }
        }
        if refused.is_none() {
            match self.fold_rows(sql, prepared, rows)? {
                Ok(written) => return Ok(written),
                Err(back) => rows = back,
            }
        }
        // Something is in the way: one by one, the first that is says so.
        let mut written = Vec::with_capacity(rows.len());
        for (at, (key, row)) in rows.into_iter().enumerate() {
            let done = self.insert(sql, view, prepared, key, &row);
            written.push(done.map_err(|e| within(at, e))?);
        }
        refused.map_or(Ok(written), Err)
    }

    /// Stores rows as blobs, or gives them back where a key or a unique value is taken, one is too
    /// large, or there are too many blobs.
    #[expect(clippy::type_complexity, reason = "the rows go in and may come back")]
    fn fold_rows(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        rows: Vec<(String, Row)>,
    ) -> Result<Result<Vec<Written>, Vec<(String, Row)>>> {
        let first = self.header.first_sequence.0;
        let mut documents: Vec<Document> = (first..)
            .zip(rows)
            .map(|(version, (key, row))| Document {
                key,
                version: Sequence(version),
                row,
            })
            .collect();
        documents.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let blobs = self.main.manifest(sql, prepared.collection.id)?.blobs.len();
        let free = blobs < BLOBS_MAX && self.all_are_free(sql, prepared, &documents)?;
        if free {
            let entries = write_blobs(sql, &prepared.collection, &documents, 2)?;
            let blobs = entries.iter().map(|entry| (entry.id, entry.tag)).collect();
            let id = prepared.collection.id;
            let mut manifest = self.main.manifest(sql, id)?.as_ref().clone();
            entries.into_iter().for_each(|entry| manifest.add(entry));
            self.main.set_manifest(sql, id, manifest)?;
            let collection = (id, prepared.collection.name.clone());
            self.bulk = Some(Bulk { collection, blobs });
        }
        documents.sort_unstable_by_key(|document| document.version);
        if !free {
            let rows = documents.into_iter().map(|d| (d.key, d.row));
            return Ok(Err(rows.collect()));
        }
        let collection = (prepared.collection.id, prepared.collection.name.as_str());
        let mut written = Vec::with_capacity(documents.len());
        for Document { key, version, row } in documents {
            let change = ChangeRef::Insert { after: &row };
            self.writer.push(collection, &key, change);
            written.push(Written {
                key,
                version,
                operation: WrittenOperation::Insert,
            });
        }
        self.touched.insert(prepared.collection.id);
        Ok(Ok(written))
    }

    /// True when no document is in the way of these, ascending by key.
    fn all_are_free(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        documents: &[Document],
    ) -> Result<bool> {
        let (Some(first), Some(last)) = (documents.first(), documents.last()) else {
            return Ok(false);
        };
        if documents
            .iter()
            .any(|d| raw_bytes(d) > DOCUMENT_BYTES_FOLDED)
            || documents.windows(2).any(|pair| pair[0].key == pair[1].key)
            || delta_has_key(sql, prepared, documents)?
        {
            return Ok(false);
        }
        let folded = self.main.folded(sql, prepared.collection.id)?;
        let collection = &prepared.collection;
        let bounds = KeyBounds::of(collection, documents);
        let near = |entry: &&Entry| {
            entry.may_overlap(&first.key, &last.key) && entry.bounds.may_meet(&bounds)
        };
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        for entry in folded.entries().iter().filter(near) {
            if wanted.is_empty() {
                let keys = documents.iter().map(|document| document.key.as_str());
                wanted.extend(keys.map(|key| Wanted::of(collection, key)));
            }
            let (blob, mask) = (folded.blob(entry)?, self.main.mask(sql, entry.id)?);
            for wanted in wanted.iter().filter(|wanted| wanted.may_be_in(entry)) {
                if blob.find(wanted)?.is_some_and(|row| !mask.has(row)) {
                    return Ok(false);
                }
            }
        }
        for unique in Unique::all(&prepared.collection)? {
            let mut seen = BTreeSet::new();
            for document in documents {
                let Some(value) = unique.value(&document.row) else {
                    continue;
                };
                if self.main.holder(sql, prepared, &unique, &value)?.is_some()
                    || delta_has_values(sql, prepared, &unique, document)?
                    || !seen.insert(value)
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn delta_has_key(sql: &dyn Sql, prepared: &Prepared, documents: &[Document]) -> Result<bool> {
    let table = quoted(&prepared.collection.name);
    let (Some(first), Some(last)) = (documents.first(), documents.last()) else {
        return Ok(false);
    };
    let near = format!("SELECT 1 FROM {table} WHERE _key >= ?1 AND _key <= ?2 LIMIT 1");
    let args = [&first.key, &last.key].map(|key| SqlValue::Text(key));
    if one(sql, &near, &args, |_| Ok(()))?.is_none() {
        return Ok(false);
    }
    let text =
        format!("SELECT 1 FROM {table} WHERE _key IN (SELECT value FROM json_each(?1)) LIMIT 1");
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for (at, document) in documents.iter().enumerate() {
        keys.push(document.key.as_str());
        bytes += document.key.len();
        if bytes < KEYS_BYTES_MAX && at + 1 < documents.len() {
            continue;
        }
        let json = serde_json::to_string(&keys).map_err(|e| Error::internal(e.to_string()))?;
        if one(sql, &text, &[SqlValue::Text(&json)], |_| Ok(()))?.is_some() {
            return Ok(true);
        }
        keys.clear();
        bytes = 0;
    }
    Ok(false)
}

fn delta_has_values(
    sql: &dyn Sql,
    prepared: &Prepared,
    unique: &Unique<'_>,
    document: &Document,
) -> Result<bool> {
    let table = &prepared.table;
    let mut terms = Vec::new();
    let mut values = Vec::new();
    for id in unique.fields() {
        let Some(value) = document.row.get(*id) else {
            return Ok(false);
        };
        let name = prepared.collection.field_name(*id).unwrap_or_default();
        terms.push(format!("{} = ?{}", quoted(name), terms.len() + 1));
        values.push((value, crate::blob_form(value).unwrap_or_default()));
    }
    let args: Vec<SqlValue<'_>> = values
        .iter()
        .map(|(value, blob)| to_sql(value, blob))
        .collect();
    let text = format!("{} WHERE {}", table.select, terms.join(" AND "));
    let same = all(sql, &text, &args, |row| table.read(row))?;
    let value = unique.value(&document.row);
    Ok(same.iter().any(|other| unique.value(&other.row) == value))
}
