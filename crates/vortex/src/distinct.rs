//! The distinct ones among values, in the order they first appear.

use crate::hash::checksum;

/// A table of places with open addressing; which values stand there, the caller knows.
#[derive(Debug)]
pub(crate) struct Distinct {
    /// One more than the number of the entry, below the upper half of its hash; 0 is free.
    slots: Vec<u64>,
    mask: usize,
    count: u32,
}

/// Slots of a new table: it stays small, and in the nearest cache, where there are few entries.
const SLOTS: usize = 256;

impl Distinct {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![0; SLOTS],
            mask: SLOTS - 1,
            count: 0,
        }
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The number of the entry with this hash that `is_it` knows, or the next number if there is
    /// none; then the second member is true.
    #[inline]
    pub(crate) fn find_or_add(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> (u32, bool) {
        let upper = hash >> 32 << 32;
        let mut at = place_of(upper) & self.mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                let entry = self.count;
                self.count += 1;
                self.slots[at] = upper | u64::from(self.count);
                if self.count() * 2 > self.slots.len() {
                    self.grow();
                }
                return (entry, true);
            }
            if slot >> 32 << 32 == upper {
                let entry = entry_of(slot);
                if is_it(entry) {
                    return (entry, false);
                }
            }
            at = (at + 1) & self.mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        self.slots = vec![0; slots.len() * 4];
        self.mask = self.slots.len() - 1;
        for slot in slots.into_iter().filter(|slot| *slot != 0) {
            let mut at = place_of(slot) & self.mask;
            while self.slots[at] != 0 {
                at = (at + 1) & self.mask;
            }
            self.slots[at] = slot;
        }
    }
}

#[inline]
fn place_of(slot: u64) -> usize {
    usize::try_from(slot >> 32).unwrap_or(0)
}

#[inline]
fn entry_of(slot: u64) -> u32 {
    u32::try_from(slot & u64::from(u32::MAX)).unwrap_or(0) - 1
}

/// A hash of a number, in its upper half.
#[inline]
pub(crate) fn hash_of(number: u64) -> u64 {
    (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The distinct ones among words and the code of each; nothing if there are more than `most`.
pub(crate) fn distinct_words(words: &[u64], most: usize) -> Option<(Vec<u64>, Vec<u32>)> {
    let mut table = Distinct::new();
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
    Some((entries, codes))
}

/// The distinct ones among byte strings and the code of each; nothing if there are more than `most`
/// or they have more bytes than `bytes_most`.
pub(crate) fn distinct_strings<'a>(
    strings: impl Iterator<Item = &'a [u8]>,
    most: usize,
    bytes_most: usize,
) -> Option<(Vec<&'a [u8]>, Vec<u32>)> {
    let mut table = Distinct::new();
    let (mut entries, mut keys): (Vec<&[u8]>, Vec<Key>) = (Vec::new(), Vec::new());
    let (mut codes, mut bytes) = (Vec::with_capacity(strings.size_hint().0), 0);
    for string in strings {
        let key = Key::of(string);
        let known = |entry: u32| {
            keys.get(entry as usize) == Some(&key)
                && (key.is_whole() || entries.get(entry as usize) == Some(&string))
        };
        let (code, is_new) = table.find_or_add(key.hash(), known);
        if is_new {
            entries.push(string);
            keys.push(key);
            bytes += string.len();
            if entries.len() > most || bytes > bytes_most {
                return None;
            }
        }
        codes.push(code);
    }
    Some((entries, codes))
}

/// How many of some byte strings differ.
pub(crate) fn count_strings<'a>(strings: impl Iterator<Item = &'a [u8]>) -> usize {
    distinct_strings(strings, usize::MAX, usize::MAX).map_or(0, |(entries, _)| entries.len())
}

/// What byte strings are told apart by: short ones themselves with their length, others their checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    low: u64,
    high: u64,
}

/// Longest string that its key holds.
const KEY_BYTES: usize = 15;

impl Key {
    #[inline]
    fn of(string: &[u8]) -> Self {
        let length = string.len();
        if length > KEY_BYTES {
            return Self {
                low: checksum(string),
                high: u64::MAX,
            };
        }
        let (low, high) = match (string.first_chunk::<8>(), string.last_chunk::<8>()) {
            // The last eight bytes begin among the first eight.
            (Some(first), Some(last)) if length > 8 => (
                u64::from_le_bytes(*first),
                u64::from_le_bytes(*last) >> (8 * (16 - length)),
            ),
            (Some(first), _) => (u64::from_le_bytes(*first), 0),
            _ => (short(string), 0),
        };
        Self {
            low,
            high: high | (length as u64) << 56,
        }
    }

    /// Whether nothing else has this key.
    #[inline]
    fn is_whole(self) -> bool {
        self.high != u64::MAX
    }

    #[inline]
    fn hash(self) -> u64 {
        let mixed = self.low ^ self.high.wrapping_mul(0xa24b_aed4_963e_e407);
        hash_of(mixed ^ (mixed >> 29))
    }
}

/// Fewer than eight bytes as a number.
#[inline]
fn short(string: &[u8]) -> u64 {
    match (string.first_chunk::<4>(), string.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let rest = u64::from(u32::from_le_bytes(*last)) << (8 * (string.len() - 4));
            u64::from(u32::from_le_bytes(*first)) | rest
        }
        _ => string
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_length_are_told_apart() {
        let text: Vec<u8> = (1..=40).collect();
        let mut strings: Vec<Vec<u8>> = vec![vec![0], vec![0, 0]];
        for length in 0..=40 {
            strings.push(text[..length].to_vec());
            for at in 0..length {
                let mut other = text[..length].to_vec();
                other[at] = 0xff;
                strings.push(other);
            }
        }
        let twice = || strings.iter().chain(&strings).map(Vec::as_slice);
        let (entries, codes) = distinct_strings(twice(), usize::MAX, usize::MAX).unwrap();
        assert_eq!(entries.len(), strings.len());
        assert!(twice().eq(codes.iter().map(|code| entries[*code as usize])));
        assert_eq!(
            distinct_strings(twice(), strings.len() - 1, usize::MAX),
            None
        );
    }

    #[test]
    fn many_words_keep_their_codes() {
        let words: Vec<u64> = (0..20_000_u64).map(|n| (n * n % 7_919) << 40).collect();
        let (entries, codes) = distinct_words(&words, words.len()).unwrap();
        assert!(
            words
                .iter()
                .eq(codes.iter().map(|code| &entries[*code as usize]))
        );
        assert!(entries.len() < words.len());
        assert_eq!(distinct_words(&words, entries.len() - 1), None);
    }
}
