//! Where the values of one text are, without putting together those that it comes from.

use super::survey::Matching;
use super::{COPY, EDIT, NEW, ShapeTable};
use crate::{Error, Result};

/// How the images of a page come about. Nothing of it is checked yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History<'a> {
    pub(crate) codes: &'a [u32],
    pub(crate) kinds: &'a [u32],
    pub(crate) distances: &'a [u32],
    pub(crate) masks: &'a [u64],
}

/// An image, as far as what it is made of is needed.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) shape: usize,
    /// For each place of its shape, the image that has its value for itself, and how many others of
    /// the same column that one has before.
    pub(crate) origins: Vec<(usize, usize)>,
}

/// An image, and how many copies and edits are before it.
#[derive(Clone, Copy)]
struct Cursor {
    image: usize,
    copies: usize,
    edits: usize,
}

/// An image that is no copy.
struct Own<'a> {
    shape: usize,
    columns: &'a [u32],
    /// The places that have values of their own.
    mask: u64,
    is_new: bool,
}

impl Own<'_> {
    /// How many values of the place's column it has for itself at places before.
    fn values_before(&self, place: usize) -> usize {
        let is_one = |(slot, column): &(usize, &u32)| {
            self.mask >> slot & 1 == 1 && **column == self.columns[place]
        };
        let slots = self.columns[..place].iter().enumerate();
        slots.filter(is_one).count()
    }
}

fn missing() -> Error {
    Error::corrupt("images of nothing")
}

impl<'a> History<'a> {
    /// Follows an image to the ones that have its values.
    pub(crate) fn trace(&self, table: &ShapeTable<'a>, image: usize) -> Result<Traced> {
        let (mut cursor, mut own) = self.own(table, self.cursor(image)?)?;
        let shape = own.shape;
        let mut origins = vec![(0, 0); own.columns.len()];
        // Places whose values are still looked for, and which places those are in the image at hand.
        let mut open: Vec<(usize, usize)> =
            (0..own.columns.len()).map(|place| (place, place)).collect();
        loop {
            open.retain(|(place, here)| {
                let is_here = own.mask >> here & 1 == 1;
                if is_here {
                    origins[*place] = (cursor.image, own.values_before(*here));
                }
                !is_here
            });
            if open.is_empty() || own.is_new {
                return Ok(Traced { shape, origins });
            }
            let before = cursor.image.checked_sub(1).ok_or_else(missing)?;
            let (next, older) = self.own(table, self.moved(cursor, before))?;
            let mut matching = Matching::new(own.columns, older.columns);
            let matched: Vec<_> = (0..own.columns.len())
                .map(|slot| matching.next(slot))
                .collect();
            let gone = || Error::corrupt("an edit that keeps what is not there");
            for (_, here) in &mut open {
                *here = matched[*here].ok_or_else(gone)?;
            }
            (cursor, own) = (next, older);
        }
    }

    /// Of each image, which must ascend, how many values of each column those before it take.
    pub(crate) fn taken(
        &self,
        table: &ShapeTable<'a>,
        images: &[usize],
    ) -> Result<Vec<Vec<usize>>> {
        let mut taken = vec![0; table.columns()];
        let mut of_shape = vec![0_usize; table.shapes.len()];
        let (mut codes, mut masks) = (self.codes.iter(), self.masks.iter());
        let mut all = Vec::with_capacity(images.len());
        let mut at = 0;
        for image in images {
            for kind in self.kinds.get(at..*image).ok_or_else(missing)? {
                if u64::from(*kind) == COPY {
                    continue;
                }
                let shape = *codes.next().ok_or_else(missing)? as usize;
                if u64::from(*kind) == NEW {
                    *of_shape.get_mut(shape).ok_or_else(missing)? += 1;
                    continue;
                }
                let (_, columns) = table.shapes.get(shape).ok_or_else(missing)?;
                let mut left = *masks.next().ok_or_else(missing)?;
                while left != 0 {
                    let column = columns.get(left.trailing_zeros() as usize);
                    taken[*column.ok_or_else(missing)? as usize] += 1;
                    left &= left - 1;
                }
            }
            at = *image;
            let mut before = taken.clone();
            for ((_, columns), count) in table.shapes.iter().zip(&of_shape) {
                columns
                    .iter()
                    .for_each(|column| before[*column as usize] += count);
            }
            all.push(before);
        }
        Ok(all)
    }

    fn cursor(&self, image: usize) -> Result<Cursor> {
        match image < self.kinds.len() {
            true => {
                let [copies, edits] = self.count(0, image);
                Ok(Cursor {
                    image,
                    copies,
                    edits,
                })
            }
            false => Err(missing()),
        }
    }

    /// Goes back to an image.
    fn moved(&self, from: Cursor, image: usize) -> Cursor {
        let [copies, edits] = self.count(image, from.image);
        Cursor {
            image,
            copies: from.copies - copies,
            edits: from.edits - edits,
        }
    }

    fn count(&self, from: usize, to: usize) -> [usize; 2] {
        let of = |wanted: u64| {
            let kinds = self.kinds[from..to].iter();
            kinds
                .map(|kind| usize::from(u64::from(*kind) == wanted))
                .sum()
        };
        [of(COPY), of(EDIT)]
    }

    /// The image itself, or the one that it is a copy of in the end.
    fn own(&self, table: &ShapeTable<'a>, mut cursor: Cursor) -> Result<(Cursor, Own<'a>)> {
        while u64::from(self.kinds[cursor.image]) == COPY {
            let distance = *self.distances.get(cursor.copies).ok_or_else(missing)? as usize;
            let original = cursor.image.checked_sub(distance).filter(|_| distance > 0);
            let gone = || Error::corrupt("a copy of no image");
            cursor = self.moved(cursor, original.ok_or_else(gone)?);
        }
        let code = self.codes.get(cursor.image - cursor.copies);
        let shape = *code.ok_or_else(missing)? as usize;
        let (_, columns) = *table.shapes.get(shape).ok_or_else(missing)?;
        let all = u64::MAX.checked_shr(64 - u32::try_from(columns.len()).unwrap_or(64));
        let all = all.unwrap_or(0);
        let is_new = match u64::from(self.kinds[cursor.image]) {
            NEW => true,
            EDIT => false,
            _ => return Err(missing()),
        };
        let mask = match is_new {
            true => all,
            false => *self.masks.get(cursor.edits).ok_or_else(missing)?,
        };
        if mask & !all != 0 {
            return Err(Error::corrupt("an edit of no image"));
        }
        Ok((
            cursor,
            Own {
                shape,
                columns,
                mask,
                is_new,
            },
        ))
    }
}
