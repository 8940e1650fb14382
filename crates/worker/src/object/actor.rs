//! One object, as `entry.mjs` calls it.

use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use serde_json::Value as Json;
use tidelog_api::handle_object;
use tidelog_core::Command;
use tidelog_log::Result;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::Object;
use crate::call::numbered;
use crate::crossing;
use crate::messages::{self, ObjectAsk};
use crate::warm::FIGURES;

/// One object, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct ObjectActor(pub(crate) Rc<Object>);

#[wasm_bindgen]
impl ObjectActor {
    /// The object with this name (its permanent address) over its storage; without a name, the one
    /// that the storage holds.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Self, JsValue> {
        let object = Object::open(storage, env, name);
        let object = Rc::new(object.map_err(|e| JsValue::from_str(&e.to_string()))?);
        spawn_local(Rc::clone(&object).repair());
        Ok(Self(object))
    }

    /// Answers one HTTP request: `{status, headers, body}`. `call` is its number in `instance.mjs`.
    pub async fn fetch(
        &self,
        method: String,
        path: String,
        query: String,
        headers: Array,
        body: JsValue,
        call: u32,
    ) -> JsValue {
        let object = &self.0;
        object.counts.request();
        let request = match crossing::request(&method, path, query, &headers, body) {
            Ok(request) => request,
            Err(error) => return crossing::refused(&error),
        };
        let figures = request.headers.get(FIGURES);
        if let Some(Ok(figures)) = figures.map(|value| value.to_str()) {
            object.told(figures);
        }
        let response = numbered(call, handle_object(&**object, request)).await;
        crossing::answer(response, Some(object))
    }

    /// Answers another actor.
    pub async fn ask(&self, message: String, bytes: Option<Uint8Array>) -> String {
        let object = &self.0;
        object.counts.request();
        let bytes = bytes.map(|bytes| bytes.to_vec()).unwrap_or_default();
        messages::reply(object.asked(&message, bytes).await)
    }

    /// The alarm's handler.
    pub async fn alarm(&self) {
        if let Err(error) = self.0.ring().await {
            // The alarm is set again already.
            worker::console_error!("tidelog: {}: {error}", self.0.address);
            self.0.error.replace(Some(error.to_string()));
        }
    }

    /// Returns once everything written so far is durable.
    pub async fn gate(&self) -> bool {
        self.0.gate.pass().await.is_ok()
    }

    /// The permanent address.
    pub fn name(&self) -> String {
        self.0.address.to_string()
    }

    /// The newest event, to see whether sockets have something to read.
    pub fn head(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "sequences are within 2^53")]
        self.0.tip().map_or(0.0, |(head, _)| head.0 as f64)
    }
}

impl Object {
    async fn asked(&self, message: &str, bytes: Vec<u8>) -> Result<Json> {
        match messages::read(message)? {
            ObjectAsk::Committed {
                destination,
                sequence,
            } => {
                let command = Command::Committed {
                    destination,
                    sequence,
                };
                self.turn(command)?;
                Ok(Json::Null)
            }
            ObjectAsk::Deliver { letter } => {
                self.take_letter(*letter).await?;
                Ok(Json::Null)
            }
            ObjectAsk::Fork { order } => messages::value(self.take_fork(order, bytes).await?),
        }
    }
}
