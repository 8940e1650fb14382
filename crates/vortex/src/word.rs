//! The two widths numbers are computed in: types of at most 4 bytes in 32 bits, others in 64.

use std::fmt::Debug;

use crate::values::Values;

/// A machine word. Arithmetic wraps, so signed and unsigned numbers go the same way.
pub(crate) trait Word: Copy + Default + Debug + Eq + Ord + 'static {
    /// The low bits of `n`.
    fn from_low(n: u64) -> Self;

    /// The words among values, where they have this width.
    fn of(values: &Values) -> Option<&[Self]>;

    /// The number, with zeros above.
    fn wide(self) -> u64;

    fn wrapping_add(self, other: Self) -> Self;
    fn wrapping_mul(self, other: Self) -> Self;
}

impl Word for u32 {
    fn of(values: &Values) -> Option<&[Self]> {
        match values {
            Values::Narrow(words) => Some(words),
            _ => None,
        }
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are what is asked for"
    )]
    fn from_low(n: u64) -> Self {
        n as Self
    }

    #[inline]
    fn wide(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn wrapping_mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}

impl Word for u64 {
    fn of(values: &Values) -> Option<&[Self]> {
        match values {
            Values::Wide(words) => Some(words),
            _ => None,
        }
    }

    #[inline]
    fn from_low(n: u64) -> Self {
        n
    }

    #[inline]
    fn wide(self) -> u64 {
        self
    }

    #[inline]
    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn wrapping_mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}
