//! Carries what objects want carried to object storage and from there. The rows in their databases are the
//! only state: after a crash the same step is asked for again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tidelog_core::{
    Address, Command, ForkOrder, ForkPlace, Reply, SnapshotCommand, SnapshotReply, TransferAsk,
    TransferCommand,
};
use tidelog_lake::{TransferHost, transfer};
use tidelog_log::{Error, Result};

use crate::blobs::Blobs;
use crate::clock;
use crate::readers::Readers;
use crate::shards::{Shards, Shared};

/// Objects that are carried for at once: each has a part of some MB in memory.
const OBJECTS_AT_ONCE: usize = 4;
/// Steps made for an object before others have their turn.
const STEPS_AT_ONCE: usize = 64;
/// Pause before an object is looked at again whose database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The one task that carries, and what it needs.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) blobs: Blobs,
    /// Stands before every key.
    pub(crate) prefix: String,
}

impl Carrier {
    /// Carries until the runtime ends, for an object one step after the other.
    pub(crate) async fn run(&self) {
        let mut busy = BTreeSet::new();
        let mut rounds = futures_util::stream::FuturesUnordered::new();
        loop {
            while rounds.len() < OBJECTS_AT_ONCE
                && let Some(object) = self.shared.transfers.take(&busy)
            {
                busy.insert(object.clone());
                rounds.push(async move {
                    self.carry(&object).await;
                    object
                });
            }
            tokio::select! {
                Some(object) = rounds.next(), if !rounds.is_empty() => {
                    busy.remove(&object);
                }
                () = self.shared.transfers.marked() => {}
            }
        }
    }

    async fn carry(&self, object: &Address) {
        let one = CarriedFor {
            carrier: self,
            object,
        };
        match transfer(&one, &self.blobs, &self.prefix, STEPS_AT_ONCE).await {
            Ok(made) if made < STEPS_AT_ONCE => {}
            Ok(_) => self.shared.transfers.mark(object),
            // What is wanted is where it was: the object's timer asks again, too.
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                self.shared.transfers.mark(object);
            }
        }
    }
}

/// One object.
struct CarriedFor<'c> {
    carrier: &'c Carrier,
    object: &'c Address,
}

impl TransferHost for CarriedFor<'_> {
    async fn transfer_due(&self) -> Result<Option<TransferAsk>> {
        let readers = &self.carrier.readers;
        let due = readers.read_own(self.object, |view, sql| {
            view.transfer_due(sql, clock::now())
        });
        due.await
    }

    async fn hand_over(&self, to: &str, order: ForkOrder, bytes: Vec<u8>) -> Result<ForkPlace> {
        let to = Address::object(&self.object.type_name, to)?;
        let schema = self.carrier.shared.registry.newest(&to.type_name)?;
        let take = SnapshotCommand::TakeFork {
            schema,
            order,
            bytes,
        };
        let take = Command::Snapshot(Box::new(take));
        match self.carrier.shards.turn(&to, take).await? {
            Reply::Snapshot(SnapshotReply::Place(place)) => Ok(*place),
            _ => Err(Error::internal("a part of a fork was answered otherwise")),
        }
    }

    async fn transferred(&self, told: TransferCommand) -> Result<()> {
        let told = Command::Transferred(Box::new(told));
        let told = self.carrier.shards.turn(self.object, told).await;
        told.map(drop)
    }
}
