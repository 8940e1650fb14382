//! Numbers of `width` bits each, one after the other, least significant bit first.

use crate::word::Word;

/// Bytes of `count` packed numbers.
pub(crate) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Packs numbers of at most `width` bits each.
pub(crate) fn pack(numbers: impl ExactSizeIterator<Item = u64>, width: u32) -> Vec<u8> {
    let bytes = packed_bytes(numbers.len(), width);
    let mut out = Vec::with_capacity(bytes + 8);
    let (mut held, mut bits) = (0_u64, 0);
    for number in numbers {
        held |= number << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&held.to_le_bytes());
            bits -= 64;
            held = number.checked_shr(width - bits).unwrap_or(0);
        }
    }
    out.extend_from_slice(&held.to_le_bytes());
    out.truncate(bytes);
    out
}

/// Unpacks as many numbers as `out` has and adds `reference` to each. `packed` holds at least
/// [`packed_bytes`] of them.
pub(crate) fn unpack<W: Word>(packed: &[u8], width: u32, reference: W, out: &mut [W]) {
    let done = unpack_eights(packed, width, reference, out);
    for (index, word) in out.iter_mut().enumerate().skip(done) {
        *word = W::from_low(unpack_one(packed, width, index)).wrapping_add(reference);
    }
}

/// The number at `index`.
pub(crate) fn unpack_one(packed: &[u8], width: u32, index: usize) -> u64 {
    let bit = index * width as usize;
    let from = (bit / 8).min(packed.len());
    let to = (from + 9).min(packed.len());
    let mut bytes = [0; 16];
    bytes[..to - from].copy_from_slice(&packed[from..to]);
    let held = u128::from_le_bytes(bytes) >> (bit % 8);
    let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
    u64::try_from(held & u128::from(mask)).unwrap_or(u64::MAX)
}

/// Unpacks eight numbers at a time, as long as eight bytes (nine for wide ones) can be loaded wherever one begins, and
/// says how many it did. Eight numbers take `width` whole bytes, so that every shift is the same
/// for all eights.
fn unpack_eights<W: Word>(packed: &[u8], width: u32, reference: W, out: &mut [W]) -> usize {
    macro_rules! by_width {
        ($($known:literal)*) => {
            match width {
                $($known => eights::<W, $known>(packed, reference, out),)*
                _ => 0,
            }
        };
    }
    // In a Worker's module the same loop for every width is smaller than fast ones.
    if cfg!(target_arch = "wasm32") {
        return match width {
            1..=64 => eights_of(packed, width, reference, out),
            _ => 0,
        };
    }
    by_width!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
    )
}

/// With the width known to the compiler the shifts are constants and the loop has no branches.
fn eights<W: Word, const WIDTH: u32>(packed: &[u8], reference: W, out: &mut [W]) -> usize {
    eights_of(packed, WIDTH, reference, out)
}

#[inline(always)]
fn eights_of<W: Word>(packed: &[u8], width: u32, reference: W, out: &mut [W]) -> usize {
    let (step, mask) = (width as usize, u64::MAX >> (64 - width));
    // Of a wider number the last bits may be in a ninth byte.
    let is_wide = width > 57;
    // The last number of an eight begins in byte `7 * width / 8` of it.
    let reach = 7 * step / 8 + 8 + usize::from(is_wide);
    let mut done = 0;
    for eight in out.as_chunks_mut::<8>().0 {
        let from = done / 8 * step;
        let Some(bytes) = packed.get(from..from + reach) else {
            break;
        };
        for (index, word) in eight.iter_mut().enumerate() {
            let bit = index * step;
            let mut load = [0; 8];
            load.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
            let mut number = u64::from_le_bytes(load) >> (bit % 8);
            if is_wide && bit % 8 > 0 {
                number |= u64::from(bytes[bit / 8 + 8]) << (64 - bit % 8);
            }
            *word = W::from_low(number & mask).wrapping_add(reference);
        }
        done += 8;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_come_back_at_every_width() {
        for width in 0..=64_u32 {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            for count in [0_u64, 1, 7, 8, 9, 100] {
                let numbers: Vec<u64> = (0..count)
                    .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask)
                    .collect();
                let packed = pack(numbers.iter().copied(), width);
                assert_eq!(packed.len(), packed_bytes(numbers.len(), width));
                let mut back = vec![0_u64; numbers.len()];
                unpack(&packed, width, 0, &mut back);
                assert_eq!(back, numbers, "width {width}");
                back.fill(0);
                if width > 0 {
                    let done = eights_of(&packed, width, 0, &mut back);
                    assert_eq!(back[..done], numbers[..done], "width {width}, one loop");
                }
                if width <= 32 {
                    let mut short = vec![0_u32; numbers.len()];
                    unpack(&packed, width, 5, &mut short);
                    let expected = numbers.iter().map(|n| u32::from_low(*n).wrapping_add(5));
                    assert!(short.into_iter().eq(expected), "width {width}, in 32 bits");
                }
            }
        }
    }
}
