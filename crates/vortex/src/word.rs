//! The two widths numbers are computed in: types of at most 4 bytes in 32 bits, others in 64.

use std::fmt::Debug;

/// A machine word. Arithmetic wraps, so signed and unsigned numbers go the same way.
pub(crate) trait Word: Copy + Default + Debug + Eq + Ord + 'static {
    /// Bits of a word.
    const BITS: u32;

    /// The low bits of `n`.
    fn from_low(n: u64) -> Self;

    /// As a signed number.
    fn signed(self) -> i64;

    /// As an unsigned number.
    fn unsigned(self) -> u64;

    fn wrapping_add(self, other: Self) -> Self;
    fn wrapping_sub(self, other: Self) -> Self;
    fn wrapping_mul(self, other: Self) -> Self;
}

impl Word for u32 {
    const BITS: u32 = Self::BITS;

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low bits are what is asked for"
    )]
    fn from_low(n: u64) -> Self {
        n as Self
    }

    #[inline]
    fn signed(self) -> i64 {
        i64::from(self.cast_signed())
    }

    #[inline]
    fn unsigned(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn wrapping_sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline]
    fn wrapping_mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}

impl Word for u64 {
    const BITS: u32 = Self::BITS;

    #[inline]
    fn from_low(n: u64) -> Self {
        n
    }

    #[inline]
    fn signed(self) -> i64 {
        self.cast_signed()
    }

    #[inline]
    fn unsigned(self) -> u64 {
        self
    }

    #[inline]
    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn wrapping_sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline]
    fn wrapping_mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}
