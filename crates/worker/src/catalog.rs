//! The names of the Iceberg tables that have a commit.

use serde_json::Value as Json;
use tidelog_core::{SqlExt, SqlValue, all};
use tidelog_log::Result;
use wasm_bindgen::prelude::*;

use crate::messages::{self, CatalogAsk, value};
use crate::sql::DurableSql;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tables (namespace TEXT NOT NULL, \
     name TEXT NOT NULL, PRIMARY KEY (namespace, name)) WITHOUT ROWID";

/// The catalog, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct CatalogActor {
    sql: DurableSql,
}

#[wasm_bindgen]
impl CatalogActor {
    /// The catalog over its storage.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &JsValue) -> Result<Self, JsValue> {
        let sql = DurableSql::of(storage.clone());
        sql.and_then(|sql| sql.exec(CREATE, &[]).map(|()| Self { sql }))
            .map_err(|e| JsValue::from_str(&e.to_string()))
    }

    /// Answers another actor.
    pub fn ask(&self, message: &str) -> String {
        messages::reply(messages::read(message).and_then(|ask| self.asked(ask)))
    }

    fn asked(&self, ask: CatalogAsk) -> Result<Json> {
        match ask {
            CatalogAsk::Note { namespace, name } => {
                let args = [SqlValue::Text(&namespace), SqlValue::Text(&name)];
                let text = "INSERT OR IGNORE INTO tables (namespace, name) VALUES (?1, ?2)";
                self.sql.exec(text, &args).and_then(value)
            }
            CatalogAsk::Tables => {
                let text = "SELECT namespace, name FROM tables ORDER BY namespace, name";
                let tables = all(&self.sql, text, &[], |row| {
                    Ok((row[0].text()?.to_owned(), row[1].text()?.to_owned()))
                });
                value(tables?)
            }
        }
    }
}
