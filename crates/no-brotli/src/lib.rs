//! Stands in the place of the crate `brotli`, which the iceberg crate brings through parquet's default
//! features. Every data file of Tidelog is Zstandard, so nothing calls these; the real ones would be
//! 275 KB of code and 120 KB of tables in a Worker that may have 3 MiB.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Refuses to decompress.
#[derive(Debug)]
pub struct Decompressor<R>(R);

impl<R> Decompressor<R> {
    /// Takes what it will not read.
    pub fn new(from: R, _buffer_bytes: usize) -> Self {
        Self(from)
    }
}

impl<R> Read for Decompressor<R> {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        Err(unsupported())
    }
}

/// Refuses to compress.
#[derive(Debug)]
pub struct CompressorWriter<W>(W);

impl<W> CompressorWriter<W> {
    /// Takes what it will not write to.
    pub fn new(to: W, _buffer_bytes: usize, _level: u32, _window: u32) -> Self {
        Self(to)
    }
}

impl<W> Write for CompressorWriter<W> {
    fn write(&mut self, _: &[u8]) -> Result<usize> {
        Err(unsupported())
    }

    fn flush(&mut self) -> Result<()> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "Brotli is left out of this build; data files are Zstandard",
    )
}
