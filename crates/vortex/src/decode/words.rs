//! Numbers, decoded in their place: what an encoding makes of other numbers it makes where those stand.

use super::{PageDecoder, misplaced};
use crate::bitpack::unpack;
use crate::decimal::{bits_of, float_of, power};
use crate::node::Node;
use crate::word::Word;
use crate::{Error, Result, pco};

impl PageDecoder<'_> {
    /// Decodes `count` words that are `bytes` wide where they stand plain.
    pub(super) fn new_words<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
    ) -> Result<Vec<W>> {
        self.budget.pay(count, size_of::<W>())?;
        let mut words = vec![W::default(); count];
        self.words(node, bytes, count, &mut words)?;
        Ok(words)
    }

    /// Decodes the first `wanted` of `count` words, and no more where the encoding allows that.
    pub(super) fn first_words<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
        wanted: usize,
    ) -> Result<Vec<W>> {
        self.budget.pay(wanted, size_of::<W>())?;
        let mut words = vec![W::default(); wanted];
        self.words(node, bytes, count, &mut words)?;
        Ok(words)
    }

    /// Decodes as many of `count` words, from the first on, as `out` has; the caller has paid for them.
    pub(super) fn words<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
        out: &mut [W],
    ) -> Result<()> {
        if out.is_empty() && count > 0 {
            return Ok(());
        }
        let low = |number: &i64| W::from_low(number.cast_unsigned());
        match node {
            Node::Plain(data) => plain(data, bytes, out),
            Node::ConstantWord(value) => out.fill(low(value)),
            Node::Packed {
                reference,
                width,
                data,
            } => unpack(data, *width, low(reference), out),
            Node::Delta { first, deltas } => {
                let (Some((word, rest)), 1..) = (out.split_first_mut(), count) else {
                    return Err(misplaced());
                };
                *word = low(first);
                self.words(deltas, bytes, count - 1, rest)?;
                sum_up(*word, rest);
            }
            Node::Multiple {
                reference,
                factor,
                multiples,
            } => {
                self.words(multiples, bytes, count, out)?;
                let (reference, factor) = (low(reference), W::from_low(*factor));
                for word in out {
                    *word = word.wrapping_mul(factor).wrapping_add(reference);
                }
            }
            Node::Runs {
                count: runs,
                values,
                lengths,
            } => {
                let values: Vec<W> = self.new_words(values, bytes, *runs)?;
                let lengths = self.run_lengths(lengths, *runs, count)?;
                put_runs(&values, &lengths, out);
            }
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let values: Vec<W> = self.new_words(values, bytes, *entries)?;
                let codes = self.first_codes(codes, *entries, count, out.len())?;
                look_up(&values, &codes, out);
            }
            Node::Decimal { exponent, numbers } => {
                self.decimals(*exponent, numbers, bytes, count, out)?;
            }
            Node::Zstd { node, .. } => self.words(node, bytes, count, out)?,
            Node::Patched { .. } => self.patched(node, bytes, count, out)?,
            Node::Pco { is_float, data } => self.pcodec(*is_float, data, count, out)?,
            Node::Shared { codes } => {
                let around = self.around;
                let values = W::of(around.shared_values()?).ok_or_else(misplaced)?;
                let codes = self.first_codes(codes, values.len(), count, out.len())?;
                look_up(values, &codes, out);
            }
            _ => return Err(misplaced()),
        }
        Ok(())
    }

    /// Floats of `bytes` bytes: whole numbers divided by a power of ten.
    fn decimals<W: Word>(
        &mut self,
        exponent: u8,
        numbers: &Node,
        bytes: usize,
        count: usize,
        out: &mut [W],
    ) -> Result<()> {
        let power = power(exponent);
        if bytes == 8 {
            self.words(numbers, 8, count, out)?;
            for word in out {
                *word = W::from_low(bits_of(float_of(word.wide(), power), false));
            }
            return Ok(());
        }
        let numbers: Vec<u64> = self.first_words(numbers, 8, count, out.len())?;
        for (word, number) in out.iter_mut().zip(numbers) {
            *word = W::from_low(bits_of(float_of(number, power), true));
        }
        Ok(())
    }

    fn patched<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
        out: &mut [W],
    ) -> Result<()> {
        let Node::Patched {
            count: exceptions,
            places,
            patches,
            values,
        } = node
        else {
            return Err(misplaced());
        };
        self.words(values, bytes, count, out)?;
        let places: Vec<u32> = self.new_words(places, 4, *exceptions)?;
        let patches: Vec<W> = self.new_words(patches, bytes, *exceptions)?;
        patch(&places, &patches, count, out)
    }

    fn pcodec<W: Word>(
        &mut self,
        is_float: bool,
        data: &[u8],
        count: usize,
        out: &mut [W],
    ) -> Result<()> {
        self.budget.pay(count, size_of::<u64>())?;
        if is_float {
            let mut floats = vec![0.0_f64; count];
            pco::decode(data, &mut floats)?;
            for (word, float) in out.iter_mut().zip(floats) {
                *word = W::from_low(float.to_bits());
            }
        } else {
            let mut numbers = vec![0_i64; count];
            pco::decode(data, &mut numbers)?;
            for (word, number) in out.iter_mut().zip(numbers) {
                *word = W::from_low(number.cast_unsigned());
            }
        }
        Ok(())
    }

    /// Codes of a dictionary, each checked to name an entry.
    pub(super) fn codes(&mut self, node: &Node, entries: usize, count: usize) -> Result<Vec<u32>> {
        self.first_codes(node, entries, count, count)
    }

    fn first_codes(
        &mut self,
        node: &Node,
        entries: usize,
        count: usize,
        wanted: usize,
    ) -> Result<Vec<u32>> {
        let codes: Vec<u32> = self.first_words(node, 4, count, wanted)?;
        let greatest = codes.iter().fold(0, |most, code| most.max(*code));
        match wanted == 0 || (greatest as usize) < entries {
            true => Ok(codes),
            false => Err(Error::corrupt(format!(
                "code {greatest} of a dictionary of {entries}"
            ))),
        }
    }
}

/// Words of a run that is written whole, whatever its length.
const SHORT_RUN: usize = 8;

/// Fills the first of the words that runs are.
fn put_runs<W: Word>(values: &[W], lengths: &[u32], out: &mut [W]) {
    let mut rest = out;
    for (value, length) in values.iter().zip(lengths) {
        let length = (*length as usize).min(rest.len());
        // Most runs are short: what is written behind them the next ones write over.
        match rest.first_chunk_mut::<SHORT_RUN>() {
            Some(start) if length <= SHORT_RUN => *start = [*value; SHORT_RUN],
            _ => rest[..length].fill(*value),
        }
        rest = &mut rest[length..];
    }
}

/// Puts patches in their places, which ascend, among the first of `count` words.
fn patch<W: Word>(places: &[u32], patches: &[W], count: usize, out: &mut [W]) -> Result<()> {
    let mut least = 0;
    for (place, word) in places.iter().zip(patches) {
        let at = *place as usize;
        if at >= count || *place < least {
            return Err(Error::corrupt(format!("a patch at {place}")));
        }
        if let Some(slot) = out.get_mut(at) {
            *slot = *word;
        }
        least = place + 1;
    }
    Ok(())
}

fn look_up<W: Word>(values: &[W], codes: &[u32], out: &mut [W]) {
    for (word, code) in out.iter_mut().zip(codes) {
        *word = values[*code as usize];
    }
}

/// Makes deltas into the sums of all up to each, from `first` on.
fn sum_up<W: Word>(first: W, deltas: &mut [W]) {
    let mut sum = first;
    for delta in deltas {
        sum = sum.wrapping_add(*delta);
        *delta = sum;
    }
}

fn plain<W: Word>(data: &[u8], bytes: usize, out: &mut [W]) {
    match bytes {
        1 => put_plain::<W, 1>(data, out),
        2 => put_plain::<W, 2>(data, out),
        4 => put_plain::<W, 4>(data, out),
        _ => put_plain::<W, 8>(data, out),
    }
}

fn put_plain<W: Word, const BYTES: usize>(data: &[u8], out: &mut [W]) {
    for (word, chunk) in out.iter_mut().zip(data.as_chunks::<BYTES>().0) {
        let mut eight = [0; 8];
        eight[..BYTES].copy_from_slice(chunk);
        *word = W::from_low(u64::from_le_bytes(eight));
    }
}
