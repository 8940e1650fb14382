//! Which rows have a value in a range, and the values of chosen rows: scans that skip.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use arrow_select::filter::filter;

use crate::arrays::joined;
use crate::{Error, Page, Result, Scalar, VortexDecoder};

/// Values from `min` to `max`, both of them included; a null is in no range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    /// The least value; `None`: there is none.
    pub min: Option<Scalar>,
    /// The greatest value; `None`: there is none.
    pub max: Option<Scalar>,
}

/// Chosen rows of a blob, page by page.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    pages: Vec<Chosen>,
}

/// Chosen rows of a page.
#[derive(Clone, Debug, PartialEq)]
enum Chosen {
    None,
    All(usize),
    Some(BooleanBuffer),
}

impl Selection {
    /// How many rows are chosen.
    pub fn count(&self) -> usize {
        self.pages.iter().map(Chosen::count).sum()
    }

    /// The numbers of the chosen rows, ascending, in a blob with this many rows a page.
    pub fn rows(&self, page_rows: usize) -> Vec<usize> {
        let mut rows = Vec::with_capacity(self.count());
        for (page, chosen) in self.pages.iter().enumerate() {
            let first = page * page_rows;
            match chosen {
                Chosen::None => {}
                Chosen::All(count) => rows.extend(first..first + count),
                Chosen::Some(bits) => rows.extend(bits.set_indices().map(|row| first + row)),
            }
        }
        rows
    }
}

impl Chosen {
    fn of(bits: BooleanBuffer) -> Self {
        match bits.count_set_bits() {
            0 => Self::None,
            all if all == bits.len() => Self::All(all),
            _ => Self::Some(bits),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::All(count) => *count,
            Self::Some(bits) => bits.count_set_bits(),
        }
    }
}

impl VortexDecoder {
    /// All rows.
    pub fn every_row(&self) -> Selection {
        let full = |page: usize| (self.rows() - page * self.page_rows()).min(self.page_rows());
        Selection {
            pages: (0..self.page_count())
                .map(|page| Chosen::All(full(page)))
                .collect(),
        }
    }

    /// Those of the chosen rows whose value of a column lies in a range. Pages that have no chosen row,
    /// and pages whose bounds decide, are not decoded.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind) where the range is of other values than the column.
    pub fn select(&self, column_index: usize, range: &Range, of: &Selection) -> Result<Selection> {
        let column = self.column(column_index)?;
        let mut pages = Vec::with_capacity(of.pages.len());
        for (number, (page, chosen)) in column.pages.iter().zip(&of.pages).enumerate() {
            pages.push(match (chosen, decided(page, range)) {
                (Chosen::None, _) | (_, Some(false)) => Chosen::None,
                (chosen, Some(true)) => chosen.clone(),
                (chosen, None) => {
                    let array = self.read_page(column_index, number)?;
                    let found = matches(&array, range).map_err(|e| e.within(&column.name))?;
                    match chosen {
                        Chosen::Some(bits) => Chosen::of(&found & bits),
                        _ => Chosen::of(found),
                    }
                }
            });
        }
        Ok(Selection { pages })
    }

    /// The chosen rows of a column, in order.
    pub fn read_selection(&self, column_index: usize, of: &Selection) -> Result<ArrayRef> {
        let column = self.column(column_index)?;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (page, chosen) in of.pages.iter().enumerate() {
            match chosen {
                Chosen::None => {}
                Chosen::All(_) => arrays.push(self.read_page(column_index, page)?),
                Chosen::Some(bits) => arrays.push(self.read_chosen(column_index, page, bits)?),
            }
        }
        joined(&column.data_type, &arrays)
    }

    fn read_chosen(&self, column: usize, page: usize, bits: &BooleanBuffer) -> Result<ArrayRef> {
        let rows: Vec<usize> = bits.set_indices().collect();
        if rows.len() * 16 <= bits.len() {
            let first = page * self.page_rows();
            let rows: Vec<usize> = rows.iter().map(|row| first + row).collect();
            return self.take(column, &rows);
        }
        let array = self.read_page(column, page)?;
        filter(&array, &BooleanArray::new(bits.clone(), None))
            .map_err(|e| Error::invalid(e.to_string()))
    }
}

/// What the bounds of a page say of a range: all of its values are in it, none is, or it depends.
fn decided(page: &Page, range: &Range) -> Option<bool> {
    let (Some(min), Some(max)) = (&page.min, &page.max) else {
        return None;
    };
    let below = |one: &Scalar, other: &Scalar| order(one, other) == Some(Ordering::Less);
    let is_out = range.min.as_ref().is_some_and(|least| below(max, least))
        || range.max.as_ref().is_some_and(|most| below(most, min));
    if is_out {
        return Some(false);
    }
    let reaches = |bound: &Scalar, other: &Scalar| {
        matches!(order(bound, other), Some(Ordering::Less | Ordering::Equal))
    };
    let is_in = range.min.as_ref().is_none_or(|least| reaches(least, min))
        && range.max.as_ref().is_none_or(|most| reaches(max, most));
    (is_in && page.nulls == 0).then_some(true)
}

/// Which values are in a range; a null is not, and neither is a NaN.
fn matches(array: &ArrayRef, range: &Range) -> Result<BooleanBuffer> {
    let data = array.to_data();
    let found = match array.data_type() {
        DataType::Boolean => {
            let bits = array.as_boolean().values();
            let (min, max) = range.ends(|scalar| match scalar {
                Scalar::Bool(bit) => Some(*bit),
                _ => None,
            })?;
            let (min, max) = (min.unwrap_or(false), max.unwrap_or(true));
            BooleanBuffer::collect_bool(bits.len(), |row| (min..=max).contains(&bits.value(row)))
        }
        DataType::Int8 => ints(data.buffer::<i8>(0), array.len(), range)?,
        DataType::Int16 => ints(data.buffer::<i16>(0), array.len(), range)?,
        DataType::Int32 | DataType::Date32 => ints(data.buffer::<i32>(0), array.len(), range)?,
        DataType::Int64 | DataType::Timestamp(..) => {
            ints(data.buffer::<i64>(0), array.len(), range)?
        }
        DataType::UInt8 => uints(data.buffer::<u8>(0), array.len(), range)?,
        DataType::UInt16 => uints(data.buffer::<u16>(0), array.len(), range)?,
        DataType::UInt32 => uints(data.buffer::<u32>(0), array.len(), range)?,
        DataType::UInt64 => uints(data.buffer::<u64>(0), array.len(), range)?,
        DataType::Float32 => floats(data.buffer::<f32>(0), array.len(), range)?,
        DataType::Float64 => floats(data.buffer::<f64>(0), array.len(), range)?,
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            strings(array.len(), range, |row| texts.value(row).as_bytes())?
        }
        DataType::Binary => {
            let binaries = array.as_binary::<i32>();
            strings(array.len(), range, |row| binaries.value(row))?
        }
        DataType::FixedSizeBinary(_) => {
            let binaries = array.as_fixed_size_binary();
            strings(array.len(), range, |row| binaries.value(row))?
        }
        other => return Err(Error::invalid(format!("a range of {other}"))),
    };
    Ok(match array.nulls() {
        Some(nulls) => &found & nulls.inner(),
        None => found,
    })
}

fn ints<T: Copy + Into<i64>>(numbers: &[T], count: usize, range: &Range) -> Result<BooleanBuffer> {
    let (min, max) = range.ends(|scalar| match scalar {
        Scalar::Int(number) => Some(*number),
        _ => None,
    })?;
    Ok(between(
        &numbers[..count],
        min.unwrap_or(i64::MIN),
        max.unwrap_or(i64::MAX),
    ))
}

fn uints<T: Copy + Into<u64>>(numbers: &[T], count: usize, range: &Range) -> Result<BooleanBuffer> {
    let (min, max) = range.ends(|scalar| match scalar {
        Scalar::UInt(number) => Some(*number),
        _ => None,
    })?;
    Ok(between(
        &numbers[..count],
        min.unwrap_or(0),
        max.unwrap_or(u64::MAX),
    ))
}

fn floats<T: Copy + Into<f64>>(
    numbers: &[T],
    count: usize,
    range: &Range,
) -> Result<BooleanBuffer> {
    let (min, max) = range.ends(|scalar| match scalar {
        Scalar::Float(number) => Some(*number),
        _ => None,
    })?;
    let (min, max) = (
        min.unwrap_or(f64::NEG_INFINITY),
        max.unwrap_or(f64::INFINITY),
    );
    Ok(between(&numbers[..count], min, max))
}

fn between<T: Copy + Into<N>, N: PartialOrd>(numbers: &[T], min: N, max: N) -> BooleanBuffer {
    BooleanBuffer::collect_bool(numbers.len(), |row| {
        let number: N = numbers[row].into();
        (number >= min) & (number <= max)
    })
}

fn strings<'a>(
    count: usize,
    range: &Range,
    value: impl Fn(usize) -> &'a [u8],
) -> Result<BooleanBuffer> {
    let (min, max) = range.ends(|scalar| match scalar {
        Scalar::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    })?;
    Ok(BooleanBuffer::collect_bool(count, |row| {
        let value = value(row);
        min.as_deref().is_none_or(|min| value >= min)
            && max.as_deref().is_none_or(|max| value <= max)
    }))
}

impl Range {
    /// Both ends, of which `of` takes those of the right kind.
    fn ends<T>(&self, of: impl Fn(&Scalar) -> Option<T>) -> Result<(Option<T>, Option<T>)> {
        let end = |end: &Option<Scalar>| match end {
            None => Ok(None),
            Some(scalar) => of(scalar)
                .map(Some)
                .ok_or_else(|| Error::invalid(format!("a range that ends with {scalar:?}"))),
        };
        Ok((end(&self.min)?, end(&self.max)?))
    }
}

/// How two values of one kind compare; nothing for two kinds.
fn order(one: &Scalar, other: &Scalar) -> Option<Ordering> {
    match (one, other) {
        (Scalar::Bool(one), Scalar::Bool(other)) => Some(one.cmp(other)),
        (Scalar::Int(one), Scalar::Int(other)) => Some(one.cmp(other)),
        (Scalar::UInt(one), Scalar::UInt(other)) => Some(one.cmp(other)),
        (Scalar::Float(one), Scalar::Float(other)) => one.partial_cmp(other),
        (Scalar::Bytes(one), Scalar::Bytes(other)) => Some(one.cmp(other)),
        _ => None,
    }
}
