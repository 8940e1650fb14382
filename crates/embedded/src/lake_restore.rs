//! Bringing a restore what the changes tables have, page by page, until it wants no more.

use std::sync::Arc;

use tidelog_core::{
    Address, Command, LakePage, LakeWanted, Reply, Restore, SnapshotCommand, SnapshotReply,
};
use tidelog_log::{Error, Result};

use crate::cold::ColdReads;
use crate::readers::stopping;
use crate::shards::Shards;
use crate::tables::Tables;

/// What reading for a restore takes. It goes on when nobody waits for it any more.
#[derive(Clone, Debug)]
pub(crate) struct LakeRestore {
    pub(crate) shards: Arc<Shards>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) cold: Arc<ColdReads>,
    pub(crate) object: Address,
}

impl LakeRestore {
    /// Brings all that a restore waits for; one that waits for nothing is answered as it is.
    ///
    /// # Errors
    /// Those of the reading, `lake_gap` and `fenced`: the restore is given up then.
    pub(crate) async fn run(self, restore: Restore) -> Result<Restore> {
        if restore.lake.is_none() {
            return Ok(restore);
        }
        let reading = tokio::spawn(self.pages(restore));
        reading.await.map_err(|_| stopping())?
    }

    async fn pages(self, mut restore: Restore) -> Result<Restore> {
        while let Some(wanted) = restore.lake.take() {
            let page = match self.read(wanted).await {
                Ok(page) => self.bring(&restore.id, Ok(page)).await,
                Err(error) => Err(error),
            };
            restore = match page {
                Ok(restore) => restore,
                Err(error) => {
                    drop(self.bring(&restore.id, Err(error.clone())).await);
                    return Err(error);
                }
            };
        }
        Ok(restore)
    }

    async fn read(&self, wanted: LakeWanted) -> Result<LakePage> {
        if !wanted.ready {
            return Ok(LakePage::default());
        }
        let range = (wanted.after, wanted.to);
        let mut read = Vec::with_capacity(wanted.collections.len());
        for collection in wanted.collections {
            let table = Address::table(&self.object.type_name, &collection)?;
            let changes = self.cold.changes(&self.tables, &table, &self.object, range);
            read.push((collection, changes.await?));
        }
        Ok(LakePage::of(wanted.after, read))
    }

    async fn bring(&self, restore: &str, page: Result<LakePage>) -> Result<Restore> {
        let restore = restore.to_owned();
        let command = SnapshotCommand::LakePage { restore, page };
        let command = Command::Snapshot(Box::new(command));
        match self.shards.turn(&self.object, command).await? {
            Reply::Snapshot(SnapshotReply::Restore(restore)) => Ok(*restore),
            other => Err(Error::internal(format!("a page was answered {other:?}"))),
        }
    }
}
