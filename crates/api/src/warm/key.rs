//! Names of cache entries. Decision 0008 has the layout.

use std::fmt::Write as _;

use tidelog_core::{Address, NAMESPACE, Stamp};

/// The name of an entry: segments of a URL's path, and the room in which entries are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheKey {
    path: String,
    room: String,
}

impl CacheKey {
    /// The name `path`, counted in `room`.
    pub fn new(path: impl Into<String>, room: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            room: room.into(),
        }
    }

    /// ASCII, without a leading `/`, valid as a URL's path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What shares a bound on the number of entries: a collection of a type, or a type's user entries.
    pub fn room(&self) -> &str {
        &self.room
    }
}

/// The names of what is kept of one collection of one object.
#[derive(Clone, Debug)]
pub(crate) struct CollectionKeys {
    base: String,
    room: String,
}

impl CollectionKeys {
    /// `version`: the newest version of the type as the host knows it. Another one reads anew.
    pub(crate) fn new(object: &Address, version: u32, collection: &str) -> Self {
        let (type_name, id) = (&object.type_name, escaped(&object.id));
        Self {
            base: format!("v1/{NAMESPACE}/collection/{type_name}/{version}/{id}/{collection}"),
            room: format!("{type_name}/{collection}"),
        }
    }

    /// Which state the collection was in.
    pub(crate) fn pointer(&self) -> CacheKey {
        self.key("pointer")
    }

    /// A document in one state of the collection.
    pub(crate) fn document(&self, stamp: &Stamp, key: &str) -> CacheKey {
        self.key(&format!("{}/document/{}", name(stamp), escaped(key)))
    }

    /// A query's answer in one state of the collection; `digest` names the query.
    pub(crate) fn query(&self, stamp: &Stamp, digest: &str) -> CacheKey {
        self.key(&format!("{}/query/{digest}", name(stamp)))
    }

    fn key(&self, rest: &str) -> CacheKey {
        CacheKey::new(format!("{}/{rest}", self.base), self.room.clone())
    }
}

/// A state's name. The offset is not part of it: a state outlives events of other collections.
fn name(stamp: &Stamp) -> String {
    format!(
        "{}-{}-{:016x}-{}",
        stamp.offset.epoch, stamp.touched, stamp.mark, stamp.schema_version
    )
}

/// The names of the entries that users put beside one object.
#[derive(Clone, Debug)]
pub(crate) struct EntryKeys {
    base: String,
    room: String,
}

impl EntryKeys {
    pub(crate) fn new(object: &Address) -> Self {
        let (type_name, id) = (&object.type_name, escaped(&object.id));
        Self {
            base: format!("v1/{NAMESPACE}/entries/{type_name}/{id}"),
            room: type_name.clone(),
        }
    }

    /// What moves when every key that starts with `prefix` is to be forgotten.
    pub(crate) fn generation(&self, prefix: &str) -> CacheKey {
        CacheKey {
            path: format!("{}/generation/{}", self.base, escaped(prefix)),
            room: format!("{}/generations", self.room),
        }
    }

    /// The entry of these generations.
    pub(crate) fn entry(&self, generations: &str, key: &str) -> CacheKey {
        CacheKey {
            path: format!("{}/entry/{generations}/{}", self.base, escaped(key)),
            room: format!("{}/entries", self.room),
        }
    }
}

/// Any text as one segment that no URL parser changes: `=`, then percent-encoding.
fn escaped(text: &str) -> String {
    let mut out = String::from("=");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use tidelog_log::{Epoch, Offset, Sequence};

    use super::*;

    /// The layout is shared by isolates of different versions of the Worker.
    #[test]
    fn keys_are_as_the_decision_says() {
        let object = Address::object("shop", "a b").unwrap();
        let stamp = Stamp {
            offset: Offset {
                epoch: Epoch(17),
                sequence: Sequence(9),
            },
            touched: Sequence(7),
            mark: 0xab,
            schema_version: 2,
        };
        let keys = CollectionKeys::new(&object, 3, "items");
        let base = "v1/default/collection/shop/3/=a%20b/items";
        assert_eq!(keys.pointer().path(), format!("{base}/pointer"));
        let document = keys.document(&stamp, "../x");
        let state = "17-7-00000000000000ab-2";
        let path = format!("{base}/{state}/document/=%2E%2E%2Fx");
        assert_eq!(
            (document.path(), document.room()),
            (path.as_str(), "shop/items")
        );
        let query = keys.query(&stamp, "0f");
        assert_eq!(query.path(), format!("{base}/{state}/query/0f"));
        let entries = EntryKeys::new(&object);
        let base = "v1/default/entries/shop/=a%20b";
        assert_eq!(
            entries.generation("").path(),
            format!("{base}/generation/=")
        );
        let entry = entries.entry("1.2", "users:1");
        assert_eq!(entry.path(), format!("{base}/entry/1.2/=users%3A1"));
    }
}
