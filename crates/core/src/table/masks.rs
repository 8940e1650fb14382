//! `_masks`: which rows of a blob are no longer documents of its collection: changed or deleted since.
//!
//! ```sql
//! CREATE TABLE _masks (
//!   blob   INTEGER PRIMARY KEY,
//!   masked INTEGER NOT NULL,       -- how many
//!   bits   BLOB NOT NULL           -- one per row, the lowest bit of the first byte is row 0
//! );
//! ```

use std::collections::BTreeMap;

use tidelog_log::{Error, Result};

use super::blobs::BlobId;
use crate::sql::{Sql, SqlValue, all, int, one};

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _masks \
     (blob INTEGER PRIMARY KEY, masked INTEGER NOT NULL, bits BLOB NOT NULL)";

/// The masked rows of one blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask {
    bits: Vec<u8>,
    masked: u32,
}

impl Mask {
    /// Masks a row; false when it was masked already.
    pub(crate) fn set(&mut self, row: u32) -> bool {
        let (byte, bit) = place(row);
        if self.bits.len() <= byte {
            self.bits.resize(byte + 1, 0);
        }
        let fresh = self.bits[byte] & bit == 0;
        self.bits[byte] |= bit;
        self.masked += u32::from(fresh);
        fresh
    }

    /// True for a masked row.
    pub(crate) fn has(&self, row: u32) -> bool {
        let (byte, bit) = place(row);
        self.bits.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    /// A mask of its bits, the lowest of the first byte is row 0.
    pub(crate) fn of_bits(bits: Vec<u8>) -> Self {
        Self {
            masked: bits.iter().map(|byte| byte.count_ones()).sum(),
            bits,
        }
    }

    /// Its bits.
    pub(crate) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// True when every row that another mask has is masked here too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let own = self.bits.iter().copied().chain(std::iter::repeat(0));
        other
            .bits
            .iter()
            .zip(own)
            .all(|(theirs, own)| theirs & !own == 0)
    }

    /// How many rows before this one are masked.
    pub(crate) fn masked_before(&self, row: u32) -> u32 {
        let (byte, bit) = place(row);
        let whole = self.bits.iter().take(byte).map(|byte| byte.count_ones());
        let rest = self.bits.get(byte).map_or(0, |bits| bits & (bit - 1));
        whole.sum::<u32>() + rest.count_ones()
    }

    /// How many rows are masked.
    pub(crate) fn masked(&self) -> u32 {
        self.masked
    }
}

fn place(row: u32) -> (usize, u8) {
    ((row / 8) as usize, 1 << (row % 8))
}

/// The mask of a blob; empty where nothing is masked.
pub(crate) fn get(sql: &dyn Sql, blob: BlobId) -> Result<Mask> {
    let bits = "SELECT bits FROM _masks WHERE blob = ?1";
    let found = one(sql, bits, &[int(blob)], |row| Ok(row[0].blob()?.to_vec()))?;
    Ok(found.map_or_else(Mask::default, Mask::of_bits))
}

/// The mask of a blob as it is stored, with how many rows it says are masked.
pub(crate) fn stored(sql: &dyn Sql, blob: BlobId) -> Result<Option<(u32, Mask)>> {
    let text = "SELECT masked, bits FROM _masks WHERE blob = ?1";
    one(sql, text, &[int(blob)], |row| {
        let masked = u32::try_from(row[0].unsigned()?).unwrap_or(u32::MAX);
        Ok((masked, Mask::of_bits(row[1].blob()?.to_vec())))
    })
}

/// How many rows are masked, by blob, of the blobs that have any.
pub(crate) fn counts(sql: &dyn Sql) -> Result<BTreeMap<BlobId, u32>> {
    let each = all(sql, "SELECT blob, masked FROM _masks", &[], |row| {
        let masked = u32::try_from(row[1].unsigned()?);
        let masked = masked.map_err(|_| Error::corrupt("a mask is too large"))?;
        Ok((row[0].unsigned()?, masked))
    })?;
    Ok(each.into_iter().collect())
}

/// Puts a mask in the place of the one before.
pub(crate) fn set(sql: &dyn Sql, blob: BlobId, mask: &Mask) -> Result<()> {
    sql.run(
        "INSERT INTO _masks (blob, masked, bits) VALUES (?1, ?2, ?3) \
         ON CONFLICT (blob) DO UPDATE SET masked = excluded.masked, bits = excluded.bits",
        &[
            int(blob),
            int(u64::from(mask.masked)),
            SqlValue::Blob(&mask.bits),
        ],
        &mut |_| Ok(()),
    )
}

/// Forgets the mask of a blob that is live no more.
pub(crate) fn clear(sql: &dyn Sql, blob: BlobId) -> Result<()> {
    let gone = "DELETE FROM _masks WHERE blob = ?1";
    sql.run(gone, &[int(blob)], &mut |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_masked_once() {
        let mut mask = Mask::default();
        assert!(mask.set(9) && !mask.set(9) && mask.set(0));
        let masked: Vec<u32> = (0..20).filter(|row| mask.has(*row)).collect();
        assert_eq!((masked, mask.masked()), (vec![0, 9], 2));
        let before = [0, 1, 9, 10, 99].map(|row| mask.masked_before(row));
        assert_eq!(before, [0, 1, 1, 2, 2]);
        let one = Mask::of_bits(vec![0, 2, 0]);
        assert!(mask.covers(&one) && mask.covers(&mask) && !one.covers(&mask));
        assert!(one.covers(&Mask::default()) && !Mask::default().covers(&one));
    }
}
