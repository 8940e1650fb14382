//! Writing one text behind others.

use super::forms::{Joined, Piece};
use crate::texts::SHORT;

/// A text being written. Bytes are there up to [`SHORT`] behind what it may take.
pub(super) struct Pen<'a> {
    room: &'a mut [u8],
    pub(super) at: usize,
}

impl<'a> Pen<'a> {
    pub(super) fn new(room: &'a mut [u8]) -> Self {
        Self { room, at: 0 }
    }

    /// Writes `source[from..to]`; `None` where either is not there.
    #[inline(always)]
    pub(super) fn put(&mut self, source: &[u8], from: usize, to: usize) -> Option<()> {
        let bytes = to.checked_sub(from)?;
        if bytes <= SHORT
            && let Some(short) = source.get(from..)?.first_chunk::<SHORT>()
        {
            *self.room.get_mut(self.at..)?.first_chunk_mut()? = *short;
        } else {
            let place = self.room.get_mut(self.at..self.at + bytes)?;
            place.copy_from_slice(source.get(from..to)?);
        }
        self.at += bytes;
        Some(())
    }

    /// Writes a piece, which is part of `text`.
    #[inline(always)]
    pub(super) fn put_piece(&mut self, piece: &Piece, text: &[u8]) -> Option<()> {
        if piece.bytes > SHORT {
            return self.put(text, piece.from, piece.from + piece.bytes);
        }
        *self.room.get_mut(self.at..)?.first_chunk_mut()? = piece.short;
        self.at += piece.bytes;
        Some(())
    }

    /// Writes a piece with a value.
    #[inline(always)]
    pub(super) fn put_joined(&mut self, joined: &Joined) -> Option<()> {
        *self.room.get_mut(self.at..)?.first_chunk_mut()? = joined.bytes;
        self.at += joined.length;
        Some(())
    }

    /// How far it is, as images note it: they are parts of a page, far below 4 GiB.
    #[inline]
    pub(super) fn place(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }
}
