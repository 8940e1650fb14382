//! Values that all pages of a column share, where they would stand in each of them otherwise.

use crate::choose::Chooser;
use crate::choose::survey::Survey;
use crate::cost;
use crate::data_type::Shape;
use crate::distinct::{count_strings, distinct_strings, distinct_words};
use crate::node::Node;
use crate::texts::{Strings, at};
use crate::values::Values;
use crate::wire::put_varint;

/// Most values that pages share: codes of 16 bits.
const VALUES_MAX: usize = 65_536;

/// Most bytes of them.
const BYTES_MAX: usize = 1 << 20;

/// Values looked at to see whether sharing is worth a try.
const SAMPLE: usize = 2_048;

/// A column whose pages share values.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// The section: how many values there are, and their tree.
    pub(crate) section: Vec<u8>,
    /// Which of them each value of the column is, nulls left out.
    codes: Vec<u32>,
    /// Of how many the pages encoded so far took the codes.
    taken: usize,
}

impl Chooser {
    /// Decides whether the pages of a column with these values, nulls left out, share them. `page`
    /// is about how many values a page has.
    pub(crate) fn share(&mut self, values: &Values, shape: &Shape, page: usize) -> Option<Sharing> {
        let (codes, entries) = match (values, shape) {
            (Values::Wide(words), Shape::Words { bytes: 4 | 8, .. }) if words.len() > 2 * page => {
                self.may_share_words(words, shape, page)?;
                shared_words(words)?
            }
            (Values::Bytes { offsets, data }, Shape::Bytes) if offsets.len() > 2 * page => {
                shared_strings(Strings { offsets, data })?
            }
            _ => return None,
        };
        if let (Values::Wide(words), Values::Wide(entries), Shape::Words { bytes, is_float }) =
            (values, &entries, shape)
            && !self.is_sharing_words_cheaper(words, entries, &codes, (*bytes, *is_float), page)
        {
            return None;
        }
        let tree = match (&entries, shape) {
            (Values::Wide(words), Shape::Words { bytes, is_float }) => {
                self.numbers(words, *bytes, *is_float)
            }
            (Values::Bytes { offsets, data }, _) => self.strings(offsets, data),
            _ => return None,
        };
        // The pages' own values have other choices, which are kept if they are not shared.
        self.begin_column();
        let mut section = Vec::new();
        put_varint(&mut section, entries.count() as u64);
        tree.encode(&mut section);
        let sharing = Sharing {
            section,
            codes,
            taken: 0,
        };
        if let Values::Bytes { offsets, data } = values
            && !self.is_sharing_strings_cheaper(&sharing, Strings { offsets, data }, page)
        {
            return None;
        }
        self.note(&tree);
        Some(sharing)
    }

    /// Whether codes may cost less than the words of a page in the middle, however few values there
    /// are: looking at all of them takes long.
    fn may_share_words(&self, words: &[u64], shape: &Shape, page: usize) -> Option<()> {
        let Shape::Words { bytes, is_float } = shape else {
            return None;
        };
        let sample: Vec<u64> = sampled(words.len()).map(|place| words[place]).collect();
        let (found, _) = distinct_words(&sample, sample.len())?;
        if !seem_shared(sample.len(), found.len()) {
            return None;
        }
        let middle = &words[(words.len() - page) / 2..(words.len() + page) / 2];
        let width = found.len().next_power_of_two().ilog2() as usize;
        let runs = Survey::of(middle).runs;
        let in_runs = runs * (width + 4) / 8 + cost::bytes_of(page, self.profile);
        let codes = in_runs.min(page * width / 8);
        let time = cost::bytes_of(page * (cost::LOOK_UP + cost::PACKED), self.profile);
        (codes + time < self.numbers_cost(middle, *bytes, *is_float)).then_some(())
    }

    /// Compares what a page in the middle costs with and without shared words, about.
    fn is_sharing_words_cheaper(
        &self,
        words: &[u64],
        entries: &[u64],
        codes: &[u32],
        (bytes, is_float): (usize, bool),
        page: usize,
    ) -> bool {
        let (from, to) = ((words.len() - page) / 2, (words.len() + page) / 2);
        let codes: Vec<u64> = codes[from..to]
            .iter()
            .map(|code| u64::from(*code))
            .collect();
        let look_up = cost::bytes_of(page * cost::LOOK_UP, self.profile);
        let codes = self.numbers_cost(&codes, 4, false) + look_up;
        let alone = self.numbers_cost(&words[from..to], bytes, is_float);
        let section = self.numbers_cost(entries, bytes, is_float);
        let pages = words.len() / page;
        let (shared, alone) = (codes * pages + section, alone * pages);
        shared + alone / 32 < alone
    }

    /// Compares what a page in the middle costs with and without shared strings.
    fn is_sharing_strings_cheaper(
        &mut self,
        sharing: &Sharing,
        strings: Strings<'_>,
        page: usize,
    ) -> bool {
        let count = strings.count();
        let (from, to) = ((count - page) / 2, (count + page) / 2);
        let codes = self.shared_codes(&sharing.codes[from..to]);
        let first = strings.offsets[from];
        let own: Vec<i32> = strings.offsets[from..=to]
            .iter()
            .map(|end| end - first)
            .collect();
        let alone = self.strings(&own, &strings.data[at(first)..at(strings.offsets[to])]);
        let cost = |node: Node| node.cost(page, self.profile);
        let pages = count / page;
        // The strings have their codes by now: another way would have to look at them again.
        cost(codes) * pages + sharing.section.len() < cost(alone) * pages
    }

    /// Whether the column's pages can be decoded without what its column shares.
    pub(crate) fn stands_alone(&self) -> bool {
        self.sharing.is_none()
    }

    fn shared_codes(&mut self, codes: &[u32]) -> Node {
        let codes: Vec<u64> = codes.iter().map(|code| u64::from(*code)).collect();
        Node::Shared {
            codes: Box::new(self.words_at(4, &codes, 4)),
        }
    }

    /// The tree of the next `count` values of a column that shares them.
    pub(super) fn share_next(&mut self, count: usize) -> Option<Node> {
        let mut sharing = self.sharing.take()?;
        let (from, to) = (sharing.taken, sharing.taken + count);
        let node = self.shared_codes(sharing.codes.get(from..to)?);
        sharing.taken = to;
        self.sharing = Some(sharing);
        Some(node)
    }
}

impl Values {
    /// How many words or byte strings there are.
    fn count(&self) -> usize {
        match self {
            Self::Wide(words) => words.len(),
            Self::Bytes { offsets, .. } => offsets.len() - 1,
            _ => 0,
        }
    }
}

/// Which values of a column are looked at: some from all over, an odd number apart, so that no period
/// of theirs is met.
fn sampled(count: usize) -> impl ExactSizeIterator<Item = usize> {
    (0..count).step_by((count / SAMPLE + 1) | 1)
}

/// Whether enough of the values looked at come more than once.
fn seem_shared(taken: usize, distinct: usize) -> bool {
    distinct * 10 < taken * 9
}

/// The code of each word and the distinct words, sorted; nothing if there are too many.
fn shared_words(words: &[u64]) -> Option<(Vec<u32>, Values)> {
    let (entries, mut codes) = distinct_words(words, VALUES_MAX.min(words.len() / 4))?;
    let order = sorted_by(entries.len(), |entry| entries[entry].cast_signed());
    rename(&mut codes, &order);
    let entries = order.iter().map(|entry| entries[*entry]).collect();
    Some((codes, Values::Wide(entries)))
}

/// The same for byte strings.
fn shared_strings(strings: Strings<'_>) -> Option<(Vec<u32>, Values)> {
    let places = sampled(strings.count());
    let taken = places.len();
    if !seem_shared(taken, count_strings(places.map(|place| strings.get(place)))) {
        return None;
    }
    let most = VALUES_MAX.min(strings.count() / 4);
    let (entries, mut codes) = distinct_strings(strings.iter(), most, BYTES_MAX)?;
    let order = sorted_by(entries.len(), |entry| entries[entry]);
    rename(&mut codes, &order);
    let (mut offsets, mut data) = (vec![0], Vec::new());
    for entry in order {
        data.extend_from_slice(entries[entry]);
        offsets.push(i32::try_from(data.len()).ok()?);
    }
    Some((codes, Values::Bytes { offsets, data }))
}

/// The entries' numbers in the order of their values.
fn sorted_by<K: Ord>(count: usize, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by_key(|entry| key(*entry));
    order
}

/// Makes codes of entries into codes of sorted ones.
fn rename(codes: &mut [u32], order: &[usize]) {
    let mut renamed = vec![0_u32; order.len()];
    for (place, entry) in (0_u32..).zip(order) {
        renamed[*entry] = place;
    }
    for code in codes {
        *code = renamed[*code as usize];
    }
}
