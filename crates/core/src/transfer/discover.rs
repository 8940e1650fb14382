//! Snapshots that are in object storage and that the object does not know: its database was lost.

use serde::{Deserialize, Serialize};
use tidelog_log::{Error, Result};

use super::Transfer;
use super::layout::ColdManifest;
use super::promote::put_cold_part;
use crate::mutate::IdMaker;
use crate::snapshot::{check_count, is_own_history};
use crate::sql::Sql;
use crate::table::transfers::{self, Row};
use crate::table::{meta, snapshots};
use crate::{ColdCopy, Engine, Failure, RestoreStatus, Snapshot, SnapshotTier, TypeSchema, View};

/// The fact of `_meta` that says what the last search found.
const DISCOVERY: &str = "discovery";
/// Ids that a discovery names at most; the snapshots themselves are listed.
const NAMED_MAX: usize = 1_000;

/// A search for snapshots in object storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// A UUIDv7.
    pub id: String,
    /// How far it is.
    pub status: RestoreStatus,
    /// When it was asked for, milliseconds since 1970.
    pub created: i64,
    /// Manifests that were found.
    pub found: u64,
    /// Snapshots that were not known, and are now.
    pub added: Vec<String>,
    /// Manifests that do not read, or are of something else.
    pub skipped: u64,
    /// Why it, or the last manifest that was skipped, failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl View {
    /// The search for snapshots under way, or the last one.
    ///
    /// # Errors
    /// `no_discovery` where there never was one.
    pub fn discovery(&self, sql: &dyn Sql) -> Result<Discovery> {
        meta::fact(sql, DISCOVERY)?.ok_or_else(|| {
            let message = "nobody has looked for snapshots of this object";
            Error::not_found("no_discovery", message)
        })
    }
}

impl Engine {
    /// Begins to look for snapshots in object storage; one that is under way goes on.
    pub(crate) fn discover_snapshots(
        &mut self,
        sql: &dyn Sql,
        ids: &mut IdMaker,
        schema: &TypeSchema,
    ) -> Result<Discovery> {
        if let Some(found) = meta::fact::<Discovery>(sql, DISCOVERY)?
            && found.status == RestoreStatus::Running
        {
            return Ok(found);
        }
        self.make_snapshot_tables(sql)?;
        self.upgrade(sql, schema)?;
        let discovery = Discovery {
            id: ids.next(),
            status: RestoreStatus::Running,
            created: ids.now,
            found: 0,
            added: Vec::new(),
            skipped: 0,
            failure: None,
        };
        meta::set_fact(sql, DISCOVERY, Some(&discovery))?;
        let after = String::new();
        self.add_transfer(sql, &Transfer::Discover { after }, ids.now)?;
        Ok(discovery)
    }

    /// Takes note of some that were found, and goes on behind them.
    pub(super) fn are_found(
        &mut self,
        sql: &dyn Sql,
        mut row: Row,
        manifests: Vec<(String, Vec<u8>)>,
        next: Option<String>,
    ) -> Result<()> {
        let mut discovery = self.view.discovery(sql)?;
        discovery.failure = None;
        for (key, body) in manifests {
            discovery.found += 1;
            let read = ColdManifest::read(&self.view.address, &key, &body);
            match read.and_then(|manifest| self.add_found(sql, manifest)) {
                Ok(None) => {}
                Ok(Some(id)) if discovery.added.len() < NAMED_MAX => discovery.added.push(id),
                Ok(Some(_)) => {}
                Err(error) if error.code() == "too_many_snapshots" => return Err(error),
                Err(error) => {
                    discovery.skipped += 1;
                    discovery.failure = Some(Failure::of(&error));
                }
            }
        }
        let Some(next) = next else {
            discovery.status = RestoreStatus::Complete;
            meta::set_fact(sql, DISCOVERY, Some(&discovery))?;
            return transfers::remove(sql, row.number);
        };
        meta::set_fact(sql, DISCOVERY, Some(&discovery))?;
        row.body = Transfer::Discover { after: next };
        transfers::advance(sql, &row)
    }

    /// Makes a snapshot of a manifest: its id, unless it was known.
    fn add_found(&mut self, sql: &dyn Sql, manifest: ColdManifest) -> Result<Option<String>> {
        let snapshot = manifest.snapshot;
        if snapshots::find(sql, &snapshot.id)?.is_some() {
            return Ok(None);
        }
        check_count(sql)?;
        for (number, part) in (0..).zip(&manifest.parts) {
            put_cold_part(sql, &snapshot.id, number, part)?;
        }
        let cold = ColdCopy {
            parts: manifest.parts.len() as u64,
            bytes: manifest.parts.iter().map(|part| part.bytes).sum(),
        };
        let is_own = is_own_history(sql, &self.head, &snapshot)?;
        let found = Snapshot {
            tier: SnapshotTier::Cold,
            cold: Some(cold),
            imported: snapshot.imported || !is_own,
            ..snapshot
        };
        snapshots::put(sql, &found)?;
        Ok(Some(found.id))
    }
}

/// What became of the search, in its last words.
pub(super) fn failed(sql: &dyn Sql, view: &View, failure: Failure, is_end: bool) -> Result<()> {
    let mut discovery = view.discovery(sql)?;
    discovery.failure = Some(failure);
    if is_end {
        discovery.status = RestoreStatus::Failed;
    }
    meta::set_fact(sql, DISCOVERY, Some(&discovery))
}
