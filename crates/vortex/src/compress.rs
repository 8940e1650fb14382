//! Zstandard, with the size of the outcome known before.

use zstd::bulk::{Compressor, Decompressor};

use crate::{Error, Result};

/// Decompresses to exactly `raw_bytes`, which the caller has checked against its limits.
pub(crate) fn decompress(data: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(raw_bytes);
    Decompressor::new()
        .and_then(|mut zstd| zstd.decompress_to_buffer(data, &mut raw))
        .map_err(odd)?;
    match raw.len() == raw_bytes {
        true => Ok(raw),
        false => Err(Error::corrupt(format!(
            "{} bytes out of Zstandard, {raw_bytes} declared",
            raw.len()
        ))),
    }
}

/// Decompresses one frame after the other, with one context for all.
pub(crate) struct Frames {
    decompressor: Decompressor<'static>,
}

impl Frames {
    pub(crate) fn new() -> Result<Self> {
        let decompressor = Decompressor::new().map_err(odd)?;
        Ok(Self { decompressor })
    }

    /// Decompresses a frame of exactly as many bytes as `out` has.
    pub(crate) fn decompress(&mut self, frame: &[u8], out: &mut [u8]) -> Result<()> {
        let expected = out.len();
        let found = self
            .decompressor
            .decompress_to_buffer(frame, out)
            .map_err(odd)?;
        match found == expected {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "{found} bytes out of Zstandard, {expected} declared"
            ))),
        }
    }
}

fn odd(e: std::io::Error) -> Error {
    Error::corrupt(format!("Zstandard: {e}"))
}

/// A compressor of one level, with one context for all pages.
pub(crate) struct Zstd {
    compressor: Option<Compressor<'static>>,
    level: i32,
}

impl Zstd {
    pub(crate) fn new(level: i32) -> Self {
        Self {
            compressor: None,
            level,
        }
    }

    /// Compresses, or gives nothing where Zstandard cannot.
    pub(crate) fn compress(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(self.level).ok();
        }
        self.compressor.as_mut()?.compress(raw).ok()
    }
}
