//! Decoding the data pages of one Parquet column, of the kinds that this crate's writer makes: version 1,
//! plain, dictionary or delta encoded (the Parquet format's `Encodings.md`).
//!
//! The parquet crate's readers of Arrow arrays know every type and encoding there is, and would be 300 KB
//! of a Worker's bundle. What this does not know is an error.

use std::iter::repeat_n;
use std::ops::Range;

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::schema::types::ColumnDescriptor;
use tidelog_log::{Error, Result};

use crate::foreign;
use crate::limits::PAGE_VALUES_MAX;

/// A value as a page has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw<'p> {
    /// A number's bits, sign-extended where it is a whole one; a truth value as 0 or 1.
    Bits(u64),
    Bytes(&'p [u8]),
}

/// Takes a row's place in the group and its values: `None` for null, one, or those of a list.
pub(crate) type Visit<'v> = dyn FnMut(usize, Option<&[Raw<'_>]>) -> Result<()> + 'v;

/// Visits the wanted rows of a column. `starts` are the first rows of its pages, then the number of
/// rows; pages without a wanted row are not read. `wanted` is in order.
///
/// # Errors
/// `corrupt`; those of `visit`.
pub(crate) fn visit_rows(
    column: &ColumnDescriptor,
    pages: &mut dyn PageReader,
    starts: &[usize],
    wanted: &[Range<usize>],
    visit: &mut Visit<'_>,
) -> Result<()> {
    let first = pages.peek_next_page().map_err(foreign::parquet)?;
    let dictionary = match first.is_some_and(|page| page.is_dict) {
        true => pages.get_next_page().map_err(foreign::parquet)?,
        false => None,
    };
    let dictionary = match &dictionary {
        Some(page) if page.num_values() as usize > PAGE_VALUES_MAX => {
            return Err(corrupt("a dictionary with too many values"));
        }
        Some(page) => plain(column, page.buffer(), page.num_values() as usize)?,
        None => Vec::new(),
    };
    for bounds in starts.windows(2) {
        let rows = bounds[0]..bounds[1];
        let mut here = wanted.iter();
        if !here.any(|range| range.start < rows.end && rows.start < range.end) {
            pages.skip_next_page().map_err(foreign::parquet)?;
            continue;
        }
        let page = pages.get_next_page().map_err(foreign::parquet)?;
        let page = page.ok_or_else(|| corrupt("fewer pages than its index says"))?;
        let page = DataPage::decode(column, &page, &dictionary, rows.len())?;
        page.visit(rows, wanted, visit)?;
    }
    Ok(())
}

/// A page's levels and values.
struct DataPage<'p> {
    max_defined: u32,
    /// Of each value: 0 where a row begins. Empty in a column that is no list.
    repeated: Vec<u32>,
    /// Of each value: how much of it is there. Empty in a column without nulls.
    defined: Vec<u32>,
    values: Vec<Raw<'p>>,
}

impl<'p> DataPage<'p> {
    fn decode(
        column: &ColumnDescriptor,
        page: &'p Page,
        dictionary: &[Raw<'p>],
        rows: usize,
    ) -> Result<Self> {
        let Page::DataPage {
            buf,
            num_values,
            encoding,
            ..
        } = page
        else {
            return Err(corrupt("a page of another version"));
        };
        let (count, flat) = (*num_values as usize, column.max_rep_level() == 0);
        if count > PAGE_VALUES_MAX || flat && count != rows {
            return Err(corrupt("a page with another number of values"));
        }
        let mut bytes = &buf[..];
        let repeated = levels(&mut bytes, column.max_rep_level(), count)?;
        let defined = levels(&mut bytes, column.max_def_level(), count)?;
        let max_defined = u32::from(column.max_def_level().unsigned_abs());
        let present = match defined.is_empty() {
            true => count,
            false => defined
                .iter()
                .filter(|level| **level == max_defined)
                .count(),
        };
        Ok(Self {
            max_defined,
            repeated,
            defined,
            values: values(column, *encoding, bytes, present, dictionary)?,
        })
    }

    fn visit(
        &self,
        rows: Range<usize>,
        wanted: &[Range<usize>],
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let count = self.defined.len().max(self.repeated.len());
        let count = if count == 0 { self.values.len() } else { count };
        let (mut place, mut value) = (0, 0);
        for row in rows {
            let start = (place, value);
            loop {
                let defined = self.defined.get(place);
                value += usize::from(defined.is_none_or(|level| *level == self.max_defined));
                place += 1;
                if self.repeated.get(place).is_none_or(|level| *level == 0) {
                    break;
                }
            }
            if place > count {
                return Err(corrupt("a page with fewer rows than its index says"));
            }
            if wanted.iter().any(|range| range.contains(&row)) {
                let null = self.defined.get(start.0) == Some(&0);
                let values = self.values.get(start.1..value);
                let values = values.ok_or_else(|| corrupt("a page with too few values"))?;
                visit(row, (!null).then_some(values))?;
            }
        }
        Ok(())
    }
}

fn values<'p>(
    column: &ColumnDescriptor,
    encoding: Encoding,
    bytes: &'p [u8],
    count: usize,
    dictionary: &[Raw<'p>],
) -> Result<Vec<Raw<'p>>> {
    match encoding {
        Encoding::PLAIN => plain(column, bytes, count),
        Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
            let Some((width, bytes)) = bytes.split_first() else {
                return match count {
                    0 => Ok(Vec::new()),
                    _ => Err(corrupt("a page without values")),
                };
            };
            let places = hybrid(bytes, u32::from(*width), count)?;
            let found = places
                .iter()
                .map(|at| dictionary.get(*at as usize).copied());
            let all: Option<Vec<_>> = found.collect();
            all.ok_or_else(|| corrupt("a value that its dictionary lacks"))
        }
        Encoding::DELTA_BINARY_PACKED => {
            let deltas = deltas(bytes, count)?;
            Ok(deltas
                .into_iter()
                .map(|n| Raw::Bits(n.cast_unsigned()))
                .collect())
        }
        other => Err(corrupt(&format!("a page in the encoding {other}"))),
    }
}

fn plain<'p>(column: &ColumnDescriptor, bytes: &'p [u8], count: usize) -> Result<Vec<Raw<'p>>> {
    let (mut rest, mut out) = (bytes, Vec::with_capacity(count.min(bytes.len() * 8)));
    let physical = column.physical_type();
    for at in 0..count {
        out.push(match physical {
            Type::BOOLEAN => {
                let byte = *bytes.get(at / 8).ok_or_else(cut)?;
                Raw::Bits(u64::from(byte >> (at % 8) & 1))
            }
            Type::INT32 => {
                let whole = i32::from_le_bytes(array(&mut rest)?);
                Raw::Bits(i64::from(whole).cast_unsigned())
            }
            Type::FLOAT => Raw::Bits(u64::from(u32::from_le_bytes(array(&mut rest)?))),
            Type::INT64 | Type::DOUBLE => Raw::Bits(u64::from_le_bytes(array(&mut rest)?)),
            Type::BYTE_ARRAY => {
                let length = u32::from_le_bytes(array(&mut rest)?);
                Raw::Bytes(take(&mut rest, length as usize)?)
            }
            Type::FIXED_LEN_BYTE_ARRAY => {
                let length = usize::try_from(column.type_length()).map_err(|_| cut())?;
                Raw::Bytes(take(&mut rest, length)?)
            }
            Type::INT96 => return Err(corrupt("a column of 96 bit numbers")),
        });
    }
    Ok(out)
}

/// The levels before the values; none where there is but one level.
fn levels(bytes: &mut &[u8], max: i16, count: usize) -> Result<Vec<u32>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    let length = u32::from_le_bytes(array(bytes)?);
    let width = u16::BITS - max.unsigned_abs().leading_zeros();
    hybrid(take(bytes, length as usize)?, width, count)
}

/// Numbers of `width` bits in runs: of equal ones, and of others side by side.
fn hybrid(mut bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>> {
    if width > u32::BITS {
        return Err(corrupt("numbers of more than 32 bits"));
    }
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let header = usize::try_from(varint(&mut bytes)?).map_err(|_| cut())?;
        let (run, left) = (header >> 1, count - out.len());
        if run == 0 {
            return Err(corrupt("a run of nothing"));
        }
        if header & 1 == 0 {
            let value = take(&mut bytes, width.div_ceil(8) as usize)?;
            out.extend(repeat_n(narrow(bits(value, 0, width)), run.min(left)));
        } else {
            let length = run.checked_mul(width as usize).ok_or_else(cut)?;
            let packed = take(&mut bytes, length)?;
            let several = (0..run.saturating_mul(8).min(left)).map(|at| bits(packed, at, width));
            out.extend(several.map(narrow));
        }
    }
    Ok(out)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "numbers of at most 32 bits"
)]
fn narrow(number: u64) -> u32 {
    number as u32
}

/// Whole numbers as differences, in blocks of several widths.
fn deltas(mut bytes: &[u8], count: usize) -> Result<Vec<i64>> {
    let mut number = || usize::try_from(varint(&mut bytes)?).map_err(|_| cut());
    let (block, parts, total) = (number()?, number()?, number()?);
    let odd = parts == 0 || parts > block || block > PAGE_VALUES_MAX || block % (parts * 8) != 0;
    if odd || total != count {
        return Err(corrupt("a page of differences of another shape"));
    }
    let mut last = zigzag(varint(&mut bytes)?);
    let mut out = Vec::with_capacity(count);
    out.extend((count > 0).then_some(last));
    while out.len() < count {
        let least = zigzag(varint(&mut bytes)?);
        for width in take(&mut bytes, parts)? {
            let several = (count - out.len()).min(block / parts);
            if several == 0 {
                break;
            }
            if *width > 64 {
                return Err(corrupt("differences of more than 64 bits"));
            }
            let packed = take(&mut bytes, block / parts / 8 * usize::from(*width))?;
            out.extend((0..several).map(|at| {
                let more = bits(packed, at, u32::from(*width)).cast_signed();
                last = last.wrapping_add(least).wrapping_add(more);
                last
            }));
        }
    }
    Ok(out)
}

/// The number at place `at` of those of `width` bits, at most 64, from the lowest bit on.
fn bits(packed: &[u8], at: usize, width: u32) -> u64 {
    let from = at * width as usize;
    let mut window = [0; 16];
    let there = packed.get(from / 8..).unwrap_or_default();
    let there = &there[..there.len().min(16)];
    window[..there.len()].copy_from_slice(there);
    let mask = (1_u128 << width) - 1;
    u64::try_from(u128::from_le_bytes(window) >> (from % 8) & mask).unwrap_or(0)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = array(bytes)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(corrupt("a number of more than 64 bits"))
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    *bytes = rest;
    Ok(*first)
}

fn take<'p>(bytes: &mut &'p [u8], length: usize) -> Result<&'p [u8]> {
    let (first, rest) = bytes.split_at_checked(length).ok_or_else(cut)?;
    *bytes = rest;
    Ok(first)
}

fn cut() -> Error {
    corrupt("a page is cut")
}

fn corrupt(what: &str) -> Error {
    Error::corrupt(format!("parquet: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_of_equal_numbers_or_of_packed_ones() {
        // The format's own example: 0 to 7 in three bits each.
        let packed = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(hybrid(&packed, 3, 8).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hybrid(&[200, 1, 9], 4, 3).unwrap(), [9; 3]);
        assert_eq!(hybrid(&[4, 1, 0b11, 0b10], 1, 4).unwrap(), [1, 1, 0, 1]);
        for cut in [&[][..], &[0, 1], &[0b11, 0, 0], &[200, 1]] {
            assert_eq!(hybrid(cut, 3, 8).unwrap_err().code(), "corrupt");
        }
    }

    #[test]
    fn differences_add_up() {
        // Blocks of 128 in 4 parts, 5 numbers from 7 on; differences -2, -2, -2 (once more), 1.
        let mut page = vec![128, 1, 4, 5, 14, 3, 2, 0, 0, 0];
        page.extend([0b1100_0000, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(deltas(&page, 5).unwrap(), [7, 5, 3, 1, 2]);
        assert!(deltas(&page[..12], 5).is_err() && deltas(&page, 6).is_err());
        assert_eq!(zigzag(3), -2);
    }

    #[test]
    fn a_number_may_lie_in_nine_bytes() {
        let packed = [0xff; 24];
        assert_eq!(bits(&packed, 1, 63), u64::MAX >> 1);
        assert_eq!(bits(&packed, 2, 64), u64::MAX);
    }
}
