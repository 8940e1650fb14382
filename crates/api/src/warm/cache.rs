//! The port: somewhere entries are kept for a while.

use bytes::Bytes;

use super::CacheKey;

/// A cache. It may forget an entry at any time, and must not give one that was not put under the same
/// key. It has no errors: what cannot be read is not there, what cannot be put is not kept.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait Cache {
    /// The entry under a key, as it was put last; none once its time is over.
    async fn get(&self, key: &CacheKey) -> Option<Entry>;

    /// Keeps an entry for at most as long as it says.
    async fn put(&self, key: &CacheKey, entry: Entry, keep: Keep);

    /// The same, unless the entry that is there stays. Of several such calls at once the cache keeps the
    /// one that stays before all others, as far as it can: who reads must bear an older one.
    async fn put_unless(&self, key: &CacheKey, entry: Entry, keep: Keep, stays: &Stays<'_>);

    /// Forgets an entry.
    async fn delete(&self, key: &CacheKey);
}

/// Whether the first of two entries, which is there, is to stay though the second is at hand.
pub type Stays<'s> = dyn Fn(&Entry, &Entry) -> bool + Sync + 's;

/// An answer, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The body.
    pub body: Bytes,
    /// Its media type.
    pub media: String,
    /// Its entity tag; empty: none.
    pub tag: String,
    /// When it was put, milliseconds since 1970.
    pub stored_at: i64,
}

/// How long an entry is kept, and how many beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Longest time, milliseconds from when it was put.
    pub ttl_millis: i64,
    /// Most entries of the key's room, where a cache can count.
    pub entries_max: u64,
}
