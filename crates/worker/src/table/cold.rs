//! Reading a document from the files in R2, beside whatever the table does.

use tidelog_core::{Address, LakeImage};
use tidelog_log::{Error, Result, Sequence, Value};

use super::Inner;
use crate::messages::ChangesAnswer;
use crate::schemas;

/// Reads of documents that run at once: each has parts of files in memory, of which the isolate has
/// 128 MB in all.
const READS_MAX: usize = 8;

impl Inner {
    pub(super) async fn document(&self, object: &str, key: &str) -> Result<LakeImage> {
        self.enter()?;
        let read = self.read_document(object, key).await;
        self.reading.set(self.reading.get() - 1);
        read
    }

    /// A page of an object's changes.
    pub(super) async fn changes(
        &self,
        object: &str,
        range: (Sequence, Sequence),
    ) -> Result<ChangesAnswer> {
        self.enter()?;
        let read = self.read_changes(object, range).await;
        self.reading.set(self.reading.get() - 1);
        read
    }

    /// Counts one more read.
    fn enter(&self) -> Result<()> {
        let reading = self.reading.get();
        if reading >= READS_MAX {
            let message = format!(
                "{READS_MAX} reads of {} are under way",
                self.address.short()
            );
            return Err(Error::unavailable("busy", message));
        }
        self.reading.set(reading + 1);
        Ok(())
    }

    async fn read_changes(
        &self,
        object: &str,
        range: (Sequence, Sequence),
    ) -> Result<ChangesAnswer> {
        let (table, object) = (self.table()?, Address::parse(object)?);
        let remembered = self.remembered.borrow().clone();
        let read = table.begin_cold_read(&self.sql, &object, remembered.as_ref())?;
        let blobs = self.blobs(&table)?;
        let (changes, remembered) = read.changes(&blobs, range).await?;
        if remembered.is_some() {
            self.remembered.replace(remembered);
        }
        let mut bytes = Vec::new();
        for event in &changes.events {
            event.encode(&mut bytes);
        }
        Ok(ChangesAnswer {
            image: changes.image,
            upto: changes.upto,
            events: Value::Binary(bytes).to_json(),
        })
    }

    async fn read_document(&self, object: &str, key: &str) -> Result<LakeImage> {
        let trusted = self.settings.schema_millis;
        let schema = schemas::newest(&self.peers, &self.address.type_name, trusted).await?;
        let collection = schema.collection(&self.address.id)?;
        let (table, object) = (self.table()?, Address::parse(object)?);
        let remembered = self.remembered.borrow().clone();
        let read = table.begin_cold_read(&self.sql, &object, remembered.as_ref())?;
        let blobs = self.blobs(&table)?;
        let (image, remembered) = read.run(&blobs, collection, key).await?;
        if remembered.is_some() {
            self.remembered.replace(remembered);
        }
        Ok(image)
    }
}
