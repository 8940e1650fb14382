//! Vortex blobs: each profile as one blob with the limits raised, and cut into blobs as an object has them.

use anyhow::Result;
use bytes::Bytes;
use tidelog_vortex::{
    ColumnSpec, EncodeOptions, Kind, Page, Profile, Scalar, VortexDecoder, VortexEncoder,
};

use super::{Decoded, Format, Reader};
use crate::cells::{Cell, cell};
use crate::scan::{Sum, in_range};
use crate::sets::{DataSet, Filter};

/// One profile.
#[derive(Debug)]
pub struct Ours {
    name: &'static str,
    options: EncodeOptions,
    is_cut: bool,
}

/// One blob of any size.
fn raised(profile: Profile) -> EncodeOptions {
    EncodeOptions {
        profile,
        bytes_max: usize::MAX,
        rows_max: u32::MAX as usize,
        ..EncodeOptions::default()
    }
}

impl Ours {
    pub fn fast() -> Self {
        Self {
            name: "ours-fast",
            options: raised(Profile::Fast),
            is_cut: false,
        }
    }

    pub fn balanced() -> Self {
        Self {
            name: "ours-balanced",
            options: raised(Profile::Balanced),
            is_cut: false,
        }
    }

    pub fn small() -> Self {
        Self {
            name: "ours-small",
            options: raised(Profile::Small),
            is_cut: false,
        }
    }

    /// Blobs of at most 65,536 rows and 1.9 MB, as objects keep them.
    pub fn blobs() -> Self {
        Self {
            name: "ours-balanced-blobs",
            options: EncodeOptions::default(),
            is_cut: true,
        }
    }
}

fn specs(set: &DataSet) -> Vec<ColumnSpec> {
    let spec = |column: usize| match set.json.contains(&column) {
        true => ColumnSpec::json(column as u32 + 1, set.column_name(column)),
        false => ColumnSpec::plain(column as u32 + 1, set.column_name(column)),
    };
    (0..set.batch.num_columns()).map(spec).collect()
}

/// As many rows in each blob as fit; the next one is tried with as many as the last one took.
fn cut(encoder: &VortexEncoder, set: &DataSet, rows_max: usize) -> Result<Vec<Bytes>> {
    let (specs, mut parts, mut at, mut rows) = (specs(set), Vec::new(), 0, rows_max);
    while at < set.batch.num_rows() {
        let slice = set.batch.slice(at, rows.min(set.batch.num_rows() - at));
        match encoder.encode(&specs, slice.columns()) {
            Ok(blob) => {
                parts.push(blob.into());
                at += slice.num_rows();
            }
            Err(error) if error.kind == Kind::TooLarge && rows > 1 => rows = rows * 3 / 4,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(parts)
}

impl Format for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>> {
        let encoder = VortexEncoder::new(self.options.clone());
        if self.is_cut {
            return cut(&encoder, set, self.options.rows_max);
        }
        Ok(vec![
            encoder.encode(&specs(set), set.batch.columns())?.into(),
        ])
    }

    fn decode(&self, _: &DataSet, parts: &[Bytes]) -> Result<Decoded> {
        let mut chunks = Vec::new();
        for part in parts {
            let blob = VortexDecoder::open(part.clone())?;
            for page in 0..blob.page_count() {
                chunks.push(blob.read_batch(page)?.columns().to_vec());
            }
        }
        Ok(Decoded::Arrow(chunks))
    }

    fn open<'a>(&'a self, _: &'a DataSet, parts: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        let mut blobs = Vec::with_capacity(parts.len());
        let mut first = 0;
        for part in parts {
            let blob = VortexDecoder::open(part.clone())?;
            let rows = blob.rows();
            blobs.push((first, blob));
            first += rows;
        }
        Ok(Box::new(Opened { blobs }))
    }
}

/// Open blobs, each with the number of its first row.
struct Opened {
    blobs: Vec<(usize, VortexDecoder)>,
}

impl Reader for Opened {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        let mut pages = Vec::new();
        for (_, blob) in &self.blobs {
            for page in 0..blob.page_count() {
                pages.push(vec![blob.read_page(column, page)?]);
            }
        }
        Ok(Decoded::Arrow(pages))
    }

    /// Pages whose bounds are outside are not read, and the summed column only where a row matched.
    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let (low, high) = (cell(&filter.low, 0)?, cell(&filter.high, 0)?);
        let mut sum = Sum::default();
        for (_, blob) in &self.blobs {
            let pages = &blob.columns()[filter.column].pages;
            let within = |(_, page): &(usize, &Page)| may_hold(page, &low, &high);
            for (at, _) in pages.iter().enumerate().filter(within) {
                let mask = in_range(&blob.read_page(filter.column, at)?, filter)?;
                if mask.true_count() > 0 {
                    sum.add(&mask, &blob.read_page(filter.sum, at)?)?;
                }
            }
        }
        Ok(sum)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        let after = self.blobs.partition_point(|(first, _)| *first <= row);
        let (first, blob) = &self.blobs[after - 1];
        (0..blob.columns().len())
            .map(|column| cell(&blob.take(column, &[row - first])?, 0))
            .collect()
    }
}

/// Whether a value of a page may be in `low..high`.
fn may_hold(page: &Page, low: &Cell, high: &Cell) -> bool {
    let (Some(min), Some(max)) = (&page.min, &page.max) else {
        return page.nulls < page.rows;
    };
    !is_at_least(min, high) && !is_below(max, low)
}

/// Whether a bound is below a value; false where they do not compare, so that nothing is skipped.
fn is_below(bound: &Scalar, value: &Cell) -> bool {
    match (bound, value) {
        (Scalar::Int(bound), Cell::Int(value)) => bound < value,
        (Scalar::UInt(bound), Cell::Int(value)) => i128::from(*bound) < i128::from(*value),
        (Scalar::Float(bound), Cell::Float(value)) => bound < value,
        _ => false,
    }
}

/// Whether a bound is a value or above it; false where they do not compare.
fn is_at_least(bound: &Scalar, value: &Cell) -> bool {
    match (bound, value) {
        (Scalar::Int(bound), Cell::Int(value)) => bound >= value,
        (Scalar::UInt(bound), Cell::Int(value)) => i128::from(*bound) >= i128::from(*value),
        (Scalar::Float(bound), Cell::Float(value)) => bound >= value,
        _ => false,
    }
}

/// Prints bytes by column, and the encodings of one page in eight.
pub fn explain(parts: &[Bytes]) -> Result<()> {
    for part in parts {
        let blob = VortexDecoder::open(part.clone())?;
        for (id, bytes) in blob.sections() {
            println!("section {id}: {bytes} bytes");
        }
        for (place, column) in blob.columns().iter().enumerate() {
            let bytes: usize = column.pages.iter().map(|page| page.bytes).sum();
            println!("{}: {bytes} bytes", column.name);
            for page in (0..column.pages.len()).step_by(8).take(5) {
                let encoding = blob.page_encoding(place, page)?.to_string();
                let short: String = encoding.chars().take(300).collect();
                println!("  {page}: {} bytes: {short}", column.pages[page].bytes);
            }
        }
    }
    Ok(())
}
