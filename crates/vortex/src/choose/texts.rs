//! Encodings of texts that have a structure: numbers, times, patterns, shapes.

use bytes::Bytes;

use crate::choose::Chooser;
use crate::choose::plan::{Place, STRINGS, Way};
use crate::digits::numbers_of;
use crate::distinct::distinct_words;
use crate::fsst::compress;
use crate::hash::checksum;
use crate::node::Node;
use crate::pattern::pattern_of;
use crate::shapes::{HISTORY_IMAGES_MAX, Scanner, Survey};
use crate::text_node::{Head, ShapesHead, TextNode};
use crate::texts::{Strings, Texts};
use crate::times::times_of;

impl Chooser {
    /// Encodes texts as numbers, if they all are.
    pub(super) fn structured(&mut self, strings: Strings<'_>) -> Option<Node> {
        if strings.count() == 0 {
            return None;
        }
        if let Some((form, numbers)) = times_of(strings) {
            return Some(text(
                Head::Times(form),
                vec![self.part_words(1, &numbers, 8)],
            ));
        }
        if let Some((style, numbers)) = numbers_of(strings) {
            let raw_bytes = strings.data.len();
            return Some(text(
                Head::Digits { raw_bytes, style },
                vec![self.part_words(1, &numbers, 8)],
            ));
        }
        let (pattern, columns) = pattern_of(strings)?;
        let columns = (2..).zip(&columns);
        let columns = columns.map(|(part, column)| self.part_words(part, column, 8));
        let columns = columns.collect();
        Some(text(Head::Pattern(pattern.into()), columns))
    }

    /// Encodes strings in codes of symbols, if that takes clearly less than `size` bytes.
    pub(super) fn coded(&mut self, strings: Strings<'_>, size: usize) -> Option<Node> {
        // A Worker only decodes them: it writes no blob for speed alone, and its module is to be small.
        if cfg!(target_arch = "wasm32") {
            return None;
        }
        if size < CODED_BYTES_MIN || strings.data.len() < size / 2 {
            return None;
        }
        let coded = compress(strings);
        let node = Node::Text(Box::new(TextNode {
            head: Head::Fsst {
                raw_bytes: strings.data.len(),
                lengths: coded.lengths.into(),
                symbols: coded.symbols.into(),
                code_bytes: coded.codes.data.len(),
            },
            children: vec![self.lengths(&coded.codes.offsets)],
            data: coded.codes.data.into(),
        }));
        (node.size() < size - size / 5).then_some(node)
    }

    /// Encodes texts that share their form, if they do: JSON, and texts with numbers in them.
    pub(super) fn shapes(&mut self, strings: Strings<'_>) -> Option<Node> {
        let (scanner, depth) = match self.shapes_depth {
            0 if seem_shaped(strings) => (Scanner::Json, 1),
            0 | 1 if have_numbers(strings) => (Scanner::Numbers, 2),
            _ => return None,
        };
        let with_history = scanner == Scanner::Json && self.have_history(strings);
        let survey = Survey::of(strings.iter(), strings.count(), scanner, with_history);
        let head = ShapesHead {
            raw_bytes: strings.data.len(),
            ..ShapesHead::default()
        };
        Some(self.shaped(&survey, head, None, depth))
    }

    /// Whether enough texts come from earlier ones: those that do make one row of a page cost the page.
    fn have_history(&mut self, strings: Strings<'_>) -> bool {
        if strings.count() > HISTORY_IMAGES_MAX {
            return false;
        }
        let place = Place::root(self.part.wrapping_add(HISTORY_PART));
        if let Some(way) = self.plan.way(place) {
            self.plan.keeps(place, 0, 0, STRINGS);
            return way == Way::Shapes;
        }
        let have = come_from_earlier(strings);
        let way = if have { Way::Shapes } else { Way::Strings };
        self.plan.note(place, way, 0, 0);
        have
    }

    pub(crate) fn shaped(
        &mut self,
        survey: &Survey,
        head: ShapesHead,
        others: Option<Node>,
        depth: u8,
    ) -> Node {
        let table = &survey.table;
        let head = ShapesHead {
            shapes: table.slots.len(),
            slots: table.columns.len(),
            copies: survey.distances.len(),
            edits: survey.masks.len(),
            columns: survey.values.iter().map(Texts::count).collect(),
            ..head
        };
        let mut children: Vec<Node> = others.into_iter().collect();
        children.push(self.part_words(32, &table.slots, 4));
        children.push(self.part_words(33, &table.columns, 4));
        let outer_part = self.part;
        self.part = outer_part.wrapping_mul(31) ^ PIECES;
        children.push(self.texts(&table.pieces));
        self.part = outer_part;
        children.push(self.part_words(34, &survey.codes, 4));
        children.push(self.part_words(35, &survey.kinds, 4));
        children.push(self.part_words(36, &survey.distances, 4));
        children.push(self.part_words(37, &survey.masks, 8));
        let outer = std::mem::replace(&mut self.shapes_depth, depth);
        for (values, path) in survey.values.iter().zip(survey.paths()) {
            self.part = outer_part.wrapping_mul(31) ^ path;
            let values = self.texts(values);
            children.push(values);
        }
        self.part = outer_part;
        self.shapes_depth = outer;
        text(Head::Shapes(head), children)
    }

    /// Encodes numbers that strings are made of. What was chosen for them is remembered from page to
    /// page, by the strings they belong to and which of their numbers they are, below 64.
    pub(super) fn part_words(&mut self, number: u64, words: &[u64], bytes: usize) -> Node {
        self.words_at(self.part.wrapping_add(number + 16), words, bytes)
    }

    fn texts(&mut self, texts: &Texts) -> Node {
        self.strings(&texts.offsets, &texts.data)
    }
}

/// Stands for the pieces of shapes among the values of their columns.
const PIECES: u64 = 1 << 32;

/// Below this many bytes a table of symbols does not pay.
const CODED_BYTES_MIN: usize = 2_048;

/// Texts looked at to see whether they have shapes.
const SAMPLE: usize = 64;

/// True if nearly all texts look like JSON objects or lists.
pub(crate) fn seem_shaped(strings: Strings<'_>) -> bool {
    let step = strings.count() / SAMPLE + 1;
    let is_shaped = |text: &&[u8]| matches!(text, [b'{', .., b'}'] | [b'[', .., b']']);
    let looked_at = strings.count().div_ceil(step);
    let shaped = strings.iter().step_by(step).filter(is_shaped).count();
    looked_at > 0 && shaped * 10 >= looked_at * 9
}

/// Which part of a column's strings it is whether they come from earlier ones.
const HISTORY_PART: u64 = 62;

/// Texts in a row that show whether they are edits of each other.
const EDITS_SAMPLE: usize = 512;

/// One in so many texts is to come from an earlier one.
const HISTORY_PARTS: usize = 16;

/// True if texts are there again anywhere, or edits of the one before.
fn come_from_earlier(strings: Strings<'_>) -> bool {
    let count = strings.count();
    let sums: Vec<u64> = strings.iter().map(checksum).collect();
    let most = count - count.div_ceil(HISTORY_PARTS);
    if distinct_words(&sums, most).is_some() {
        return true;
    }
    let taken = count.min(EDITS_SAMPLE);
    let sample = strings.iter().skip((count - taken) / 2).take(taken);
    let survey = Survey::of(sample, taken, Scanner::Json, true);
    survey.saved() * HISTORY_PARTS >= taken
}

/// Most forms of a sample of texts that differ in their numbers.
const FORMS_MAX: usize = 8;

/// True if texts have numbers in them, and little else that varies.
fn have_numbers(strings: Strings<'_>) -> bool {
    let step = strings.count() / SAMPLE + 1;
    let looked_at = strings.count().div_ceil(step);
    if strings.count() < SAMPLE || strings.data.len() > strings.count() * 100 {
        return false;
    }
    let survey = Survey::of(
        strings.iter().step_by(step),
        looked_at,
        Scanner::Numbers,
        false,
    );
    survey.values.len() > 1 && survey.forms() <= FORMS_MAX
}

fn text(head: Head, children: Vec<Node>) -> Node {
    Node::Text(Box::new(TextNode {
        head,
        children,
        data: Bytes::new(),
    }))
}
