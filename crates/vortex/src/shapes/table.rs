//! Shapes by themselves, to make a few texts of many.

use super::SLOTS_MAX;
use crate::texts::Strings;
use crate::{Error, Result};

/// The shapes of a page, checked.
pub(crate) struct ShapeTable<'a> {
    /// Of each shape its first piece and the columns of its places.
    pub(super) shapes: Vec<(usize, &'a [u32])>,
    pieces: Strings<'a>,
    columns: usize,
}

impl<'a> ShapeTable<'a> {
    pub(crate) fn new(
        slots: &[u32],
        mut rest: &'a [u32],
        pieces: Strings<'a>,
        columns: usize,
    ) -> Result<Self> {
        let odd = || Error::corrupt("shapes that do not fit their columns");
        let (mut shapes, mut piece) = (Vec::with_capacity(slots.len()), 0);
        for slots in slots {
            let slots = *slots as usize;
            let (own, after) = rest.split_at_checked(slots).ok_or_else(odd)?;
            if slots > SLOTS_MAX || own.iter().any(|column| *column as usize >= columns) {
                return Err(odd());
            }
            shapes.push((piece, own));
            piece += slots + 1;
            rest = after;
        }
        if !rest.is_empty() || piece != pieces.count() {
            return Err(odd());
        }
        Ok(Self {
            shapes,
            pieces,
            columns,
        })
    }

    /// Of each column, which of its values the texts at `places` take, in their order.
    pub(crate) fn ordinals(&self, codes: &[u32], places: &[usize]) -> Result<Vec<Vec<usize>>> {
        let missing = || Error::corrupt("a text of no shape");
        let mut wanted = vec![Vec::new(); self.columns];
        let (mut counted, mut of_shape) = (0, vec![0_usize; self.shapes.len()]);
        for place in places {
            if *place < counted {
                counted = 0;
                of_shape.fill(0);
            }
            for code in &codes[counted..*place] {
                *of_shape.get_mut(*code as usize).ok_or_else(missing)? += 1;
            }
            counted = *place;
            let mut before = vec![0; self.columns];
            for ((_, columns), count) in self.shapes.iter().zip(&of_shape) {
                columns
                    .iter()
                    .for_each(|column| before[*column as usize] += count);
            }
            let (_, columns) = self
                .shapes
                .get(codes[*place] as usize)
                .ok_or_else(missing)?;
            for column in *columns {
                let column = *column as usize;
                wanted[column].push(before[column]);
                before[column] += 1;
            }
        }
        Ok(wanted)
    }

    /// Appends the text of a shape that [`ShapeTable::ordinals`] has seen, from the next values.
    pub(crate) fn put(
        &self,
        shape: usize,
        values: &[Strings<'_>],
        next: &mut [usize],
        out: &mut Vec<u8>,
    ) {
        let (piece, columns) = self.shapes[shape];
        for (slot, column) in columns.iter().enumerate() {
            let column = *column as usize;
            out.extend_from_slice(self.pieces.get(piece + slot));
            out.extend_from_slice(values[column].get(next[column]));
            next[column] += 1;
        }
        out.extend_from_slice(self.pieces.get(piece + columns.len()));
    }
}
