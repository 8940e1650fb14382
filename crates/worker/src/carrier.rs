//! Carries what this object wants carried to R2 and from there. The rows in its database are the only
//! state: after an eviction the same step is asked for again.

use tidelog_core::{
    Address, Command, ForkOrder, ForkPlace, Reply, SnapshotCommand, SnapshotReply, TransferAsk,
    TransferCommand,
};
use tidelog_lake::{TransferHost, transfer};
use tidelog_log::{Error, Result};

use crate::js;
use crate::messages::ObjectAsk;
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

    async fn hand_over(&self, to: &str, order: ForkOrder, bytes: Vec<u8>) -> Result<ForkPlace> {
        let to = Address::object(&self.address.type_name, to)?;
        let ask = ObjectAsk::Fork { order };
        self.peers.object(&to, &ask, Some(&bytes)).await
    }

    async fn transferred(&self, told: TransferCommand) -> Result<()> {
        self.turn(Command::Transferred(Box::new(told)))?;
        self.gate.pass().await
    }
}

impl Object {
    /// Takes a part of what another object is forked into this one.
    pub(crate) async fn take_fork(&self, order: ForkOrder, bytes: Vec<u8>) -> Result<ForkPlace> {
        let take = SnapshotCommand::TakeFork {
            schema: self.schema().await?,
            order,
            bytes,
        };
        let reply = self.turn(Command::Snapshot(Box::new(take)))?;
        self.settled().await?;
        match reply {
            Reply::Snapshot(SnapshotReply::Place(place)) => Ok(*place),
            _ => Err(Error::internal("a part of a fork was answered otherwise")),
        }
    }
}
