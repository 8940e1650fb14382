//! Nodes of byte strings that are made of numbers, symbols or shapes.

use crate::budget::Budget;
use crate::decode::{decode_bits, decode_bytes, decode_words};
use crate::node::Node;
use crate::shapes::{Parts, assemble};
use crate::text_node::{Head, ShapesHead, TextNode};
use crate::texts::{Strings, Texts};
use crate::{Error, Result, digits, fsst, pattern, times};

/// Decodes `count` strings.
pub(crate) fn decode_text(node: &TextNode, count: usize, budget: &mut Budget) -> Result<Texts> {
    let mut out = Texts::new();
    match (&node.head, &node.children[..]) {
        (Head::Fsst { raw_bytes, lengths, symbols, .. }, [sizes]) => {
            let table = fsst::Table::new(lengths, symbols)?;
            let sizes: Vec<u32> = decode_words(sizes, 4, count, budget)?;
            budget.pay(*raw_bytes, 1)?;
            put_coded(&table, &sizes, &node.data, *raw_bytes, budget, &mut out)?;
        }
        (Head::Digits { raw_bytes, style }, [numbers]) => {
            let numbers: Vec<u64> = decode_words(numbers, 8, count, budget)?;
            budget.pay(*raw_bytes, 1)?;
            digits::put_texts(style, &numbers, *raw_bytes, &mut out)?;
        }
        (Head::Times(form), [numbers]) => {
            let numbers: Vec<u64> = decode_words(numbers, 8, count, budget)?;
            budget.pay(count, form.bytes())?;
            times::put_texts(form, &numbers, &mut out)?;
        }
        (Head::Pattern(pattern), columns) => {
            let columns: Vec<Vec<u64>> = columns
                .iter()
                .map(|column| decode_words(column, 8, count, budget))
                .collect::<Result<_>>()?;
            budget.pay(count, pattern.len())?;
            pattern::put_texts(pattern, &columns, count, &mut out);
        }
        (Head::Shapes(head), children) => {
            let [own, _] = decode_images(head, children, count, budget)?;
            out = own;
        }
        _ => return Err(Error::corrupt("a text encoding without its nodes")),
    }
    Ok(out)
}

fn put_coded(
    table: &fsst::Table,
    sizes: &[u32],
    mut codes: &[u8],
    raw_bytes: usize,
    budget: &mut Budget,
    out: &mut Texts,
) -> Result<()> {
    let odd = || Error::corrupt("codes of other lengths than declared");
    // Symbols are written eight bytes at a time.
    let longest = sizes.iter().max().map_or(0, |size| *size as usize);
    budget.pay(longest + 1, 8)?;
    out.data.reserve(raw_bytes + (longest + 1).min(codes.len() + 1) * 8);
    for size in sizes {
        let (own, rest) = codes.split_at_checked(*size as usize).ok_or_else(odd)?;
        table.put(own, &mut out.data)?;
        if out.data.len() > raw_bytes {
            return Err(odd());
        }
        out.end();
        codes = rest;
    }
    match codes.is_empty() && out.data.len() == raw_bytes {
        true => Ok(()),
        false => Err(odd()),
    }
}

/// The texts of this column and those of the other.
pub(crate) fn decode_images(
    head: &ShapesHead,
    mut children: &[Node],
    count: usize,
    budget: &mut Budget,
) -> Result<[Texts; 2]> {
    let images = count + head.others;
    let mut others = None;
    if let ([first, rest @ ..], true) = (children, head.others > 0) {
        others = Some(decode_bits(first, images, budget)?);
        children = rest;
    }
    let [slots, columns, pieces, codes, kinds, distances, masks, values @ ..] = children else {
        return Err(Error::corrupt("shapes without their nodes"));
    };
    let slots: Vec<u32> = decode_words(slots, 4, head.shapes, budget)?;
    let columns: Vec<u32> = decode_words(columns, 4, head.slots, budget)?;
    let columns: Vec<u64> = columns.iter().map(|column| u64::from(*column)).collect();
    let pieces = decode_bytes(pieces, head.slots + head.shapes, budget)?;
    let codes: Vec<u32> = decode_words(codes, 4, images - head.copies, budget)?;
    let kinds: Vec<u32> = decode_words(kinds, 4, images, budget)?;
    let distances: Vec<u32> = decode_words(distances, 4, head.copies, budget)?;
    let masks: Vec<u64> = decode_words(masks, 8, head.edits, budget)?;
    let values: Vec<(Vec<i32>, Vec<u8>)> = values
        .iter()
        .zip(&head.columns)
        .map(|(values, count)| decode_bytes(values, *count, budget))
        .collect::<Result<_>>()?;
    budget.pay(head.raw_bytes, 1)?;
    budget.pay(head.other_bytes, 1)?;
    // What is kept of images that others come from.
    budget.pay(images, if head.copies + head.edits > 0 { 48 + 8 * longest(&slots) } else { 0 })?;
    let of = |(offsets, data): &'_ (Vec<i32>, Vec<u8>)| -> (usize, usize) { (offsets.len(), data.len()) };
    debug_assert!(values.iter().all(|values| of(values).0 > 0), "offsets begin with 0");
    let parts = Parts {
        slots: &slots,
        columns: &columns,
        pieces: Strings { offsets: &pieces.0, data: &pieces.1 },
        codes: &codes,
        kinds: &kinds,
        distances: &distances,
        masks: &masks,
        values: values.iter().map(|(offsets, data)| Strings { offsets, data }).collect(),
        others: others.as_ref(),
    };
    let outs = assemble(&parts, [head.raw_bytes, head.other_bytes])?;
    match outs[0].count() == count {
        true => Ok(outs),
        false => Err(Error::corrupt("texts of another column that are not as many as declared")),
    }
}

fn longest(slots: &[u32]) -> usize {
    slots.iter().max().map_or(0, |slots| *slots as usize)
}
