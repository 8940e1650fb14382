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

/// Bytes that [`Out::put`] copies of what is short, whatever its length: that costs no call.
pub(crate) const SHORT: usize = 32;

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
        // A short copy may reach beyond the end.
        texts.data.resize(end + SHORT, 0);
        Ok(Self { texts, at, end })
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
        if length <= SHORT
            && let Some(source) = source[from..].first_chunk::<SHORT>()
            && let Some(place) = self.texts.data.get_mut(self.at..)
            && let Some(place) = place.first_chunk_mut::<SHORT>()
        {
            *place = *source;
        } else {
            let place = self.texts.data.get_mut(self.at..self.at + length);
            place.ok_or_else(too_many)?.copy_from_slice(&source[from..to]);
        }
        self.at += length;
        Ok(())
    }

    /// Writes again what stands from `from` to `to`.
    #[inline]
    pub(crate) fn repeat(&mut self, from: usize, to: usize) -> Result<()> {
        if self.at + (to - from) > self.end {
            return Err(too_many());
        }
        self.texts.data.copy_within(from..to, self.at);
        self.at += to - from;
        Ok(())
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
        self.texts.offsets.push(i32::try_from(self.at).unwrap_or(i32::MAX));
    }

    /// Checks that all bytes are written.
    pub(crate) fn finish(self) -> Result<()> {
        self.texts.data.truncate(self.end);
        match self.at == self.end {
            true => Ok(()),
            false => Err(too_many()),
        }
    }
}

fn too_many() -> Error {
    Error::corrupt("texts of other lengths than declared")
}
