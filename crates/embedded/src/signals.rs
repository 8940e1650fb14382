//! Tells live readers that an object's log has grown.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tidelog_core::Address;
use tidelog_log::Sequence;
use tokio::sync::watch;

/// What a live reader waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The newest durable event.
    pub(crate) head: Sequence,
    /// The log is closed.
    pub(crate) closed: bool,
}

/// One channel per object that someone follows; none for the others.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    followed: Mutex<BTreeMap<Address, watch::Sender<Tip>>>,
}

impl Signals {
    /// Starts to follow an object. The first value is a placeholder: read the log after this.
    pub(crate) fn follow(&self, object: &Address) -> watch::Receiver<Tip> {
        let mut followed = self.lock();
        if followed.len() > 1_000 {
            followed.retain(|_, sender| sender.receiver_count() > 0);
        }
        followed.entry(object.clone()).or_default().subscribe()
    }

    /// Tells those who follow. Called only once the change is durable.
    pub(crate) fn grown(&self, object: &Address, tip: Tip) {
        let mut followed = self.lock();
        let Some(sender) = followed.get(object) else {
            return;
        };
        if sender.send(tip).is_err() {
            followed.remove(object);
        }
    }

    /// How many objects are followed.
    pub(crate) fn followed(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, watch::Sender<Tip>>> {
        self.followed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
