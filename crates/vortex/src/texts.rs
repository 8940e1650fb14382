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
    pub(crate) fn append(&mut self, others: Self) -> Result<()> {
        if self.count() == 0 && self.data.is_empty() {
            *self = others;
            return Ok(());
        }
        let from = self.data.len();
        self.end_of(others.data.len())?;
        self.data.extend_from_slice(&others.data);
        // Their sum was checked: it is below 2 GiB.
        let from = i32::try_from(from).unwrap_or(i32::MAX);
        self.offsets
            .extend(others.offsets[1..].iter().map(|offset| from + offset));
        Ok(())
    }

    /// Makes room for `bytes` more and says where they end.
    pub(crate) fn end_of(&mut self, bytes: usize) -> Result<usize> {
        let end = self.data.len().saturating_add(bytes);
        if i32::try_from(end).is_err() {
            return Err(Error::too_large("byte strings of more than 2 GiB together"));
        }
        self.data.reserve(bytes + 2 * SHORT);
        Ok(end)
    }

    #[cfg(test)]
    pub(crate) fn of(texts: &[&str]) -> Self {
        let mut out = Self::new();
        texts.iter().for_each(|text| out.push(text.as_bytes()));
        out
    }

    #[cfg(test)]
    pub(crate) fn strings(&self) -> Strings<'_> {
        Strings {
            offsets: &self.offsets,
            data: &self.data,
        }
    }
}

/// Bytes that [`Out::put`] copies of what is short, whatever its length: that costs no call.
pub(crate) const SHORT: usize = 32;

/// Bytes that become writable at a time.
const STEP: usize = 16 << 10;

/// Byte strings being written behind those that are there, up to a known end.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    texts: &'a mut Texts,
    at: usize,
    end: usize,
}

impl<'a> Out<'a> {
    /// Room for `bytes` more.
    pub(crate) fn new(texts: &'a mut Texts, bytes: usize) -> Result<Self> {
        let at = texts.data.len();
        let end = texts.end_of(bytes)?;
        Ok(Self { texts, at, end })
    }

    /// Makes the next bytes writable: some at a time, so that they are still in the cache when they
    /// are written. A short copy may reach beyond the end.
    #[cold]
    fn grow(&mut self, length: usize) -> Result<()> {
        let wanted = self.at.saturating_add(length).saturating_add(SHORT);
        if wanted > self.end.saturating_add(2 * SHORT) {
            return Err(too_many());
        }
        let ahead = (self.at + STEP).min(self.end + SHORT);
        self.texts.data.resize(ahead.max(wanted), 0);
        Ok(())
    }

    /// Where the next byte goes.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Writes `source[from..to]`, which must be there.
    #[inline(always)]
    pub(crate) fn put(&mut self, source: &[u8], from: usize, to: usize) -> Result<()> {
        let length = to - from;
        if self.texts.data.len() < self.at + length + SHORT {
            self.grow(length)?;
        }
        if length <= SHORT
            && let Some(source) = source[from..].first_chunk::<SHORT>()
            && let Some(place) = self.texts.data[self.at..].first_chunk_mut::<SHORT>()
        {
            *place = *source;
        } else {
            self.texts.data[self.at..self.at + length].copy_from_slice(&source[from..to]);
        }
        self.at += length;
        Ok(())
    }

    /// Writes the first `length` of `N` bytes, of which there are at most [`SHORT`].
    #[inline(always)]
    pub(crate) fn put_start<const N: usize>(
        &mut self,
        bytes: [u8; N],
        length: usize,
    ) -> Result<()> {
        if self.texts.data.len() < self.at + SHORT {
            self.grow(length)?;
        }
        if let Some(place) = self.texts.data[self.at..].first_chunk_mut::<N>() {
            *place = bytes;
        }
        self.at += length;
        Ok(())
    }

    /// What is written, and room for `bytes` more, or as many as are left, and [`SHORT`] behind them.
    #[inline]
    pub(crate) fn room(&mut self, bytes: usize) -> (&[u8], &mut [u8]) {
        let wanted = self.at.saturating_add(bytes).min(self.end) + SHORT;
        if self.texts.data.len() < wanted {
            let ahead = (self.at + STEP).min(self.end + SHORT);
            self.texts.data.resize(ahead.max(wanted), 0);
        }
        let (written, room) = self.texts.data.split_at_mut(self.at);
        (written, room)
    }

    /// So many bytes of the room are written.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What is written.
    #[inline]
    pub(crate) fn data(&self) -> &[u8] {
        &self.texts.data
    }

    /// Ends a string.
    #[inline]
    pub(crate) fn end_text(&mut self) {
        // The end was checked to be below 2 GiB; beyond it `finish` fails.
        self.texts
            .offsets
            .push(i32::try_from(self.at).unwrap_or(i32::MAX));
    }

    /// Checks that all bytes are written.
    pub(crate) fn finish(self) -> Result<()> {
        self.texts.data.truncate(self.at);
        match self.at == self.end {
            true => Ok(()),
            false => Err(too_many()),
        }
    }
}

fn too_many() -> Error {
    Error::corrupt("texts of other lengths than declared")
}
