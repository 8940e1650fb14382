//! Carries what this object wants carried to R2 and from there. The rows in its database are the only
//! state: after an eviction the same step is asked for again.

use tidelog_core::{Command, TransferAsk, TransferCommand};
use tidelog_lake::{TransferHost, transfer};
use tidelog_log::Result;

use crate::js;
use crate::object::Object;
use crate::post::Delivering;

/// Steps that one alarm makes, each of some MB; what is left comes with the next one.
const STEPS: usize = 32;

impl Object {
    /// Carries what is due, unless somebody does; true where more is left.
    pub(crate) async fn carry(&self) -> Result<bool> {
        if self.carrying.replace(true) {
            return Ok(false);
        }
        let _carrying = Delivering(&self.carrying);
        let prefix = &self.settings.table.prefix;
        let made = transfer(self, &self.blobs, prefix, STEPS).await?;
        Ok(made == STEPS)
    }
}

impl TransferHost for Object {
    async fn transfer_due(&self) -> Result<Option<TransferAsk>> {
        let now = js::now();
        let due = self.read(|view, sql| view.transfer_due(sql, now))?;
        if due.is_some() {
            // Nothing leaves before the turn that it is of is durable.
            self.gate.pass().await?;
        }
        Ok(due)
    }

    async fn transferred(&self, told: TransferCommand) -> Result<()> {
        self.turn(Command::Transferred(Box::new(told)))?;
        self.gate.pass().await
    }
}
