//! One registry shard: a part of the list of objects, and in shard 0 the types.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidelog_api::{Meter, registry};
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

    /// The counts of this shard's objects, added up by type.
    fn meters(&self) -> Result<BTreeMap<String, Meter>> {
        let mut sums: BTreeMap<String, Meter> = BTreeMap::new();
        registry::meters(&self.sql, |type_name, meter| {
            if let Ok(meter) = serde_json::from_str(meter) {
                sums.entry(type_name.to_owned())
                    .or_default()
                    .add_actor(&meter);
            }
        })?;
        Ok(sums)
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
            RegistryAsk::Meter {
                type_name,
                id,
                meter,
            } => {
                let meter = value(meter)?.to_string();
                value(registry::note_meter(sql, &type_name, &id, &meter)?)
            }
            RegistryAsk::Meters => value(self.meters()?),
            RegistryAsk::Objects { list } => value(registry::page(sql, &list)?),
        }
    }
}
