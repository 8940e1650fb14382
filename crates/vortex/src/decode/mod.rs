//! Encoding trees to values. Words and byte strings are appended to what their column has so far,
//! so a column's pages need not be joined afterwards.

mod bits;
mod byte_strings;
mod gather;
mod lists;
mod pick;
mod pick_shapes;
mod pick_texts;
mod texts;
mod words;

use arrow_buffer::BooleanBuffer;

use crate::budget::Budget;
use crate::data_type::Shape;
use crate::node::Node;
use crate::text_node::Head;
use crate::texts::Texts;
use crate::values::{Slots, Values};
use crate::word::Word;
use crate::{Error, Result};

/// What a page's encodings may refer to outside of the page.
pub(crate) trait Surroundings {
    /// The distinct values that all pages of the column share.
    fn shared_values(&self) -> Result<&Values>;

    /// The texts of this page that stand between those of the same page of an earlier column.
    fn partner(&self, column_index: usize) -> Result<Texts>;

    /// A few of them; nothing where making all is quicker.
    fn pick_partner(&self, column_index: usize, places: &[usize]) -> Result<Option<Texts>>;

    /// Takes what a page decoded of another column, which may be read next.
    fn keep(&self, _others: Texts) {}
}

/// A page that stands alone: a reference to anything outside is corrupt.
#[derive(Debug)]
pub(crate) struct Alone;

impl Surroundings for Alone {
    fn shared_values(&self) -> Result<&Values> {
        Err(Error::corrupt("shared values that are not there"))
    }

    fn partner(&self, _column_index: usize) -> Result<Texts> {
        Err(Error::corrupt("another column that is not there"))
    }

    fn pick_partner(&self, column_index: usize, _places: &[usize]) -> Result<Option<Texts>> {
        self.partner(column_index).map(Some)
    }
}

/// Decodes the trees of one page.
pub(crate) struct PageDecoder<'a> {
    budget: Budget,
    around: &'a dyn Surroundings,
}

impl<'a> PageDecoder<'a> {
    /// A decoder that may take what is left of a page's budget.
    pub(crate) fn new(budget: Budget, around: &'a dyn Surroundings) -> Self {
        Self { budget, around }
    }

    /// Decodes `count` slots.
    pub(crate) fn slots(&mut self, node: &Node, shape: &Shape, count: usize) -> Result<Slots> {
        Ok(match shape {
            Shape::Words { bytes: 8, .. } => {
                let mut words = Vec::new();
                let valid = self.append_words(node, 8, count, &mut words)?;
                Slots {
                    valid,
                    values: Values::Wide(words),
                }
            }
            Shape::Words { bytes, .. } => {
                let mut words = Vec::new();
                let valid = self.append_words(node, *bytes, count, &mut words)?;
                Slots {
                    valid,
                    values: Values::Narrow(words),
                }
            }
            Shape::Bytes => {
                let (mut offsets, mut data) = (vec![0], Vec::new());
                let valid = self.append_strings(node, count, &mut offsets, &mut data)?;
                Slots {
                    valid,
                    values: Values::Bytes { offsets, data },
                }
            }
            _ => self.spread_slots(node, shape, count)?,
        })
    }

    /// Appends `count` words and says which are valid (`None`: all of them); a null's is 0.
    pub(crate) fn append_words<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
        out: &mut Vec<W>,
    ) -> Result<Option<BooleanBuffer>> {
        let start = out.len();
        let (there, values, valid) = self.places(node, count)?;
        self.budget.pay(count, size_of::<W>())?;
        out.resize(start + count, W::default());
        let out = &mut out[start..];
        if let Some(values) = values {
            self.words(values, bytes, there, &mut out[..there])?;
        }
        if let Some(valid) = &valid {
            spread(out, there, valid);
        }
        Ok(valid)
    }

    /// Appends `count` byte strings and says which are valid (`None`: all of them); a null's is empty.
    pub(crate) fn append_strings(
        &mut self,
        node: &Node,
        count: usize,
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<Option<BooleanBuffer>> {
        let start = offsets.len();
        let (there, values, valid) = self.places(node, count)?;
        self.budget.pay(count + 1, size_of::<i32>())?;
        match values {
            Some(values) => self.byte_strings(values, there, offsets, data)?,
            None => debug_assert_eq!(there, 0, "only nulls have no values"),
        }
        if let Some(valid) = &valid {
            spread_ends(offsets, start, valid);
        }
        Ok(valid)
    }

    /// The texts of another column that stand between those of this page.
    pub(crate) fn others(&mut self, node: &Node, count: usize) -> Result<Texts> {
        let (there, values, _) = self.places(node, count)?;
        let Some(Node::Text(node)) = values else {
            return Err(misplaced());
        };
        let Head::Shapes(head) = &node.head else {
            return Err(misplaced());
        };
        let mut outs = [Texts::new(), Texts::new()];
        self.images(head, &node.children, there, &mut outs)?;
        let [_, others] = outs;
        Ok(others)
    }

    /// How many of `count` slots have values, the node of those, and which they are.
    fn places<'n>(
        &mut self,
        node: &'n Node,
        count: usize,
    ) -> Result<(usize, Option<&'n Node>, Option<BooleanBuffer>)> {
        match node {
            Node::Null => {
                self.budget.pay(count.div_ceil(8), 1)?;
                Ok((0, None, Some(BooleanBuffer::new_unset(count))))
            }
            Node::Nullable {
                count: there,
                valid,
                values,
            } => {
                let valid = self.bits(valid, count)?;
                if valid.count_set_bits() != *there {
                    return Err(Error::corrupt("another number of nulls than declared"));
                }
                Ok((*there, Some(&**values), Some(valid)))
            }
            node => Ok((count, Some(node), None)),
        }
    }

    /// Slots of the shapes that are decoded by page.
    fn spread_slots(&mut self, node: &Node, shape: &Shape, count: usize) -> Result<Slots> {
        let (there, values, valid) = self.places(node, count)?;
        let values = match values {
            Some(values) => self.values(values, shape, there)?,
            None => Values::empty(shape),
        };
        let Some(valid) = valid else {
            return Ok(Slots::all_valid(values));
        };
        self.budget.pay(count, shape.slot_bytes())?;
        Ok(Slots {
            values: values.spread(&valid),
            valid: Some(valid),
        })
    }

    fn values(&mut self, node: &Node, shape: &Shape, count: usize) -> Result<Values> {
        match shape {
            Shape::Bits => self.bits(node, count).map(Values::Bits),
            Shape::Fixed(width) => Ok(Values::Fixed {
                width: *width,
                data: self.fixed(node, *width, count)?,
            }),
            Shape::Lists(element) => self.lists(node, element, count),
            Shape::FixedLists(width, element) => self.fixed_lists(node, *width, element, count),
            Shape::Words { .. } | Shape::Bytes => {
                self.slots(node, shape, count).map(|slots| slots.values)
            }
        }
    }
}

/// Moves the first `there` values to the places that `valid` names, from the last one on, so that
/// none is overwritten before it is moved. The other places get 0.
fn spread<W: Word>(out: &mut [W], there: usize, valid: &BooleanBuffer) {
    let (mut from, mut end) = (there, out.len());
    for (first, after) in runs_of(valid).into_iter().rev() {
        out[after..end].fill(W::default());
        from -= after - first;
        if from == first {
            // All places up to here are valid: nothing moves any more.
            return;
        }
        move_up(out, from, first, after - first);
        end = first;
    }
    out[..end].fill(W::default());
}

/// The same for the ends of byte strings behind `start`: a null ends where the one before ends.
fn spread_ends(offsets: &mut Vec<i32>, start: usize, valid: &BooleanBuffer) {
    let mut from = offsets.len();
    offsets.resize(start + valid.len(), 0);
    let mut end = offsets.len();
    for (first, after) in runs_of(valid).into_iter().rev() {
        let before = offsets[from - 1];
        offsets[start + after..end].fill(before);
        from -= after - first;
        if from == start + first {
            return;
        }
        move_up(offsets, from, start + first, after - first);
        end = start + first;
    }
    let before = offsets[start - 1];
    offsets[start..end].fill(before);
}

/// Where bits are set: from the first to before the last of each run.
fn runs_of(bits: &BooleanBuffer) -> Vec<(usize, usize)> {
    bits.set_slices().collect()
}

/// Moves `count` words from `from` on to `to`, which is behind it.
fn move_up<W: Copy>(words: &mut [W], from: usize, to: usize, count: usize) {
    // Most runs are of a few words, for which a call takes longer.
    if count > 16 {
        return words.copy_within(from..from + count, to);
    }
    for place in (0..count).rev() {
        words[to + place] = words[from + place];
    }
}

fn misplaced() -> Error {
    Error::corrupt("an encoding that makes no such values")
}
