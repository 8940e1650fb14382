//! Zstandard, with the size of the outcome known before.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use crate::{Error, Result};

thread_local! {
    /// A context takes some 100 KB and microseconds to make, as long as a small frame takes. Each
    /// frame begins anew, whatever became of the one before.
    static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses to exactly `raw_bytes`, which the caller has checked against its limits.
pub(crate) fn decompress(data: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(raw_bytes);
    let found = with_context(|zstd| zstd.decompress_to_buffer(data, &mut raw))?;
    check(found, raw_bytes)?;
    Ok(raw)
}

/// Decompresses a frame of exactly as many bytes as `out` has.
pub(crate) fn decompress_into(frame: &[u8], out: &mut [u8]) -> Result<()> {
    let expected = out.len();
    let found = with_context(|zstd| zstd.decompress_to_buffer(frame, out))?;
    check(found, expected)
}

fn with_context<T>(work: impl FnOnce(&mut Decompressor<'static>) -> io::Result<T>) -> Result<T> {
    CONTEXT.with_borrow_mut(|context| {
        let mut zstd = match context.take() {
            Some(zstd) => zstd,
            None => Decompressor::new().map_err(odd)?,
        };
        let done = work(&mut zstd);
        *context = Some(zstd);
        done.map_err(odd)
    })
}

fn check(found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "{found} bytes out of Zstandard, {expected} declared"
        ))),
    }
}

fn odd(e: io::Error) -> Error {
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
