//! Columns of shapes whose values are all the same: as parts of the shapes they cost no time per text.

use super::forms::Supply;
use super::table::ShapeTable;
use crate::texts::{SHORT, Strings, Texts};

/// Shapes without the places of such columns.
pub(super) struct Reduced {
    pub(super) slots: Vec<u32>,
    pub(super) columns: Vec<u32>,
    pieces: Texts,
    /// Of each shape the columns whose places it lost.
    constants: Vec<Vec<u32>>,
}

impl Reduced {
    /// None where there is no such column. Its value is at most [`SHORT`] bytes: it may stand in every
    /// shape.
    pub(super) fn of(
        table: &ShapeTable<'_>,
        pieces: Strings<'_>,
        supplies: &[Supply<'_>],
    ) -> Option<Self> {
        let constant = |column: &u32| {
            let value = supplies[*column as usize].constant();
            value.filter(|value| value.len() <= SHORT)
        };
        let mut columns = table.shapes.iter().flat_map(|(_, columns)| columns.iter());
        columns.find_map(constant)?;
        let mut reduced = Self {
            slots: Vec::with_capacity(table.shapes.len()),
            columns: Vec::new(),
            pieces: Texts {
                offsets: vec![0],
                data: Vec::with_capacity(pieces.data.len() + SHORT * (table.places() + 1)),
            },
            constants: Vec::with_capacity(table.shapes.len()),
        };
        for (first, columns) in &table.shapes {
            let (mut slots, mut constants) = (0, Vec::new());
            for (place, column) in columns.iter().enumerate() {
                let text = &mut reduced.pieces;
                text.data.extend_from_slice(pieces.get(first + place));
                if let Some(value) = constant(column) {
                    text.data.extend_from_slice(value);
                    constants.push(*column);
                } else {
                    text.end();
                    reduced.columns.push(*column);
                    slots += 1;
                }
            }
            reduced.pieces.push(pieces.get(first + columns.len()));
            reduced.slots.push(slots);
            reduced.constants.push(constants);
        }
        reduced.pieces.data.extend([0; SHORT]);
        Some(reduced)
    }

    pub(super) fn pieces(&self) -> Strings<'_> {
        Strings {
            offsets: &self.pieces.offsets,
            data: &self.pieces.data,
        }
    }

    /// Takes the values that stand in the texts of these shapes.
    pub(super) fn take(&self, codes: &[u32], supplies: &mut [Supply<'_>]) {
        let mut texts = vec![0; self.constants.len()];
        for code in codes {
            if let Some(texts) = texts.get_mut(*code as usize) {
                *texts += 1;
            }
        }
        for (constants, texts) in self.constants.iter().zip(texts) {
            for column in constants {
                supplies[*column as usize].skip(texts);
            }
        }
    }
}
