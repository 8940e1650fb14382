//! Columns to a blob.

use arrow_array::{Array, ArrayRef};
use bytes::Bytes;

use crate::arrays::dense;
use crate::budget::Budget;
use crate::choose::Chooser;
use crate::data_type::{Shape, bounds_kind, check, shape};
use crate::decode::{Alone, PageDecoder};
use crate::footer::{FOOTER_BYTES, Footer};
use crate::hash::checksum;
use crate::header::{FEATURES_AT, HEADER_BYTES, Header, VERSION};
use crate::index::{Index, Section, are_unique};
use crate::node::Node;
use crate::pairs::{Pair, pairs_of};
use crate::parse::parse_page;
use crate::shared::values_section;
use crate::statistics::bounds_of;
use crate::{Column, ColumnKind, ColumnSpec, EncodeOptions, Error, Page, Result, limits};

/// Makes blobs of columns.
#[derive(Clone, Debug, Default)]
pub struct VortexEncoder {
    options: EncodeOptions,
    metadata: Vec<u8>,
    sections: Vec<(u32, Vec<u8>)>,
}

impl VortexEncoder {
    /// An encoder with these options.
    pub fn new(options: EncodeOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Sets the bytes that stand in the header; the format does not look into them.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Vec<u8>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Adds bytes that are kept beside the columns under a number: an index over them, for example.
    /// Numbers from 2^31 are the format's own.
    #[must_use]
    pub fn with_section(mut self, id: u32, bytes: Vec<u8>) -> Self {
        self.sections.push((id, bytes));
        self
    }

    /// Encodes columns of equal length, one array for each.
    ///
    /// # Errors
    /// [`Kind::TooLarge`](crate::Kind) when the blob would exceed `bytes_max` or `rows_max`, or a
    /// page would decode to more than a reader takes: encode fewer rows.
    /// [`Kind::Invalid`](crate::Kind) for a type that blobs do not hold, a number given twice, or arrays of unequal length.
    pub fn encode(&self, specs: &[ColumnSpec], arrays: &[ArrayRef]) -> Result<Vec<u8>> {
        let rows = self.check(specs, arrays)?;
        let mut writing = Writing {
            out: Vec::new(),
            chooser: Chooser::new(self.options.profile),
            shared: Vec::new(),
        };
        let header = Header {
            version: VERSION,
            features: 0,
            optional_features: 0,
            metadata_bytes: self.metadata.len(),
        };
        header.encode(&mut writing.out)?;
        writing.out.extend_from_slice(&self.metadata);
        let mut index = Index {
            page_rows: self.options.page_rows,
            columns: Vec::with_capacity(specs.len()),
            sections: Vec::new(),
        };
        let pairs = pairs_of(specs, arrays)?;
        let mut joined = vec![Vec::new(); pairs.len()];
        for (place, (spec, array)) in specs.iter().zip(arrays).enumerate() {
            let pair = pairs.iter().zip(&mut joined);
            let mut pair = pair.filter(|(pair, _)| [pair.first, pair.second].contains(&place));
            let role = match pair.next() {
                Some((pair, joined)) if pair.first == place => {
                    Role::Holder(*pair, &arrays[pair.second], joined)
                }
                Some((pair, joined)) => Role::Partner(pair.first, joined),
                None => Role::Alone,
            };
            let column = self
                .encode_column(spec, array, place, role, &mut writing)
                .map_err(|e| e.within(&spec.name))?;
            index.columns.push(column);
        }
        let Writing {
            mut out,
            chooser,
            shared,
        } = writing;
        index.sections = self
            .sections
            .iter()
            .chain(&shared)
            .map(|(id, bytes)| put_section(*id, bytes, &mut out))
            .collect();
        out[FEATURES_AT..FEATURES_AT + 4].copy_from_slice(&chooser.features().to_le_bytes());
        let index_at = out.len();
        index.encode(&mut out)?;
        self.check_size(out.len() + FOOTER_BYTES)?;
        Footer::encode(rows, index_at, HEADER_BYTES + self.metadata.len(), &mut out)?;
        Ok(out)
    }

    /// Checks the call and says how many rows there are.
    fn check(&self, specs: &[ColumnSpec], arrays: &[ArrayRef]) -> Result<usize> {
        let options = &self.options;
        if !(1..=limits::PAGE_ROWS_MAX).contains(&options.page_rows) {
            return Err(Error::invalid(format!(
                "pages of {} rows",
                options.page_rows
            )));
        }
        if specs.len() != arrays.len() || specs.len() > limits::COLUMNS_MAX {
            let (specs, arrays) = (specs.len(), arrays.len());
            return Err(Error::invalid(format!(
                "{arrays} arrays for {specs} columns"
            )));
        }
        let rows = arrays.first().map_or(0, |array| array.len());
        if rows > options.rows_max {
            return Err(Error::too_large(format!(
                "{rows} rows, at most {}",
                options.rows_max
            )));
        }
        for (spec, array) in specs.iter().zip(arrays) {
            check(spec.kind, array.data_type()).map_err(|e| e.within(&spec.name))?;
            if array.len() != rows {
                return Err(Error::invalid(format!(
                    "{}: {} rows, others have {rows}",
                    spec.name,
                    array.len()
                )));
            }
            if spec.name.len() > limits::NAME_BYTES_MAX {
                return Err(Error::invalid(format!(
                    "a name of {} bytes",
                    spec.name.len()
                )));
            }
        }
        if rows.div_ceil(options.page_rows).saturating_mul(specs.len()) > limits::PAGES_MAX {
            return Err(Error::too_large("more pages than a blob may have"));
        }
        if self.sections.len() > limits::SECTIONS_MAX {
            return Err(Error::invalid(format!("{} sections", self.sections.len())));
        }
        let unique = are_unique(specs.iter().map(|spec| spec.id), "column")
            .and_then(|()| are_unique(self.sections.iter().map(|(id, _)| *id), "section"));
        unique.map_err(|e| Error::invalid(e.message))?;
        Ok(rows)
    }

    fn check_size(&self, bytes: usize) -> Result<()> {
        match bytes <= self.options.bytes_max {
            true => Ok(()),
            false => Err(Error::too_large(format!(
                "a blob of more than {} bytes",
                self.options.bytes_max
            ))),
        }
    }

    fn encode_column(
        &self,
        spec: &ColumnSpec,
        array: &ArrayRef,
        place: usize,
        mut role: Role<'_>,
        writing: &mut Writing,
    ) -> Result<Column> {
        let Writing {
            out,
            chooser,
            shared,
        } = writing;
        let mut pages = Vec::new();
        chooser.begin_column();
        let is_alone = matches!(role, Role::Alone) && spec.kind == ColumnKind::Plain;
        if is_alone && array.len() > 2 * self.options.page_rows {
            let (_, values) = dense(array)?;
            let shape = shape(array.data_type())?;
            if let Some(sharing) = chooser.share(&values, &shape, self.options.page_rows) {
                shared.push((values_section(place), sharing.section.clone()));
                chooser.begin_sharing(sharing);
            }
        }
        for first in (0..array.len()).step_by(self.options.page_rows) {
            let rows = self.options.page_rows.min(array.len() - first);
            let slice = array.slice(first, rows);
            let known = role.page(pages.len(), first, &slice, chooser)?;
            pages.push(encode_page(spec, &slice, known, chooser, out)?);
            self.check_size(out.len())?;
        }
        Ok(Column {
            id: spec.id,
            name: spec.name.clone(),
            data_type: array.data_type().clone(),
            kind: spec.kind,
            pages,
        })
    }
}

/// A blob being written.
struct Writing {
    out: Vec<u8>,
    chooser: Chooser,
    /// Sections of what the pages of columns share.
    shared: Vec<(u32, Vec<u8>)>,
}

/// What a column is in a pair.
enum Role<'a> {
    Alone,
    /// It holds the other's texts too, in the pages noted.
    Holder(Pair, &'a ArrayRef, &'a mut Vec<bool>),
    /// Its texts are held by the column at this place, in the pages noted.
    Partner(usize, &'a [bool]),
}

impl Role<'_> {
    /// The tree of a page that is encoded together with another column's.
    fn page(
        &mut self,
        page: usize,
        first: usize,
        array: &ArrayRef,
        chooser: &mut Chooser,
    ) -> Result<Option<Node>> {
        match self {
            Self::Alone => Ok(None),
            Self::Holder(pair, other, joined) => {
                let other = other.slice(first, array.len());
                let node = chooser.pair(array, &other, pair.second_leads)?;
                joined.push(node.is_some());
                Ok(node)
            }
            Self::Partner(column, joined) => Ok(joined
                .get(page)
                .is_some_and(|is_joined| *is_joined)
                .then(|| chooser.partner(array, *column))),
        }
    }
}

/// Appends one page and says what the index holds of it. `known`: its tree, where another column's page decided it.
fn encode_page(
    spec: &ColumnSpec,
    array: &ArrayRef,
    known: Option<Node>,
    chooser: &mut Chooser,
    out: &mut Vec<u8>,
) -> Result<Page> {
    let (rows, data_type) = (array.len(), array.data_type());
    let shape = shape(data_type)?;
    let (valid, values) = dense(array)?;
    let raw = rows
        .saturating_mul(shape.slot_bytes())
        .saturating_add(values.beside_slots(&shape));
    if raw > limits::PAGE_BYTES_MAX {
        return Err(Error::too_large(format!(
            "{raw} bytes in a page, at most {}",
            limits::PAGE_BYTES_MAX
        )));
    }
    let is_partner = known.as_ref().is_some_and(Node::is_partner);
    let node = match known {
        Some(node) => node,
        None => chooser.slots(valid.as_ref(), &values, &shape, spec.kind)?,
    };
    chooser.note(&node);
    let offset = out.len();
    node.encode(out);
    debug_assert_eq!(
        out.len() - offset,
        node.size(),
        "the chooser compares true sizes"
    );
    let is_alone = !is_partner && chooser.stands_alone();
    if raw > limits::PAGE_BYTES_MAX / 4 && is_alone {
        check_budget(&out[offset..], &shape, rows, chooser.features())?;
    }
    let bounds = bounds_of(&values, data_type, bounds_kind(spec.kind, data_type));
    Ok(Page {
        rows,
        nulls: valid.map_or(0, |valid| valid.len() - valid.count_set_bits()),
        min: bounds.min,
        max: bounds.max,
        min_is_exact: bounds.min_is_exact,
        max_is_exact: bounds.max_is_exact,
        offset,
        bytes: out.len() - offset,
        checksum: checksum(&out[offset..]),
    })
}

/// Checks that a reader can decode a large page within its budget. Small ones cannot take so many steps.
fn check_budget(page: &[u8], shape: &Shape, rows: usize, features: u32) -> Result<()> {
    let mut budget = Budget::of_page();
    let node = parse_page(
        Bytes::copy_from_slice(page),
        shape,
        rows,
        features,
        &mut budget,
    )?;
    PageDecoder::new(budget, &Alone)
        .slots(&node, shape, rows)
        .map(drop)
}

fn put_section(id: u32, bytes: &[u8], out: &mut Vec<u8>) -> Section {
    let offset = out.len();
    out.extend_from_slice(bytes);
    Section {
        id,
        offset,
        bytes: bytes.len(),
        checksum: checksum(bytes),
    }
}
