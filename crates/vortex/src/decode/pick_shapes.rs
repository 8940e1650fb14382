//! A few texts of shapes, where none comes from another: only their own values are decoded.

use super::{PageDecoder, misplaced};
use crate::node::Node;
use crate::shapes::ShapeTable;
use crate::text_node::ShapesHead;
use crate::texts::{Strings, Texts};
use crate::{Error, Result};

impl PageDecoder<'_> {
    /// The texts at some places; nothing where all have to be made.
    pub(super) fn pick_shaped(
        &mut self,
        head: &ShapesHead,
        children: &[Node],
        count: usize,
        places: &[usize],
    ) -> Result<Option<Texts>> {
        let [
            slots,
            columns,
            pieces,
            codes,
            Node::ConstantWord(0),
            _,
            _,
            values @ ..,
        ] = children
        else {
            return Ok(None);
        };
        if head.others + head.copies + head.edits > 0 {
            return Ok(None);
        }
        let slots: Vec<u32> = self.new_words(slots, 4, head.shapes)?;
        let columns: Vec<u32> = self.new_words(columns, 4, head.slots)?;
        let (ends, pieces) = self.new_strings(pieces, head.slots + head.shapes)?;
        let codes: Vec<u32> = self.new_words(codes, 4, count)?;
        let pieces = Strings {
            offsets: &ends,
            data: &pieces,
        };
        let table = ShapeTable::new(&slots, &columns, pieces, head.columns.len())?;
        let wanted = table.ordinals(&codes, places)?;
        let mut found = Vec::with_capacity(values.len());
        for ((node, count), wanted) in values.iter().zip(&head.columns).zip(&wanted) {
            if wanted.iter().any(|ordinal| ordinal >= count) {
                return Err(Error::corrupt("a column of fewer values than places"));
            }
            self.budget.pay(wanted.len(), size_of::<usize>())?;
            found.push(self.pick_strings(node, *count, wanted)?);
        }
        if found.len() != head.columns.len() {
            return Err(misplaced());
        }
        let found: Vec<_> = found
            .iter()
            .map(|(offsets, data)| Strings { offsets, data })
            .collect();
        let mut out = Texts::new();
        let mut next = vec![0; found.len()];
        for place in places {
            let from = out.data.len();
            table.put(codes[*place] as usize, &found, &mut next, &mut out.data);
            self.budget.pay(out.data.len() - from + 4, 1)?;
            out.end_of(0)?;
            out.end();
        }
        Ok(Some(out))
    }
}
