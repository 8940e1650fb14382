//! Shapes and values as they are read when texts are put together.

use super::table::ShapeTable;
use crate::texts::{SHORT, Strings, at};
use crate::{Error, Result};

/// The values of one column, in the order in which places take them.
#[derive(Debug)]
pub(crate) struct Supply<'a> {
    /// The strings, followed by [`SHORT`] bytes more.
    strings: Strings<'a>,
    /// Which of the strings each value is, each below their number; `None`: one after the other.
    codes: Option<&'a [u32]>,
    next: usize,
}

impl<'a> Supply<'a> {
    pub(crate) fn new(strings: Strings<'a>, codes: Option<&'a [u32]>) -> Self {
        Self {
            strings,
            codes,
            next: 0,
        }
    }

    /// Bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        let ends = self.strings.offsets.windows(2);
        let longest = ends.map(|pair| pair[1] - pair[0]).max();
        at(longest.unwrap_or(0))
    }

    /// True if all values were taken.
    pub(super) fn is_over(&self) -> bool {
        self.next
            == self
                .codes
                .map_or_else(|| self.strings.count(), <[u32]>::len)
    }

    /// The next value: what it is part of, and from where to where it stands there.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<(&'a [u8], usize, usize)> {
        let string = match self.codes {
            Some(codes) => *codes.get(self.next)? as usize,
            None => self.next,
        };
        let [from, to] = self.strings.offsets.get(string..string + 2)? else {
            return None;
        };
        self.next += 1;
        Some((self.strings.data, at(*from), at(*to)))
    }
}

/// The shapes of a page, with what stands before each place at hand.
pub(super) struct Forms<'a> {
    shapes: Vec<(usize, Form<'a>)>,
    pieces: Vec<Piece>,
    pub(super) text: &'a [u8],
}

/// A shape.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    /// The columns of its places.
    pub(super) columns: &'a [u32],
    /// Bytes that a text of it may have.
    pub(super) reach: usize,
}

/// What stands before a place, or behind the last one.
pub(super) struct Piece {
    /// The first bytes of it, and perhaps of others.
    pub(super) short: [u8; SHORT],
    pub(super) from: usize,
    pub(super) bytes: usize,
}

/// Memory that a piece takes beside its bytes.
pub(crate) const PIECE_BYTES: usize = size_of::<Piece>();

impl<'a> Forms<'a> {
    /// Checks and lays out shapes whose values `supplies` has.
    pub(super) fn new(
        slots: &[u32],
        columns: &'a [u32],
        pieces: Strings<'a>,
        supplies: &[Supply<'_>],
    ) -> Result<Self> {
        let table = ShapeTable::new(slots, columns, pieces, supplies.len())?;
        let longest: Vec<usize> = supplies.iter().map(Supply::longest).collect();
        let laid_out = pieces.offsets.windows(2).map(|pair| {
            let (from, to) = (at(pair[0]), at(pair[1]));
            let short = pieces.data[from..].first_chunk::<SHORT>();
            Piece {
                short: short.copied().unwrap_or_default(),
                from,
                bytes: to - from,
            }
        });
        let laid_out: Vec<Piece> = laid_out.collect();
        let form = |(first, columns): &(usize, &'a [u32])| {
            let own = &laid_out[*first..=first + columns.len()];
            let fixed: usize = own.iter().map(|piece| piece.bytes).sum();
            let values = columns.iter().map(|column| longest[*column as usize]);
            let reach = values.fold(fixed, usize::saturating_add);
            (*first, Form { columns, reach })
        };
        Ok(Self {
            shapes: table.shapes.iter().map(form).collect(),
            pieces: laid_out,
            text: pieces.data,
        })
    }

    /// A shape and its pieces: one before each of its places, and one behind the last.
    #[inline]
    pub(super) fn get(&self, shape: usize) -> Result<(Form<'a>, &[Piece])> {
        let missing = || Error::corrupt("an image of no shape");
        let (first, form) = self.shapes.get(shape).ok_or_else(missing)?;
        let pieces = self.pieces.get(*first..=first + form.columns.len());
        Ok((*form, pieces.ok_or_else(missing)?))
    }
}
