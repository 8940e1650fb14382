//! A few values of a page, without decoding the others where the encoding allows that.

use super::{PageDecoder, misplaced};
use crate::bitpack::unpack_one;
use crate::data_type::Shape;
use crate::decimal::{bits_of, float_of, power};
use crate::json::put_text;
use crate::node::Node;
use crate::values::{Slots, Values};
use crate::word::Word;
use crate::{Error, Result};

/// Most places for each of which the runs are gone through.
const SEARCHED_MAX: usize = 4;

/// Byte strings by themselves: one more offset than strings, from 0.
type Strings = (Vec<i32>, Vec<u8>);

impl PageDecoder<'_> {
    /// Decodes the slots at `rows`, each below `count`, in that order. Nothing where all slots have
    /// to be decoded anyway.
    pub(crate) fn pick(
        &mut self,
        node: &Node,
        shape: &Shape,
        count: usize,
        rows: &[usize],
    ) -> Result<Option<Slots>> {
        let (there, values, valid) = self.places(node, count)?;
        let Some(valid) = valid else {
            let picked = self.pick_values(node, shape, there, rows)?;
            return Ok(picked.map(Slots::all_valid));
        };
        let kept = rows.iter().filter(|row| valid.value(**row));
        let places: Vec<usize> = kept
            .map(|row| valid.slice(0, *row).count_set_bits())
            .collect();
        let picked = match values {
            Some(values) => self.pick_values(values, shape, there, &places)?,
            None => Some(Values::empty(shape)),
        };
        let valid = rows.iter().map(|row| valid.value(*row)).collect();
        Ok(picked.map(|values| Slots {
            values: values.spread(&valid),
            valid: Some(valid),
        }))
    }

    fn pick_values(
        &mut self,
        node: &Node,
        shape: &Shape,
        count: usize,
        places: &[usize],
    ) -> Result<Option<Values>> {
        match shape {
            Shape::Words { bytes: 8, .. } => {
                let words = self.pick_words(node, 8, count, places)?;
                Ok(Some(Values::Wide(words)))
            }
            Shape::Words { bytes, .. } => {
                let words = self.pick_words(node, *bytes, count, places)?;
                Ok(Some(Values::Narrow(words)))
            }
            Shape::Bytes => {
                let (offsets, data) = self.pick_strings(node, count, places)?;
                Ok(Some(Values::Bytes { offsets, data }))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn pick_words<W: Word>(
        &mut self,
        node: &Node,
        bytes: usize,
        count: usize,
        places: &[usize],
    ) -> Result<Vec<W>> {
        self.budget.pay(places.len(), size_of::<W>())?;
        let low = |number: &i64| W::from_low(number.cast_unsigned());
        Ok(match node {
            Node::Plain(data) => {
                let word = |place: &usize| plain_word(data, bytes, *place);
                places.iter().map(word).collect()
            }
            Node::ConstantWord(value) => vec![low(value); places.len()],
            Node::Packed {
                reference,
                width,
                data,
            } => {
                let number = |place: &usize| W::from_low(unpack_one(data, *width, *place));
                let word = |place| number(place).wrapping_add(low(reference));
                places.iter().map(word).collect()
            }
            Node::Multiple {
                reference,
                factor,
                multiples,
            } => {
                let words = self.pick_words::<W>(multiples, bytes, count, places)?;
                let factor = W::from_low(*factor);
                let word = |word: W| word.wrapping_mul(factor).wrapping_add(low(reference));
                words.into_iter().map(word).collect()
            }
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let codes = self.pick_codes(codes, *entries, count, places)?;
                self.pick_words(values, bytes, *entries, &codes)?
            }
            Node::Shared { codes } => {
                let around = self.around;
                let values = W::of(around.shared_values()?).ok_or_else(misplaced)?;
                let codes = self.pick_codes(codes, values.len(), count, places)?;
                codes.iter().map(|code| values[*code]).collect()
            }
            Node::Decimal { exponent, numbers } => {
                let numbers: Vec<u64> = self.pick_words(numbers, 8, count, places)?;
                let power = power(*exponent);
                let word = |n: u64| W::from_low(bits_of(float_of(n, power), bytes == 4));
                numbers.into_iter().map(word).collect()
            }
            Node::Zstd { node, .. } => self.pick_words(node, bytes, count, places)?,
            Node::Runs {
                count: runs,
                values,
                lengths,
            } if places.len() <= SEARCHED_MAX => {
                let lengths = self.run_lengths(lengths, *runs, count)?;
                self.budget.pay(places.len(), size_of::<usize>())?;
                let runs_of: Vec<usize> = places
                    .iter()
                    .map(|place| run_of(&lengths, *place))
                    .collect();
                self.pick_words(values, bytes, *runs, &runs_of)?
            }
            _ => {
                let wanted = places.iter().max().map_or(0, |last| last + 1);
                let words: Vec<W> = self.first_words(node, bytes, count, wanted)?;
                places.iter().map(|place| words[*place]).collect()
            }
        })
    }

    /// Codes at some places, each checked to name an entry.
    fn pick_codes(
        &mut self,
        node: &Node,
        entries: usize,
        count: usize,
        places: &[usize],
    ) -> Result<Vec<usize>> {
        let codes: Vec<u32> = self.pick_words(node, 4, count, places)?;
        let codes: Vec<usize> = codes.iter().map(|code| *code as usize).collect();
        match codes.iter().find(|code| **code >= entries) {
            None => Ok(codes),
            Some(code) => Err(Error::corrupt(format!(
                "code {code} of a dictionary of {entries}"
            ))),
        }
    }

    pub(super) fn pick_strings(
        &mut self,
        node: &Node,
        count: usize,
        places: &[usize],
    ) -> Result<Strings> {
        match node {
            Node::Dictionary {
                count: entries,
                values,
                codes,
            } => {
                let codes = self.pick_codes(codes, *entries, count, places)?;
                self.pick_strings(values, *entries, &codes)
            }
            Node::PlainBytes { lengths, data } => {
                self.budget.pay(count + 1, 4)?;
                let lengths = self.new_words(lengths, 4, count)?;
                let mut ends = vec![0];
                super::byte_strings::put_ends(&lengths, data.len(), 0, &mut ends)?;
                self.chosen(&ends, data, places)
            }
            Node::Shared { codes } => {
                let around = self.around;
                let Values::Bytes { offsets, data } = around.shared_values()? else {
                    return Err(misplaced());
                };
                let codes = self.pick_codes(codes, offsets.len() - 1, count, places)?;
                self.chosen(offsets, data, &codes)
            }
            Node::ConstantBytes(_) => self.new_strings(node, places.len()),
            Node::Zstd { node, .. } => self.pick_strings(node, count, places),
            Node::Text(node) => {
                let texts = self.pick_text(node, count, places)?;
                Ok((texts.offsets, texts.data))
            }
            Node::Cbor { texts, items } => {
                let texts = self.bits(texts, count)?;
                let (ends, items) = self.pick_strings(items, count, places)?;
                let (mut offsets, mut data) = (vec![0], Vec::new());
                for (place, pair) in places.iter().zip(ends.windows(2)) {
                    let item = &items[to_usize(pair[0])..to_usize(pair[1])];
                    match texts.value(*place) {
                        true => data.extend_from_slice(item),
                        false => put_text(item, &mut data)?,
                    }
                    offsets.push(end_of(&data)?);
                }
                Ok((offsets, data))
            }
            _ => {
                let (ends, data) = self.new_strings(node, count)?;
                self.chosen(&ends, &data, places)
            }
        }
    }

    /// The strings at some places.
    fn chosen(&mut self, ends: &[i32], data: &[u8], places: &[usize]) -> Result<Strings> {
        let (mut offsets, mut out) = (vec![0], Vec::new());
        for place in places {
            let string = &data[to_usize(ends[*place])..to_usize(ends[*place + 1])];
            self.budget.pay(string.len() + 4, 1)?;
            out.extend_from_slice(string);
            offsets.push(end_of(&out)?);
        }
        Ok((offsets, out))
    }
}

/// The run that a place is in: lengths sum up to more than any place.
fn run_of(lengths: &[u32], place: usize) -> usize {
    let mut end = 0;
    let found = lengths.iter().position(|length| {
        end += *length as usize;
        end > place
    });
    found.unwrap_or(0)
}

fn plain_word<W: Word>(data: &[u8], bytes: usize, place: usize) -> W {
    let mut eight = [0; 8];
    eight[..bytes].copy_from_slice(&data[place * bytes..(place + 1) * bytes]);
    W::from_low(u64::from_le_bytes(eight))
}

/// Offsets made by this crate are never negative.
fn to_usize(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

fn end_of(data: &[u8]) -> Result<i32> {
    i32::try_from(data.len()).map_err(|_| Error::too_large("byte strings of more than 2 GiB"))
}
