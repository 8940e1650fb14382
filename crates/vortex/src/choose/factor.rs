//! Factors that numbers have in common.

/// The largest number above 1 that divides all words less the reference.
pub(super) fn common_factor(words: &[u64], reference: u64) -> Option<u64> {
    let mut factor = 0;
    for word in words {
        let above = word.wrapping_sub(reference);
        // Most are multiples of what was found: one division each.
        if factor == 0 || above % factor != 0 {
            factor = common_divisor(above, factor);
            if factor == 1 {
                return None;
            }
        }
    }
    (factor > 1).then_some(factor)
}

fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while one != 0 {
        (one, other) = (other % one, one);
    }
    other
}
