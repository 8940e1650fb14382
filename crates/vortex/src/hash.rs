//! Checksums: XXH3 with 64 bits, which every bit of its input moves.

use twox_hash::XxHash3_64;

/// The checksum of a page or a section.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The checksum of everything that describes a blob: what stands before its pages, and what stands
/// after them up to the checksum itself. The hash of the first seeds that of the second.
pub(crate) fn frame_checksum(before: &[u8], after: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(before), after)
}
