//! The edge cache: Cloudflare's Cache API, of the data center where the code runs.

use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Array, Promise, Uint8Array};
use tidelog_api::{Cache, CacheKey, Entry, Keep, Push, Stays, Underway, WarmFigures, WarmStatus};
use tidelog_core::TypeSchema;
use tidelog_log::{Result, Sequence};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::js;
use crate::object::Object;

/// The header under which the front gives an object what it has counted of its reads.
pub(crate) const FIGURES: &str = "tidelog-warm";

thread_local! {
    /// What this isolate's requests are putting, whichever object or front they are of.
    static UNDERWAY: Rc<Underway> = Rc::default();
}

/// Entries under a host name that no request comes for.
#[derive(Clone, Debug)]
pub struct EdgeCache {
    host: String,
}

impl EdgeCache {
    pub(crate) fn of(host: &str) -> Self {
        Self {
            host: host.to_owned(),
        }
    }

    fn url(&self, key: &CacheKey) -> String {
        format!("https://{}/{}", self.host, key.path())
    }
}

impl Cache for EdgeCache {
    async fn get(&self, key: &CacheKey) -> Option<Entry> {
        let found = settled(js::cache_get(&self.url(key))).await?;
        let parts = found.dyn_into::<Array>().ok()?;
        let body = parts.get(0).dyn_into::<Uint8Array>().ok()?;
        let note = parts.get(2).as_string()?;
        let (stored_at, rest) = note.split_once(' ')?;
        // A header's value loses the space before an empty tag.
        let (ends_at, tag) = rest.split_once(' ').unwrap_or((rest, ""));
        // The platform drops old entries in its own time.
        if ends_at.parse::<i64>().ok()? <= js::now() {
            return None;
        }
        Some(Entry {
            body: Bytes::from(body.to_vec()),
            media: parts.get(1).as_string()?,
            tag: tag.to_owned(),
            stored_at: stored_at.parse().ok()?,
        })
    }

    async fn put(&self, key: &CacheKey, entry: Entry, keep: Keep) {
        let ends_at = js::now().saturating_add(keep.ttl_millis);
        let note = format!("{} {ends_at} {}", entry.stored_at, entry.tag);
        let seconds = u32::try_from(keep.ttl_millis.max(0) / 1_000).unwrap_or(u32::MAX);
        let body = Uint8Array::from(&entry.body[..]);
        let put = js::cache_put(&self.url(key), &body, &entry.media, &note, seconds.max(1));
        settled(put).await;
    }

    async fn put_unless(&self, key: &CacheKey, entry: Entry, keep: Keep, stays: &Stays<'_>) {
        let underway = UNDERWAY.with(Rc::clone);
        underway.put_unless(self, key, entry, keep, stays).await;
    }

    async fn delete(&self, key: &CacheKey) {
        settled(js::cache_delete(&self.url(key))).await;
    }
}

/// What came of a call of the cache; a failure is nothing.
async fn settled(call: Promise) -> Option<JsValue> {
    let value = JsFuture::from(call).await.ok()?;
    (!value.is_undefined()).then_some(value)
}

impl Object {
    /// Brings this data center's cache up to date.
    pub(crate) async fn push_warm(&self, schema: &TypeSchema) -> Result<()> {
        if !Push::wanted(schema) {
            return Ok(());
        }
        let (observed_at, after) = (js::now(), self.pushed.get());
        let push = self.read_engine(|engine, sql| {
            Push::gather(engine.view(), sql, schema, Some(engine.touched()), after)
        })?;
        self.gate.pass().await?;
        let to = push.to;
        push.send(
            &self.cache,
            &self.address,
            schema.version,
            observed_at,
            js::now,
        )
        .await;
        let pushed = self.pushed.get().unwrap_or_default().max(to);
        self.pushed.set(Some(pushed));
        Ok(())
    }

    /// Adds what a front has counted of this object's reads.
    pub(crate) fn told(&self, figures: &str) {
        if let Ok(more) = serde_json::from_str::<WarmFigures>(figures) {
            let mut sum = self.figures.get();
            sum.add(&more);
            self.figures.set(sum);
        }
    }

    /// The cache's part in this object.
    pub(crate) fn warm_status(&self, schema: &TypeSchema, head: Sequence) -> Option<WarmStatus> {
        let pushed = self.pushed.get();
        let first = pushed.unwrap_or_default().next();
        let since = self.read(|view, sql| view.time_of(sql, first));
        let waits = since.ok().flatten().map(|since| js::now() - since);
        WarmStatus::of(schema, head, (pushed, waits), self.figures.get())
    }
}
