//! A blob to columns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use bytes::Bytes;

use crate::budget::Budget;
use crate::column_reader::ColumnReader;
use crate::data_type::shape;
use crate::decode::{PageDecoder, Surroundings};
use crate::footer::Footer;
use crate::hash::checksum;
use crate::header::{HEADER_BYTES, Header};
use crate::index::{Index, Section};
use crate::node::Node;
use crate::parse::parse_page;
use crate::shared::{self, Shared};
use crate::texts::Texts;
use crate::values::Values;
use crate::wire::Reader;
use crate::{Column, Encoding, Error, Page, Result};

/// Reads a blob. Opening checks everything but pages and sections, which have checksums of their
/// own and are checked when they are read. A clone is cheap: the bytes are shared.
#[derive(Clone, Debug)]
pub struct VortexDecoder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes: Bytes,
    header: Header,
    rows: usize,
    index: Index,
    /// What the pages of each column share, decoded when a page first needs it.
    shared: Vec<Shared>,
    /// Whether the checksum of each page, column after column, was found right: the bytes do not change.
    checked: Vec<AtomicBool>,
}

impl VortexDecoder {
    /// Opens a whole blob.
    ///
    /// # Errors
    /// [`Kind::Corrupt`](crate::Kind) if it is cut, altered or something else;
    /// [`Kind::Unsupported`](crate::Kind) if a newer version wrote it; [`Kind::TooLarge`](crate::Kind) over a limit.
    pub fn open(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        let header = Header::decode(&bytes)?;
        let footer = Footer::decode(&bytes, &header)?;
        let index_end = bytes.len() - crate::footer::FOOTER_BYTES;
        let reader = Reader::new(bytes.slice(footer.index_at..index_end));
        let from = HEADER_BYTES + header.metadata_bytes;
        let index = Index::decode(reader, footer.rows, from, footer.index_at)?;
        let rows = footer.rows;
        let pages = index.columns.iter().map(|column| column.pages.len()).sum();
        let checked = (0..pages).map(|_| AtomicBool::new(false)).collect();
        let shared = index.columns.iter().map(|_| Shared::default()).collect();
        let inner = Inner {
            bytes,
            header,
            rows,
            index,
            shared,
            checked,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// How many rows every column has.
    pub fn rows(&self) -> usize {
        self.inner.rows
    }

    /// The blob.
    pub fn bytes(&self) -> &Bytes {
        &self.inner.bytes
    }

    /// The version of the format it is written in.
    pub fn version(&self) -> u8 {
        self.inner.header.version
    }

    /// The bits a reader must understand.
    pub fn features(&self) -> u32 {
        self.inner.header.features
    }

    /// The bits a reader may ignore.
    pub fn optional_features(&self) -> u32 {
        self.inner.header.optional_features
    }

    /// What the writer gave to [`VortexEncoder::with_metadata`](crate::VortexEncoder::with_metadata).
    pub fn metadata(&self) -> &[u8] {
        &self.inner.bytes[HEADER_BYTES..HEADER_BYTES + self.inner.header.metadata_bytes]
    }

    /// The bytes of a section, checked; `None` if the blob has none of this number.
    pub fn section(&self, id: u32) -> Result<Option<Bytes>> {
        let sections = &self.inner.index.sections;
        let found = sections.iter().find(|section| section.id == id);
        found.map(|section| self.section_bytes(section)).transpose()
    }

    /// The numbers and sizes of all sections.
    pub fn sections(&self) -> impl Iterator<Item = (u32, usize)> {
        self.inner
            .index
            .sections
            .iter()
            .map(|section| (section.id, section.bytes))
    }

    /// The columns, in the order of their writer.
    pub fn columns(&self) -> &[Column] {
        &self.inner.index.columns
    }

    /// The place of the column with this number.
    pub fn column_index(&self, id: u32) -> Option<usize> {
        self.columns().iter().position(|column| column.id == id)
    }

    /// Rows of every page but the last.
    pub fn page_rows(&self) -> usize {
        self.inner.index.page_rows
    }

    /// How many pages every column has.
    pub fn page_count(&self) -> usize {
        self.inner.rows.div_ceil(self.inner.index.page_rows)
    }

    /// Decodes one page of a column, after its checksum.
    pub fn read_page(&self, column_index: usize, page: usize) -> Result<ArrayRef> {
        let (column, _) = self.find(column_index, page)?;
        self.read(column_index, page, page + 1, None)
            .map_err(|e| e.within(&column.name))
    }

    /// How a page is encoded, after its checksum.
    pub fn page_encoding(&self, column_index: usize, page: usize) -> Result<Encoding> {
        let (column, _) = self.find(column_index, page)?;
        let node = self.tree(column_index, page, &mut Budget::of_page());
        node.map(|node| Encoding::of(&node))
            .map_err(|e| e.within(&column.name))
    }

    /// Decodes a column.
    pub fn read_column(&self, column_index: usize) -> Result<ArrayRef> {
        let column = self.column(column_index)?;
        self.read(column_index, 0, column.pages.len(), None)
            .map_err(|e| e.within(&column.name))
    }

    /// Decodes one page of every column, as [`VortexDecoder::read_all`] does all pages.
    pub fn read_batch(&self, page: usize) -> Result<RecordBatch> {
        let kept = Kept::default();
        let mut arrays = Vec::with_capacity(self.columns().len());
        for (index, column) in self.columns().iter().enumerate() {
            self.find(index, page)?;
            let array = self.read(index, page, page + 1, Some(&kept));
            arrays.push(array.map_err(|e| e.within(&column.name))?);
        }
        let first = page.saturating_mul(self.page_rows());
        let rows = self.rows().saturating_sub(first).min(self.page_rows());
        self.batch_of(arrays, rows)
    }

    /// Decodes every column. The fields are nullable and have the columns' names.
    pub fn read_all(&self) -> Result<RecordBatch> {
        let kept = Kept::default();
        let read = |index: usize| {
            let column = &self.columns()[index];
            let array = self.read(index, 0, column.pages.len(), Some(&kept));
            array.map_err(|e| e.within(&column.name))
        };
        let arrays: Vec<_> = (0..self.columns().len()).map(read).collect::<Result<_>>()?;
        self.batch_of(arrays, self.rows())
    }

    /// A batch of one array for every column.
    pub(crate) fn batch_of(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let field = |column: &Column| Field::new(&column.name, column.data_type.clone(), true);
        let schema = Schema::new(self.columns().iter().map(field).collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
            .map_err(|e| Error::corrupt(e.to_string()))
    }

    /// Checks every checksum, and decodes every page once.
    pub fn verify(&self) -> Result<()> {
        for (index, column) in self.columns().iter().enumerate() {
            for page in 0..column.pages.len() {
                self.read(index, page, page + 1, None)
                    .map_err(|e| e.within(&column.name))?;
            }
        }
        self.inner
            .index
            .sections
            .iter()
            .try_for_each(|section| self.section_bytes(section).map(drop))
    }

    pub(crate) fn column(&self, column_index: usize) -> Result<&Column> {
        let missing = || Error::invalid(format!("no column {column_index}"));
        self.columns().get(column_index).ok_or_else(missing)
    }

    pub(crate) fn find(&self, column_index: usize, page: usize) -> Result<(&Column, &Page)> {
        let column = self.column(column_index)?;
        let missing = || Error::invalid(format!("no page {page}"));
        Ok((column, column.pages.get(page).ok_or_else(missing)?))
    }

    /// Decodes the pages from `first` to before `end` of a column.
    fn read(
        &self,
        column_index: usize,
        first: usize,
        end: usize,
        kept: Option<&Kept>,
    ) -> Result<ArrayRef> {
        let column = self.column(column_index)?;
        let mut reader = ColumnReader::new(&column.data_type)?;
        for page in first..end {
            let mut budget = Budget::of_page();
            let node = self.tree(column_index, page, &mut budget)?;
            let around = Around {
                kept,
                ..self.around(column_index, page)
            };
            reader.append(&node, &column.pages[page], budget, &around)?;
        }
        reader.finish()
    }

    /// What a page of a column may refer to.
    pub(crate) fn around(&self, column_index: usize, page: usize) -> Around<'_> {
        Around {
            decoder: self,
            column_index,
            page,
            kept: None,
        }
    }

    /// The encoding tree of a page, whose checksum is looked at once.
    pub(crate) fn tree(
        &self,
        column_index: usize,
        number: usize,
        budget: &mut Budget,
    ) -> Result<Node> {
        let (column, page) = self.find(column_index, number)?;
        let bytes = self
            .inner
            .bytes
            .slice(page.offset..page.offset + page.bytes);
        let checked = &self.inner.checked[column_index * self.page_count() + number];
        if !checked.load(Relaxed) {
            if checksum(&bytes) != page.checksum {
                let at = page.offset;
                return Err(Error::corrupt(format!("the checksum of the page at {at}")));
            }
            checked.store(true, Relaxed);
        }
        let shape = shape(&column.data_type)?;
        parse_page(bytes, &shape, page.rows, self.features(), budget)
    }

    fn section_bytes(&self, section: &Section) -> Result<Bytes> {
        let bytes = self
            .inner
            .bytes
            .slice(section.offset..section.offset + section.bytes);
        match checksum(&bytes) == section.checksum {
            true => Ok(bytes),
            false => Err(Error::corrupt(format!(
                "the checksum of section {}",
                section.id
            ))),
        }
    }
}

/// What pages of one column may refer to.
pub(crate) struct Around<'a> {
    decoder: &'a VortexDecoder,
    column_index: usize,
    page: usize,
    kept: Option<&'a Kept>,
}

/// Texts of a column that an earlier one's pages held, until that column is read: by both and the page.
type Kept = RefCell<BTreeMap<(usize, usize), Texts>>;

impl Around<'_> {
    /// Does something with the page of the same number of an earlier column.
    fn with_page<T>(
        &self,
        column_index: usize,
        work: impl FnOnce(&mut PageDecoder<'_>, &Node, usize) -> Result<T>,
    ) -> Result<T> {
        if column_index >= self.column_index {
            return Err(Error::corrupt("a reference to a later column"));
        }
        let (_, page) = self.decoder.find(column_index, self.page)?;
        let mut budget = Budget::of_page();
        let node = self.decoder.tree(column_index, self.page, &mut budget)?;
        let around = Around {
            column_index,
            ..*self
        };
        work(&mut PageDecoder::new(budget, &around), &node, page.rows)
    }
}

impl Surroundings for Around<'_> {
    fn keep(&self, others: Texts) {
        if let Some(kept) = self.kept {
            kept.borrow_mut()
                .insert((self.column_index, self.page), others);
        }
    }

    fn partner(&self, column_index: usize) -> Result<Texts> {
        let kept = self
            .kept
            .and_then(|kept| kept.borrow_mut().remove(&(column_index, self.page)));
        if let Some(texts) = kept {
            return Ok(texts);
        }
        self.with_page(column_index, |decoder, node, rows| {
            decoder.others(node, rows)
        })
    }

    fn pick_partner(&self, column_index: usize, places: &[usize]) -> Result<Option<Texts>> {
        self.with_page(column_index, |decoder, node, rows| {
            decoder.pick_others(node, rows, places)
        })
    }

    fn shared_values(&self) -> Result<&Values> {
        let inner = &self.decoder.inner;
        let column = self.decoder.column(self.column_index)?;
        inner.shared[self.column_index].values(|| {
            let id = shared::values_section(self.column_index);
            let missing = || Error::corrupt("shared values that are not there");
            let section = self.decoder.section(id)?.ok_or_else(missing)?;
            let shape = shape(&column.data_type)?;
            shared::decode_values(section, &shape, inner.rows, inner.header.features)
        })
    }
}
