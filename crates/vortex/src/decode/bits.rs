//! Bits.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};

use super::{PageDecoder, misplaced};
use crate::node::Node;
use crate::{Error, Result};

impl PageDecoder<'_> {
    pub(super) fn bits(&mut self, node: &Node, count: usize) -> Result<BooleanBuffer> {
        self.budget.pay(count.div_ceil(8), 1)?;
        match node {
            Node::Plain(data) => Ok(BooleanBuffer::new(Buffer::from(&data[..]), 0, count)),
            Node::ConstantWord(0) => Ok(BooleanBuffer::new_unset(count)),
            Node::ConstantWord(1) => Ok(BooleanBuffer::new_set(count)),
            Node::Runs {
                count: runs,
                values,
                lengths,
            } => {
                let values = self.bits(values, *runs)?;
                let lengths = self.run_lengths(lengths, *runs, count)?;
                let mut bits = BooleanBufferBuilder::new(count);
                for (value, length) in values.iter().zip(lengths) {
                    bits.append_n(length as usize, value);
                }
                Ok(bits.finish())
            }
            Node::Zstd { node, .. } => self.bits(node, count),
            _ => Err(misplaced()),
        }
    }

    /// The lengths of runs, which must sum up to `count`.
    pub(super) fn run_lengths(
        &mut self,
        node: &Node,
        runs: usize,
        count: usize,
    ) -> Result<Vec<u32>> {
        let lengths: Vec<u32> = self.new_words(node, 4, runs)?;
        let sum: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        match sum == count as u64 {
            true => Ok(lengths),
            false => Err(Error::corrupt(format!(
                "runs of {sum} values, {count} are there"
            ))),
        }
    }
}
