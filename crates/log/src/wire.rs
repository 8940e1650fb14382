//! Little-endian bytes with lengths checked before anything is allocated.

use crate::{Error, Result};

/// Appends an unsigned LEB128 number.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// Appends a length and then the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the `put_` functions wrote; short or odd input is [`Kind::Corrupt`](crate::Kind).
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Reads exactly `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.too_short(count));
        };
        self.rest = rest;
        Ok(head)
    }

    #[cold]
    fn too_short(&self, count: usize) -> Error {
        Error::corrupt(format!("{count} bytes declared, {} left", self.rest.len()))
    }

    /// Reads a fixed-size array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads one byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(self.too_short(1));
        };
        self.rest = rest;
        Ok(*byte)
    }

    /// Reads a little-endian `u64`.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads an unsigned LEB128 number of at most 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        // Most numbers are below 128.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::corrupt("a number is longer than 64 bits"))
    }

    /// Reads a length that must fit in what is left, each item taking at least `item_bytes_min`.
    #[inline]
    pub fn count(&mut self, item_bytes_min: usize) -> Result<usize> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        match count.saturating_mul(item_bytes_min) > self.rest.len() {
            true => Err(self.too_many(count)),
            false => Ok(count),
        }
    }

    #[cold]
    fn too_many(&self, count: usize) -> Error {
        let left = self.rest.len();
        Error::corrupt(format!("{count} items declared, {left} bytes left"))
    }

    /// Reads a length and then that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.count(1)?;
        self.take(count)
    }

    /// Reads a length and then that much UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::corrupt("text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_round_trip(n: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint().unwrap(), n);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn an_overlong_number_is_corrupt() {
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }

    #[test]
    fn a_length_beyond_the_end_is_corrupt_before_allocation() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        assert!(Reader::new(&out).bytes().is_err());
        assert!(Reader::new(&out).count(8).is_err());
    }
}
