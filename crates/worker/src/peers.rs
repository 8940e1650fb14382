//! The way to other actors: their names, and calls to them.

use bytes::Bytes;
use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidelog_api::Request;
use tidelog_core::{Address, NAMESPACE};
use tidelog_log::{Error, Result};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::crossing;
use crate::js;
use crate::messages::{CatalogAsk, ObjectAsk, RegistryAsk, TableAsk, read_reply};

/// Registry shards; an object's is a hash of its address. Types are all in shard 0.
pub(crate) const SHARDS: usize = 4;

/// The Durable Object namespaces of the environment. Calls are at least once, handled exactly
/// once; the platform holds a call back until what the caller wrote is durable.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    env: JsValue,
}

impl Peers {
    pub(crate) fn of(env: &JsValue) -> Self {
        Self { env: env.clone() }
    }

    pub(crate) async fn object<T: DeserializeOwned>(
        &self,
        object: &Address,
        ask: &ObjectAsk,
        bytes: Option<&[u8]>,
    ) -> Result<T> {
        self.ask("OBJECT", &object.to_string(), ask, bytes).await
    }

    pub(crate) async fn table<T: DeserializeOwned>(
        &self,
        table: &Address,
        ask: &TableAsk,
        bytes: Option<&[u8]>,
    ) -> Result<T> {
        self.ask("TABLE", &table.to_string(), ask, bytes).await
    }

    pub(crate) async fn registry<T: DeserializeOwned>(
        &self,
        shard: usize,
        ask: &RegistryAsk,
    ) -> Result<T> {
        let name = format!("{NAMESPACE}/registry/objects/{shard}/0");
        self.ask("REGISTRY", &name, ask, None).await
    }

    pub(crate) async fn catalog<T: DeserializeOwned>(&self, ask: &CatalogAsk) -> Result<T> {
        let name = format!("{NAMESPACE}/catalog/tables/0/0");
        self.ask("CATALOG", &name, ask, None).await
    }

    /// Has an object answer a request, as [`Forward`](tidelog_api::Forward) says.
    pub(crate) async fn forward(
        &self,
        object: &Address,
        request: Request<Bytes>,
    ) -> Result<http::Response<Bytes>> {
        let lost = |e: JsValue| {
            let message = js::text_of(&e);
            let overloaded = js_sys::Reflect::get(&e, &JsValue::from_str("overloaded"));
            match overloaded.is_ok_and(|value| value.is_truthy()) {
                true => Error::unavailable("busy", format!("the object is overloaded: {message}")),
                false => {
                    Error::unavailable("actor_reset", format!("the object was reset: {message}"))
                }
            }
        };
        let namespace =
            js_sys::Reflect::get(&self.env, &JsValue::from_str("OBJECT")).map_err(lost)?;
        let target = format!("{}?{}", request.path, request.query);
        let (name, method) = (object.to_string(), request.method.as_str());
        let headers = crossing::flat(&request.headers);
        let body = Uint8Array::from(&request.body[..]);
        let sent = js::forward(&namespace, &name, method, &target, &headers, &body);
        let answer = JsFuture::from(sent.map_err(lost)?).await.map_err(lost)?;
        let answer: js::Forwarded = answer.unchecked_into();
        let mut response = http::Response::new(Bytes::from(answer.body().to_vec()));
        *response.headers_mut() = crossing::header_map(&answer.headers());
        *response.status_mut() = http::StatusCode::from_u16(answer.status())
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok(response)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        binding: &str,
        name: &str,
        ask: &impl Serialize,
        bytes: Option<&[u8]>,
    ) -> Result<T> {
        let lost = |e: JsValue| {
            let message = format!("{name} did not answer: {}", js::text_of(&e));
            Error::unavailable("actor_unavailable", message)
        };
        let namespace =
            js_sys::Reflect::get(&self.env, &JsValue::from_str(binding)).map_err(lost)?;
        let message = serde_json::to_string(ask).map_err(|e| Error::internal(e.to_string()))?;
        let bytes = bytes.map_or(JsValue::UNDEFINED, |bytes| Uint8Array::from(bytes).into());
        let asked = js::ask(&namespace, name, &message, &bytes).map_err(lost)?;
        let reply = JsFuture::from(asked).await.map_err(lost)?;
        read_reply(&reply.as_string().unwrap_or_default())
    }
}

/// The registry shard that lists an object.
pub(crate) fn shard_of(object: &Address) -> usize {
    usize::from(blake3::hash(object.to_string().as_bytes()).as_bytes()[0]) % SHARDS
}
