//! Byte strings that are made of numbers, symbols or shapes.

use super::byte_strings::put_ends;
use super::{PageDecoder, misplaced};
use crate::compress::decompress_into;
use crate::node::Node;
use crate::shapes::{IMAGES_JOINED, JOINED_BYTES, PIECE_BYTES, Parts, Supply, assemble};
use crate::text_node::{Head, ShapesHead, TextNode};
use crate::texts::{SHORT, Strings, Texts};
use crate::{Error, Result, digits, fsst, pattern, times};

impl PageDecoder<'_> {
    /// Appends `count` byte strings. The caller has paid for the offsets.
    pub(super) fn text(
        &mut self,
        node: &TextNode,
        count: usize,
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        let mut out = Texts {
            offsets: std::mem::take(offsets),
            data: std::mem::take(data),
        };
        let before = out.count();
        self.put_text(node, count, &mut out)?;
        let found = out.count() - before;
        (*offsets, *data) = (out.offsets, out.data);
        match found == count {
            true => Ok(()),
            false => Err(Error::corrupt(format!("{found} texts, {count} are there"))),
        }
    }

    fn put_text(&mut self, node: &TextNode, count: usize, out: &mut Texts) -> Result<()> {
        match (&node.head, &node.children[..]) {
            (Head::Fsst { .. }, [sizes]) => self.coded(node, sizes, count, out),
            (Head::Blocks { .. }, [sizes, frames]) => {
                self.blocks(node, [sizes, frames], count, out)
            }
            (Head::Digits { raw_bytes, style }, [numbers]) => {
                let numbers: Vec<u64> = self.new_words(numbers, 8, count)?;
                self.budget.pay(*raw_bytes, 1)?;
                digits::put_texts(style, &numbers, *raw_bytes, out)
            }
            (Head::Times(form), [numbers]) => {
                let numbers: Vec<u64> = self.new_words(numbers, 8, count)?;
                self.budget.pay(count, form.bytes())?;
                times::put_texts(form, &numbers, out)
            }
            (Head::Pattern(pattern), columns) => {
                let columns: Vec<Vec<u64>> = columns
                    .iter()
                    .map(|column| self.new_words(column, 8, count))
                    .collect::<Result<_>>()?;
                self.budget.pay(count, pattern.len())?;
                pattern::put_texts(pattern, &columns, count, out)
            }
            (Head::Shapes(head), children) => {
                let own = std::mem::replace(out, Texts::new());
                let mut outs = [own, Texts::new()];
                self.images(head, children, count, &mut outs)?;
                let [own, others] = outs;
                *out = own;
                if head.others > 0 {
                    self.around.keep(others);
                }
                Ok(())
            }
            (Head::Partner(column), _) => {
                let around = self.around;
                let texts = around.partner(*column)?;
                self.budget.pay(texts.data.len(), 1)?;
                out.append(texts)
            }
            _ => Err(misplaced()),
        }
    }

    /// Strings in codes of symbols.
    fn coded(
        &mut self,
        node: &TextNode,
        sizes: &Node,
        count: usize,
        out: &mut Texts,
    ) -> Result<()> {
        let Head::Fsst {
            raw_bytes,
            lengths,
            symbols,
            ..
        } = &node.head
        else {
            return Err(misplaced());
        };
        let odd = || Error::corrupt("codes of other lengths than declared");
        let table = fsst::Table::new(lengths, symbols)?;
        let sizes: Vec<u32> = self.new_words(sizes, 4, count)?;
        self.budget.pay(*raw_bytes, 1)?;
        let (mut at, end) = (out.data.len(), out.end_of(*raw_bytes)?);
        // Symbols are written eight bytes at a time.
        out.data.resize(end + fsst::SYMBOL_BYTES, 0);
        let mut codes = &node.data[..];
        for size in sizes {
            let (own, rest) = codes.split_at_checked(size as usize).ok_or_else(odd)?;
            at = table.write(own, &mut out.data, at)?;
            out.offsets.push(i32::try_from(at).map_err(|_| odd())?);
            codes = rest;
        }
        out.data.truncate(at);
        match codes.is_empty() && at == end {
            true => Ok(()),
            false => Err(odd()),
        }
    }

    /// Strings in frames of their own.
    fn blocks(
        &mut self,
        node: &TextNode,
        children: [&Node; 2],
        count: usize,
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
        let odd = || Error::corrupt("frames of other lengths than declared");
        let sizes: Vec<u32> = self.new_words(children[0], 4, count)?;
        let frames: Vec<u32> = self.new_words(children[1], 4, count.div_ceil(*block_rows))?;
        self.budget.pay(*raw_bytes, 1)?;
        let (from, end) = (out.data.len(), out.end_of(*raw_bytes)?);
        put_ends(&sizes, *raw_bytes, from, &mut out.offsets)?;
        out.data.resize(end, 0);
        let (mut rest, mut frames_left) = (&mut out.data[from..], &node.data[..]);
        for (sizes, frame) in sizes.chunks(*block_rows).zip(frames) {
            // Their sum was checked.
            let raw = sizes.iter().map(|size| *size as usize).sum();
            let (block, after) = rest.split_at_mut_checked(raw).ok_or_else(odd)?;
            let (frame, left) = frames_left
                .split_at_checked(frame as usize)
                .ok_or_else(odd)?;
            decompress_into(frame, block)?;
            (rest, frames_left) = (after, left);
        }
        match frames_left.is_empty() {
            true => Ok(()),
            false => Err(odd()),
        }
    }

    /// The texts of this column and those of the other.
    pub(super) fn images(
        &mut self,
        head: &ShapesHead,
        mut children: &[Node],
        count: usize,
        outs: &mut [Texts; 2],
    ) -> Result<()> {
        let images = count + head.others;
        let mut others = None;
        if let ([first, rest @ ..], true) = (children, head.others > 0) {
            others = Some(self.bits(first, images)?);
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
        let mut pieces = self.new_strings(pieces, head.slots + head.shapes)?;
        pieces.1.extend([0; SHORT]);
        let codes: Vec<u32> = self.new_words(codes, 4, images - head.copies)?;
        let kinds: Vec<u32> = self.new_words(kinds, 4, images)?;
        let distances: Vec<u32> = self.new_words(distances, 4, head.copies)?;
        let masks: Vec<u64> = self.new_words(masks, 8, head.edits)?;
        let values = values.iter().zip(&head.columns);
        let values: Vec<_> = values
            .map(|(values, count)| self.supplied(values, *count))
            .collect::<Result<_>>()?;
        self.budget
            .pay(head.raw_bytes.saturating_add(head.other_bytes), 1)?;
        // Pieces may be laid out again, with constant values in them.
        self.budget.pay(pieces.1.len(), 1)?;
        self.budget
            .pay(head.slots + head.shapes, PIECE_BYTES + SHORT)?;
        self.budget.pay(images / IMAGES_JOINED, JOINED_BYTES)?;
        if head.copies + head.edits > 0 {
            let longest = slots.iter().max().map_or(0, |slots| *slots as usize);
            // What is kept of images that others come from.
            self.budget.pay(images, 48 + 4 * longest)?;
        }
        let parts = Parts {
            slots: &slots,
            columns: &columns,
            pieces: strings(&pieces),
            codes: &codes,
            kinds: &kinds,
            distances: &distances,
            masks: &masks,
            others: others.as_ref(),
        };
        let supplies = values.iter().map(Supplied::supply).collect();
        assemble(&parts, supplies, [head.raw_bytes, head.other_bytes], outs)
    }

    /// The values of a column of shapes. Those of a dictionary stay there: they are copied once,
    /// to where they end up.
    fn supplied(&mut self, node: &Node, count: usize) -> Result<Supplied> {
        let (mut strings, codes) = match node {
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let strings = self.new_strings(values, *entries)?;
                (strings, Some(self.codes(codes, *entries, count)?))
            }
            Node::ConstantBytes(_) => {
                self.budget.pay(count, 4)?;
                (self.new_strings(node, 1)?, Some(vec![0; count]))
            }
            node => (self.new_strings(node, count)?, None),
        };
        // The last ones are copied as the others are.
        strings.1.extend([0; SHORT]);
        Ok(Supplied { strings, codes })
    }
}

/// The values of a column of shapes, decoded.
struct Supplied {
    strings: (Vec<i32>, Vec<u8>),
    codes: Option<Vec<u32>>,
}

impl Supplied {
    fn supply(&self) -> Supply<'_> {
        Supply::new(strings(&self.strings), self.codes.as_deref())
    }
}

fn strings((offsets, data): &(Vec<i32>, Vec<u8>)) -> Strings<'_> {
    Strings { offsets, data }
}
