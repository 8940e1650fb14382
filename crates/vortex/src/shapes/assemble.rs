//! Shapes and values to texts.

use arrow_buffer::BooleanBuffer;

use super::survey::Matching;
use super::{COPY, EDIT, SLOTS_MAX};
use crate::texts::{Strings, Texts, put_short};
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
    let ends = [outs[0].end_of(bytes[0])?, outs[1].end_of(bytes[1])?];
    let mut assembler = Assembler {
        parts,
        shapes: shapes_of(parts)?,
        cursors: vec![0; parts.values.len()],
        outs,
        history: Vec::new(),
        spans: Vec::new(),
        keeps: !parts.masks.is_empty() || !parts.distances.is_empty(),
    };
    assembler.run(ends)?;
    let Assembler { cursors, outs, .. } = assembler;
    let mut used = parts.values.iter().zip(&cursors);
    let are_used = used.all(|(values, cursor)| values.count() == *cursor);
    let is_long = outs.iter().zip(ends).all(|(out, end)| out.data.len() == end);
    match are_used && is_long {
        true => Ok(()),
        false => Err(Error::corrupt("shapes that leave values or bytes over")),
    }
}

/// Where the pieces of a shape are and what columns its places take.
struct Shape<'a> {
    piece: usize,
    columns: &'a [u32],
}

struct Assembler<'a> {
    parts: &'a Parts<'a>,
    shapes: Vec<Shape<'a>>,
    /// The next value of each column.
    cursors: Vec<usize>,
    outs: &'a mut [Texts; 2],
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
    let odd = || Error::corrupt("shapes that do not fit their columns");
    let (mut shapes, mut rest, mut piece) = (Vec::with_capacity(parts.slots.len()), parts.columns, 0);
    for slots in parts.slots {
        let slots = *slots as usize;
        if slots > rest.len() || slots > SLOTS_MAX {
            return Err(odd());
        }
        let (columns, after) = rest.split_at(slots);
        shapes.push(Shape { piece, columns });
        rest = after;
        piece += slots + 1;
    }
    let fits = |column: &u32| (*column as usize) < parts.values.len();
    match rest.is_empty() && piece == parts.pieces.count() && parts.columns.iter().all(fits) {
        true => Ok(shapes),
        false => Err(odd()),
    }
}

impl Assembler<'_> {
    fn run(&mut self, ends: [usize; 2]) -> Result<()> {
        let parts = self.parts;
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
                match u64::from(*kind) == EDIT {
                    true => self.edit(shape, *masks.next().ok_or_else(missing)?, out)?,
                    false => self.new(shape, out)?,
                }
            }
            if self.outs[out].data.len() > ends[out] {
                return Err(Error::corrupt("images of more bytes than declared"));
            }
            self.outs[out].end();
        }
        let is_over = codes.next().is_some() || distances.next().is_some() || masks.next().is_some();
        match is_over {
            true => Err(Error::corrupt("more shapes than images")),
            false => Ok(()),
        }
    }

    fn copy(&mut self, original: usize, out: usize) -> Result<()> {
        let missing = || Error::corrupt("a copy of no image");
        let original = *self.history.get(original).ok_or_else(missing)?;
        let from = self.outs[out].data.len();
        put_range(self.outs, original.out, original.from, original.to, out);
        let to = self.outs[out].data.len();
        self.history.push(Image { out, from, to, ..original });
        Ok(())
    }

    /// The next value of a column: its bytes, and where they begin and end.
    #[inline]
    fn next_value(&mut self, column: u32) -> Result<(usize, usize, usize)> {
        let column = column as usize;
        let cursor = &mut self.cursors[column];
        let pair = self.parts.values[column].offsets.get(*cursor..*cursor + 2);
        let Some([from, to]) = pair else {
            return Err(Error::corrupt("a column of fewer values than places"));
        };
        *cursor += 1;
        Ok((column, crate::texts::at(*from), crate::texts::at(*to)))
    }

    fn new(&mut self, shape: usize, out: usize) -> Result<()> {
        let from = self.outs[out].data.len();
        let spans = self.spans.len();
        let Shape { piece, columns } = self.shapes[shape];
        for (slot, column) in columns.iter().enumerate() {
            self.put_piece(piece + slot, out);
            self.put_value(*column, from, out)?;
        }
        self.put_piece(piece + columns.len(), out);
        self.remember(Image { out, from, to: self.outs[out].data.len(), shape, spans });
        Ok(())
    }

    fn remember(&mut self, image: Image) {
        if self.keeps {
            self.history.push(image);
        }
    }

    #[inline]
    fn put_piece(&mut self, piece: usize, out: usize) {
        let pieces = self.parts.pieces;
        let (from, to) = (pieces.offsets[piece], pieces.offsets[piece + 1]);
        put_short(&mut self.outs[out].data, pieces.data, crate::texts::at(from), crate::texts::at(to));
    }

    #[inline]
    fn put_value(&mut self, column: u32, image: usize, out: usize) -> Result<()> {
        let (column, from, to) = self.next_value(column)?;
        let before = self.outs[out].data.len();
        put_short(&mut self.outs[out].data, self.parts.values[column].data, from, to);
        if self.keeps {
            self.spans.push(span(before - image, to - from));
        }
        Ok(())
    }

    fn edit(&mut self, shape: usize, mask: u64, out: usize) -> Result<()> {
        let missing = || Error::corrupt("an edit of no image");
        let before = *self.history.last().ok_or_else(missing)?;
        match before.shape == shape {
            true => self.edit_same(&before, mask, out),
            false => self.edit_other(shape, &before, mask, out),
        }
    }

    /// Only what lies between changed values is copied, in as few steps as there are.
    fn edit_same(&mut self, before: &Image, mask: u64, out: usize) -> Result<()> {
        let from = self.outs[out].data.len();
        let spans = self.spans.len();
        let columns = self.shapes[before.shape].columns;
        let (mut copied, mut moved) = (before.from, 0_u32);
        for (slot, column) in columns.iter().enumerate() {
            let (start, end) = self.spans[before.spans + slot];
            if mask >> slot & 1 == 0 {
                self.spans.push((start.wrapping_add(moved), end.wrapping_add(moved)));
                continue;
            }
            put_range(self.outs, before.out, copied, before.from + start as usize, out);
            self.put_value(*column, from, out)?;
            copied = before.from + end as usize;
            let new_end = self.spans.last().map_or(0, |span| span.1);
            moved = new_end.wrapping_sub(end);
        }
        put_range(self.outs, before.out, copied, before.to, out);
        let to = self.outs[out].data.len();
        self.history.push(Image { out, from, to, shape: before.shape, spans });
        Ok(())
    }

    fn edit_other(&mut self, shape: usize, before: &Image, mask: u64, out: usize) -> Result<()> {
        let from = self.outs[out].data.len();
        let spans = self.spans.len();
        let Shape { piece, columns } = self.shapes[shape];
        let mut matching = Matching::new(columns, self.shapes[before.shape].columns);
        for (slot, column) in columns.iter().enumerate() {
            self.put_piece(piece + slot, out);
            let other = matching.next(slot);
            if mask >> slot & 1 == 1 {
                self.put_value(*column, from, out)?;
                continue;
            }
            let other = other.ok_or_else(|| Error::corrupt("an edit that keeps what is not there"))?;
            let (start, end) = self.spans[before.spans + other];
            let at = self.outs[out].data.len() - from;
            put_range(self.outs, before.out, before.from + start as usize, before.from + end as usize, out);
            self.spans.push(span(at, (end - start) as usize));
        }
        self.put_piece(piece + columns.len(), out);
        let to = self.outs[out].data.len();
        self.history.push(Image { out, from, to, shape, spans });
        Ok(())
    }
}

/// Images are parts of a page: far below 4 GiB.
fn span(from: usize, length: usize) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(from), number(from + length))
}

/// Appends a range of what one of the outputs holds to the other or to itself.
fn put_range(outs: &mut [Texts; 2], source: usize, from: usize, to: usize, out: usize) {
    let [first, second] = outs;
    match (source, out) {
        (0, 0) => first.data.extend_from_within(from..to),
        (0, _) => put_short(&mut second.data, &first.data, from, to),
        (_, 0) => put_short(&mut first.data, &second.data, from, to),
        _ => second.data.extend_from_within(from..to),
    }
}
