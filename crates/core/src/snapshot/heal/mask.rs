//! The mask of a blob, put right by what events say: a row is a document unless its key changed since.

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use tidelog_log::Result;

use super::super::check::Damage;
use super::Healing;
use super::events::Noted;
use crate::Engine;
use crate::folded::{Blob, wrong_column};
use crate::sql::Sql;
use crate::table::masks::{self, Mask};
use crate::table::restore::{self, Staged};

impl Engine {
    /// Stores the mask that events say, where it has as many bits as were counted. Rows of which no event
    /// tells keep theirs.
    pub(super) fn mend_mask(&mut self, sql: &dyn Sql, healing: &mut Healing) -> Result<()> {
        let Some((prepared, entry)) = self.damaged(sql, healing)? else {
            return Ok(());
        };
        let Some((masked, stored)) = masks::stored(sql, entry.id)? else {
            return Ok(());
        };
        let (id, name) = (prepared.collection.id, prepared.collection.name.clone());
        let blob = Blob::open(sql, entry.id, entry.tag)?.adopted(entry.adopted);
        let mut mask = Mask::default();
        for page in 0..blob.decoder.page_count() {
            let (keys, versions) = (blob.keys(page)?, blob.versions(page)?);
            let keys = keys.as_string_opt::<i32>();
            let keys = keys.ok_or_else(|| wrong_column("text"))?;
            let versions = versions.as_primitive_opt::<Int64Type>();
            let versions = versions.ok_or_else(|| wrong_column("int64"))?;
            for ((key, version), row) in keys.iter().zip(versions).zip(blob.rows_of(page)) {
                let row = u32::try_from(row).unwrap_or(u32::MAX);
                let noted = restore::get(sql, Staged::Overlay, id, key.unwrap_or_default())?;
                let noted = noted.flatten().map(|body| Noted::decode(&body));
                let is_masked = match noted.transpose()? {
                    Some(noted) => u64::try_from(version.unwrap_or(0)) != Ok(noted.version.0),
                    None => stored.has(row),
                };
                if is_masked {
                    mask.set(row);
                }
            }
        }
        if mask.masked() == masked {
            masks::set(sql, entry.id, &mask)?;
            self.main = Default::default();
            self.healed(healing, &entry, "events", u64::from(entry.rows - masked));
            return Ok(());
        }
        healing.lost(Damage {
            collection: name,
            blob: Some(entry.id),
            what: "events do not say which rows of the blob are masked".to_owned(),
            ..Damage::default()
        });
        Ok(())
    }
}
