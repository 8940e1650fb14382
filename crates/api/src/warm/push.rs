//! An object tells the cache what changed: new images first, then where they are.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value as Json;
use tidelog_core::{Address, ChangedKeys, Sql, Stamp, Touched, TypeSchema, View, WarmPolicy};
use tidelog_log::{Kind, Result, Sequence};

use super::key::CollectionKeys;
use super::{Cache, Entry, Keep, Pointer};
use crate::limits::{CACHE_ENTRY_BYTES_MAX, WARM_PUSH_BYTES_MAX, WARM_PUSH_KEYS_MAX};
use crate::reply::version_tag;

/// What is new for the cache, as one reader of the object saw it.
#[derive(Clone, Debug)]
pub struct Push {
    /// Everything up to here is in it.
    pub to: Sequence,
    /// The object was deleted: there is nothing to point to.
    closed: bool,
    collections: Vec<(String, WarmPolicy, Stamp)>,
    documents: Vec<Image>,
}

#[derive(Clone, Debug)]
struct Image {
    collection: String,
    key: String,
    version: Sequence,
    body: Bytes,
}

impl Push {
    /// Whether any collection of the type is pushed.
    pub fn wanted(schema: &TypeSchema) -> bool {
        schema
            .collections
            .iter()
            .any(|c| c.warm.enabled && c.warm.push)
    }

    /// Gathers what changed after `after`, or since the object's engine was opened; where that is not
    /// known, where collections stand. Bounded: of what is beyond it reads will find the pointer moved,
    /// and fill the cache themselves.
    ///
    /// # Errors
    /// What the database says.
    pub fn gather(
        view: &View,
        sql: &dyn Sql,
        schema: &TypeSchema,
        touched: Option<&Touched>,
        after: Option<Sequence>,
    ) -> Result<Self> {
        let mut push = Self {
            to: view.offset(sql)?.sequence,
            closed: view.check_alive(sql).is_err(),
            collections: Vec::new(),
            documents: Vec::new(),
        };
        let pushed = schema
            .collections
            .iter()
            .filter(|c| c.warm.enabled && c.warm.push);
        for collection in pushed {
            // A collection that the object has not met yet has no state.
            if view.prepared(&collection.name).is_ok() {
                let stamp = view.stamp(sql, touched, &collection.name)?;
                push.collections
                    .push((collection.name.clone(), collection.warm, stamp));
            }
        }
        let after = after.or_else(|| touched.map(Touched::known_since));
        if let (Some(after), false) = (after, push.closed) {
            push.read_images(view, sql, after)?;
        }
        Ok(push)
    }

    /// Of one collection, without documents.
    #[cfg(test)]
    pub(super) fn of(collection: &str, policy: WarmPolicy, stamp: Stamp) -> Self {
        Self {
            to: stamp.offset.sequence,
            closed: false,
            collections: vec![(collection.to_owned(), policy, stamp)],
            documents: Vec::new(),
        }
    }

    fn read_images(&mut self, view: &View, sql: &dyn Sql, after: Sequence) -> Result<()> {
        let names: BTreeSet<String> = self.collections.iter().map(|c| c.0.clone()).collect();
        let ChangedKeys { keys, .. } = view.changed_keys(sql, after, &names, WARM_PUSH_KEYS_MAX)?;
        let mut bytes = 0;
        for (collection, key) in keys {
            let found = match view.get(sql, &collection, &key) {
                Ok(found) => found,
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let body = Bytes::from(Json::Object(found.document).to_string());
            if body.len() > CACHE_ENTRY_BYTES_MAX {
                continue;
            }
            bytes += body.len();
            if bytes > WARM_PUSH_BYTES_MAX {
                return Ok(());
            }
            self.documents.push(Image {
                collection,
                key,
                version: found.version,
                body,
            });
        }
        Ok(())
    }

    /// Puts it into the cache; what that has of later states stays. `observed_at` is a time before it
    /// was gathered, by `clock`. What it holds must be durable.
    pub async fn send<C: Cache>(
        self,
        cache: &C,
        object: &Address,
        schema_version: u32,
        observed_at: i64,
        clock: fn() -> i64,
    ) {
        for (name, policy, stamp) in &self.collections {
            let keys = CollectionKeys::new(object, schema_version, name);
            if self.closed {
                cache.delete(&keys.pointer()).await;
                continue;
            }
            let keep = Keep {
                ttl_millis: policy.ttl_millis,
                entries_max: policy.entries_max,
            };
            for image in self
                .documents
                .iter()
                .filter(|image| image.collection == *name)
            {
                let entry = Entry {
                    body: image.body.clone(),
                    media: "application/json".to_owned(),
                    tag: version_tag(image.version),
                    stored_at: observed_at,
                };
                cache
                    .put(&keys.document(stamp, &image.key), entry, keep)
                    .await;
            }
            let pointer = Pointer {
                stamp: *stamp,
                observed_at,
            };
            let now = clock();
            let stays = |there: &Entry, new: &Entry| Pointer::stays(there, new, now);
            cache
                .put_unless(&keys.pointer(), pointer.entry(), keep, &stays)
                .await;
        }
    }
}
