//! What to fold next: which rows, which blobs.

use std::collections::BTreeMap;

use super::manifest::{BLOBS_MAX, Entry, Manifest};
use super::write::ROWS_MAX;
use crate::Collection;
use crate::table::blobs::BlobId;

/// Blobs of about one size that are merged into one.
const MERGED: usize = 4;
/// Blobs merged by one step at most.
const MERGED_MAX: usize = 64;
/// Bytes of documents, before any encoding, that one step takes at most. In memory they take some six
/// times as much, and an isolate has 128 MB in all.
pub(crate) const STEP_BYTES_MAX: u64 = 8_000_000;
/// Bytes of a blob beyond which a merge is not likely to fit one.
const FULL_BYTES: u64 = 1_700_000;

/// One step of folding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Rows of the row table become blobs.
    Delta,
    /// These blobs become one, or a few, without their masked rows.
    Merge(Vec<BlobId>),
}

/// Rows past which a collection's row table is folded; none: never.
pub(crate) fn threshold(collection: &Collection) -> Option<u64> {
    let rows = collection.hot.vortex_threshold;
    (rows > 0).then_some(rows)
}

/// Of an object that is being deleted only blobs go of which nothing is left: what else is folded would be
/// deleted soon.
pub(crate) fn next_removal(manifest: &Manifest, masked: &BTreeMap<BlobId, u32>) -> Option<Step> {
    let is_empty = |entry: &&Entry| masked.get(&entry.id).is_some_and(|m| *m >= entry.rows);
    let empty = manifest.blobs.iter().filter(is_empty).take(MERGED_MAX);
    let ids: Vec<BlobId> = empty.map(|entry| entry.id).collect();
    (!ids.is_empty()).then_some(Step::Merge(ids))
}

/// The step that is due, if one is. Blobs grow in powers of [`MERGED`], so that a document is written
/// again only a few times in its life.
pub(crate) fn next_step(
    manifest: &Manifest,
    masked: &BTreeMap<BlobId, u32>,
    delta_is_due: bool,
) -> Option<Step> {
    if delta_is_due && manifest.blobs.len() < BLOBS_MAX {
        return Some(Step::Delta);
    }
    let live = |entry: &Entry| entry.rows - masked.get(&entry.id).copied().unwrap_or(0);
    // Over 30 % of it is masked.
    let worn =
        |entry: &&Entry| u64::from(entry.rows - live(entry)) * 10 > u64::from(entry.rows) * 3;
    let worn: Vec<&Entry> = manifest.blobs.iter().filter(worn).collect();
    if !worn.is_empty() {
        return Some(Step::Merge(fitting(worn.into_iter(), &live)));
    }
    let mut tiers: BTreeMap<u32, Vec<&Entry>> = BTreeMap::new();
    for entry in manifest
        .blobs
        .iter()
        .filter(|entry| entry.bytes < FULL_BYTES)
    {
        tiers
            .entry(live(entry).max(1).ilog2() / 2)
            .or_default()
            .push(entry);
    }
    tiers.into_values().find_map(|tier| {
        let taken = fitting(tier.into_iter(), &live);
        (taken.len() >= MERGED).then_some(Step::Merge(taken))
    })
}

/// The first of these that fit one step and one blob, at least one.
fn fitting<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    live: &impl Fn(&Entry) -> u32,
) -> Vec<BlobId> {
    let (mut rows, mut bytes, mut raw_bytes) = (0, 0, 0);
    let mut taken = Vec::new();
    for entry in entries.take(MERGED_MAX) {
        rows += live(entry) as usize;
        bytes += entry.bytes;
        raw_bytes = u64::saturating_add(raw_bytes, entry.raw_bytes);
        let fits = rows <= ROWS_MAX && bytes <= FULL_BYTES && raw_bytes <= STEP_BYTES_MAX;
        if !fits && !taken.is_empty() {
            break;
        }
        taken.push(entry.id);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rows: &[u32]) -> Manifest {
        let mut manifest = Manifest::default();
        for (id, rows) in (1..).zip(rows) {
            let sizes = (u64::from(*rows) * 10, u64::from(*rows) * 100);
            let key = format!("{id:04}");
            manifest.add(Entry::new((id, [0; 16]), *rows, sizes, (&key, &key)));
        }
        manifest
    }

    #[test]
    fn four_of_a_size_are_merged_and_full_ones_stay() {
        let none = BTreeMap::new();
        assert_eq!(next_step(&manifest(&[1_000; 3]), &none, false), None);
        let four = next_step(&manifest(&[1_000; 4]), &none, false);
        assert_eq!(four, Some(Step::Merge(vec![1, 2, 3, 4])));
        assert_eq!(next_step(&manifest(&[40_000; 9]), &none, false), None);
        assert_eq!(next_step(&manifest(&[1]), &none, true), Some(Step::Delta));
    }

    #[test]
    fn a_blob_with_many_masked_rows_is_written_anew() {
        let manifest = manifest(&[40_000, 40_000]);
        let masked = |rows| BTreeMap::from([(2, rows)]);
        assert_eq!(next_step(&manifest, &masked(12_000), false), None);
        let worn = next_step(&manifest, &masked(12_001), false);
        assert_eq!(worn, Some(Step::Merge(vec![2])));
    }

    #[test]
    fn random_inserts_end_in_few_blobs() {
        let mut rows = Vec::new();
        for inserted in std::iter::repeat_n(1_000, 500) {
            rows.push(inserted);
            while let Some(Step::Merge(ids)) = next_step(&manifest(&rows), &BTreeMap::new(), false)
            {
                let merged = |id: BlobId| usize::try_from(id).unwrap() - 1;
                let sum = ids.iter().map(|id| rows[merged(*id)]).sum();
                let mut at = 0;
                rows.retain(|_| {
                    at += 1;
                    !ids.contains(&at)
                });
                rows.push(sum);
            }
        }
        assert!(rows.len() < 30, "{rows:?}");
    }
}
