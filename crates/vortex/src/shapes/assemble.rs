//! Shapes and values to texts.

use arrow_buffer::BooleanBuffer;

use super::constants::Reduced;
use super::forms::{Form, Forms, Piece, Supply};
use super::pen::Pen;
use super::survey::Matching;
use super::table::ShapeTable;
use super::{COPY, EDIT, NEW};
use crate::texts::{Out, Strings, Texts};
use crate::{Error, Result};

/// What a page of shapes holds, decoded but not put together. Nothing of it is checked yet.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) slots: &'a [u32],
    pub(crate) columns: &'a [u32],
    pub(crate) pieces: Strings<'a>,
    pub(crate) codes: &'a [u32],
    pub(crate) kinds: &'a [u32],
    pub(crate) distances: &'a [u32],
    pub(crate) masks: &'a [u64],
    /// Which images are of the other column; `None`: there is no other.
    pub(crate) others: Option<&'a BooleanBuffer>,
}

/// Appends the images: those of this column to the first, those of the other to the second.
/// `bytes` is how many each of them takes, and was paid for.
pub(crate) fn assemble(
    parts: &Parts<'_>,
    supplies: Vec<Supply<'_>>,
    bytes: [usize; 2],
    outs: &mut [Texts; 2],
) -> Result<()> {
    let [first, second] = outs;
    let keeps = !parts.masks.is_empty() || !parts.distances.is_empty();
    let shapes = (parts.slots, parts.columns, parts.pieces);
    // An edit says which places it changes: these stay.
    let reduced = match keeps {
        true => None,
        false => {
            let table = ShapeTable::new(shapes.0, shapes.1, shapes.2, supplies.len())?;
            Reduced::of(&table, shapes.2, &supplies)
        }
    };
    let shapes = reduced
        .as_ref()
        .map_or(shapes, |r| (&r.slots, &r.columns, r.pieces()));
    let mut assembler = Assembler {
        forms: Forms::new(shapes, &supplies, parts.kinds.len())?,
        supplies,
        outs: [Out::new(first, bytes[0])?, Out::new(second, bytes[1])?],
        history: Vec::new(),
        starts: Vec::new(),
    };
    assembler.run(parts, keeps)?;
    let Assembler {
        mut supplies,
        outs: [first, second],
        ..
    } = assembler;
    if let Some(reduced) = &reduced {
        reduced.take(parts.codes, &mut supplies);
    }
    if !supplies.iter().all(Supply::is_over) {
        return Err(Error::corrupt("shapes that leave values over"));
    }
    first.finish()?;
    second.finish()
}

struct Assembler<'a> {
    forms: Forms<'a>,
    supplies: Vec<Supply<'a>>,
    outs: [Out<'a>; 2],
    history: Vec<Image>,
    /// Where the values of images begin, relative to where those begin.
    starts: Vec<u32>,
}

/// An image that is there.
#[derive(Clone, Copy)]
struct Image {
    out: usize,
    from: usize,
    to: usize,
    shape: usize,
    /// The place of its first value in `starts`.
    starts: usize,
}

impl Image {
    /// Where its values begin.
    fn starts<'a>(&self, starts: &'a [u32], places: usize) -> &'a [u32] {
        &starts[self.starts..self.starts + places]
    }

    /// Where a value ends: `pieces` are those of its shape, and what is behind it has a known length.
    #[inline]
    fn end_of(&self, starts: &[u32], pieces: &[Piece], place: usize) -> usize {
        let next = starts.get(place + 1).map(|start| *start as usize);
        next.unwrap_or(self.to - self.from) - pieces[place + 1].bytes
    }
}

fn missing() -> Error {
    Error::corrupt("images of nothing")
}

fn too_few() -> Error {
    Error::corrupt("fewer values or bytes than texts need")
}

impl<'a> Assembler<'a> {
    fn run(&mut self, parts: &Parts<'_>, keeps: bool) -> Result<()> {
        if keeps {
            self.history.reserve(parts.kinds.len());
        }
        let mut codes = parts.codes.iter();
        let mut distances = parts.distances.iter();
        let mut masks = parts.masks.iter();
        for (place, kind) in parts.kinds.iter().enumerate() {
            let out = usize::from(parts.others.is_some_and(|others| others.value(place)));
            if u64::from(*kind) == COPY {
                let distance = *distances.next().ok_or_else(missing)? as usize;
                self.copy(place.checked_sub(distance).ok_or_else(missing)?, out)?;
            } else {
                let shape = *codes.next().ok_or_else(missing)? as usize;
                match u64::from(*kind) {
                    EDIT => self.edit(shape, *masks.next().ok_or_else(missing)?, out)?,
                    NEW if keeps => self.put_new::<true>(shape, out)?,
                    NEW => self.put_new::<false>(shape, out)?,
                    _ => return Err(missing()),
                }
            }
            self.outs[out].end_text();
        }
        let is_over =
            codes.next().is_some() || distances.next().is_some() || masks.next().is_some();
        match is_over {
            true => Err(Error::corrupt("more shapes than images")),
            false => Ok(()),
        }
    }

    fn copy(&mut self, original: usize, out: usize) -> Result<()> {
        let gone = || Error::corrupt("a copy of no image");
        let original = *self.history.get(original).ok_or_else(gone)?;
        let bytes = original.to - original.from;
        let (source, mut pen) = open(&mut self.outs, original.out, out, bytes)?;
        pen.put(source, original.from, original.to)
            .ok_or_else(too_few)?;
        self.end(original.shape, original.starts, out, bytes);
        Ok(())
    }

    /// An image of its own; `KEEPS`: others may come from it.
    fn put_new<const KEEPS: bool>(&mut self, shape: usize, out: usize) -> Result<()> {
        let (form, pieces) = self.forms.get(shape)?;
        let starts = self.starts.len();
        let (_, mut pen) = open(&mut self.outs, out, out, form.reach)?;
        let text = self.forms.text;
        for (column, piece) in form.columns.iter().zip(pieces) {
            let supply = self.supplies.get_mut(*column as usize);
            let supply = supply.ok_or_else(too_few)?;
            let joined = self.forms.joined(piece, supply).ok_or_else(too_few)?;
            if KEEPS {
                let at = pen.place() + u32::try_from(piece.bytes).unwrap_or(u32::MAX);
                self.starts.push(at);
            }
            match joined {
                Some(joined) => pen.put_joined(joined),
                None => pen.put_piece(piece, text).and_then(|()| {
                    let (value, from, to) = supply.take()?;
                    pen.put(value, from, to)
                }),
            }
            .ok_or_else(too_few)?;
        }
        pen.put_piece(&pieces[form.columns.len()], text)
            .ok_or_else(too_few)?;
        let bytes = pen.at;
        match KEEPS {
            true => self.end(shape, starts, out, bytes),
            false => self.outs[out].wrote(bytes),
        }
        Ok(())
    }

    /// Ends an image of `bytes`, which others may come from.
    fn end(&mut self, shape: usize, starts: usize, out: usize, bytes: usize) {
        let from = self.outs[out].at();
        self.outs[out].wrote(bytes);
        self.history.push(Image {
            out,
            from,
            to: from + bytes,
            shape,
            starts,
        });
    }

    fn edit(&mut self, shape: usize, mask: u64, out: usize) -> Result<()> {
        let odd = || Error::corrupt("an edit of no image");
        let before = *self.history.last().ok_or_else(odd)?;
        let (form, _) = self.forms.get(shape)?;
        let places = u32::try_from(form.columns.len()).unwrap_or(u32::MAX);
        if places < u64::BITS && mask >> places != 0 {
            return Err(odd());
        }
        let starts = self.starts.len();
        let bytes = match before.shape == shape {
            true => self.edit_same(&before, mask, out)?,
            false => self.edit_other((shape, form), &before, mask, out)?,
        };
        self.end(shape, starts, out, bytes);
        Ok(())
    }

    /// Only what lies between changed values is copied, in as few steps as there are.
    fn edit_same(&mut self, before: &Image, mask: u64, out: usize) -> Result<usize> {
        let (form, pieces) = self.forms.get(before.shape)?;
        let first = self.starts.len();
        self.starts
            .extend_from_within(before.starts..before.starts + form.columns.len());
        let starts = &mut self.starts[first..];
        let (source, mut pen) = open(&mut self.outs, before.out, out, form.reach)?;
        let (mut copied, mut moved, mut first) = (before.from, 0_u32, 0);
        let mut left = mask;
        while left != 0 {
            let changed = left.trailing_zeros() as usize;
            left &= left - 1;
            let (start, end) = (
                starts[changed] as usize,
                before.end_of(starts, pieces, changed),
            );
            pen.put(source, copied, before.from + start)
                .ok_or_else(too_few)?;
            move_all(&mut starts[first..changed], moved);
            starts[changed] = pen.place();
            put_next(&mut self.supplies, form.columns[changed], &mut pen).ok_or_else(too_few)?;
            copied = before.from + end;
            moved = pen
                .place()
                .wrapping_sub(u32::try_from(end).unwrap_or(u32::MAX));
            first = changed + 1;
        }
        move_all(&mut starts[first..], moved);
        pen.put(source, copied, before.to).ok_or_else(too_few)?;
        Ok(pen.at)
    }

    fn edit_other(
        &mut self,
        (shape, form): (usize, Form<'a>),
        before: &Image,
        mask: u64,
        out: usize,
    ) -> Result<usize> {
        let odd = || Error::corrupt("an edit that keeps what is not there");
        let (_, pieces) = self.forms.get(shape)?;
        let (old, old_pieces) = self.forms.get(before.shape)?;
        let mut matching = Matching::new(form.columns, old.columns);
        let (source, mut pen) = open(&mut self.outs, before.out, out, form.reach)?;
        for (place, column) in form.columns.iter().enumerate() {
            pen.put_piece(&pieces[place], self.forms.text)
                .ok_or_else(too_few)?;
            let (start, other) = (pen.place(), matching.next(place));
            if mask >> place & 1 == 1 {
                put_next(&mut self.supplies, *column, &mut pen).ok_or_else(too_few)?;
            } else {
                let other = other.ok_or_else(odd)?;
                let olds = before.starts(&self.starts, old.columns.len());
                let from = before.from + olds[other] as usize;
                let to = before.from + before.end_of(olds, old_pieces, other);
                pen.put(source, from, to).ok_or_else(too_few)?;
            }
            self.starts.push(start);
        }
        pen.put_piece(&pieces[form.columns.len()], self.forms.text)
            .ok_or_else(too_few)?;
        Ok(pen.at)
    }
}

/// Writes the next value of a column.
#[inline(always)]
fn put_next(supplies: &mut [Supply<'_>], column: u32, pen: &mut Pen<'_>) -> Option<()> {
    let (value, from, to) = supplies.get_mut(column as usize)?.take()?;
    pen.put(value, from, to)
}

fn move_all(starts: &mut [u32], by: u32) {
    for start in starts {
        *start = start.wrapping_add(by);
    }
}

/// What one of the outputs holds already, and a pen to write up to `bytes` to one of them.
#[inline]
fn open<'o>(
    outs: &'o mut [Out<'_>; 2],
    source: usize,
    out: usize,
    bytes: usize,
) -> Result<(&'o [u8], Pen<'o>)> {
    let [first, second] = outs;
    let (own, other) = if out == 0 {
        (first, second)
    } else {
        (second, first)
    };
    let (written, room) = own.room(bytes);
    let source = if source == out { written } else { other.data() };
    Ok((source, Pen::new(room)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::SHORT;

    struct Dice(u64);

    impl Dice {
        fn below(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
        }

        /// Lengths around those that are copied at once.
        fn text(&mut self) -> String {
            let lengths = [0, 0, 1, 2, 2, 7, SHORT - 1, SHORT, SHORT + 1, 40];
            let length = lengths[self.below(lengths.len())];
            (0..length)
                .map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap()))
                .collect()
        }
    }

    fn texts(all: &[String]) -> Texts {
        let mut texts = Texts::new();
        all.iter().for_each(|text| texts.push(text.as_bytes()));
        texts.data.extend([0; SHORT]);
        texts
    }

    fn strings(texts: &Texts) -> Strings<'_> {
        Strings {
            offsets: &texts.offsets,
            data: &texts.data,
        }
    }

    /// A page, and what it says.
    #[derive(Default)]
    struct Made {
        slots: Vec<u32>,
        columns: Vec<u32>,
        pieces: Vec<String>,
        codes: Vec<u32>,
        /// Of each column its strings, and which of them its values are.
        values: Vec<(Vec<String>, Option<Vec<u32>>)>,
        said: Vec<String>,
    }

    impl Made {
        fn new(dice: &mut Dice) -> Self {
            let mut made = Self::default();
            for _ in 0..=dice.below(4) {
                let strings = match dice.below(3) {
                    0 => 0,
                    1 => 1,
                    _ => 2 + dice.below(5),
                };
                let strings: Vec<String> = (0..strings).map(|_| dice.text()).collect();
                let codes = (!strings.is_empty()).then(Vec::new);
                made.values.push((strings, codes));
            }
            for _ in 0..=dice.below(4) {
                let slots = dice.below(6);
                made.slots.push(u32::try_from(slots).unwrap());
                let columns = (0..slots).map(|_| dice.below(made.values.len()));
                let columns: Vec<u32> = columns.map(|c| u32::try_from(c).unwrap()).collect();
                made.columns.extend(columns);
                made.pieces.extend((0..=slots).map(|_| dice.text()));
            }
            for _ in 0..[0, 1, 20, 300][dice.below(4)] {
                made.add_text(dice);
            }
            made
        }

        fn add_text(&mut self, dice: &mut Dice) {
            let shape = dice.below(self.slots.len());
            self.codes.push(u32::try_from(shape).unwrap());
            let before = self.slots[..shape].iter().sum::<u32>() as usize;
            let places = self.slots[shape] as usize;
            let mut said = String::new();
            for place in 0..places {
                said += &self.pieces[before + shape + place];
                let (strings, codes) = &mut self.values[self.columns[before + place] as usize];
                match codes {
                    Some(codes) => {
                        let code = dice.below(strings.len());
                        codes.push(u32::try_from(code).unwrap());
                        said += &strings[code];
                    }
                    None => {
                        strings.push(dice.text());
                        said += &strings[strings.len() - 1];
                    }
                }
            }
            said += &self.pieces[before + shape + places];
            self.said.push(said);
        }

        fn read(&self) -> Result<Vec<String>> {
            let pieces = texts(&self.pieces);
            let values: Vec<Texts> = self.values.iter().map(|(all, _)| texts(all)).collect();
            let supplies = values.iter().zip(&self.values);
            let supplies =
                supplies.map(|(all, (_, codes))| Supply::new(strings(all), codes.as_deref()));
            let kinds = vec![u32::try_from(NEW).unwrap(); self.codes.len()];
            let parts = Parts {
                slots: &self.slots,
                columns: &self.columns,
                pieces: strings(&pieces),
                codes: &self.codes,
                kinds: &kinds,
                distances: &[],
                masks: &[],
                others: None,
            };
            let bytes = self.said.iter().map(String::len).sum();
            let mut outs = [Texts::new(), Texts::new()];
            assemble(&parts, supplies.collect(), [bytes, 0], &mut outs)?;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            Ok(strings(&outs[0]).iter().map(text).collect())
        }
    }

    #[test]
    fn pieces_and_values_are_put_together_whatever_is_joined() {
        for seed in 0..2_000 {
            let mut dice = Dice(seed);
            let mut made = Made::new(&mut dice);
            assert_eq!(made.read().unwrap(), made.said, "seed {seed}");
            // A value more or less than the texts have places.
            for column in 0..made.values.len() {
                let Some(codes) = &mut made.values[column].1 else {
                    continue;
                };
                codes.push(0);
                assert!(made.read().is_err(), "seed {seed}");
                let codes = made.values[column].1.as_mut().unwrap();
                codes.pop();
                if let Some(last) = codes.pop() {
                    assert!(made.read().is_err(), "seed {seed}");
                    made.values[column].1.as_mut().unwrap().push(last);
                }
            }
            made.codes.push(u32::try_from(made.slots.len()).unwrap());
            assert!(made.read().is_err(), "seed {seed}: an image of no shape");
        }
    }
}
