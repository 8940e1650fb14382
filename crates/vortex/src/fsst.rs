//! FSST: one-byte codes for up to 255 symbols of 1 to 8 bytes (Boncz, Neumann, Leis, "FSST: Fast
//! Random Access String Compression", VLDB 2020). Every string is compressed by itself.
//!
//! `fsst-rs` finds the symbols and compresses; decompressing is ours, because it must be safe on any bytes.

use fsst::Compressor;

use crate::texts::{Strings, Texts};
use crate::{Error, Result};

/// Most symbols of a table; the code above them says that a byte follows as it is.
pub(crate) const SYMBOLS_MAX: usize = 255;

const ESCAPE: u8 = 255;

/// Longest symbol.
pub(crate) const SYMBOL_BYTES: usize = 8;

/// What codes stand for.
#[derive(Debug)]
pub(crate) struct Table {
    symbols: [[u8; SYMBOL_BYTES]; 256],
    /// 0 for codes that stand for nothing.
    lengths: [u8; 256],
}

impl Table {
    /// Reads a table: its lengths, all of 1 to 8, and the bytes of its symbols in a row.
    pub(crate) fn new(lengths: &[u8], mut bytes: &[u8]) -> Result<Self> {
        let odd = || Error::corrupt("a table of symbols that are not 1 to 8 bytes long");
        let mut table = Self {
            symbols: [[0; SYMBOL_BYTES]; 256],
            lengths: [0; 256],
        };
        if lengths.len() > SYMBOLS_MAX {
            return Err(odd());
        }
        for (code, length) in lengths.iter().enumerate() {
            let size = usize::from(*length);
            if !(1..=SYMBOL_BYTES).contains(&size) || size > bytes.len() {
                return Err(odd());
            }
            let (symbol, rest) = bytes.split_at(size);
            table.symbols[code][..size].copy_from_slice(symbol);
            table.lengths[code] = *length;
            bytes = rest;
        }
        match bytes.is_empty() {
            true => Ok(table),
            false => Err(odd()),
        }
    }

    /// Appends the string that codes are. It takes at most eight times their bytes.
    pub(crate) fn put(&self, codes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let from = out.len();
        out.resize(from + (codes.len() + 1) * SYMBOL_BYTES, 0);
        let end = self.write(codes, out, from)?;
        out.truncate(end);
        Ok(())
    }

    /// Writes the string that codes are from `at` on, and says where it ends. Symbols are written as
    /// eight bytes each, over what the one before wrote too much, so `out` is seven bytes longer than the string.
    pub(crate) fn write(&self, codes: &[u8], out: &mut [u8], mut at: usize) -> Result<usize> {
        let odd = || Error::corrupt("a code that stands for nothing, or too many of them");
        let mut codes = codes.iter();
        let mut least = u8::MAX;
        while let Some(code) = codes.next() {
            let place = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
            let place: &mut [u8; SYMBOL_BYTES] = place.ok_or_else(odd)?;
            if *code == ESCAPE {
                place[0] = *codes.next().ok_or_else(odd)?;
                at += 1;
            } else {
                *place = self.symbols[usize::from(*code)];
                let length = self.lengths[usize::from(*code)];
                least = least.min(length);
                at += usize::from(length);
            }
        }
        match least {
            0 => Err(odd()),
            _ => Ok(at),
        }
    }
}

/// Strings in codes: the table's lengths and symbols, and the codes of each string.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) lengths: Vec<u8>,
    pub(crate) symbols: Vec<u8>,
    pub(crate) codes: Texts,
}

/// Strings that the symbols are found on.
const SAMPLE_STRINGS: usize = 1_024;

/// Compresses strings with the symbols that suit them.
pub(crate) fn compress(strings: Strings<'_>) -> Coded {
    let step = strings.count() / SAMPLE_STRINGS + 1;
    let sample: Vec<&[u8]> = strings.iter().step_by(step).collect();
    let compressor = Compressor::train(&sample);
    let lengths = compressor.symbol_lengths().to_vec();
    let mut symbols = Vec::new();
    for (symbol, length) in compressor.symbol_table().iter().zip(&lengths) {
        symbols.extend_from_slice(&symbol.to_u64().to_le_bytes()[..usize::from(*length)]);
    }
    let mut codes = Texts::new();
    for string in strings.iter() {
        codes.push(&compressor.compress(string));
    }
    Coded {
        lengths,
        symbols,
        codes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(coded: &Coded) -> Texts {
        let table = Table::new(&coded.lengths, &coded.symbols).unwrap();
        let mut out = Texts::new();
        for codes in coded.codes.strings().iter() {
            table.put(codes, &mut out.data).unwrap();
            out.end();
        }
        out
    }

    #[test]
    fn any_strings_come_back() {
        for strings in [
            &[&b""[..]][..],
            &[b"a"],
            &[b"\0\0\0\0\0\0\0\0\0\0", b"\0", b"", b"\xff\xff\xff"],
            &[
                b"http://tidelog.example/one",
                b"http://tidelog.example/two",
                b"x",
            ],
        ] {
            let mut texts = Texts::new();
            for _ in 0..100 {
                strings.iter().for_each(|string| texts.push(string));
            }
            let coded = compress(texts.strings());
            assert_eq!(back(&coded), texts);
        }
        let mut texts = Texts::new();
        (0..=255).for_each(|byte| texts.push(&[byte; 9]));
        assert_eq!(back(&compress(texts.strings())), texts);
    }

    #[test]
    fn tables_and_codes_that_do_not_hold_are_corrupt() {
        assert!(Table::new(&[0], &[]).is_err());
        assert!(Table::new(&[9], &[0; 9]).is_err());
        assert!(Table::new(&[2, 2], &[0; 3]).is_err());
        assert!(Table::new(&[2], &[0; 3]).is_err());
        assert!(Table::new(&[1; 256], &[0; 256]).is_err());
        let table = Table::new(&[1, 8], b"abcdefghi").unwrap();
        let mut out = Vec::new();
        table.put(&[0, 1, 255, 7], &mut out).unwrap();
        assert_eq!(out, b"abcdefghi\x07");
        for odd in [&[2][..], &[255], &[0, 254]] {
            assert!(table.put(odd, &mut Vec::new()).is_err(), "{odd:?}");
        }
    }
}
