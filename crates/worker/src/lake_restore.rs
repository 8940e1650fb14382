//! Bringing a restore what the changes tables have: their actors are asked page by page.

use tidelog_core::{
    Address, Command, LakeChanges, LakeEvent, LakePage, LakeWanted, Reply, Restore,
    SnapshotCommand, SnapshotReply,
};
use tidelog_log::{Error, FieldType, Result, Value};

use crate::messages::{ChangesAnswer, TableAsk};
use crate::object::Object;

impl Object {
    /// Brings all that a restore waits for; one that waits for nothing is answered as it is.
    pub(crate) async fn bring_lake(&self, mut restore: Restore) -> Result<Restore> {
        while let Some(wanted) = restore.lake.take() {
            let brought = match self.read_lake(wanted).await {
                Ok(page) => self.bring_page(&restore.id, Ok(page)),
                Err(error) => Err(error),
            };
            restore = match brought {
                Ok(restore) => restore,
                Err(error) => {
                    drop(self.bring_page(&restore.id, Err(error.clone())));
                    return Err(error);
                }
            };
        }
        Ok(restore)
    }

    async fn read_lake(&self, wanted: LakeWanted) -> Result<LakePage> {
        if !wanted.ready {
            return Ok(LakePage::default());
        }
        let mut read = Vec::with_capacity(wanted.collections.len());
        for collection in wanted.collections {
            let table = Address::table(&self.address.type_name, &collection)?;
            let ask = TableAsk::Changes {
                object: self.address.to_string(),
                after: wanted.after,
                to: wanted.to,
            };
            let answer: ChangesAnswer = self.peers.table(&table, &ask, None).await?;
            let Some(Value::Binary(events)) = Value::from_json(FieldType::Binary, answer.events)?
            else {
                return Err(Error::internal("a table has no page"));
            };
            let changes = LakeChanges {
                image: answer.image,
                upto: answer.upto,
                events: LakeEvent::decode_all(&events)?,
            };
            read.push((collection, changes));
        }
        Ok(LakePage::of(wanted.after, read))
    }

    fn bring_page(&self, restore: &str, page: Result<LakePage>) -> Result<Restore> {
        let restore = restore.to_owned();
        let command = SnapshotCommand::LakePage { restore, page };
        match self.turn(Command::Snapshot(Box::new(command)))? {
            Reply::Snapshot(SnapshotReply::Restore(restore)) => Ok(*restore),
            _ => Err(Error::internal("a page was answered otherwise")),
        }
    }
}
