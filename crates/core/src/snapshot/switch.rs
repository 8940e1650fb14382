//! The turn in which what was staged takes the place of what there was.

use std::collections::BTreeSet;

use tidelog_log::{Epoch, Error, Result};

use super::apply::breaks_index;
use super::copy;
use super::stage::Staging;
use crate::Engine;
use crate::document::Prepared;
use crate::folded::{Adopted, BLOBS_MAX, Manifest, mask_of};
use crate::sql::{Sql, SqlValue, int, quoted};
use crate::table::blobs::{self, BlobId};
use crate::table::masks::{self, Mask};
use crate::table::restore::{self, Staged};

impl Engine {
    /// Moves blobs, masks, rows and records to where they count.
    pub(super) fn switch(&mut self, sql: &dyn Sql, staging: &Staging) -> Result<()> {
        let view = self.view.clone();
        let all = (usize::MAX, usize::MAX);
        for row in restore::after(sql, Staged::Mask, (0, ""), all)? {
            let blob = row.key.parse();
            let blob = blob.map_err(|_| Error::corrupt("a staged mask of no blob"))?;
            masks::set(sql, blob, &Mask::of_bits(row.body.unwrap_or_default()))?;
        }
        for prepared in view.collections.iter() {
            if staging.touched.contains(&prepared.collection.id) {
                switch_collection(sql, prepared)?;
            }
        }
        // What is remembered of manifests, masks and rows is of before.
        self.main = Default::default();
        self.check_unique_values(sql, staging.touched.iter().copied())?;
        move_records(sql)?;
        let parent = self.head.epoch;
        let first = self.head.sequence.next();
        let before = std::mem::replace(&mut self.head, staging.head()?);
        self.log_bytes += staging.bytes;
        self.opened_epoch(sql, (self.head.epoch, parent), first, self.head.timestamp)?;
        self.revive(sql)?;
        self.follow_from(sql, first, self.head.timestamp)?;
        let touched: Vec<u32> = staging.touched.iter().copied().collect();
        self.touched.note(&self.head, &touched);
        self.unfolded.count(sql)?;
        self.plan_segment(sql, self.head.timestamp, 0)?;
        let touched: BTreeSet<u32> = staging.touched.clone();
        self.plan_fold(sql, self.head.timestamp, touched)?;
        debug_assert!(before.epoch < self.head.epoch || before.epoch == Epoch(0));
        self.arm_schedule(sql)?;
        self.arm_expire(sql, self.head.timestamp)
    }
}

fn switch_collection(sql: &dyn Sql, prepared: &Prepared) -> Result<()> {
    let id = prepared.collection.id;
    let text = format!(
        "DELETE FROM {} WHERE _key IN \
         (SELECT key FROM _restore WHERE kind = ?1 AND collection = ?2)",
        quoted(&prepared.collection.name)
    );
    let args = [int(Staged::Drop as u64), int(u64::from(id))];
    sql.run(&text, &args, &mut |_| Ok(()))?;
    let mut manifest = Manifest::of(sql, id)?.as_ref().clone();
    each(sql, Staged::Blob, id, &mut |body| {
        for entry in Manifest::decode(body)?.blobs {
            if let Some(adopted) = entry.adopted {
                take_over(sql, &mut manifest, entry.id, adopted)?;
            }
            manifest.add(entry);
        }
        Ok(())
    })?;
    if manifest.blobs.len() > BLOBS_MAX {
        let message = format!("the collection would have over {BLOBS_MAX} blobs");
        return Err(Error::too_large("restore_too_large", message));
    }
    manifest.store(sql, id)?;
    each(sql, Staged::Large, id, &mut |body| {
        let document = copy::decode(body)?;
        let table = &prepared.table;
        let done = table.bind(&document.key, document.version, &document.row, |args| {
            sql.run(&table.insert, args, &mut |_| Ok(()))
        });
        done.map_err(breaks_index)
    })
}

/// An adopted blob may be live, all its rows masked: its mask becomes that of the adoption.
fn take_over(sql: &dyn Sql, manifest: &mut Manifest, id: BlobId, adopted: Adopted) -> Result<()> {
    if let Some(before) = manifest.blobs.iter().find(|entry| entry.id == id) {
        before.adopted.map_or(Ok(()), |a| a.release(sql))?;
        manifest.remove(id);
        blobs::release(sql, id)?;
        masks::clear(sql, id)?;
    }
    match adopted.mask {
        None => Ok(()),
        mask => masks::set(sql, id, &mask_of(sql, mask)?),
    }
}

/// Hands the bodies of a collection's rows of a kind to `take`, some at a time.
fn each(
    sql: &dyn Sql,
    kind: Staged,
    collection: u32,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let rows = restore::after(sql, kind, (collection, &after), (1_000, 8_000_000))?;
        let mut rows = rows
            .into_iter()
            .filter(|row| row.collection == collection)
            .peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        for row in rows {
            take(row.body.as_deref().unwrap_or_default())?;
            after = row.key;
        }
    }
}

fn move_records(sql: &dyn Sql) -> Result<()> {
    let text = "INSERT INTO _log (id, body) \
                SELECT CAST(key AS INTEGER), body FROM _restore WHERE kind = ?1 ORDER BY key";
    let args: [SqlValue<'_>; 1] = [int(Staged::Record as u64)];
    sql.run(text, &args, &mut |_| Ok(()))
}
