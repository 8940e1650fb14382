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

/// Floats as whole numbers divided by a power of ten.
pub(crate) struct Decimals {
    pub(crate) exponent: u8,
    /// One for each float; an exception has that of the float before.
    pub(crate) numbers: Vec<u64>,
    /// The places of the floats that are no such decimals, ascending.
    pub(crate) exceptions: Vec<u64>,
}

/// Floats looked at to choose the power of ten.
const SAMPLE: usize = 64;

/// Finds the fewest places with which most floats are decimals; nothing if more than one in
/// sixteen is none.
pub(crate) fn decimals(bits: &[u64], is_short: bool) -> Option<Decimals> {
    let mut exponent = exponent_of_most(bits, is_short)?;
    loop {
        match with_exponent(bits, is_short, exponent) {
            Ok(found) => return Some(found),
            // Too many need more places than the sample: as many as this one.
            Err(odd) => {
                exponent = (exponent + 1..=PLACES_TRIED)
                    .find(|places| number(odd, is_short, power(*places)).is_some())?;
            }
        }
    }
}

/// All floats with one exponent, or the first of too many that are no such decimals.
fn with_exponent(bits: &[u64], is_short: bool, exponent: u8) -> Result<Decimals, u64> {
    let power = power(exponent);
    let most = bits.len() / 16;
    let mut numbers = Vec::with_capacity(bits.len());
    let mut exceptions = Vec::new();
    let mut last = 0;
    for (place, bits) in (0_u64..).zip(bits) {
        match number(*bits, is_short, power) {
            Some(number) => last = number,
            None if exceptions.len() >= most => return Err(*bits),
            None => exceptions.push(place),
        }
        numbers.push(last);
    }
    Ok(Decimals {
        exponent,
        numbers,
        exceptions,
    })
}

/// The places that the most floats of a sample need at most, but for a few.
fn exponent_of_most(bits: &[u64], is_short: bool) -> Option<u8> {
    let step = bits.len() / SAMPLE + 1;
    let sample = bits.iter().step_by(step);
    let mut needed = [0_usize; PLACES_TRIED as usize + 1];
    let mut none = 0;
    for bits in sample {
        match (0..=PLACES_TRIED).find(|places| number(*bits, is_short, power(*places)).is_some()) {
            Some(places) => needed[usize::from(places)] += 1,
            None => none += 1,
        }
    }
    let mut beyond = none;
    let mut exponent = None;
    for places in (0..=PLACES_TRIED).rev() {
        // With more places than it needs a float is a decimal too, as long as its digits fit.
        let count = needed[usize::from(places)];
        if count > 0 && beyond + count > SAMPLE / 32 {
            exponent = Some(places);
            break;
        }
        beyond += count;
    }
    exponent.or(Some(0)).filter(|_| none <= SAMPLE / 8)
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
        let found = decimals(&bits(&[1.5, 0.25, -3.0, 1e6].repeat(16)), false).unwrap();
        assert_eq!((found.exponent, found.numbers[1]), (2, 25));
        assert!(found.exceptions.is_empty());
        for odd in [
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
            1.0 / 3.0,
            1e300,
        ] {
            let mut floats = [1.5, 2.0].repeat(20);
            floats.insert(3, odd);
            let found = decimals(&bits(&floats), false).unwrap();
            assert_eq!(found.exceptions, [3], "{odd}");
            assert_eq!(found.numbers[3], found.numbers[2], "{odd}");
            assert!(decimals(&bits(&[1.0, odd]), false).is_none(), "{odd}");
        }
        let short = u64::from(0.1_f32.to_bits());
        assert_eq!(decimals(&[short], true).unwrap().numbers, [1]);
    }
}
