//! Floats that are decimals: a whole number divided by a power of ten gives their bits exactly.

/// Most decimal places; 10^22 is the largest power of ten that a float holds exactly.
pub(crate) const EXPONENT_MAX: u8 = 22;

/// Most places that encoding tries; more leave too few digits for the whole number.
const PLACES_TRIED: u8 = 14;

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The power of ten to divide by.
pub(crate) fn power(exponent: u8) -> f64 {
    POWERS[usize::from(exponent.min(EXPONENT_MAX))]
}

/// The float of a whole number: `number / power`, rounded once, as IEEE 754 divides.
#[inline]
#[expect(
    clippy::cast_precision_loss,
    reason = "the format says so: encoding checks that the bits come back"
)]
pub(crate) fn float_of(number: u64, power: f64) -> f64 {
    number.cast_signed() as f64 / power
}

/// The bits of a float as its column holds them: 64, or those of the nearest 32-bit float.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounds to the nearest 32-bit float"
)]
pub(crate) fn bits_of(float: f64, is_short: bool) -> u64 {
    match is_short {
        true => u64::from((float as f32).to_bits()),
        false => float.to_bits(),
    }
}

/// Finds the fewest places with which every float is a decimal, and the whole numbers.
pub(crate) fn decimals(bits: &[u64], is_short: bool) -> Option<(u8, Vec<u64>)> {
    let mut exponent = 0;
    // A sample first: most floats that are no decimals show it there.
    for at in (0..bits.len()).step_by(bits.len() / 32 + 1) {
        exponent = places(bits[at], is_short, exponent)?;
    }
    'more: loop {
        let mut numbers = Vec::with_capacity(bits.len());
        for bits in bits {
            match number(*bits, is_short, power(exponent)) {
                Some(number) => numbers.push(number),
                None => {
                    exponent = places(*bits, is_short, exponent + 1)?;
                    continue 'more;
                }
            }
        }
        return Some((exponent, numbers));
    }
}

/// The fewest places, `least` or more, that give this float.
fn places(bits: u64, is_short: bool, least: u8) -> Option<u8> {
    (least..=PLACES_TRIED).find(|exponent| number(bits, is_short, power(*exponent)).is_some())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked: the float comes back bit by bit or not at all"
)]
fn number(bits: u64, is_short: bool, power: f64) -> Option<u64> {
    let float = match is_short {
        true => f64::from(f32::from_bits(u32::try_from(bits).ok()?)),
        false => f64::from_bits(bits),
    };
    let number = ((float * power).round() as i64).cast_unsigned();
    (bits_of(float_of(number, power), is_short) == bits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_floats_that_come_back_bit_by_bit_are_decimals() {
        let bits = |floats: &[f64]| floats.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
        let (exponent, numbers) = decimals(&bits(&[1.5, 0.25, -3.0, 1e6]), false).unwrap();
        assert_eq!((exponent, numbers[1]), (2, 25));
        for odd in [
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
            1.0 / 3.0,
            1e300,
        ] {
            assert_eq!(decimals(&bits(&[1.0, odd]), false), None);
        }
        let short = u64::from(0.1_f32.to_bits());
        assert_eq!(decimals(&[short], true).unwrap(), (1, vec![1]));
    }
}
