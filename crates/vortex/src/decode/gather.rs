//! Byte strings that codes name among others.

use super::PageDecoder;
use super::byte_strings::{to_usize, too_long};
use crate::Result;
use crate::texts::SHORT;

/// Bytes of a slot: what is no longer is copied whole, whatever its length.
const SLOT: usize = 16;

/// Most strings whose slots stay in the first cache.
const SLOTS_MAX: usize = 512;

impl PageDecoder<'_> {
    /// Appends the strings that codes name, which are below their number. `entries` are followed by
    /// [`SHORT`] bytes more.
    pub(super) fn gather(
        &mut self,
        ends: &[i32],
        entries: &[u8],
        codes: &[u32],
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        let (start, first) = (data.len(), offsets.len());
        let total = put_ends_of(ends, codes, start, offsets);
        let end = start.checked_add(total);
        let Some(end) = end.filter(|end| i32::try_from(*end).is_ok()) else {
            return Err(too_long());
        };
        self.budget.pay(total, 1)?;
        // What is copied whole may reach beyond the end.
        data.resize(end + SHORT, 0);
        let begins = &offsets[first - 1..];
        let longest = ends.windows(2).map(|pair| pair[1] - pair[0]).max();
        let (longest, count) = (to_usize(longest.unwrap_or(0)), ends.len() - 1);
        if longest <= SLOT && count <= SLOTS_MAX.min(codes.len()) {
            self.budget.pay(count, SLOT)?;
            put_slots(&slots_of(ends, entries), codes, begins, data);
        } else if longest <= SHORT {
            put_short(ends, entries, codes, begins, data);
        } else {
            put_any(ends, entries, codes, begins, data);
        }
        data.truncate(end);
        Ok(())
    }
}

/// Appends the ends of strings from `start` on, and says how many bytes they take. More than 2 GiB
/// make ends of no use.
fn put_ends_of(ends: &[i32], codes: &[u32], start: usize, offsets: &mut Vec<i32>) -> usize {
    let first = offsets.len();
    offsets.resize(first + codes.len(), 0);
    let (mut total, mut at) = (0_u64, i32::try_from(start).unwrap_or(i32::MAX));
    for (code, end) in codes.iter().zip(&mut offsets[first..]) {
        let code = *code as usize;
        let length = ends[code + 1] - ends[code];
        total += u64::from(length.cast_unsigned());
        at = at.wrapping_add(length);
        *end = at;
    }
    usize::try_from(total).unwrap_or(usize::MAX)
}

fn slots_of(ends: &[i32], entries: &[u8]) -> Vec<[u8; SLOT]> {
    let slot = |from: &i32| {
        let slot = entries[to_usize(*from)..].first_chunk::<SLOT>();
        slot.copied().unwrap_or_default()
    };
    ends[..ends.len() - 1].iter().map(slot).collect()
}

fn put_slots(slots: &[[u8; SLOT]], codes: &[u32], begins: &[i32], data: &mut [u8]) {
    for (code, begin) in codes.iter().zip(begins) {
        if let Some(place) = data[to_usize(*begin)..].first_chunk_mut::<SLOT>() {
            *place = slots[*code as usize];
        }
    }
}

fn put_short(ends: &[i32], entries: &[u8], codes: &[u32], begins: &[i32], data: &mut [u8]) {
    for (code, begin) in codes.iter().zip(begins) {
        let from = to_usize(ends[*code as usize]);
        if let Some(entry) = entries[from..].first_chunk::<SHORT>()
            && let Some(place) = data[to_usize(*begin)..].first_chunk_mut::<SHORT>()
        {
            *place = *entry;
        }
    }
}

fn put_any(ends: &[i32], entries: &[u8], codes: &[u32], begins: &[i32], data: &mut [u8]) {
    for (code, pair) in codes.iter().zip(begins.windows(2)) {
        let from = to_usize(ends[*code as usize]);
        let (at, to) = (to_usize(pair[0]), to_usize(pair[1]));
        if to - at <= SHORT
            && let Some(entry) = entries[from..].first_chunk::<SHORT>()
            && let Some(place) = data[at..].first_chunk_mut::<SHORT>()
        {
            *place = *entry;
        } else {
            data[at..to].copy_from_slice(&entries[from..from + to - at]);
        }
    }
}
