//! Bytes of any length as parts that each fit a row: cut, and compressed in a Vortex blob of one column.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray};
use tidelog_log::{Error, Result};
use tidelog_vortex::{ColumnSpec, EncodeOptions, VortexDecoder, VortexEncoder};

use crate::folded::{bytes_at, foreign};
use crate::sql::Sql;
use crate::table::snapshots::{self, PartKind};

/// Bytes of one part before they are compressed: what does not compress fits a row too.
const PART_BYTES: usize = 1_700_000;
/// The bytes of a part are rows of so many.
const SLICE_BYTES: usize = 64_000;
/// Parts of one item at most.
const PARTS: u64 = 256;

/// The number of the first part of an item.
pub(crate) fn first_part(item: u64) -> u64 {
    item * PARTS
}

/// Stores an item, in as many parts as it takes. Returns the bytes of the parts.
pub(crate) fn put(
    sql: &dyn Sql,
    snapshot: &str,
    kind: PartKind,
    (collection, item): (u32, u64),
    bytes: &[u8],
) -> Result<u64> {
    let mut stored = 0;
    if bytes.len().div_ceil(PART_BYTES) as u64 > PARTS {
        return Err(Error::internal("an item of a snapshot is too large"));
    }
    for (part, piece) in (first_part(item)..).zip(bytes.chunks(PART_BYTES)) {
        let body = pack(piece)?;
        snapshots::put_part(sql, snapshot, kind, (collection, part), &body)?;
        stored += body.len() as u64;
    }
    Ok(stored)
}

/// An item whose first part was read: its bytes, the other parts read too.
pub(crate) fn join(
    sql: &dyn Sql,
    snapshot: &str,
    kind: PartKind,
    first: &snapshots::Part,
) -> Result<Vec<u8>> {
    if !first.number.is_multiple_of(PARTS) {
        return Err(Error::corrupt("an item of a snapshot lacks its first part"));
    }
    let mut bytes = unpack(&first.body)?;
    for number in first.number + 1..first.number + PARTS {
        let Some(body) = snapshots::part(sql, snapshot, kind, (first.collection, number))? else {
            break;
        };
        bytes.extend(unpack(&body)?);
        if kind == PartKind::Documents && bytes.len() > 2 * PART_BYTES {
            return Err(Error::corrupt("a document of a snapshot is too large"));
        }
    }
    Ok(bytes)
}

/// The number of an item, of its part's.
pub(crate) fn item_of(part: u64) -> u64 {
    part / PARTS
}

fn pack(bytes: &[u8]) -> Result<Vec<u8>> {
    let slices = bytes.chunks(SLICE_BYTES).map(Some);
    let column: ArrayRef = Arc::new(slices.collect::<BinaryArray>());
    let encoder = VortexEncoder::new(EncodeOptions::default());
    encoder
        .encode(&[ColumnSpec::plain(0, "bytes")], &[column])
        .map_err(foreign)
}

fn unpack(body: &[u8]) -> Result<Vec<u8>> {
    let blob = VortexDecoder::open(body.to_vec()).map_err(foreign)?;
    let too_large = || Error::corrupt("a part has more bytes than one can have");
    // Few bytes may say that they are many: those of a forged file.
    if blob.rows() > PART_BYTES.div_ceil(SLICE_BYTES) {
        return Err(too_large());
    }
    let column = blob.read_column(0).map_err(foreign)?;
    let mut bytes = Vec::new();
    for row in 0..column.len() {
        let slice = bytes_at(&column, row).ok_or_else(|| Error::corrupt("a part has no bytes"))?;
        if bytes.len() + slice.len() > PART_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(slice);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_says_it_is_more_than_it_can_be_is_refused() {
        let rows = |count: usize, bytes: usize| {
            let slice = vec![7; bytes];
            let column: ArrayRef = Arc::new(
                vec![Some(&slice[..]); count]
                    .into_iter()
                    .collect::<BinaryArray>(),
            );
            let encoder = VortexEncoder::new(EncodeOptions::default());
            encoder
                .encode(&[ColumnSpec::plain(0, "bytes")], &[column])
                .unwrap()
        };
        for bomb in [rows(100, SLICE_BYTES), rows(20, 300_000)] {
            assert!(bomb.len() < 400_000, "{}", bomb.len());
            assert_eq!(unpack(&bomb).unwrap_err().code(), "corrupt");
        }
    }

    #[test]
    fn bytes_come_back_however_they_compress() {
        let mut random = 1_u64;
        let noise = std::iter::repeat_with(|| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random.to_le_bytes()[7]
        });
        for bytes in [vec![7; PART_BYTES], noise.take(PART_BYTES).collect()] {
            let body = pack(&bytes).unwrap();
            assert!(body.len() < tidelog_log::limits::PART_BYTES_MAX);
            assert!(unpack(&body).unwrap() == bytes);
        }
    }
}
