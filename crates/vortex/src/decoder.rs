//! A blob to columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{Field, Schema};
use arrow_select::concat::concat;
use bytes::Bytes;

use crate::arrays::array_of;
use crate::budget::Budget;
use crate::data_type::shape;
use crate::decode::decode_slots;
use crate::footer::Footer;
use crate::hash::checksum;
use crate::header::{HEADER_BYTES, Header};
use crate::index::{Index, Section};
use crate::node::Node;
use crate::parse::parse_page;
use crate::wire::Reader;
use crate::{Column, Encoding, Error, Page, Result, limits};

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
        let inner = Inner {
            bytes,
            header,
            rows,
            index,
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
        let (column, page) = self.find(column_index, page)?;
        self.read(column, page).map_err(|e| e.within(&column.name))
    }

    /// How a page is encoded, after its checksum.
    pub fn page_encoding(&self, column_index: usize, page: usize) -> Result<Encoding> {
        let (column, page) = self.find(column_index, page)?;
        let node = self.tree(column, page, &mut Budget::of_page());
        node.map(|node| Encoding::of(&node))
            .map_err(|e| e.within(&column.name))
    }

    /// Decodes a column.
    pub fn read_column(&self, column_index: usize) -> Result<ArrayRef> {
        let column = self.column(column_index)?;
        let mut pages = Vec::with_capacity(column.pages.len());
        let mut decoded = 0_usize;
        for page in &column.pages {
            let array = self
                .read(column, page)
                .map_err(|e| e.within(&column.name))?;
            decoded = decoded.saturating_add(array.get_array_memory_size());
            if decoded > limits::COLUMN_DECODED_BYTES_MAX {
                return Err(
                    Error::too_large("a column too large to read whole").within(&column.name)
                );
            }
            pages.push(array);
        }
        match &pages[..] {
            [] => Ok(new_empty_array(&column.data_type)),
            [page] => Ok(page.clone()),
            pages => {
                let pages: Vec<_> = pages.iter().map(AsRef::as_ref).collect();
                concat(&pages).map_err(|e| Error::too_large(e.to_string()))
            }
        }
    }

    /// Decodes every column. The fields are nullable and have the columns' names.
    pub fn read_all(&self) -> Result<RecordBatch> {
        let arrays: Vec<_> = (0..self.columns().len())
            .map(|column| self.read_column(column))
            .collect::<Result<_>>()?;
        let field = |column: &Column| Field::new(&column.name, column.data_type.clone(), true);
        let schema = Schema::new(self.columns().iter().map(field).collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
            .map_err(|e| Error::corrupt(e.to_string()))
    }

    /// Checks every checksum, and decodes every page once.
    pub fn verify(&self) -> Result<()> {
        for column in self.columns() {
            for page in &column.pages {
                self.read(column, page)
                    .map_err(|e| e.within(&column.name))?;
            }
        }
        self.inner
            .index
            .sections
            .iter()
            .try_for_each(|section| self.section_bytes(section).map(drop))
    }

    fn column(&self, column_index: usize) -> Result<&Column> {
        let missing = || Error::invalid(format!("no column {column_index}"));
        self.columns().get(column_index).ok_or_else(missing)
    }

    fn find(&self, column_index: usize, page: usize) -> Result<(&Column, &Page)> {
        let column = self.column(column_index)?;
        let missing = || Error::invalid(format!("no page {page}"));
        Ok((column, column.pages.get(page).ok_or_else(missing)?))
    }

    fn read(&self, column: &Column, page: &Page) -> Result<ArrayRef> {
        let mut budget = Budget::of_page();
        let node = self.tree(column, page, &mut budget)?;
        let shape = shape(&column.data_type)?;
        let slots = decode_slots(&node, &shape, page.rows, &mut budget)?;
        let valid = slots.valid.as_ref();
        let nulls = valid.map_or(0, |valid| page.rows - valid.count_set_bits());
        if nulls != page.nulls {
            return Err(Error::corrupt(format!(
                "{nulls} nulls in a page of {}",
                page.nulls
            )));
        }
        array_of(&column.data_type, slots, page.rows)
    }

    /// The encoding tree of a page.
    fn tree(&self, column: &Column, page: &Page, budget: &mut Budget) -> Result<Node> {
        let bytes = self
            .inner
            .bytes
            .slice(page.offset..page.offset + page.bytes);
        if checksum(&bytes) != page.checksum {
            return Err(Error::corrupt(format!(
                "the checksum of the page at {}",
                page.offset
            )));
        }
        parse_page(bytes, &shape(&column.data_type)?, page.rows, budget)
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
