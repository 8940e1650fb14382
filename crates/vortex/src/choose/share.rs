//! Values that all pages of a column share, where they would stand in each of them otherwise.

use crate::choose::Chooser;
use crate::data_type::Shape;
use crate::distinct::{Distinct, hash_of};
use crate::hash::checksum;
use crate::node::Node;
use crate::texts::Strings;
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
                distinct_words(words)?
            }
            (Values::Bytes { offsets, data }, Shape::Bytes) if offsets.len() > 2 * page => {
                distinct_strings(Strings { offsets, data })?
            }
            _ => return None,
        };
        let tree = match (&entries, shape) {
            (Values::Wide(words), Shape::Words { bytes, is_float }) => {
                self.numbers(words, *bytes, *is_float)
            }
            (Values::Bytes { offsets, data }, _) => self.strings(offsets, data),
            _ => return None,
        };
        let mut section = Vec::new();
        put_varint(&mut section, entries.count() as u64);
        tree.encode(&mut section);
        let sharing = Sharing {
            section,
            codes,
            taken: 0,
        };
        let is_cheaper = self.is_sharing_cheaper(&sharing, values, shape, page);
        self.begin_column();
        if !is_cheaper {
            return None;
        }
        self.note(&tree);
        Some(sharing)
    }

    /// Compares what a page in the middle costs with and without shared values.
    fn is_sharing_cheaper(
        &mut self,
        sharing: &Sharing,
        values: &Values,
        shape: &Shape,
        page: usize,
    ) -> bool {
        let count = sharing.codes.len();
        let (from, to) = ((count - page) / 2, (count + page) / 2);
        let codes = self.shared_codes(&sharing.codes[from..to]);
        let alone = match (values, shape) {
            (Values::Wide(words), Shape::Words { bytes, is_float }) => {
                self.numbers(&words[from..to], *bytes, *is_float)
            }
            (Values::Bytes { offsets, data }, _) => {
                let first = offsets[from];
                let at = |offset: i32| usize::try_from(offset).unwrap_or(0);
                let own: Vec<i32> = offsets[from..=to].iter().map(|end| end - first).collect();
                self.strings(&own, &data[at(first)..at(offsets[to])])
            }
            _ => return false,
        };
        let pages = count / page;
        let shared = codes.cost(page, self.profile) * pages + sharing.section.len();
        let alone = alone.cost(page, self.profile) * pages;
        shared + alone / 32 < alone
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

/// Whether enough of a sample comes more than once; the sample is spread over all.
fn seems_shared<T: Ord>(count: usize, value: impl Fn(usize) -> T) -> bool {
    let step = count / SAMPLE + 1;
    // An odd step, so that no period of the values is met.
    let mut sample: Vec<T> = (0..count).step_by(step | 1).map(value).collect();
    let taken = sample.len();
    sample.sort_unstable();
    sample.dedup();
    sample.len() * 10 < taken * 9
}

/// The code of each word and the distinct words, sorted; nothing if there are too many.
fn distinct_words(words: &[u64]) -> Option<(Vec<u32>, Values)> {
    if !seems_shared(words.len(), |place| words[place]) {
        return None;
    }
    let most = VALUES_MAX.min(words.len() / 4);
    let mut table = Distinct::with_room(most + 1);
    let mut entries: Vec<u64> = Vec::new();
    let mut codes = Vec::with_capacity(words.len());
    for word in words {
        let known = |entry: u32| entries.get(entry as usize) == Some(word);
        let (code, is_new) = table.find_or_add(hash_of(*word), known);
        if is_new {
            entries.push(*word);
            if entries.len() > most {
                return None;
            }
        }
        codes.push(code);
    }
    let order = sorted_by(entries.len(), |entry| entries[entry].cast_signed());
    rename(&mut codes, &order);
    let entries = order.iter().map(|entry| entries[*entry]).collect();
    Some((codes, Values::Wide(entries)))
}

/// The same for byte strings.
fn distinct_strings(strings: Strings<'_>) -> Option<(Vec<u32>, Values)> {
    if !seems_shared(strings.count(), |place| strings.get(place)) {
        return None;
    }
    let most = VALUES_MAX.min(strings.count() / 4);
    let mut table = Distinct::with_room(most + 1);
    let mut entries: Vec<&[u8]> = Vec::new();
    let (mut codes, mut bytes) = (Vec::with_capacity(strings.count()), 0);
    for string in strings.iter() {
        let known = |entry: u32| entries.get(entry as usize) == Some(&string);
        let (code, is_new) = table.find_or_add(checksum(string), known);
        if is_new {
            entries.push(string);
            bytes += string.len();
            if entries.len() > most || bytes > BYTES_MAX {
                return None;
            }
        }
        codes.push(code);
    }
    let order = sorted_by(entries.len(), |entry| entries[entry]);
    rename(&mut codes, &order);
    let (mut offsets, mut data) = (vec![0], Vec::with_capacity(bytes));
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
