//! One registry shard: a part of the list of objects, and in shard 0 the types.

use serde_json::Value as Json;
use tidelog_api::registry;
use tidelog_log::Result;
use wasm_bindgen::prelude::*;

use crate::messages::{self, Registered, RegistryAsk, value};
use crate::sql::DurableSql;

/// A registry shard, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RegistryActor {
    sql: DurableSql,
}

#[wasm_bindgen]
impl RegistryActor {
    /// The shard over its storage.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue) -> Result<Self, JsValue> {
        let sql = DurableSql::of(storage.clone());
        sql.and_then(|sql| registry::create(&sql).map(|()| Self { sql }))
            .map_err(|e| JsValue::from_str(&e.to_string()))
    }

    /// Answers another actor.
    pub fn ask(&self, message: &str) -> String {
        messages::reply(messages::read(message).and_then(|ask| self.asked(ask)))
    }

    fn asked(&self, ask: RegistryAsk) -> Result<Json> {
        let sql = &self.sql;
        match ask {
            RegistryAsk::Register { spec } => {
                let (schema, new) = registry::register(sql, &spec)?;
                value(Registered { schema, new })
            }
            RegistryAsk::Type { name, version } => value(registry::find(sql, &name, version)?),
            RegistryAsk::Types => value(registry::newest(sql)?),
            RegistryAsk::Note {
                type_name,
                id,
                status,
            } => value(registry::note(sql, &type_name, &id, &status)?),
            RegistryAsk::Objects { list } => value(registry::page(sql, &list)?),
        }
    }
}
