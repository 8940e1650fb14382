//! Pcodec: numbers as offsets in bins of their distribution, entropy-coded.
//!
//! A page holds what `docs/format/vortex-blob.md` says of encoding 15: the header of Pcodec's
//! wrapped format, the metadata of one chunk, and its only page. Integers of every width are taken
//! as signed 64-bit numbers, so that little code is needed; the low bits are the value.

use pco::data_types::Number;
use pco::metadata::DeltaEncoding;
use pco::wrapped::FileDecompressor;

use crate::{Error, Result};

/// Largest window that numbers may look back in, as a power of two: a page's most rows.
const WINDOW_LOG_MAX: u32 = 16;

/// Decodes as many numbers as `out` has.
pub(crate) fn decode<T: Number>(data: &[u8], out: &mut [T]) -> Result<()> {
    let odd = |e: pco::errors::PcoError| Error::corrupt(format!("Pcodec: {e}"));
    let (file, rest) = FileDecompressor::new(data).map_err(odd)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(odd)?;
    if let DeltaEncoding::Lookback { config, .. } = &chunk.meta().delta_encoding
        && config.window_n_log.max(config.state_n_log) > WINDOW_LOG_MAX
    {
        return Err(Error::too_large("a window of Pcodec larger than a page"));
    }
    let mut page = chunk.page_decompressor(rest, out.len()).map_err(odd)?;
    let progress = page.read(out).map_err(odd)?;
    match progress.finished && progress.n_processed == out.len() && page.into_src().is_empty() {
        true => Ok(()),
        false => Err(Error::corrupt("another number of values from Pcodec")),
    }
}

/// Whether what numbers differ by is encoded instead of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deltas {
    None,
    Taken,
    /// Pcodec tries all that it has.
    Searched,
}

/// Encodes numbers; nothing where Pcodec cannot, and in a Worker, which only decodes.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn encode<T: Number>(numbers: &[T], level: usize, deltas: Deltas) -> Option<Vec<u8>> {
    use pco::wrapped::FileCompressor;
    use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

    let config = ChunkConfig::default()
        .with_compression_level(level)
        .with_paging_spec(PagingSpec::Exact(vec![numbers.len()]));
    // Factors are found before, so there is one way to look at numbers.
    let config = match deltas {
        Deltas::None => config
            .with_mode_spec(ModeSpec::Classic)
            .with_delta_spec(DeltaSpec::NoOp),
        Deltas::Taken => config
            .with_mode_spec(ModeSpec::Classic)
            .with_delta_spec(DeltaSpec::TryConsecutive(1)),
        Deltas::Searched => config,
    };
    let file = FileCompressor::default();
    let mut chunk = file.chunk_compressor(numbers, &config).ok()?;
    let mut out = Vec::with_capacity(chunk.meta_size_hint() + chunk.page_size_hint(0));
    file.write_header(&mut out).ok()?;
    chunk.write_meta(&mut out).ok()?;
    chunk.write_page(0, &mut out).ok()?;
    Some(out)
}

/// In a Worker numbers have other encodings.
#[cfg(target_arch = "wasm32")]
pub(crate) fn encode<T: Number>(_numbers: &[T], _level: usize, _deltas: Deltas) -> Option<Vec<u8>> {
    None
}
