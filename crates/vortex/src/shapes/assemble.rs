//! Shapes and values to texts.

use arrow_buffer::BooleanBuffer;

use super::survey::Matching;
use super::table::ShapeTable;
use super::{COPY, EDIT, NEW};
use crate::texts::{Out, Strings, Texts, at};
use crate::{Error, Result};

/// What a page of shapes holds, decoded but not put together. Nothing of it is checked yet.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) slots: &'a [u32],
    pub(crate) columns: &'a [u32],
    pub(crate) pieces: Strings<'a>,
    pub(crate) codes: &'a [u32],
    pub(crate) kinds: &'a [u32],
    pub(crate) distances: &'a [u32],
    pub(crate) masks: &'a [u64],
    pub(crate) values: Vec<Strings<'a>>,
    /// Which images are of the other column; `None`: there is no other.
    pub(crate) others: Option<&'a BooleanBuffer>,
}

/// Appends the images: those of this column to the first, those of the other to the second.
/// `bytes` is how many each of them takes, and was paid for.
pub(crate) fn assemble(parts: &Parts<'_>, bytes: [usize; 2], outs: &mut [Texts; 2]) -> Result<()> {
    let [first, second] = outs;
    let mut assembler = Assembler {
        shapes: shapes_of(parts)?,
        columns: parts
            .values
            .iter()
            .map(|values| Column {
                values: *values,
                next: 0,
            })
            .collect(),
        outs: [Out::new(first, bytes[0])?, Out::new(second, bytes[1])?],
        history: Vec::new(),
        spans: Vec::new(),
        keeps: !parts.masks.is_empty() || !parts.distances.is_empty(),
    };
    assembler.run(parts)?;
    let Assembler {
        columns,
        outs: [first, second],
        ..
    } = assembler;
    if columns
        .iter()
        .any(|column| column.next != column.values.count())
    {
        return Err(Error::corrupt("shapes that leave values over"));
    }
    first.finish()?;
    second.finish()
}

/// What a shape is made of.
struct Shape<'a> {
    /// Before each place for a value: where the piece is that stands there.
    pieces: Vec<(usize, usize)>,
    columns: &'a [u32],
    text: &'a [u8],
}

/// The values of a column, and which comes next.
struct Column<'a> {
    values: Strings<'a>,
    next: usize,
}

impl<'a> Column<'a> {
    #[inline]
    fn take(&mut self) -> Result<(&'a [u8], usize, usize)> {
        let Some([from, to]) = self.values.offsets.get(self.next..self.next + 2) else {
            return Err(Error::corrupt("a column of fewer values than places"));
        };
        self.next += 1;
        Ok((self.values.data, at(*from), at(*to)))
    }
}

struct Assembler<'a> {
    shapes: Vec<Shape<'a>>,
    columns: Vec<Column<'a>>,
    outs: [Out<'a>; 2],
    history: Vec<Image>,
    spans: Vec<(u32, u32)>,
    /// True if images may come from earlier ones.
    keeps: bool,
}

/// An image that is there.
#[derive(Clone, Copy)]
struct Image {
    out: usize,
    from: usize,
    to: usize,
    shape: usize,
    /// Where its values are, relative to `from`.
    spans: usize,
}

fn shapes_of<'a>(parts: &Parts<'a>) -> Result<Vec<Shape<'a>>> {
    let table = ShapeTable::new(parts.slots, parts.columns, parts.pieces, parts.values.len())?;
    let ends = parts.pieces.offsets;
    let shape = |(piece, columns): &(usize, &'a [u32])| Shape {
        pieces: ends[*piece..piece + columns.len() + 2]
            .windows(2)
            .map(|pair| (at(pair[0]), at(pair[1])))
            .collect(),
        columns,
        text: parts.pieces.data,
    };
    Ok(table.shapes.iter().map(shape).collect())
}

impl Assembler<'_> {
    fn run(&mut self, parts: &Parts<'_>) -> Result<()> {
        let mut codes = parts.codes.iter();
        let mut distances = parts.distances.iter();
        let mut masks = parts.masks.iter();
        let missing = || Error::corrupt("images of nothing");
        for (place, kind) in parts.kinds.iter().enumerate() {
            let out = usize::from(parts.others.is_some_and(|others| others.value(place)));
            if u64::from(*kind) == COPY {
                let distance = *distances.next().ok_or_else(missing)? as usize;
                self.copy(place.checked_sub(distance).ok_or_else(missing)?, out)?;
            } else {
                let shape = *codes.next().ok_or_else(missing)? as usize;
                if shape >= self.shapes.len() {
                    return Err(missing());
                }
                match u64::from(*kind) {
                    EDIT => self.edit(shape, *masks.next().ok_or_else(missing)?, out)?,
                    NEW if self.keeps => self.put_kept(shape, out)?,
                    NEW => self.put_new(shape, out)?,
                    _ => return Err(missing()),
                }
            }
            self.outs[out].end_text();
        }
        let is_over =
            codes.next().is_some() || distances.next().is_some() || masks.next().is_some();
        match is_over {
            true => Err(Error::corrupt("more shapes than images")),
            false => Ok(()),
        }
    }

    fn copy(&mut self, original: usize, out: usize) -> Result<()> {
        let missing = || Error::corrupt("a copy of no image");
        let original = *self.history.get(original).ok_or_else(missing)?;
        let from = self.outs[out].at();
        put_range(
            &mut self.outs,
            original.out,
            original.from,
            original.to,
            out,
        )?;
        let to = self.outs[out].at();
        self.history.push(Image {
            out,
            from,
            to,
            ..original
        });
        Ok(())
    }

    /// An image that no other comes from.
    fn put_new(&mut self, shape: usize, out: usize) -> Result<()> {
        let shape = &self.shapes[shape];
        let out = &mut self.outs[out];
        for (column, (from, to)) in shape.columns.iter().zip(&shape.pieces) {
            out.put(shape.text, *from, *to)?;
            let (value, from, to) = self.columns[*column as usize].take()?;
            out.put(value, from, to)?;
        }
        let (from, to) = shape.pieces[shape.columns.len()];
        out.put(shape.text, from, to)
    }

    fn put_kept(&mut self, number: usize, out: usize) -> Result<()> {
        let (image, spans) = (self.outs[out].at(), self.spans.len());
        let shape = &self.shapes[number];
        let place = &mut self.outs[out];
        for (column, (from, to)) in shape.columns.iter().zip(&shape.pieces) {
            place.put(shape.text, *from, *to)?;
            let (value, from, to) = self.columns[*column as usize].take()?;
            self.spans.push(span(place.at() - image, to - from));
            place.put(value, from, to)?;
        }
        let (from, to) = shape.pieces[shape.columns.len()];
        place.put(shape.text, from, to)?;
        self.remember(image, number, spans, out);
        Ok(())
    }

    fn remember(&mut self, from: usize, shape: usize, spans: usize, out: usize) {
        let to = self.outs[out].at();
        self.history.push(Image {
            out,
            from,
            to,
            shape,
            spans,
        });
    }

    fn edit(&mut self, shape: usize, mask: u64, out: usize) -> Result<()> {
        let missing = || Error::corrupt("an edit of no image");
        let before = *self.history.last().ok_or_else(missing)?;
        let places = self.shapes[shape].columns.len();
        if u32::try_from(places).is_ok_and(|places| mask.checked_shr(places).unwrap_or(0) != 0) {
            return Err(missing());
        }
        match before.shape == shape {
            true => self.edit_same(&before, mask, out),
            false => self.edit_other(shape, &before, mask, out),
        }
    }

    /// Only what lies between changed values is copied, in as few steps as there are.
    fn edit_same(&mut self, before: &Image, mask: u64, out: usize) -> Result<()> {
        let (image, spans) = (self.outs[out].at(), self.spans.len());
        let columns = self.shapes[before.shape].columns;
        let (mut copied, mut moved, mut first) = (before.from, 0_u32, 0);
        let mut left = mask;
        loop {
            let changed = (left.trailing_zeros() as usize).min(columns.len());
            for slot in first..changed {
                let (start, end) = self.spans[before.spans + slot];
                self.spans
                    .push((start.wrapping_add(moved), end.wrapping_add(moved)));
            }
            let Some(column) = columns.get(changed) else {
                break;
            };
            let (start, end) = self.spans[before.spans + changed];
            put_range(
                &mut self.outs,
                before.out,
                copied,
                before.from + start as usize,
                out,
            )?;
            let (value, from, to) = self.columns[*column as usize].take()?;
            let own = span(self.outs[out].at() - image, to - from);
            self.outs[out].put(value, from, to)?;
            self.spans.push(own);
            copied = before.from + end as usize;
            moved = own.1.wrapping_sub(end);
            first = changed + 1;
            left &= left - 1;
        }
        put_range(&mut self.outs, before.out, copied, before.to, out)?;
        self.remember(image, before.shape, spans, out);
        Ok(())
    }

    fn edit_other(&mut self, number: usize, before: &Image, mask: u64, out: usize) -> Result<()> {
        let (image, spans) = (self.outs[out].at(), self.spans.len());
        let shape = &self.shapes[number];
        let mut matching = Matching::new(shape.columns, self.shapes[before.shape].columns);
        for (slot, column) in shape.columns.iter().enumerate() {
            let (from, to) = shape.pieces[slot];
            self.outs[out].put(shape.text, from, to)?;
            let start = self.outs[out].at();
            let other = matching.next(slot);
            if mask >> slot & 1 == 1 {
                let (value, from, to) = self.columns[*column as usize].take()?;
                self.outs[out].put(value, from, to)?;
            } else {
                let other =
                    other.ok_or_else(|| Error::corrupt("an edit that keeps what is not there"))?;
                let (from, to) = self.spans[before.spans + other];
                put_range(
                    &mut self.outs,
                    before.out,
                    before.from + from as usize,
                    before.from + to as usize,
                    out,
                )?;
            }
            let end = self.outs[out].at();
            self.spans.push(span(start - image, end - start));
        }
        let (from, to) = shape.pieces[shape.columns.len()];
        self.outs[out].put(shape.text, from, to)?;
        self.remember(image, number, spans, out);
        Ok(())
    }
}

/// Images are parts of a page: far below 4 GiB.
#[inline]
fn span(from: usize, length: usize) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(from), number(from + length))
}

/// Writes a range of what one of the outputs holds to the other or to itself.
#[inline]
fn put_range(
    outs: &mut [Out<'_>; 2],
    source: usize,
    from: usize,
    to: usize,
    out: usize,
) -> Result<()> {
    let [first, second] = outs;
    match (source, out) {
        (0, 0) => first.repeat(from, to),
        (0, _) => second.put(first.data(), from, to),
        (_, 0) => first.put(second.data(), from, to),
        _ => second.repeat(from, to),
    }
}
