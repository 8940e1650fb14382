//! Numbers of `width` bits each, one after the other, least significant bit first.

/// Bytes of `count` packed numbers.
pub(crate) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Packs the low `width` bits of each number.
pub(crate) fn pack(numbers: impl ExactSizeIterator<Item = u64>, width: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(packed_bytes(numbers.len(), width) + 8);
    let (mut held, mut bits) = (0_u128, 0);
    for number in numbers {
        held |= u128::from(number) << bits;
        bits += width;
        while bits >= 32 {
            out.extend_from_slice(&held.to_le_bytes()[..4]);
            held >>= 32;
            bits -= 32;
        }
    }
    out.extend_from_slice(&held.to_le_bytes()[..bits.div_ceil(8) as usize]);
    out
}

/// Gives each of `count` numbers to `take`. `packed` holds at least [`packed_bytes`] of them.
#[inline(always)]
pub(crate) fn unpack(packed: &[u8], width: u32, count: usize, mut take: impl FnMut(u64)) {
    let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
    // A load of eight bytes holds any number of up to 57 bits, wherever it begins in its first byte.
    let loads = packed.len().saturating_sub(7) * 8;
    let direct = match width {
        1..=57 => count.min(loads / width as usize),
        _ => 0,
    };
    for index in 0..direct {
        let bit = index * width as usize;
        let Some(eight) = packed[bit / 8..].first_chunk::<8>() else {
            return;
        };
        take((u64::from_le_bytes(*eight) >> (bit % 8)) & mask);
    }
    for index in direct..count {
        take(unpack_one(packed, width, index) & mask);
    }
}

/// The number at `index`, with bits above `width` left in.
fn unpack_one(packed: &[u8], width: u32, index: usize) -> u64 {
    let bit = index * width as usize;
    let from = (bit / 8).min(packed.len());
    let to = (from + 9).min(packed.len());
    let mut bytes = [0; 16];
    bytes[..to - from].copy_from_slice(&packed[from..to]);
    let held = u128::from_le_bytes(bytes) >> (bit % 8);
    let [low, ..] = [held & u128::from(u64::MAX)];
    u64::try_from(low).unwrap_or(u64::MAX)
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
                let mut back = Vec::new();
                unpack(&packed, width, numbers.len(), |n| back.push(n));
                assert_eq!(back, numbers, "width {width}");
            }
        }
    }
}
