//! A collection's folded documents, as a reader of its database sees them.

use std::borrow::Cow;
use std::sync::Arc;

use tidelog_log::Result;

use super::blob::Blob;
use super::bounds::Wanted;
use super::manifest::{Entry, Manifest};
use crate::sql::Sql;
use crate::table::blobs::BlobId;
use crate::table::masks::{self, Mask};
use crate::{BlobState, Document, FoldedState};

/// Where a document lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the row table.
    Row,
    /// In a row of a blob.
    Blob(BlobId, u32),
}

/// A document and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) document: Document,
    pub(crate) place: Place,
}

/// The live blobs of a collection.
pub(crate) struct Folded<'s> {
    sql: &'s dyn Sql,
    manifest: Arc<Manifest>,
}

impl<'s> Folded<'s> {
    /// Reads which blobs a collection has.
    pub(crate) fn open(sql: &'s dyn Sql, collection: u32) -> Result<Self> {
        let manifest = Manifest::of(sql, collection)?;
        Ok(Self { sql, manifest })
    }

    /// The same for who knows the manifest.
    pub(crate) fn with(sql: &'s dyn Sql, manifest: Arc<Manifest>) -> Self {
        Self { sql, manifest }
    }

    /// Which blobs there are.
    pub(crate) fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest)
    }

    /// True when nothing is folded.
    pub(crate) fn is_empty(&self) -> bool {
        self.manifest.blobs.is_empty()
    }

    /// The live blobs.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.manifest.blobs
    }

    /// Opens a blob.
    pub(crate) fn blob(&self, entry: &Entry) -> Result<Blob<'s>> {
        let blob = Blob::open(self.sql, entry.id, entry.tag)?;
        Ok(blob.adopted(entry.adopted))
    }

    /// The masked rows of a blob.
    pub(crate) fn mask(&self, blob: BlobId) -> Result<Mask> {
        masks::get(self.sql, blob)
    }

    /// The live blobs with what is masked of them.
    pub(crate) fn blobs(&self) -> Result<Vec<BlobState>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let masked = masks::counts(self.sql)?;
        let each = self.entries().iter().map(|entry| BlobState {
            id: entry.id,
            rows: u64::from(entry.rows),
            masked: masked.get(&entry.id).copied().map_or(0, u64::from),
            bytes: entry.bytes,
        });
        Ok(each.collect())
    }

    /// How much of the collection is in blobs.
    pub(crate) fn state(&self, collection: &str) -> Result<FoldedState> {
        let mut state = FoldedState {
            collection: collection.to_owned(),
            raw_bytes: (self.entries().iter())
                .map(|entry| entry.raw_bytes)
                .fold(0, u64::saturating_add),
            ..FoldedState::default()
        };
        for blob in self.blobs()? {
            state.blobs += 1;
            state.bytes += blob.bytes;
            state.masked += blob.masked;
            state.documents += blob.rows.saturating_sub(blob.masked);
        }
        Ok(state)
    }

    /// The document of a key.
    pub(crate) fn get(&self, wanted: &Wanted<'_>) -> Result<Option<Document>> {
        let found = self.find(wanted, |blob| self.mask(blob).map(Cow::Owned))?;
        Ok(found.map(|stored| stored.document))
    }

    /// The document of a key, where masks come from `mask`.
    pub(crate) fn find<'m>(
        &self,
        wanted: &Wanted<'_>,
        mask: impl Fn(BlobId) -> Result<Cow<'m, Mask>>,
    ) -> Result<Option<Stored>> {
        let entries = self.entries().iter();
        for entry in entries.filter(|entry| wanted.may_be_in(entry)) {
            let blob = self.blob(entry)?;
            if let Some(row) = blob.find(wanted)?
                && !mask(entry.id)?.has(row)
            {
                return Ok(Some(Stored {
                    document: blob.document(row)?,
                    place: Place::Blob(entry.id, row),
                }));
            }
        }
        Ok(None)
    }

    /// Hands every document to `each`, blob by blob, each by ascending key.
    pub(crate) fn each(&self, each: &mut dyn FnMut(Place, Document) -> Result<()>) -> Result<()> {
        for entry in self.entries() {
            each_of(
                &self.blob(entry)?,
                &self.mask(entry.id)?,
                &mut |row, document| each(Place::Blob(entry.id, row), document),
            )?;
        }
        Ok(())
    }
}

/// Hands the unmasked documents of a blob to `each`, by ascending key.
pub(crate) fn each_of(
    blob: &Blob<'_>,
    mask: &Mask,
    each: &mut dyn FnMut(u32, Document) -> Result<()>,
) -> Result<()> {
    for page in 0..blob.decoder.page_count() {
        let mut rows = (blob.rows_of(page)).map(|row| u32::try_from(row).unwrap_or(u32::MAX));
        if rows.all(|row| mask.has(row)) {
            continue;
        }
        let decoded = blob.decode(page, |_| true)?;
        for (at, row) in blob.rows_of(page).enumerate() {
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            if !mask.has(row) {
                each(row, decoded.document(at)?)?;
            }
        }
    }
    Ok(())
}
