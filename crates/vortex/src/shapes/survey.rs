//! Texts to shapes and the values that fill them.

use std::collections::BTreeMap;

use super::scan::{Scanner, closing_quote};
use super::{COPY, EDIT, NEW, SHAPES_MAX, SLOTS_MAX};
use crate::distinct::Distinct;
use crate::hash::checksum;
use crate::texts::Texts;
use crate::wire::put_bytes;

/// The shapes of a page.
#[derive(Debug)]
pub(crate) struct Table {
    scanner: Scanner,
    /// Of each shape, how many places for values it has.
    pub(crate) slots: Vec<u64>,
    /// Of each of those places, over all shapes, the column its values are in.
    pub(crate) columns: Vec<u64>,
    /// What stands before each place, and after the last one of each shape.
    pub(crate) pieces: Texts,
    /// What each shape is known by: its pieces with their lengths.
    keys: Vec<Vec<u8>>,
    /// Where the places of each shape begin in `columns`.
    firsts: Vec<usize>,
    paths: BTreeMap<Vec<u8>, u64>,
    known: Distinct,
    /// Room for the key of the shape being looked for.
    key: Vec<u8>,
}

/// What images are made of.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) table: Table,
    /// Of each image but copies, its shape.
    pub(crate) codes: Vec<u64>,
    /// Of each image, how it comes about.
    pub(crate) kinds: Vec<u64>,
    /// Of each copy, how many images back its original is.
    pub(crate) distances: Vec<u64>,
    /// Of each edit, which places have values of their own.
    pub(crate) masks: Vec<u64>,
    /// The values that places take, by column.
    pub(crate) values: Vec<Texts>,
}

/// An image while its page is looked at.
struct Image<'a> {
    text: &'a [u8],
    shape: usize,
    /// Where its values are.
    spans: (usize, usize),
}

impl Survey {
    /// Takes images in the order they have. `with_history`: an image may come from an earlier one.
    pub(crate) fn of<'a>(
        images: impl Iterator<Item = &'a [u8]>,
        count: usize,
        scanner: Scanner,
        with_history: bool,
    ) -> Self {
        let mut survey = Self {
            table: Table::new(scanner),
            codes: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            distances: Vec::new(),
            masks: Vec::new(),
            values: Vec::new(),
        };
        let mut seen = LastSeen::with_room(if with_history { count } else { 0 });
        let mut spans = Vec::new();
        let mut before: Vec<Image<'a>> = Vec::with_capacity(count);
        for (place, text) in images.enumerate() {
            if with_history
                && let Some(original) = seen.replace(checksum(text), place)
                && before[original].text == text
            {
                survey.kinds.push(COPY);
                survey.distances.push((place - original) as u64);
                let (shape, spans) = (before[original].shape, before[original].spans);
                before.push(Image { text, shape, spans });
                continue;
            }
            if !with_history {
                spans.clear();
            }
            let image = survey.table.place(text, &mut spans);
            survey.put(&image, before.last().filter(|_| with_history), &spans);
            before.push(image);
        }
        survey
    }

    /// How many shapes there are.
    pub(crate) fn forms(&self) -> usize {
        self.table.slots.len()
    }

    /// A number for what the values of each column are, the same in every page.
    pub(crate) fn paths(&self) -> Vec<u64> {
        let mut paths = vec![0; self.values.len()];
        for (path, column) in &self.table.paths {
            if let Some(place) = paths.get_mut(usize::try_from(*column).unwrap_or(usize::MAX)) {
                *place = checksum(path) & !63;
            }
        }
        paths
    }

    /// How many images come from earlier ones.
    pub(crate) fn saved(&self) -> usize {
        self.distances.len() + self.masks.len()
    }

    fn put(&mut self, image: &Image<'_>, before: Option<&Image<'_>>, spans: &[(u32, u32)]) {
        self.codes.push(image.shape as u64);
        let mask = before.and_then(|before| changed(image, before, spans, &self.table));
        match mask {
            Some(mask) => {
                self.kinds.push(EDIT);
                self.masks.push(mask);
            }
            None => self.kinds.push(NEW),
        }
        self.values.resize_with(self.table.paths.len(), Texts::new);
        let columns = self.table.columns_of(image.shape);
        let mask = mask.unwrap_or(u64::MAX);
        for (slot, (span, column)) in spans[image.spans.0..].iter().zip(columns).enumerate() {
            if mask >> slot & 1 == 1 {
                let values = &mut self.values[usize::try_from(*column).unwrap_or(0)];
                values.push(&image.text[span.0 as usize..span.1 as usize]);
            }
        }
    }
}

/// Which places have values other than in `before`, if so few that an edit is shorter.
fn changed(
    image: &Image<'_>,
    before: &Image<'_>,
    spans: &[(u32, u32)],
    table: &Table,
) -> Option<u64> {
    let value = |image: &Image<'_>, slot: usize| -> (usize, usize) {
        let span = spans[image.spans.0 + slot];
        (span.0 as usize, span.1 as usize)
    };
    let columns = table.columns_of(image.shape);
    let (mut mask, mut kept, mut total) = (0_u64, 0, 0);
    let mut from = Matching::new(columns, table.columns_of(before.shape));
    for slot in 0..columns.len() {
        let own = value(image, slot);
        let is_kept = from.next(slot).is_some_and(|other| {
            let other = value(before, other);
            image.text[own.0..own.1] == before.text[other.0..other.1]
        });
        total += own.1 - own.0;
        match is_kept {
            true => kept += own.1 - own.0,
            false => mask |= 1 << slot,
        }
    }
    (kept * 2 > total && kept > 8).then_some(mask)
}

/// Pairs the places of one shape with those of another: the next one with values of the same column.
pub(super) struct Matching<'a, T> {
    columns: &'a [T],
    others: &'a [T],
    taken: u64,
}

impl<'a, T: Copy + Eq> Matching<'a, T> {
    pub(super) fn new(columns: &'a [T], others: &'a [T]) -> Self {
        Self {
            columns,
            others,
            taken: 0,
        }
    }

    /// The other's place for `slot`. Slots are asked for in their order.
    pub(super) fn next(&mut self, slot: usize) -> Option<usize> {
        let column = self.columns[slot];
        let is_it = |other: usize| self.others[other] == column && self.taken >> other & 1 == 0;
        // Most often the two shapes are one.
        let same = (slot < self.others.len() && is_it(slot)).then_some(slot);
        let found = same.or_else(|| (0..self.others.len()).find(|other| is_it(*other)))?;
        self.taken |= 1 << found;
        Some(found)
    }
}

impl Table {
    fn new(scanner: Scanner) -> Self {
        Self {
            scanner,
            slots: Vec::new(),
            columns: Vec::new(),
            pieces: Texts::new(),
            keys: Vec::new(),
            firsts: Vec::new(),
            paths: BTreeMap::new(),
            known: Distinct::new(),
            key: Vec::new(),
        }
    }

    pub(crate) fn columns_of(&self, shape: usize) -> &[u64] {
        let first = self.firsts[shape];
        &self.columns[first..first + usize::try_from(self.slots[shape]).unwrap_or(0)]
    }

    /// Finds or adds the shape of a text, and puts where its values are.
    fn place<'a>(&mut self, text: &'a [u8], spans: &mut Vec<(u32, u32)>) -> Image<'a> {
        let from = spans.len();
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let mut shape = None;
        if self.scanner.scan(text, SLOTS_MAX, spans) {
            put_pieces(text, &spans[from..], &mut key);
            shape = self.find_or_add(&key, SHAPES_MAX);
        }
        self.key = key;
        let shape = shape.unwrap_or_else(|| {
            spans.truncate(from);
            spans.push((0, u32::try_from(text.len()).unwrap_or(u32::MAX)));
            // Whole texts are a shape of nothing but one value.
            self.find_or_add(&[0, 0], usize::MAX).unwrap_or(0)
        });
        let spans = (from, spans.len());
        Image { text, shape, spans }
    }

    fn find_or_add(&mut self, key: &[u8], most: usize) -> Option<usize> {
        let known = |shape: u32| {
            self.keys
                .get(shape as usize)
                .is_some_and(|other| other == key)
        };
        let hash = checksum(key);
        if self.keys.len() >= most {
            let found = self.keys.iter().position(|other| other == key);
            return found;
        }
        let (shape, is_new) = self.known.find_or_add(hash, known);
        if is_new {
            self.add(key);
            self.keys.push(key.to_vec());
        }
        Some(shape as usize)
    }

    fn add(&mut self, key: &[u8]) {
        self.firsts.push(self.columns.len());
        let mut path = Path::default();
        let mut rest = key;
        let mut count = 0_u64;
        while let Some((piece, after)) = next_piece(rest) {
            self.pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
            let next = self.paths.len() as u64;
            let place = match self.scanner {
                Scanner::Json => path.after(piece),
                // Numbers of one form belong together, but not those of others.
                Scanner::Numbers => [key, &count.to_le_bytes()].concat(),
            };
            let column = *self.paths.entry(place).or_insert(next);
            self.columns.push(column);
            count += 1;
        }
        self.slots.push(count);
    }
}

/// The pieces between values, each with its length before it.
fn put_pieces(text: &[u8], spans: &[(u32, u32)], key: &mut Vec<u8>) {
    let mut from = 0;
    for (start, end) in spans {
        put_bytes(key, &text[from..*start as usize]);
        from = *end as usize;
    }
    put_bytes(key, &text[from..]);
}

fn next_piece(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift) = (0_usize, 0);
    for (place, byte) in key.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            let rest = &key[place + 1..];
            return Some(rest.split_at(length));
        }
    }
    None
}

/// Where in a document a value stands: the names and lists around it.
#[derive(Default)]
struct Path {
    names: Vec<Vec<u8>>,
    in_string: bool,
}

impl Path {
    /// The path of the value after this piece, with what kind of value it is.
    fn after(&mut self, piece: &[u8]) -> Vec<u8> {
        // A string's closing quote belongs to the piece after it.
        let mut place = usize::from(std::mem::take(&mut self.in_string));
        while let Some(byte) = piece.get(place) {
            place += 1;
            match byte {
                b'{' => self.names.push(Vec::new()),
                b'[' => self.names.push(b"[]".to_vec()),
                b'}' | b']' => drop(self.names.pop()),
                b'"' => {
                    let Some(close) = closing_quote(piece, place) else {
                        self.in_string = true;
                        break;
                    };
                    if let Some(name) = self.names.last_mut() {
                        *name = piece[place..close].to_vec();
                    }
                    place = close + 1;
                }
                _ => {}
            }
        }
        let mut path = self.names.join(&0);
        path.push(u8::from(self.in_string));
        path
    }
}

/// The last place where something with a hash was seen. Two with one hash take turns.
struct LastSeen {
    slots: Vec<(u64, u32)>,
}

impl LastSeen {
    fn with_room(most: usize) -> Self {
        Self {
            slots: vec![(0, u32::MAX); (most * 2).next_power_of_two().max(16)],
        }
    }

    /// Puts `place` and gives the one before it.
    fn replace(&mut self, hash: u64, place: usize) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = usize::try_from(hash >> 32).unwrap_or(0) & mask;
        while self.slots[at].1 != u32::MAX && self.slots[at].0 != hash {
            at = (at + 1) & mask;
        }
        let new = (hash, u32::try_from(place).unwrap_or(u32::MAX - 1));
        let old = std::mem::replace(&mut self.slots[at], new).1;
        (old != u32::MAX).then_some(old as usize)
    }
}
