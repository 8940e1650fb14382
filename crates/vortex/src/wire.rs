//! Little-endian numbers and varints, with every length checked before it is used.

use bytes::{Buf, Bytes};

use crate::{Error, Result};

/// Appends an unsigned LEB128 number.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// Bytes that [`put_varint`] takes for `n`.
pub(crate) fn varint_size(n: u64) -> usize {
    let bits = 64 - (n | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Appends a length and then the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Maps 0, −1, 1, −2 … to 0, 1, 2, 3 …
pub(crate) fn zigzag(n: i64) -> u64 {
    (n.cast_unsigned() << 1) ^ (n >> 63).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(crate) fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Reads what the `put_` functions wrote. What it returns shares the memory of what it reads.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<Bytes> {
        if count > self.rest.len() {
            let left = self.rest.len();
            return Err(Error::corrupt(format!(
                "{count} bytes declared, {left} left"
            )));
        }
        Ok(self.rest.split_to(count))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        let Some(byte) = self.rest.first().copied() else {
            return Err(Error::corrupt("1 bytes declared, 0 left"));
        };
        self.rest.advance(1);
        Ok(byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads an unsigned LEB128 number in its one shortest form.
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part || (byte == 0 && shift > 0) {
                break;
            }
            n |= part << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Error::corrupt("a number is written in no valid form"))
    }

    /// Reads a count of things called `what`, at most `most`.
    pub(crate) fn count(&mut self, most: usize, what: &str) -> Result<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(Error::too_large(format!("{count} {what}, at most {most}"))),
        }
    }

    /// Reads a length and that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<Bytes> {
        let count = self.varint()?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Reads UTF-8 text of at most `most` bytes.
    pub(crate) fn text(&mut self, most: usize) -> Result<String> {
        let count = self.count(most, "bytes of text")?;
        let text = self.take(count)?.to_vec();
        String::from_utf8(text).map_err(|_| Error::corrupt("text is not UTF-8"))
    }

    /// Checks that everything was read.
    pub(crate) fn end(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Error::corrupt(format!("{left} bytes nobody declared"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_have_one_form() {
        for n in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            assert_eq!(out.len(), varint_size(n));
            let mut reader = Reader::new(out.into());
            assert_eq!(reader.varint().unwrap(), n);
            reader.end().unwrap();
        }
        for n in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(n)), n);
        }
        for odd in [&[0x80, 0x00][..], &[0xff; 11], &[0x80; 9], &[]] {
            assert!(Reader::new(Bytes::copy_from_slice(odd)).varint().is_err());
        }
    }
}
