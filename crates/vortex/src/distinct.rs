//! The distinct ones among values, in the order they first appear.

/// A table of places with open addressing; which values stand there, the caller knows.
#[derive(Debug)]
pub(crate) struct Distinct {
    /// One more than the number of the entry; 0 is free.
    slots: Vec<u32>,
    mask: usize,
    count: u32,
}

impl Distinct {
    /// A table for at most `most` entries.
    pub(crate) fn with_room(most: usize) -> Self {
        let size = (most * 2).next_power_of_two().max(16);
        Self {
            slots: vec![0; size],
            mask: size - 1,
            count: 0,
        }
    }

    /// The number of the entry with this hash that `is_it` knows, or the next number if there is
    /// none; then the second member is true.
    #[inline]
    pub(crate) fn find_or_add(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> (u32, bool) {
        let mut at = usize::try_from(hash >> 32).unwrap_or(0) & self.mask;
        loop {
            match self.slots[at] {
                0 => {
                    let entry = self.count;
                    self.count += 1;
                    self.slots[at] = self.count;
                    return (entry, true);
                }
                slot if is_it(slot - 1) => return (slot - 1, false),
                _ => at = (at + 1) & self.mask,
            }
        }
    }
}

/// A hash of a number, in its upper half.
#[inline]
pub(crate) fn hash_of(number: u64) -> u64 {
    (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
