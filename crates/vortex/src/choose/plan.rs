//! What was chosen for earlier pages of a column: tried first for the next, and kept unless it costs clearly more.

use std::collections::BTreeMap;

/// Pages that keep a choice before everything is tried again.
const PAGES_KEPT: u8 = 15;

/// Where in the trees of a column's pages some numbers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Nodes above.
    pub(super) depth: usize,
    /// What leads there; nothing where no choice is remembered.
    path: Option<u64>,
}

impl Place {
    /// A place whose choice is not remembered.
    pub(super) fn anywhere(depth: usize) -> Self {
        Self { depth, path: None }
    }

    /// The place that a number names, the same on every page of a column.
    pub(super) fn root(number: u64) -> Self {
        Self {
            depth: 0,
            path: Some(number),
        }
    }

    /// A place below this one, under an encoding and its n-th part.
    pub(super) fn below(self, way: Way, part: u64) -> Self {
        let step = |path: u64| {
            path.wrapping_mul(64)
                .wrapping_add(way as u64 * 4 + part + 1)
        };
        Self {
            depth: self.depth + 1,
            path: self.path.map(step),
        }
    }
}

/// Ways to encode numbers, of which one is chosen at each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Flat,
    Narrowed,
    Multiple,
    Runs,
    Dictionary,
    Delta,
    Pco,
    /// Of floats.
    Bits,
    Decimal,
    FloatPco,
    Compressed,
    /// Of byte strings.
    Shapes,
    Structured,
    Strings,
}

/// How much more, and less, each number may cost before another choice is looked for: a part of what it did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slack {
    pub(super) more: usize,
    pub(super) less: usize,
}

/// Of numbers.
pub(super) const NUMBERS: Slack = Slack { more: 24, less: 12 };

/// Of bytes in strings, which differ more from page to page and whose encodings take longer to try.
pub(super) const STRINGS: Slack = Slack { more: 6, less: 3 };

/// What was chosen at one place.
#[derive(Clone, Copy, Debug)]
struct Choice {
    way: Way,
    cost: usize,
    count: usize,
    pages: u8,
}

/// The choices of a column so far.
#[derive(Debug, Default)]
pub(super) struct Plan {
    choices: BTreeMap<u64, Choice>,
}

impl Plan {
    /// What to try first at a place.
    pub(super) fn way(&self, place: Place) -> Option<Way> {
        let choice = self.choices.get(&place.path?)?;
        (choice.pages < PAGES_KEPT).then_some(choice.way)
    }

    /// Whether what was tried first costs about as much for each of `count` numbers as when it was
    /// chosen; then it is kept for this page too.
    pub(super) fn keeps(&mut self, place: Place, cost: usize, count: usize, slack: Slack) -> bool {
        let Some(choice) = place.path.and_then(|path| self.choices.get_mut(&path)) else {
            return false;
        };
        // Some bytes are there however few numbers there are.
        let expected = choice.cost * count / choice.count.max(1) + 32;
        let is_kept = cost <= expected + expected / slack.more
            && cost + expected / slack.less + 64 >= expected;
        choice.pages += 1;
        is_kept
    }

    /// Remembers what was chosen.
    pub(super) fn note(&mut self, place: Place, way: Way, cost: usize, count: usize) {
        if let Some(path) = place.path {
            let choice = Choice {
                way,
                cost,
                count,
                pages: 0,
            };
            self.choices.insert(path, choice);
        }
    }
}
