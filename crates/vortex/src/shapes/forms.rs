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

    /// The value that all are.
    pub(super) fn constant(&self) -> Option<&'a [u8]> {
        (self.codes.is_some() && self.strings.count() == 1).then(|| self.strings.get(0))
    }

    /// Takes so many values.
    pub(super) fn skip(&mut self, count: usize) {
        self.next += count;
    }

    /// Which of its strings the next value is, where strings are named by codes.
    #[inline(always)]
    fn take_code(&mut self) -> Option<usize> {
        let code = *self.codes?.get(self.next)?;
        self.next += 1;
        Some(code as usize)
    }
}

/// The shapes of a page, with what stands before each place at hand.
pub(super) struct Forms<'a> {
    shapes: Vec<(usize, Form<'a>)>,
    pieces: Vec<Piece>,
    joined: Vec<Joined>,
    pub(super) text: &'a [u8],
}

/// A piece and a value behind it, to be written at once.
pub(super) struct Joined {
    pub(super) bytes: [u8; SHORT],
    pub(super) length: usize,
}

/// So many images pay for one of these.
pub(crate) const IMAGES_JOINED: usize = 4;

/// Memory that it takes.
pub(crate) const JOINED_BYTES: usize = size_of::<Joined>();

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
    /// Where it stands joined with each value that may follow, and how many these are; none: 0.
    joined: (usize, usize),
}

/// Memory that a piece takes beside its bytes.
pub(crate) const PIECE_BYTES: usize = size_of::<Piece>();

impl<'a> Forms<'a> {
    /// Checks and lays out shapes whose values `supplies` has, for so many images.
    pub(super) fn new(
        (slots, columns, pieces): (&[u32], &'a [u32], Strings<'a>),
        supplies: &[Supply<'_>],
        images: usize,
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
                joined: (0, 0),
            }
        });
        let mut laid_out: Vec<Piece> = laid_out.collect();
        let most = images / IMAGES_JOINED;
        let joined = join(&table, &mut laid_out, (supplies, &longest), most);
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
            joined,
            text: pieces.data,
        })
    }

    /// What a piece and the next value of a column are together, where that is at hand; the outer is
    /// none where there is no such value.
    #[inline(always)]
    pub(super) fn joined(&self, piece: &Piece, supply: &mut Supply<'_>) -> Option<Option<&Joined>> {
        let (first, count) = piece.joined;
        if count == 0 {
            return Some(None);
        }
        let code = supply.take_code()?;
        Some(Some(self.joined.get(first..first + count)?.get(code)?))
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

/// Joins the pieces of shapes with the values of dictionaries, as far as `most` of them go.
fn join(
    table: &ShapeTable<'_>,
    pieces: &mut [Piece],
    (supplies, longest): (&[Supply<'_>], &[usize]),
    most: usize,
) -> Vec<Joined> {
    let mut joined = Vec::new();
    for (first, columns) in &table.shapes {
        for (place, column) in columns.iter().enumerate() {
            let column = *column as usize;
            let (piece, supply) = (&mut pieces[first + place], &supplies[column]);
            let count = supply.strings.count();
            let fits = piece.bytes.saturating_add(longest[column]) <= SHORT;
            if supply.codes.is_none() || !fits || joined.len() + count > most {
                continue;
            }
            piece.joined = (joined.len(), count);
            joined.extend(supply.strings.iter().map(|value| {
                let (mut bytes, length) = (piece.short, piece.bytes + value.len());
                bytes[piece.bytes..length].copy_from_slice(value);
                Joined { bytes, length }
            }));
        }
    }
    joined
}
