//! A sum of floats that does not depend on their order: exact, rounded once.
//!
//! Keeps the sum as floats that do not overlap (Shewchuk, *Adaptive Precision Floating-Point
//! Arithmetic*, 1997), as Python's `math.fsum` does. SQLite's `sum` depends on the order of rows.

/// The exact sum so far. About 40 parts at most: the exponents of all floats, 53 bits apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ExactSum {
    /// Ascending by magnitude, not overlapping.
    parts: Vec<f64>,
}

impl ExactSum {
    /// Adds one number.
    pub(super) fn add(&mut self, mut x: f64) {
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let mut y = self.parts[at];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.parts.truncate(kept);
        self.parts.push(x);
    }

    /// Adds many numbers: the same sum as one by one, at a fraction of the time where their
    /// magnitudes are not too far apart.
    pub(super) fn add_all(&mut self, numbers: &[f64]) {
        for chunk in numbers.chunks(CHUNK) {
            match halves(chunk) {
                Some(halves) => halves.into_iter().for_each(|half| self.add(half)),
                None => chunk.iter().for_each(|number| self.add(*number)),
            }
        }
    }

    /// The sum, rounded to the nearest float, ties to even; not finite when it went over.
    pub(super) fn total(&self) -> f64 {
        let mut rest = self.parts.iter().rev().copied();
        let mut high = rest.next().unwrap_or(0.0);
        while let Some(y) = rest.next() {
            let x = high;
            high = x + y;
            let low = y - (high - x);
            if low == 0.0 {
                continue;
            }
            // Half-way cases: what is below `low` decides which way to round.
            let below = rest.next().unwrap_or(0.0);
            if (low < 0.0 && below < 0.0) || (low > 0.0 && below > 0.0) {
                let twice = low * 2.0;
                let rounded = high + twice;
                if twice == rounded - high {
                    high = rounded;
                }
            }
            break;
        }
        high + 0.0
    }
}

/// Numbers that are added at once, and one more than the binary logarithm of it.
const CHUNK: usize = 4_096;
const CHUNK_BITS: u64 = 13;
/// Numbers side by side, each with sums of its own: the processor adds several at once.
const LANES: usize = 8;

/// The exact sum of some numbers as two; none where that takes more, or is near the ends of what
/// floats hold.
///
/// Each number is cut into what a large power of two keeps of it when it is added, and the rest; the
/// rest again, by a smaller one. Parts of one cut are multiples of one unit and their sum is below
/// 2^53 units, so it is exact whatever its order (Rump, Ogita, Oishi, *Accurate Floating-Point
/// Summation*, 2008).
fn halves(numbers: &[f64]) -> Option<[f64; 2]> {
    let bits = numbers.iter().map(|n| n.to_bits() & !(1 << 63));
    let exponent = bits.fold(0, u64::max) >> 52;
    if exponent == 0 && numbers.iter().all(|n| *n == 0.0) {
        return Some([0.0; 2]);
    }
    if !(128..=1_920).contains(&exponent) {
        return None;
    }
    let first = exponent + 1 + CHUNK_BITS;
    let power = |exponent: u64| f64::from_bits(exponent << 52);
    let (high, low) = (power(first), power(first - 53 + CHUNK_BITS));
    let (mut highs, mut lows, mut rests) = ([0.0; LANES], [0.0; LANES], [0_u64; LANES]);
    let mut add = |lane: usize, number: f64| {
        let part = (high + number) - high;
        let rest = number - part;
        let lower = (low + rest) - low;
        highs[lane] += part;
        lows[lane] += lower;
        rests[lane] |= (rest - lower).to_bits() << 1;
    };
    let (whole, left) = numbers.as_chunks::<LANES>();
    for eight in whole {
        (0..LANES).for_each(|lane| add(lane, eight[lane]));
    }
    left.iter().for_each(|number| add(0, *number));
    let exact = rests.iter().all(|rest| *rest == 0);
    exact.then(|| [highs.iter().sum(), lows.iter().sum()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|n| sum.add(*n));
        sum.total()
    }

    #[test]
    fn small_numbers_survive_large_ones() {
        assert_eq!(sum(&[1e100, 1.0, -1e100, 1.0]), 2.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(
            sum(&[1.0, 2_f64.powi(-53), 2_f64.powi(-106)]),
            1.0 + f64::EPSILON
        );
        assert!(!sum(&[f64::MAX, f64::MAX]).is_finite());
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        let decimals: Vec<f64> = (0..20_000)
            .map(|n| f64::from(n * 7 % 9_000) / 100.0)
            .collect();
        let wide = [1e16, 1.0, -1e16, 1e-300, f64::MIN_POSITIVE, 5e-324, 0.0];
        let large = [f64::MAX / 4.0, 1e290, -1e300];
        for numbers in [
            &decimals[..],
            &decimals[..9],
            &wide,
            &large,
            &[0.0; 20],
            &[-0.5; 5_000],
        ] {
            let mut at_once = ExactSum::default();
            at_once.add_all(numbers);
            assert_eq!(at_once.total().to_bits(), sum(numbers).to_bits());
        }
        assert!(halves(&decimals[..CHUNK]).is_some());
        assert!(halves(&wide).is_none() && halves(&[f64::NAN, 1.0]).is_none());
        let ones = halves(&[0.1; CHUNK]).unwrap();
        assert_eq!(ones[0] + ones[1], sum(&[0.1; CHUNK]));
    }

    proptest! {
        #[test]
        fn slices_add_up_to_the_same(
            mantissas in prop::collection::vec(any::<i64>(), 0..300),
            exponents in prop::collection::vec(-60..60_i32, 300),
            narrow: bool,
        ) {
            let scale = |e: i32| if narrow { e / 12 } else { e * 10 };
            let numbers: Vec<f64> = mantissas
                .iter()
                .zip(exponents)
                .map(|(m, e)| *m as f64 * 2_f64.powi(scale(e)))
                .collect();
            let mut at_once = ExactSum::default();
            let (first, second) = numbers.split_at(numbers.len() / 3);
            at_once.add_all(first);
            at_once.add_all(second);
            prop_assert_eq!(at_once.total().to_bits(), sum(&numbers).to_bits());
        }

        #[test]
        fn order_does_not_matter(
            numbers in prop::collection::vec(-1e300..1e300_f64, 0..40).prop_shuffle(),
            small in prop::collection::vec(-1e-3..1e-3_f64, 0..40),
        ) {
            let numbers: Vec<f64> = numbers.into_iter().map(|n| n / 64.0).chain(small).collect();
            let mut reversed = numbers.clone();
            reversed.reverse();
            prop_assert_eq!(sum(&numbers), sum(&reversed));
        }
    }
}
