//! Reads of documents from the lake, beside the table actors and not in their way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog_core::{Address, LakeChanges, LakeImage, TypeSchema};
use tidelog_lake::SnapshotScan;
use tidelog_log::{Result, Sequence};
use tokio::sync::Semaphore;

use crate::readers::stopping;
use crate::tables::Tables;

/// Reads that run at once; each has parts of a few files in memory. Others wait.
const READS_MAX: usize = 32;
/// Tables whose newest snapshot's files are remembered.
const REMEMBERED_TABLES_MAX: usize = 64;

/// What reads from the lake share.
#[derive(Debug)]
pub(crate) struct ColdReads {
    running: Semaphore,
    remembered: Mutex<BTreeMap<Address, SnapshotScan>>,
}

impl ColdReads {
    pub(crate) fn new() -> Self {
        Self {
            running: Semaphore::new(READS_MAX),
            remembered: Mutex::default(),
        }
    }

    /// What `table` has of a document of `object` in its newest snapshot.
    pub(crate) async fn document(
        &self,
        tables: &Tables,
        table: &Address,
        schema: &TypeSchema,
        (object, key): (&Address, &str),
    ) -> Result<LakeImage> {
        if !tables.exists(table) {
            return Ok(LakeImage::default());
        }
        let collection = schema.collection(&table.id)?;
        let _running = self.running.acquire().await.map_err(|_| stopping())?;
        let remembered = self.lock().get(table).cloned();
        let (read, blobs) = tables.begin_cold_read(table, object, remembered).await?;
        let (image, remembered) = read.run(&blobs, collection, key).await?;
        if let Some(remembered) = remembered {
            self.remember(table, remembered);
        }
        Ok(image)
    }

    /// A page of what `table` has of `object` in its newest snapshot, after and up to these sequences.
    pub(crate) async fn changes(
        &self,
        tables: &Tables,
        table: &Address,
        object: &Address,
        range: (Sequence, Sequence),
    ) -> Result<LakeChanges> {
        if !tables.exists(table) {
            return Ok(LakeChanges::default());
        }
        let _running = self.running.acquire().await.map_err(|_| stopping())?;
        let remembered = self.lock().get(table).cloned();
        let (read, blobs) = tables.begin_cold_read(table, object, remembered).await?;
        let (changes, remembered) = read.changes(&blobs, range).await?;
        if let Some(remembered) = remembered {
            self.remember(table, remembered);
        }
        Ok(changes)
    }

    fn remember(&self, table: &Address, scan: SnapshotScan) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_TABLES_MAX && !remembered.contains_key(table) {
            remembered.pop_first();
        }
        remembered.insert(table.clone(), scan);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, SnapshotScan>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
