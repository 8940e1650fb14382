//! A few texts of a page, without making the others where the encoding allows that.

use super::byte_strings::put_ends;
use super::{PageDecoder, misplaced};
use crate::compress::decompress_into;
use crate::node::Node;
use crate::text_node::{Head, TextNode};
use crate::texts::{Strings, Texts, at};
use crate::{Error, Result, digits, fsst, pattern, times};

impl PageDecoder<'_> {
    /// The texts at some places of `count`, each of which is below that.
    pub(super) fn pick_text(
        &mut self,
        node: &TextNode,
        count: usize,
        places: &[usize],
    ) -> Result<Texts> {
        let mut out = Texts::new();
        if let Head::Shapes(head) = &node.head
            && let Some(texts) = self.pick_shaped(head, &node.children, count, places, false)?
        {
            return Ok(texts);
        }
        if let Head::Partner(column) = &node.head
            && let Some(texts) = self.around.pick_partner(*column, places)?
        {
            return Ok(texts);
        }
        match (&node.head, &node.children[..]) {
            (Head::Fsst { .. }, [sizes]) => {
                self.pick_coded(node, sizes, count, places, &mut out)?;
            }
            (Head::Blocks { .. }, [sizes, frames]) => {
                self.pick_blocks(node, [sizes, frames], count, places, &mut out)?;
            }
            (Head::Digits { style, .. }, [numbers]) => {
                let numbers: Vec<u64> = self.pick_words(numbers, 8, count, places)?;
                self.budget.pay(places.len(), digits::TEXT_BYTES)?;
                digits::put_some(style, &numbers, &mut out);
            }
            (Head::Times(form), [numbers]) => {
                let numbers: Vec<u64> = self.pick_words(numbers, 8, count, places)?;
                self.budget.pay(places.len(), form.bytes())?;
                times::put_texts(form, &numbers, &mut out)?;
            }
            (Head::Pattern(pattern), columns) => {
                let columns: Vec<Vec<u64>> = columns
                    .iter()
                    .map(|column| self.pick_words(column, 8, count, places))
                    .collect::<Result<_>>()?;
                self.budget.pay(places.len(), pattern.len())?;
                pattern::put_texts(pattern, &columns, places.len(), &mut out)?;
            }
            _ => {
                self.budget.pay(count + 1, 4)?;
                let (mut offsets, mut data) = (vec![0], Vec::new());
                self.text(node, count, &mut offsets, &mut data)?;
                let all = Strings {
                    offsets: &offsets,
                    data: &data,
                };
                for place in places {
                    self.budget.pay(all.get(*place).len() + 4, 1)?;
                    out.push(all.get(*place));
                }
            }
        }
        Ok(out)
    }

    fn pick_coded(
        &mut self,
        node: &TextNode,
        sizes: &Node,
        count: usize,
        places: &[usize],
        out: &mut Texts,
    ) -> Result<()> {
        let Head::Fsst {
            lengths, symbols, ..
        } = &node.head
        else {
            return Err(misplaced());
        };
        let table = fsst::Table::new(lengths, symbols)?;
        let codes = self.new_words(sizes, 4, count)?;
        self.budget.pay(count + 1, 4)?;
        let mut ends = vec![0];
        put_ends(&codes, node.data.len(), 0, &mut ends)?;
        let codes = Strings {
            offsets: &ends,
            data: &node.data,
        };
        for place in places {
            let codes = codes.get(*place);
            self.budget.pay(codes.len() + 1, fsst::SYMBOL_BYTES)?;
            table.put(codes, &mut out.data)?;
            out.end();
        }
        Ok(())
    }

    /// Decompresses no block but those with one of the texts.
    fn pick_blocks(
        &mut self,
        node: &TextNode,
        [sizes, frames]: [&Node; 2],
        count: usize,
        places: &[usize],
        out: &mut Texts,
    ) -> Result<()> {
        let Head::Blocks {
            raw_bytes,
            block_rows,
            ..
        } = &node.head
        else {
            return Err(misplaced());
        };
        let sizes = self.new_words(sizes, 4, count)?;
        let frames = self.new_words(frames, 4, count.div_ceil(*block_rows))?;
        self.budget.pay(count + 1 + frames.len(), 4)?;
        let (mut ends, mut frame_ends) = (vec![0], vec![0]);
        put_ends(&sizes, *raw_bytes, 0, &mut ends)?;
        put_ends(&frames, node.data.len(), 0, &mut frame_ends)?;
        let frames = Strings {
            offsets: &frame_ends,
            data: &node.data,
        };
        let (mut block, mut held) = (Vec::new(), None);
        for place in places {
            let number = place / block_rows;
            let first = number * block_rows;
            let from = at(ends[first]);
            if held != Some(number) {
                let to = at(ends[(first + block_rows).min(count)]);
                self.budget.pay(to - from, 1)?;
                block.clear();
                block.resize(to - from, 0);
                decompress_into(frames.get(number), &mut block)?;
                held = Some(number);
            }
            let text = &block[at(ends[*place]) - from..at(ends[*place + 1]) - from];
            self.budget.pay(text.len() + 4, 1)?;
            if i32::try_from(out.data.len() + text.len()).is_err() {
                return Err(Error::too_large("byte strings of more than 2 GiB"));
            }
            out.push(text);
        }
        Ok(())
    }
}
