//! The two widths numbers are computed in: types of at most 4 bytes in 32 bits, others in 64.

use std::fmt::Debug;

/// A machine word. Arithmetic wraps, so signed and unsigned numbers go the same way.
pub(crate) trait Word: Copy + Default + Debug + Eq + Ord + 'static {
    /// The low bits of `n`.
    fn from_low(n: u64) -> Self;

    fn wrapping_add(self, other: Self) -> Self;
    fn wrapping_mul(self, other: Self) -> Self;
}

impl Word for u32 {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are what is asked for"
    )]
    fn from_low(n: u64) -> Self {
        n as Self
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
    #[inline]
    fn from_low(n: u64) -> Self {
        n
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
