//! A few texts of shapes: only the values that they have or keep of others are decoded.

use std::collections::BTreeMap;

use arrow_buffer::BooleanBuffer;

use super::{PageDecoder, misplaced};
use crate::node::Node;
use crate::shapes::{History, ShapeTable, Traced};
use crate::text_node::{Head, ShapesHead};
use crate::texts::{Strings, Texts};
use crate::{Error, Result};

/// Most texts to follow to where their values are, where some come from others: each costs a look at
/// all before it.
const TRACED_MAX: usize = 16;

impl PageDecoder<'_> {
    /// The texts at some places of `count`, or of the other column's texts if they are `of_other`;
    /// nothing where making all of them is quicker.
    pub(super) fn pick_shaped(
        &mut self,
        head: &ShapesHead,
        mut children: &[Node],
        count: usize,
        places: &[usize],
        of_other: bool,
    ) -> Result<Option<Texts>> {
        if head.copies + head.edits > 0 && places.len() > TRACED_MAX {
            return Ok(None);
        }
        if of_other && head.others == 0 {
            return Err(misplaced());
        }
        let images = count + head.others;
        let mut wanted = places.to_vec();
        if let ([first, rest @ ..], true) = (children, head.others > 0) {
            let others = self.bits(first, images)?;
            wanted = places
                .iter()
                .map(|place| nth(&others, of_other, *place))
                .collect();
            children = rest;
        }
        let [
            slots,
            columns,
            pieces,
            codes,
            kinds,
            distances,
            masks,
            values @ ..,
        ] = children
        else {
            return Err(misplaced());
        };
        let slots: Vec<u32> = self.new_words(slots, 4, head.shapes)?;
        let columns: Vec<u32> = self.new_words(columns, 4, head.slots)?;
        let (ends, pieces) = self.new_strings(pieces, head.slots + head.shapes)?;
        let pieces = Strings {
            offsets: &ends,
            data: &pieces,
        };
        let table = ShapeTable::new(&slots, &columns, pieces, head.columns.len())?;
        let codes: Vec<u32> = self.new_words(codes, 4, images - head.copies)?;
        let kinds: Vec<u32> = self.new_words(kinds, 4, images)?;
        let distances: Vec<u32> = self.new_words(distances, 4, head.copies)?;
        let masks: Vec<u64> = self.new_words(masks, 8, head.edits)?;
        let history = History {
            codes: &codes,
            kinds: &kinds,
            distances: &distances,
            masks: &masks,
        };
        let traced: Vec<Traced> = wanted
            .iter()
            .map(|image| history.trace(&table, *image))
            .collect::<Result<_>>()?;
        let ordinals = self.ordinals(&history, &table, &traced)?;
        let found = self.pick_values_of(values, head, &ordinals)?;
        self.put_traced(&table, &traced, &found).map(Some)
    }

    /// The same for a page whose root such texts are, and those of the other column.
    pub(crate) fn pick_others(
        &mut self,
        node: &Node,
        count: usize,
        places: &[usize],
    ) -> Result<Option<Texts>> {
        let (there, values, _) = self.places(node, count)?;
        let Some(Node::Text(node)) = values else {
            return Err(misplaced());
        };
        let Head::Shapes(head) = &node.head else {
            return Err(misplaced());
        };
        self.pick_shaped(head, &node.children, there, places, true)
    }

    /// Of each column, which of its values the texts take, in their order.
    fn ordinals<'t>(
        &mut self,
        history: &History<'t>,
        table: &ShapeTable<'t>,
        traced: &[Traced],
    ) -> Result<Vec<Vec<usize>>> {
        let origins = traced.iter().flat_map(|traced| &traced.origins);
        let mut before: BTreeMap<usize, Vec<usize>> =
            origins.map(|(image, _)| (*image, Vec::new())).collect();
        let images: Vec<usize> = before.keys().copied().collect();
        let columns = table.columns();
        self.budget
            .pay(images.len(), columns * size_of::<usize>())?;
        for (taken, known) in history
            .taken(table, &images)?
            .into_iter()
            .zip(before.values_mut())
        {
            *known = taken;
        }
        let mut ordinals = vec![Vec::new(); columns];
        for traced in traced {
            let slots = table.columns_of(traced.shape).iter().zip(&traced.origins);
            for (column, (image, within)) in slots {
                let column = *column as usize;
                let taken = before.get(image).map_or(0, |taken| taken[column]);
                self.budget.pay(1, size_of::<usize>())?;
                ordinals[column].push(taken + within);
            }
        }
        Ok(ordinals)
    }

    fn pick_values_of(
        &mut self,
        values: &[Node],
        head: &ShapesHead,
        ordinals: &[Vec<usize>],
    ) -> Result<Vec<(Vec<i32>, Vec<u8>)>> {
        let mut found = Vec::with_capacity(values.len());
        for ((node, count), wanted) in values.iter().zip(&head.columns).zip(ordinals) {
            if wanted.iter().any(|ordinal| ordinal >= count) {
                return Err(Error::corrupt("a column of fewer values than places"));
            }
            found.push(match wanted.is_empty() {
                true => (vec![0], Vec::new()),
                false => self.pick_strings(node, *count, wanted)?,
            });
        }
        match found.len() == head.columns.len() {
            true => Ok(found),
            false => Err(misplaced()),
        }
    }

    fn put_traced(
        &mut self,
        table: &ShapeTable<'_>,
        traced: &[Traced],
        found: &[(Vec<i32>, Vec<u8>)],
    ) -> Result<Texts> {
        let found: Vec<_> = found
            .iter()
            .map(|(offsets, data)| Strings { offsets, data })
            .collect();
        let mut out = Texts::new();
        let mut next = vec![0; found.len()];
        for traced in traced {
            let from = out.data.len();
            table.put(traced.shape, &found, &mut next, &mut out.data);
            self.budget.pay(out.data.len() - from + 4, 1)?;
            out.end_of(0)?;
            out.end();
        }
        Ok(out)
    }
}

/// The place of the `number`-th bit, from 0 on, that is `wanted`; the number of all if there is none.
fn nth(bits: &BooleanBuffer, wanted: bool, number: usize) -> usize {
    let before = |place: usize| {
        let set = bits.slice(0, place).count_set_bits();
        if wanted { set } else { place - set }
    };
    let (mut least, mut most) = (0, bits.len());
    while least < most {
        let half = least.midpoint(most);
        if before(half + 1) > number {
            most = half;
        } else {
            least = half + 1;
        }
    }
    least
}
