//! The column index: what columns, pages and sections there are, and where.

use crate::data_type::{bounds_kind, decode, encode};
use crate::scalar::Bounds;
use crate::wire::{Reader, put_bytes, put_varint};
use crate::{Column, ColumnKind, Error, Page, Result, limits};

/// Where a section is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) id: u32,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) checksum: u64,
}

/// Everything between the last section and the footer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    pub(crate) page_rows: usize,
    pub(crate) columns: Vec<Column>,
    pub(crate) sections: Vec<Section>,
}

/// Least bytes of a page's entry: length, checksum, nulls, flags.
const PAGE_ENTRY_BYTES: usize = 11;

impl Index {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        put_varint(out, self.page_rows as u64);
        put_varint(out, self.columns.len() as u64);
        for column in &self.columns {
            encode_column(column, out)?;
        }
        put_varint(out, self.sections.len() as u64);
        for section in &self.sections {
            put_varint(out, u64::from(section.id));
            put_varint(out, section.bytes as u64);
            out.extend_from_slice(&section.checksum.to_le_bytes());
        }
        Ok(())
    }

    /// Reads the index of a blob with `rows` rows whose pages begin at `from`; pages and sections
    /// must fill the blob up to `to`, where the index begins.
    pub(crate) fn decode(mut reader: Reader, rows: usize, from: usize, to: usize) -> Result<Self> {
        let page_rows = reader.count(limits::PAGE_ROWS_MAX, "rows a page")?;
        if page_rows == 0 {
            return Err(Error::corrupt("pages without rows"));
        }
        let count = reader.count(limits::COLUMNS_MAX, "columns")?;
        let pages = rows.div_ceil(page_rows);
        if count.saturating_mul(pages) > limits::PAGES_MAX {
            return Err(Error::too_large(format!(
                "{pages} pages of {count} columns"
            )));
        }
        let mut place = Place { at: from, to };
        let mut columns: Vec<Column> = Vec::new();
        for _ in 0..count {
            let column = decode_column(&mut reader, rows, page_rows, &mut place)?;
            columns.push(column);
        }
        let mut sections = Vec::new();
        for _ in 0..reader.count(limits::ALL_SECTIONS_MAX, "sections")? {
            sections.push(decode_section(&mut reader, &mut place)?);
        }
        reader.end()?;
        if place.at != to {
            return Err(Error::corrupt("bytes that no page or section claims"));
        }
        are_unique(columns.iter().map(|column| column.id), "column")?;
        are_unique(
            sections.iter().map(|section: &Section| section.id),
            "section",
        )?;
        Ok(Self {
            page_rows,
            columns,
            sections,
        })
    }
}

/// Pages and sections follow each other without gaps, in the order of the index.
struct Place {
    at: usize,
    to: usize,
}

impl Place {
    fn claim(&mut self, reader: &mut Reader) -> Result<(usize, usize)> {
        let offset = self.at;
        let bytes = reader.varint()?;
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.to - offset => {
                self.at += bytes;
                Ok((offset, bytes))
            }
            _ => Err(Error::corrupt(format!(
                "a page or section of {bytes} bytes"
            ))),
        }
    }
}

fn encode_column(column: &Column, out: &mut Vec<u8>) -> Result<()> {
    put_varint(out, u64::from(column.id));
    put_bytes(out, column.name.as_bytes());
    out.push(match column.kind {
        ColumnKind::Plain => 0,
        ColumnKind::Json => 1,
    });
    encode(&column.data_type, out)?;
    for page in &column.pages {
        put_varint(out, page.bytes as u64);
        out.extend_from_slice(&page.checksum.to_le_bytes());
        put_varint(out, page.nulls as u64);
        let bounds = Bounds {
            min: page.min.clone(),
            max: page.max.clone(),
            min_is_exact: page.min_is_exact,
            max_is_exact: page.max_is_exact,
        };
        bounds.encode(out);
    }
    Ok(())
}

fn decode_column(
    reader: &mut Reader,
    rows: usize,
    page_rows: usize,
    place: &mut Place,
) -> Result<Column> {
    let id = column_or_section_id(reader)?;
    let name = reader.text(limits::NAME_BYTES_MAX)?;
    let kind = match reader.u8()? {
        0 => ColumnKind::Plain,
        1 => ColumnKind::Json,
        kind => return Err(Error::unsupported(format!("a column of kind {kind}"))),
    };
    let data_type = decode(reader)?;
    crate::data_type::check(kind, &data_type).map_err(|e| Error::corrupt(e.message))?;
    let bounds = bounds_kind(kind, &data_type);
    let page_count = rows.div_ceil(page_rows);
    if page_count.saturating_mul(PAGE_ENTRY_BYTES) > reader.remaining() {
        return Err(Error::corrupt(format!(
            "no room for {page_count} pages in the index"
        )));
    }
    let mut pages = Vec::with_capacity(page_count);
    for number in 0..page_count {
        let (offset, bytes) = place.claim(reader)?;
        let checksum = reader.u64()?;
        let page_rows = page_rows.min(rows - number * page_rows);
        let nulls = reader.count(page_rows, "nulls in a page")?;
        let bounds = Bounds::decode(reader, bounds)?;
        pages.push(Page {
            rows: page_rows,
            nulls,
            min: bounds.min,
            max: bounds.max,
            min_is_exact: bounds.min_is_exact,
            max_is_exact: bounds.max_is_exact,
            offset,
            bytes,
            checksum,
        });
    }
    Ok(Column {
        id,
        name,
        data_type,
        kind,
        pages,
    })
}

fn decode_section(reader: &mut Reader, place: &mut Place) -> Result<Section> {
    let id = column_or_section_id(reader)?;
    let (offset, bytes) = place.claim(reader)?;
    Ok(Section {
        id,
        offset,
        bytes,
        checksum: reader.u64()?,
    })
}

fn column_or_section_id(reader: &mut Reader) -> Result<u32> {
    u32::try_from(reader.varint()?).map_err(|_| Error::corrupt("an id of more than 32 bits"))
}

/// Checks that no id is given twice.
pub(crate) fn are_unique(ids: impl Iterator<Item = u32>, what: &str) -> Result<()> {
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::corrupt(format!("{what} {} is there twice", pair[0]))),
    }
}
