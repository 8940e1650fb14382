//! Lists.

use super::byte_strings::put_ends;
use super::{PageDecoder, misplaced};
use crate::Result;
use crate::data_type::Shape;
use crate::node::Node;
use crate::values::Values;

impl PageDecoder<'_> {
    pub(super) fn lists(&mut self, node: &Node, element: &Shape, count: usize) -> Result<Values> {
        let Node::Lists {
            count: total,
            lengths,
            elements,
        } = node
        else {
            return Err(misplaced());
        };
        self.budget.pay(count + 1, 4)?;
        let lengths = self.new_words(lengths, 4, count)?;
        let mut offsets = vec![0];
        put_ends(&lengths, *total, 0, &mut offsets)?;
        Ok(Values::Lists {
            offsets,
            elements: Box::new(self.slots(elements, element, *total)?),
        })
    }

    pub(super) fn fixed_lists(
        &mut self,
        node: &Node,
        width: usize,
        element: &Shape,
        count: usize,
    ) -> Result<Values> {
        let Node::FixedLists(elements) = node else {
            return Err(misplaced());
        };
        Ok(Values::FixedLists {
            width,
            elements: Box::new(self.slots(elements, element, count * width)?),
        })
    }
}
