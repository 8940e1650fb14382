//! One table, as `entry.mjs` calls it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Uint8Array;
use tidelog_core::Address;
use tidelog_lake::TableActor as Table;
use tidelog_log::Result;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::Inner;
use crate::alarm::Alarm;
use crate::blobs::R2Blobs;
use crate::counts::Counts;
use crate::gate::Gate;
use crate::messages;
use crate::peers::Peers;
use crate::settings::Settings;
use crate::sql::DurableSql;

/// One table, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct TableActor(Rc<Inner>);

#[wasm_bindgen]
impl TableActor {
    /// The table with this name (its permanent address) over its storage; without a name, the one
    /// that the storage holds.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Self, JsValue> {
        let opened = open(storage, env, name);
        let inner = Rc::new(opened.map_err(|e| JsValue::from_str(&e.to_string()))?);
        spawn_local(Rc::clone(&inner).repair());
        Ok(Self(inner))
    }

    /// Answers another actor.
    pub async fn ask(&self, message: String, bytes: Option<Uint8Array>) -> String {
        let inner = Rc::clone(&self.0);
        inner.counts.request();
        let answer = async {
            let ask = messages::read(&message)?;
            inner.asked(ask, bytes.map(|bytes| bytes.to_vec())).await
        };
        messages::reply(answer.await)
    }

    /// The alarm's handler.
    pub async fn alarm(&self) {
        let inner = Rc::clone(&self.0);
        if let Err(error) = inner.ring().await {
            inner.failed(error);
        }
    }
}

fn open(storage: &JsValue, env: &JsValue, name: Option<String>) -> Result<Inner> {
    let sql = DurableSql::of(storage.clone())?;
    let name = match name {
        Some(name) => name,
        None => Table::stored_address(&sql)?.unwrap_or_default(),
    };
    Ok(Inner {
        address: Address::parse(&name)?,
        settings: Settings::read(env)?,
        sql,
        gate: Gate::of(storage.clone()),
        alarm: Alarm::of(storage.clone()),
        peers: Peers::of(env),
        env: env.clone(),
        blobs: R2Blobs::of_lake(env)?,
        table: RefCell::default(),
        flushing: Cell::default(),
        waiting: RefCell::default(),
        failures: Cell::default(),
        retry_at: Cell::default(),
        error: RefCell::default(),
        counts: Counts::default(),
        reading: Cell::default(),
        remembered: RefCell::default(),
    })
}
