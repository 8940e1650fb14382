//! Blobs of the state that is wanted which nothing of the present state meets: they become live as they
//! are, without a look at their rows. `docs/decisions/0015-adoption.md` says why it is so.

use std::cmp::Ordering;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use tidelog_log::limits::TURN_ROWS_MAX;
use tidelog_log::{AdoptedRows, BlobReference, Error, Result, Sequence, split_parts};
use tidelog_vortex::Scalar;

use super::compare::Base;
use super::restore::Restoring;
use super::stage::Staging;
use super::{Budget, copy};
use crate::Engine;
use crate::document::Prepared;
use crate::folded::{Adopted, Blob, Entry, Manifest, Wanted, tag_of, wrong_column};
use crate::sql::{Sql, SqlValue, all, int, quoted};
use crate::table::blobs;
use crate::table::masks::Mask;
use crate::table::restore::{self, Staged, number};

/// Documents in the range of a blob's keys, of the overlay or of the row table, that are looked at one
/// by one; with more of them its rows are compared.
const NEAR_MAX: usize = 10_000;

impl Engine {
    /// Notes a blob of the full snapshot to be adopted, if it can be; else its documents are to be
    /// compared. `live` is its mask where it is live.
    pub(super) fn adopt(
        &mut self,
        sql: &dyn Sql,
        restoring: &mut Restoring,
        prepared: &Prepared,
        (base, entry, live): (&Base<'_>, &Entry, Option<&Mask>),
        budget: &mut Budget,
    ) -> Result<bool> {
        let blob = base.folded.blob(entry)?;
        let mask = base.mask(entry.id)?;
        let rows = |mask: &Mask| (entry.rows as usize).saturating_sub(mask.masked() as usize);
        let gone = live.is_none_or(|live| live.masked() == entry.rows);
        let distinct = restoring.distinct.contains(&prepared.collection.id);
        if !gone || !distinct || rows(&mask) < self.policy.snapshots.adopt_rows.max(1) {
            return Ok(false);
        }
        let (first, last) = bounds_of(&blob)?;
        let between = (first.as_str(), last.as_str());
        if !self.blobs_are_elsewhere(sql, prepared, base, entry, between)? {
            return Ok(false);
        }
        let overlaid = restore::keys_between(sql, prepared.collection.id, between, NEAR_MAX + 1)?;
        let near = rows_between(sql, prepared, between)?;
        budget.spend(
            overlaid.len() + near.len() + entry.rows as usize / 64 + 1,
            0,
        );
        if overlaid.len() > NEAR_MAX || near.len() > NEAR_MAX {
            return Ok(false);
        }
        // What the overlay says of a document wins: its row is none of those that come back.
        let mut mask = mask.as_ref().clone();
        for key in &overlaid {
            let row = blob.find(&Wanted::of(&prepared.collection, key))?;
            row.map(|row| mask.set(row));
        }
        for key in &near {
            let row = blob.find(&Wanted::of(&prepared.collection, key))?;
            if row.is_some_and(|row| !mask.has(row)) {
                return Ok(false);
            }
        }
        if rows(&mask) < self.policy.snapshots.adopt_rows.max(1) {
            return Ok(false);
        }
        note(sql, restoring, prepared, entry, &mask)?;
        Ok(true)
    }

    /// True when no document of another live blob may be in the way of a blob of the full snapshot.
    fn blobs_are_elsewhere(
        &mut self,
        sql: &dyn Sql,
        prepared: &Prepared,
        base: &Base<'_>,
        entry: &Entry,
        (first, last): (&str, &str),
    ) -> Result<bool> {
        let live = self.main.manifest(sql, prepared.collection.id)?;
        let near = live
            .blobs
            .iter()
            .filter(|l| l.may_overlap(first, last) && l.bounds.may_meet(&entry.bounds));
        for other in near.filter(|other| other.id != entry.id) {
            let mask = self.main.mask(sql, other.id)?;
            // Of one key there is one document in the snapshot: what both states have is not in the way.
            let is_shared = || -> Result<bool> {
                let wanted = base.mask_of(other)?;
                Ok(wanted.is_some_and(|wanted| mask.covers(&wanted)))
            };
            if mask.masked() != other.rows && !is_shared()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stages the next blob that was noted, with a record for each run of its rows; false when there
    /// is none.
    pub(super) fn stage_adopted(
        &mut self,
        sql: &dyn Sql,
        now: i64,
        restoring: &Restoring,
        staging: &mut Staging,
        budget: &mut Budget,
    ) -> Result<bool> {
        let after = (staging.adopted.0, staging.adopted.1.as_str());
        let noted = restore::after(sql, Staged::Adopt, after, (1, usize::MAX))?;
        let Some(row) = noted.into_iter().next() else {
            return Ok(false);
        };
        let mask = Mask::of_bits(row.body.unwrap_or_default());
        let full = restoring.sources.full.as_deref().unwrap_or_default();
        let manifest = copy::manifest(sql, full, row.collection)?;
        let mut entries = manifest.blobs.into_iter();
        let entry = entries.find(|entry| number(entry.id) == row.key);
        let mut entry = entry.ok_or_else(|| Error::corrupt("a blob of no snapshot is adopted"))?;
        entry.adopted = Some(Adopted {
            first: staging.sequence.next().0,
            mask: match mask.masked() {
                0 => None,
                _ => Some((blobs::put(sql, mask.bits(), 1)?, tag_of(mask.bits()))),
            },
        });
        self.stage_runs(
            sql,
            now,
            restoring,
            staging,
            (row.collection, &entry, &mask),
        )?;
        blobs::hold(sql, entry.id)?;
        budget.spend(entry.rows as usize / 64 + 1, 0);
        let mut staged = Manifest::default();
        staged.add(entry);
        let body = staged.encode();
        restore::put(sql, Staged::Blob, row.collection, &row.key, Some(&body))?;
        staging.touched.insert(row.collection);
        staging.adopted = (row.collection, row.key);
        Ok(true)
    }

    /// Stages the records of an adopted blob: each of as many rows as a turn may write.
    fn stage_runs(
        &self,
        sql: &dyn Sql,
        now: i64,
        restoring: &Restoring,
        staging: &mut Staging,
        (collection, entry, mask): (u32, &Entry, &Mask),
    ) -> Result<()> {
        let mut all = self.view.collections.iter().map(|p| &p.collection);
        let of = all.find(|c| c.id == collection);
        let of = of.ok_or_else(|| Error::internal("a blob of no collection is adopted"))?;
        let run_rows = u32::try_from(TURN_ROWS_MAX).unwrap_or(u32::MAX);
        let kept = entry.adopted.and_then(|adopted| adopted.mask);
        for start in (0..entry.rows).step_by(TURN_ROWS_MAX) {
            let rows = run_rows.min(entry.rows - start);
            let masked = mask.masked_before(start + rows) - mask.masked_before(start);
            let count = rows - masked;
            if count == 0 {
                continue;
            }
            let header = self.staged_header(now, restoring, staging)?;
            let bytes = u128::from(entry.raw_bytes) * u128::from(count) / u128::from(entry.rows);
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let adopted = AdoptedRows {
                start,
                rows,
                mask: kept,
            };
            let blob = (entry.id, entry.tag);
            let (record, hash) =
                BlobReference::adopt(&header, (count, bytes), (of.id, &of.name), blob, adopted);
            for (id, _) in [blob].into_iter().chain(kept) {
                blobs::hold(sql, id)?;
            }
            staging.record(sql, &header, split_parts(&record))?;
            staging.sequence = Sequence(staging.sequence.0 + u64::from(count));
            staging.ended(&header, hash, record.len());
        }
        Ok(())
    }
}

/// Counts the rows of a blob that is to be adopted, with the mask it gets.
fn note(
    sql: &dyn Sql,
    restoring: &mut Restoring,
    prepared: &Prepared,
    entry: &Entry,
    mask: &Mask,
) -> Result<()> {
    let rows = u64::from(entry.rows.saturating_sub(mask.masked()));
    let name = prepared.collection.name.clone();
    let counts = restoring.restore.differences.entry(name).or_default();
    counts.added += rows;
    restoring.bytes = restoring.bytes.saturating_add(entry.raw_bytes);
    if restoring.restore.dry_run {
        return Ok(());
    }
    let (id, key) = (prepared.collection.id, number(entry.id));
    restore::put(sql, Staged::Adopt, id, &key, Some(mask.bits()))
}

/// The first and the last key of a blob, whole.
fn bounds_of(blob: &Blob<'_>) -> Result<(String, String)> {
    let pages = blob.decoder.columns()[blob.key_column()].pages.iter();
    let (first, last) = (pages.clone().next(), pages.clone().next_back());
    let text = |bound: &Scalar| match bound {
        Scalar::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let least = first.filter(|page| page.min_is_exact).map(|page| &page.min);
    let greatest = last.filter(|page| page.max_is_exact).map(|page| &page.max);
    let said = least
        .zip(greatest)
        .and_then(|(least, greatest)| Some((text(least.as_ref()?)?, text(greatest.as_ref()?)?)));
    match said {
        Some(bounds) => Ok(bounds),
        // Long keys are cut there.
        None => Ok((
            key_at(blob, 0, Ordering::Less)?,
            key_at(blob, pages.len().saturating_sub(1), Ordering::Greater)?,
        )),
    }
}

/// The first or the last key of a page.
fn key_at(blob: &Blob<'_>, page: usize, side: Ordering) -> Result<String> {
    let keys = blob.keys(page)?;
    let keys = keys
        .as_string_opt::<i32>()
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| wrong_column("text"))?;
    let at = match side {
        Ordering::Less => 0,
        _ => keys.len() - 1,
    };
    Ok(keys.value(at).to_owned())
}

/// Keys of the row table from the first to the last, at most one more than are looked at.
fn rows_between(
    sql: &dyn Sql,
    prepared: &Prepared,
    (first, last): (&str, &str),
) -> Result<Vec<String>> {
    let text = format!(
        "SELECT _key FROM {} WHERE _key BETWEEN ?1 AND ?2 LIMIT ?3",
        quoted(&prepared.collection.name)
    );
    let (first, last) = (SqlValue::Text(first), SqlValue::Text(last));
    let args = [first, last, int(NEAR_MAX as u64 + 1)];
    all(sql, &text, &args, |row| Ok(row[0].text()?.to_owned()))
}
