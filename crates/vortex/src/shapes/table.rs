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

    /// Places of all shapes.
    pub(super) fn places(&self) -> usize {
        self.shapes.iter().map(|(_, columns)| columns.len()).sum()
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The columns of a shape's places.
    pub(crate) fn columns_of(&self, shape: usize) -> &'a [u32] {
        self.shapes[shape].1
    }

    /// Appends the text of a shape, from the next values of its columns.
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
