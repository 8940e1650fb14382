//! Byte strings in a row: those of a page, and those that encodings make of them.

use crate::{Error, Result};

/// Byte strings that stand elsewhere: all bytes in a row, and one more offset than strings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strings<'a> {
    pub(crate) offsets: &'a [i32],
    pub(crate) data: &'a [u8],
}

impl<'a> Strings<'a> {
    pub(crate) fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &'a [u8] {
        &self.data[at(self.offsets[index])..at(self.offsets[index + 1])]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let data = self.data;
        self.offsets
            .windows(2)
            .map(move |pair| &data[at(pair[0])..at(pair[1])])
    }
}

/// Offsets of this crate are never negative.
#[inline]
pub(crate) fn at(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// Byte strings put together one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) offsets: Vec<i32>,
    pub(crate) data: Vec<u8>,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self {
            offsets: vec![0],
            data: Vec::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Appends a string. Their sum stays below 2 GiB: they are parts of a page or little longer.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.data.extend_from_slice(text);
        self.end();
    }

    /// Ends the string that was appended to `data`.
    #[inline]
    pub(crate) fn end(&mut self) {
        self.offsets
            .push(i32::try_from(self.data.len()).unwrap_or(i32::MAX));
    }

    /// Appends all of others.
    pub(crate) fn append(&mut self, others: &Self) -> Result<()> {
        let from = self.data.len();
        self.end_of(others.data.len())?;
        self.data.extend_from_slice(&others.data);
        // Their sum was checked: it is below 2 GiB.
        let from = i32::try_from(from).unwrap_or(i32::MAX);
        self.offsets.extend(others.offsets[1..].iter().map(|offset| from + offset));
        Ok(())
    }

    /// Makes room for `bytes` more and says where they end.
    pub(crate) fn end_of(&mut self, bytes: usize) -> Result<usize> {
        let end = self.data.len().saturating_add(bytes);
        if i32::try_from(end).is_err() {
            return Err(Error::too_large("byte strings of more than 2 GiB together"));
        }
        self.data.reserve(bytes + SHORT);
        Ok(end)
    }

    pub(crate) fn strings(&self) -> Strings<'_> {
        Strings {
            offsets: &self.offsets,
            data: &self.data,
        }
    }
}

/// Bytes that [`put_short`] copies whatever the length: what is shorter costs no call.
pub(crate) const SHORT: usize = 16;

/// Appends `source[from..to]`. Short ones are copied as 16 bytes, of which the rest is cut off again.
#[inline(always)]
pub(crate) fn put_short(out: &mut Vec<u8>, source: &[u8], from: usize, to: usize) {
    let length = to - from;
    if length <= SHORT
        && let Some(sixteen) = source[from..].first_chunk::<SHORT>()
    {
        let end = out.len() + length;
        out.extend_from_slice(sixteen);
        out.truncate(end);
    } else {
        out.extend_from_slice(&source[from..to]);
    }
}
