//! A damaged blob written anew, of the pages that read and of what events tell of the others.

use std::collections::BTreeSet;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use tidelog_log::{Result, Sequence};

use super::super::Budget;
use super::super::check::{Damage, damage_of, opened_anyway};
use super::events::Noted;
use super::{Healing, NAMED_MAX};
use crate::document::Prepared;
use crate::folded::{Blob, Entry, Manifest, write_blobs};
use crate::sql::Sql;
use crate::table::masks::{self, Mask};
use crate::table::restore::{self, Staged};
use crate::table::{blobs, snapshots};
use crate::{Document, Engine};

/// What is left of a damaged blob.
pub(super) struct Wreck {
    /// Documents of pages that read.
    documents: Vec<Document>,
    /// Keys and versions of pages of which no more reads.
    named: Vec<(String, Sequence)>,
    /// How many documents lie in pages whose keys do not read.
    pub(super) unknown: usize,
}

impl Wreck {
    pub(super) fn open(sql: &dyn Sql, entry: &Entry) -> Result<Self> {
        let mask = masks::get(sql, entry.id)?;
        let mut wreck = Self {
            documents: Vec::new(),
            named: Vec::new(),
            unknown: 0,
        };
        match opened_anyway(sql, entry)? {
            Some(blob) if blob.decoder.rows() == entry.rows as usize => {
                for page in 0..blob.decoder.page_count() {
                    wreck.page(&blob, page, &mask)?;
                }
            }
            _ => wreck.unknown = (0..entry.rows).filter(|row| !mask.has(*row)).count(),
        }
        Ok(wreck)
    }

    fn page(&mut self, blob: &Blob<'_>, page: usize, mask: &Mask) -> Result<()> {
        let rows = blob.rows_of(page);
        let live = (0..).zip(rows).filter(|(_, row)| !mask.has(row_of(*row)));
        let live: Vec<usize> = live.map(|(at, _)| at).collect();
        if let Ok(decoded) = damage_of(blob.decode(page, |_| true))? {
            for at in live {
                self.documents.push(decoded.document(at)?);
            }
            return Ok(());
        }
        let names = blob
            .keys(page)
            .and_then(|keys| Ok((keys, blob.versions(page)?)));
        let Ok((keys, versions)) = damage_of(names)? else {
            self.unknown += live.len();
            return Ok(());
        };
        let keys = keys.as_string_opt::<i32>();
        let versions = versions.as_primitive_opt::<arrow_array::types::Int64Type>();
        let (Some(keys), Some(versions)) = (keys, versions) else {
            self.unknown += live.len();
            return Ok(());
        };
        for at in live
            .into_iter()
            .filter(|at| *at < keys.len().min(versions.len()))
        {
            let version = Sequence(u64::try_from(versions.value(at)).unwrap_or(0));
            self.named.push((keys.value(at).to_owned(), version));
        }
        Ok(())
    }
}

fn row_of(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

impl Engine {
    /// Writes the blob anew where all of its documents are found; says what is lost where they are not.
    pub(super) fn rebuild(
        &mut self,
        sql: &dyn Sql,
        healing: &mut Healing,
        budget: &mut Budget,
    ) -> Result<()> {
        let Some((prepared, entry)) = self.damaged(sql, healing)? else {
            return Ok(());
        };
        let (id, name) = (prepared.collection.id, prepared.collection.name.clone());
        let wreck = Wreck::open(sql, &entry)?;
        let wanted = wreck.documents.len() + wreck.named.len() + wreck.unknown;
        let documents = found(sql, id, wreck, healing.has_gaps)?;
        budget.spend(documents.len(), 0);
        if documents.len() != wanted {
            let missing = wanted.saturating_sub(documents.len());
            let mut what =
                format!("{missing} of {wanted} documents are in no readable page, event or copy");
            if let Some(snapshot) = last_without(sql, id, &entry)? {
                what.push_str(&format!("; snapshot {snapshot} does not need the blob"));
            }
            healing.lost(Damage {
                collection: name,
                blob: Some(entry.id),
                what,
                ..Damage::default()
            });
            return Ok(());
        }
        replace(sql, prepared, &entry, &documents)?;
        // What is remembered of the manifest and the mask is of before.
        self.main = Default::default();
        self.healed(healing, &entry, "events", documents.len() as u64);
        Ok(())
    }
}

/// The documents of a blob that can be found, ascending by key; fewer than it has, or more, where that is
/// in doubt.
fn found(sql: &dyn Sql, collection: u32, wreck: Wreck, has_gaps: bool) -> Result<Vec<Document>> {
    let mut documents = wreck.documents;
    let named: BTreeSet<String> = documents
        .iter()
        .map(|document| document.key.clone())
        .chain(wreck.named.iter().map(|(key, _)| key.clone()))
        .collect();
    for (key, version) in wreck.named {
        let body = restore::get(sql, Staged::Overlay, collection, &key)?.flatten();
        let noted = body.map(|body| Noted::decode(&body)).transpose()?;
        if let Some(noted) = noted.filter(|noted| noted.version == version) {
            documents.extend(noted.of(key));
        }
    }
    // A deletion may be what does not read: then nothing says that a document is still there.
    if wreck.unknown > 0 && !has_gaps {
        let most = (wreck.unknown + named.len() + 1, usize::MAX);
        for row in restore::after(sql, Staged::Overlay, (collection, ""), most)? {
            if named.contains(&row.key) {
                continue;
            }
            let noted = Noted::decode(row.body.as_deref().unwrap_or_default())?;
            documents.extend(noted.of(row.key));
        }
    }
    documents.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(documents)
}

impl Noted {
    fn of(self, key: String) -> Option<Document> {
        let version = self.version;
        self.row.map(|row| Document { key, version, row })
    }
}

/// The same bytes under the same id, for all that hold it; or else another blob in the collection alone.
fn replace(
    sql: &dyn Sql,
    prepared: &Prepared,
    entry: &Entry,
    documents: &[Document],
) -> Result<()> {
    let collection = &prepared.collection;
    let made = write_blobs(sql, collection, documents, 1)?;
    if let [same] = made.as_slice()
        && same.tag == entry.tag
        && entry.adopted.is_none()
    {
        blobs::replace(sql, entry.id, &blobs::body(sql, same.id)?)?;
        return blobs::release(sql, same.id);
    }
    let mut manifest = Manifest::of(sql, collection.id)?.as_ref().clone();
    manifest.remove(entry.id);
    made.into_iter().for_each(|made| manifest.add(made));
    masks::clear(sql, entry.id)?;
    if let Some(adopted) = entry.adopted {
        adopted.release(sql)?;
    }
    blobs::release(sql, entry.id)?;
    manifest.store(sql, collection.id)
}

/// The newest full snapshot of the collection that does not have a blob.
fn last_without(sql: &dyn Sql, collection: u32, entry: &Entry) -> Result<Option<String>> {
    for snapshot in snapshots::list(sql, None, NAMED_MAX)? {
        if snapshot.parent.is_some() || !snapshot.is_complete() {
            continue;
        }
        let manifest = damage_of(super::super::copy::manifest(sql, &snapshot.id, collection))?;
        let needs = |other: &Entry| other.id == entry.id && other.tag == entry.tag;
        if manifest.is_ok_and(|manifest| !manifest.blobs.iter().any(needs)) {
            return Ok(Some(snapshot.id));
        }
    }
    Ok(None)
}
