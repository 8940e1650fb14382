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

    proptest! {
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
