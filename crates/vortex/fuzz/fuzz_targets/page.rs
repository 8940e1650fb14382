//! A page with altered bytes under right checksums, so that what parses and decodes pages meets them.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tidelog_vortex::VortexDecoder;
use twox_hash::XxHash3_64;

const FOOTER_BYTES: usize = 28;
const HEADER_BYTES: usize = 24;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let Ok(input) = tidelog_vortex_fuzz::input(&mut bytes) else {
        return;
    };
    let Ok(mut blob) = input.encoder.encode(&input.specs, &input.arrays) else {
        return;
    };
    let whole = VortexDecoder::open(blob.clone()).expect("what was written opens");
    let pages = whole.columns().iter().flat_map(|column| &column.pages);
    let mut places: Vec<(usize, usize)> = pages.map(|page| (page.offset, page.bytes)).collect();
    places.retain(|(_, length)| *length > 0);
    if places.is_empty() {
        return;
    }
    for _ in 0..bytes.int_in_range(1..=3).unwrap_or(1) {
        let Ok(place) = bytes.choose(&places).copied() else {
            return;
        };
        if alter(&mut blob, place, &mut bytes).is_err() {
            return;
        }
    }
    let altered = VortexDecoder::open(blob).expect("the container is as it was");
    for column in 0..altered.columns().len() {
        for page in 0..altered.page_count() {
            drop(altered.page_encoding(column, page));
            drop(altered.read_page(column, page));
        }
        for row in [0, altered.rows() / 2, altered.rows().saturating_sub(1)] {
            drop(altered.take(column, &[row]));
        }
    }
    drop(altered.read_all());
});

/// Overwrites some bytes of a page, then its checksum in the index and the one of the footer.
fn alter(
    blob: &mut [u8],
    (offset, length): (usize, usize),
    bytes: &mut Unstructured<'_>,
) -> arbitrary::Result<()> {
    let before = XxHash3_64::oneshot(&blob[offset..offset + length]).to_le_bytes();
    let from = bytes.int_in_range(0..=length - 1)?;
    let most = (length - from).min(bytes.int_in_range(1..=16)?);
    let with = bytes.bytes(bytes.len().min(most))?;
    blob[offset + from..offset + from + with.len()].copy_from_slice(with);
    let after = XxHash3_64::oneshot(&blob[offset..offset + length]).to_le_bytes();
    let footer = blob.len() - FOOTER_BYTES;
    let index_bytes = u32::from_le_bytes(blob[footer + 4..footer + 8].try_into().expect("4 bytes"));
    let index = footer - index_bytes as usize;
    let found = blob[index..footer]
        .windows(8)
        .position(|eight| eight == before);
    let at = index + found.expect("the index has the page's checksum");
    blob[at..at + 8].copy_from_slice(&after);
    let metadata = u32::from_le_bytes(blob[20..24].try_into().expect("4 bytes")) as usize;
    let seed = XxHash3_64::oneshot(&blob[..HEADER_BYTES + metadata]);
    let sum = XxHash3_64::oneshot_with_seed(seed, &blob[index..footer + 16]).to_le_bytes();
    blob[footer + 16..footer + 24].copy_from_slice(&sum);
    Ok(())
}
