//! One blob of a collection: its documents by row, and the row of a key.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use tidelog_log::{Error, FieldType, Kind, Result, Row, Sequence, Value};
use tidelog_vortex::{Scalar, VortexDecoder};

use super::adopted::Adopted;
use super::bounds::Wanted;
use super::cache::{CacheKey, Cached, Tag};
use super::columns::{EXTRA, KEY, Origin, VERSION, bytes_at, value_at, wrong_column};
use super::statistics::{says_true, surround};
use crate::Document;
use crate::sql::Sql;
use crate::table::blobs::{self, BlobId};
use crate::table::rows::decode_extra;

/// A blob of a database. Rows count from 0 through all pages.
pub(crate) struct Blob<'s> {
    sql: &'s dyn Sql,
    tag: Tag,
    adopted: Option<Adopted>,
    opened: Arc<OpenedBlob>,
}

/// What a blob says of itself.
#[derive(Debug)]
pub struct OpenedBlob {
    pub(crate) decoder: VortexDecoder,
    fields: Vec<FieldColumn>,
    key: usize,
    version: usize,
    extra: Option<usize>,
}

/// A declared field's column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldColumn {
    pub(crate) id: u32,
    pub(crate) field_type: FieldType,
    /// Its place among the blob's columns.
    pub(crate) at: usize,
}

impl OpenedBlob {
    fn new(decoder: VortexDecoder) -> Result<Self> {
        let column = |id: u32| decoder.column_index(id);
        let (Some(key), Some(version)) = (column(KEY), column(VERSION)) else {
            return Err(wrong_column("there: keys"));
        };
        let origin = Origin::decode(decoder.metadata())?;
        let fields = origin.fields.iter().map(|(id, field_type)| {
            let at = column(*id).ok_or_else(|| wrong_column("there"))?;
            Ok(FieldColumn {
                id: *id,
                field_type: *field_type,
                at,
            })
        });
        Ok(Self {
            key,
            version,
            extra: column(EXTRA),
            fields: fields.collect::<Result<_>>()?,
            decoder,
        })
    }

    /// The column of a declared field; none where no row has a value.
    pub(crate) fn field(&self, id: u32) -> Option<&FieldColumn> {
        let at = self.fields.binary_search_by_key(&id, |field| field.id);
        self.fields.get(at.ok()?)
    }
}

impl OpenedBlob {
    /// Opens bytes, whatever they are.
    ///
    /// # Errors
    /// `corrupt`, `unsupported_format`.
    pub(crate) fn of_bytes(body: Vec<u8>) -> Result<Self> {
        Self::new(VortexDecoder::open(body).map_err(foreign)?)
    }

    /// Rows of a page, as a range of the blob's rows.
    pub(crate) fn rows_of(&self, page: usize) -> std::ops::Range<usize> {
        let start = page * self.decoder.page_rows();
        start..self.decoder.rows().min(start + self.decoder.page_rows())
    }

    /// True when what is said of a page's keys is so of these, its first and its last.
    pub(crate) fn begins_and_ends(&self, page: usize, [first, last]: [&str; 2]) -> bool {
        surround(&self.decoder.columns()[self.key].pages[page], first, last)
    }

    /// Reads every column of a page: each must have a value of its type, or none, for every row. Its keys.
    ///
    /// # Errors
    /// `corrupt`.
    pub(crate) fn check_page(&self, page: usize) -> Result<StringArray> {
        let rows = self.rows_of(page).len();
        let own = [
            (self.key, FieldType::String),
            (self.version, FieldType::Int),
        ];
        let fields = self.fields.iter().map(|field| (field.at, field.field_type));
        let read = |at| self.decoder.read_page(at, page).map_err(foreign);
        let mut keys = None;
        for (at, field_type) in own.into_iter().chain(fields) {
            let array = read(at)?;
            if array.len() != rows {
                return Err(wrong_column("of as many rows as its page"));
            }
            // A column is of one type: what one of its values is, all are.
            if let Some(some) = (0..rows).find(|row| !array.is_null(*row)) {
                value_at(&array, some, field_type)?;
            }
            if array.null_count() > 0 && [self.key, self.version].contains(&at) {
                return Err(wrong_column("a key with its version"));
            }
            if !says_true(&self.decoder.columns()[at].pages[page], &array) {
                return Err(wrong_column("within the bounds of its page"));
            }
            if at == self.key {
                keys = array.as_string_opt::<i32>().cloned();
            }
        }
        if let Some(extra) = self.extra.map(read).transpose()? {
            for row in (0..rows).filter(|row| !extra.is_null(*row)) {
                let bytes = bytes_at(&extra, row).ok_or_else(|| wrong_column("bytes"))?;
                decode_extra(bytes, &mut Row::default())?;
            }
        }
        keys.ok_or_else(|| wrong_column("text"))
    }
}

impl std::ops::Deref for Blob<'_> {
    type Target = OpenedBlob;

    fn deref(&self) -> &OpenedBlob {
        &self.opened
    }
}

impl<'s> Blob<'s> {
    /// Opens a blob of folded documents.
    ///
    /// # Errors
    /// `corrupt` when its bytes are not what was written.
    pub(crate) fn open(sql: &'s dyn Sql, id: BlobId, tag: Tag) -> Result<Self> {
        let opened = opened(sql, id, tag)?;
        Ok(Self {
            sql,
            tag,
            adopted: None,
            opened,
        })
    }

    /// The same with the versions that its rows have where they are live.
    pub(crate) fn adopted(self, adopted: Option<Adopted>) -> Self {
        Self { adopted, ..self }
    }

    /// True when the bounds of its versions are not those of the versions its rows have.
    pub(crate) fn is_adopted(&self) -> bool {
        self.adopted.is_some()
    }

    /// Opens bytes that are not what was written, as far as they read.
    pub(crate) fn of_bytes(sql: &'s dyn Sql, body: Vec<u8>) -> Result<Self> {
        let tag = tag_of(&body);
        let opened = Arc::new(OpenedBlob::of_bytes(body)?);
        Ok(Self {
            sql,
            tag,
            adopted: None,
            opened,
        })
    }

    /// Decodes a page of a column, or finds it decoded.
    pub(crate) fn page(&self, column: usize, page: usize) -> Result<ArrayRef> {
        let adopted = self.adopted.filter(|_| column == self.version);
        let key = CacheKey {
            tag: adopted.map_or(self.tag, |adopted| adopted.tag_of_versions(self.tag)),
            page: Some((column, page)),
        };
        let cache = self.sql.blob_cache();
        if let Some(Cached::Page(array)) = cache.and_then(|cache| cache.get(&key)) {
            return Ok(array);
        }
        let array = match adopted {
            Some(adopted) => adopted.versions(self.sql, self.rows_of(page))?,
            None => self.decoder.read_page(column, page).map_err(foreign)?,
        };
        if let Some(cache) = cache {
            cache.put(key, Cached::Page(array.clone()));
        }
        Ok(array)
    }

    pub(crate) fn keys(&self, page: usize) -> Result<ArrayRef> {
        self.page(self.key, page)
    }

    pub(crate) fn versions(&self, page: usize) -> Result<ArrayRef> {
        self.page(self.version, page)
    }

    /// The bounds of the keys of a page.
    pub(crate) fn key_column(&self) -> usize {
        self.key
    }

    pub(crate) fn version_column(&self) -> usize {
        self.version
    }

    /// The row of a key, masked or not.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Result<Option<u32>> {
        let key = wanted.key;
        let pages = &self.decoder.columns()[self.key].pages;
        let reaches = |bound: &Option<Scalar>, wrong: Ordering| match bound {
            Some(Scalar::Bytes(bound)) => bound.as_slice().cmp(key.as_bytes()) != wrong,
            _ => true,
        };
        // Pages are ascending: the first whose greatest key is not below it may hold it.
        let first = pages.partition_point(|page| !reaches(&page.max, Ordering::Less));
        for (at, page) in pages.iter().enumerate().skip(first) {
            if !reaches(&page.min, Ordering::Greater) {
                return Ok(None);
            }
            if !wanted.may_be_on(self, at) {
                continue;
            }
            let keys = self.keys(at)?;
            let keys = keys.as_string_opt::<i32>();
            let keys = keys.ok_or_else(|| wrong_column("text"))?;
            if let Some(found) = place_of(keys, key) {
                let row = u32::try_from(self.rows_of(at).start + found);
                return row.map(Some).map_err(|_| wrong_column("within bounds"));
            }
        }
        Ok(None)
    }

    /// The key of the first row that `live` lets through whose field has this text.
    pub(crate) fn key_with(
        &self,
        field: u32,
        text: &str,
        live: impl Fn(u32) -> bool,
    ) -> Result<Option<String>> {
        let Some(column) = self.field(field) else {
            return Ok(None);
        };
        for (page, said) in self.decoder.columns()[column.at].pages.iter().enumerate() {
            let outside = |bound: &Option<Scalar>, side: Ordering| matches!(bound, Some(Scalar::Bytes(b)) if b.as_slice().cmp(text.as_bytes()) == side);
            if outside(&said.max, Ordering::Less) || outside(&said.min, Ordering::Greater) {
                continue;
            }
            let values = self.page(column.at, page)?;
            let values = values.as_string_opt::<i32>();
            let values = values.ok_or_else(|| wrong_column("text"))?;
            for (at, row) in self.rows_of(page).enumerate() {
                let row = u32::try_from(row).unwrap_or(u32::MAX);
                if !values.is_null(at) && values.value(at) == text && live(row) {
                    return Ok(Some(self.document(row)?.key));
                }
            }
        }
        Ok(None)
    }

    /// The document in a row.
    pub(crate) fn document(&self, row: u32) -> Result<Document> {
        let row = row as usize;
        let page_rows = self.decoder.page_rows().max(1);
        let page = self.decode(row / page_rows, |_| true)?;
        page.document(row % page_rows)
    }

    /// Decodes what a page says of the fields that are wanted.
    pub(crate) fn decode(&self, page: usize, wanted: impl Fn(u32) -> bool) -> Result<Page> {
        let fields = self.fields.iter().filter(|field| wanted(field.id));
        let fields = fields.map(|field| {
            let array = self.page(field.at, page)?;
            Ok((field.id, field.field_type, array))
        });
        Ok(Page {
            keys: self.keys(page)?,
            versions: self.versions(page)?,
            fields: fields.collect::<Result<_>>()?,
            extra: match self.extra.filter(|_| wanted(EXTRA)) {
                Some(at) => Some(self.page(at, page)?),
                None => None,
            },
        })
    }
}

/// The decoded columns of one page.
pub(crate) struct Page {
    keys: ArrayRef,
    versions: ArrayRef,
    fields: Vec<(u32, FieldType, ArrayRef)>,
    extra: Option<ArrayRef>,
}

impl Page {
    /// The document in a row of the page, with the fields that were decoded.
    pub(crate) fn document(&self, at: usize) -> Result<Document> {
        let key = value_at(&self.keys, at, FieldType::String)?;
        let version = value_at(&self.versions, at, FieldType::Int)?;
        let (Some(Value::Text(key)), Some(Value::Int(version))) = (key, version) else {
            return Err(wrong_column("a key with its version"));
        };
        let mut row = Row::default();
        for (id, field_type, array) in &self.fields {
            if let Some(value) = value_at(array, at, *field_type)? {
                row.fields.push((*id, value));
            }
        }
        if let Some(extra) = &self.extra
            && !extra.is_null(at)
        {
            let bytes = bytes_at(extra, at).ok_or_else(|| wrong_column("bytes"))?;
            decode_extra(bytes, &mut row)?;
        }
        Ok(Document {
            key,
            version: Sequence(u64::try_from(version).unwrap_or(0)),
            row,
        })
    }
}

fn opened(sql: &dyn Sql, id: BlobId, tag: Tag) -> Result<Arc<OpenedBlob>> {
    let key = CacheKey { tag, page: None };
    let cache = sql.blob_cache();
    if let Some(Cached::Blob(blob)) = cache.and_then(|cache| cache.get(&key)) {
        return Ok(blob);
    }
    let body = blobs::body(sql, id)?;
    if tag_of(&body) != tag {
        return Err(Error::corrupt(format!("blob {id} is not what was written")));
    }
    let blob = Arc::new(OpenedBlob::of_bytes(body)?);
    remember(sql, tag, &blob);
    Ok(blob)
}

/// Keeps an opened blob for whoever opens it next.
pub(crate) fn remember(sql: &dyn Sql, tag: Tag, blob: &Arc<OpenedBlob>) {
    if let Some(cache) = sql.blob_cache() {
        let key = CacheKey { tag, page: None };
        cache.put(key, Cached::Blob(Arc::clone(blob)));
    }
}

/// The start of the BLAKE3 hash of a blob's bytes.
pub(crate) fn tag_of(body: &[u8]) -> Tag {
    let hash = blake3::hash(body);
    let (tag, _) = hash.as_bytes().split_at(size_of::<Tag>());
    tag.try_into().unwrap_or_default()
}

fn place_of(keys: &StringArray, key: &str) -> Option<usize> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low.midpoint(high);
        match keys.value(middle).cmp(key) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Some(middle),
        }
    }
    None
}

/// An error of the blob format as one of ours: of stored bytes, all but a newer version are damage.
pub(crate) fn foreign(error: tidelog_vortex::Error) -> Error {
    match error.kind {
        tidelog_vortex::Kind::Unsupported => {
            Error::new(Kind::Unsupported, "unsupported_format", error.message)
        }
        tidelog_vortex::Kind::TooLarge => Error::too_large("blob_too_large", error.message),
        tidelog_vortex::Kind::Invalid => Error::internal(error.message),
        _ => Error::corrupt(format!("a blob: {}", error.message)),
    }
}
