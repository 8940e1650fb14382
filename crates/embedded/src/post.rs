//! Delivers the messages that objects send each other. The rows in their outboxes are the only state:
//! after a crash the same letters are delivered again, and receivers know those they had.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use tidelog_core::{ActorCommand, Address, Command, Letter, Outcome};
use tidelog_log::Result;
use tokio::sync::Notify;

use crate::clock;
use crate::readers::Readers;
use crate::shards::{Shards, Shared};

/// Letters of one object on their way at once; each is for another receiver.
const LETTERS_AT_ONCE: u64 = 16;
/// Objects whose letters are delivered at once.
const OBJECTS_AT_ONCE: usize = 32;
/// Pause before an object is looked at again whose database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Objects with letters, or transfers, that are due.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    objects: Mutex<BTreeSet<Address>>,
    some: Notify,
}

impl Posted {
    pub(crate) fn mark(&self, object: &Address) {
        self.lock().insert(object.clone());
        self.some.notify_one();
    }

    /// Takes some object that none of these is.
    pub(crate) fn take(&self, busy: &BTreeSet<Address>) -> Option<Address> {
        let mut objects = self.lock();
        let free = objects.iter().find(|object| !busy.contains(*object));
        let free = free.cloned()?;
        objects.remove(&free);
        Some(free)
    }

    /// Returns once some object was marked since.
    pub(crate) async fn marked(&self) {
        self.some.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Address>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one task that delivers, and what it needs.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) readers: Arc<Readers>,
}

impl Post {
    /// Delivers until the runtime ends. An object's letters are looked after by one at a time: what
    /// becomes of a letter is known before the next for the same receiver leaves.
    pub(crate) async fn run(&self) {
        let mut busy = BTreeSet::new();
        let mut rounds = futures_util::stream::FuturesUnordered::new();
        loop {
            while rounds.len() < OBJECTS_AT_ONCE
                && let Some(object) = self.shared.posted.take(&busy)
            {
                busy.insert(object.clone());
                rounds.push(async move {
                    self.deliver_all(&object).await;
                    object
                });
            }
            tokio::select! {
                Some(object) = rounds.next(), if !rounds.is_empty() => {
                    busy.remove(&object);
                }
                () = self.shared.posted.marked() => {}
            }
        }
    }

    /// Delivers what is due, round by round.
    async fn deliver_all(&self, object: &Address) {
        loop {
            match self.deliver_some(object).await {
                Ok(0) => return,
                Ok(_) => {}
                // The letters are where they were: the outbox's timer asks again, too.
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    self.shared.posted.mark(object);
                    return;
                }
            }
        }
    }

    /// Delivers the first letter for each of some receivers; says how many that were.
    async fn deliver_some(&self, object: &Address) -> Result<usize> {
        let now = clock::now();
        let letters = self.readers.read_own(object, move |view, sql| {
            view.letters_due(sql, now, LETTERS_AT_ONCE)
        });
        let letters = letters.await?;
        let count = letters.len();
        let mut on_their_way: futures_util::stream::FuturesUnordered<_> = letters
            .into_iter()
            .map(|letter| self.deliver(letter))
            .collect();
        let mut done = Ok(count);
        while let Some(one) = on_their_way.next().await {
            if let Err(error) = one {
                done = Err(error);
            }
        }
        done
    }

    /// Hands a letter to its receiver and tells the sender what became of it.
    async fn deliver(&self, letter: Letter) -> Result<()> {
        let (from, to, number) = (letter.from.clone(), letter.to.clone(), letter.number);
        let outcome = match self.hand_over(letter).await {
            Ok(()) => Outcome::Taken,
            // Nobody refused it: this process ends.
            Err(error) if error.code() == "not_ready" => return Err(error),
            Err(error) => Outcome::Failed(error),
        };
        let told = ActorCommand::Delivered {
            to,
            number,
            outcome,
        };
        let told = Command::Actor(Box::new(told));
        self.shards.turn(&from, told).await.map(drop)
    }

    async fn hand_over(&self, letter: Letter) -> Result<()> {
        let schema = self.shared.registry.newest(&letter.to.type_name)?;
        let to = letter.to.clone();
        let command = ActorCommand::Deliver { schema, letter };
        let taken = self
            .shards
            .turn(&to, Command::Actor(Box::new(command)))
            .await;
        taken.map(drop)
    }
}
