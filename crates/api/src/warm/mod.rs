//! The warm tier: answers kept near who asks, on every host by the same rules.
//!
//! An answer is kept under a name that tells which state of its collection it is of ([`Stamp`]), so it
//! never goes stale and a late fill is harmless. What goes stale is a small *pointer*: which state a
//! collection was in when the object was last asked. It is believed for the collection's TTL, so no
//! warm answer is older than that. Reads fill the cache, and each object pushes what changed
//! ([`Push`]). A host brings a [`Cache`], which may forget anything at any time.
//!
//! Whatever the cache does, a read is answered: a miss or a failure asks the object.

mod cache;
pub use cache::{Cache, Entry, Keep, Stays};

mod underway;
pub use underway::Underway;

mod key;
pub use key::CacheKey;

mod pointer;
pub(crate) use pointer::{Pointer, read_stamp, stamp_text};

mod terms;
pub(crate) use terms::Terms;

mod figures;
pub use figures::{Figures, Outcome, WarmFigures, figures_text};

mod read;

mod push;
pub use push::Push;

mod entries;

mod local;
pub(crate) use local::of_object;

mod front;
pub use front::Forward;
pub(crate) use front::{Fronted, STAMP, of_front};

use std::sync::Arc;

use tidelog_core::TypeSchema;
use tidelog_log::Result;

use crate::Host;

/// What the warm tier needs of the host it runs in.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait WarmHost: Host {
    /// The host's cache.
    type Cache: Cache;

    /// The cache.
    fn cache(&self) -> &Self::Cache;

    /// What became of reads.
    fn figures(&self) -> &Figures;

    /// The newest version of a type, as far as this host knows.
    ///
    /// # Errors
    /// `unknown_type`.
    async fn newest(&self, type_name: &str) -> Result<Arc<TypeSchema>>;

    /// Sixteen random bytes.
    fn entropy(&self) -> [u8; 16];
}

#[cfg(test)]
mod tests;
