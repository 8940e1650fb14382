//! What is no object's: types, the list of objects, the catalog, health and metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::HeaderValue;
use js_sys::Array;
use serde_json::Value as Json;
use tidelog_api::metrics::TableGauges;
use tidelog_api::{
    ApiSettings, Directory, Figures, Forward, Handled, Host, LoadedTable, Meter, MeterKey,
    ObjectEntry, ObjectList, ObjectPage, Request, TableName, TypeSummary, WarmHost, figures_text,
    handle_directory, meters_text, metrics, registry,
};
use tidelog_core::{Address, TypeSchema, TypeSpec};
use tidelog_log::{Error, Result};
use wasm_bindgen::prelude::*;

use crate::crossing;
use crate::js;
use crate::messages::{CatalogAsk, Registered, RegistryAsk, TableAsk};
use crate::peers::{Peers, SHARDS};
use crate::schemas;
use crate::settings::Settings;
use crate::table::TableState;
use crate::warm::{EdgeCache, FIGURES};

/// What follows a collection's name in the name of its changes table.
const CHANGES: &str = "_changes";

/// The Worker in front of the objects, for `entry.mjs`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Front {
    settings: Settings,
    peers: Peers,
    cache: EdgeCache,
    figures: Figures,
}

#[wasm_bindgen]
impl Front {
    /// Over the Worker's environment.
    #[wasm_bindgen(constructor)]
    pub fn new(env: &JsValue) -> Result<Self, JsValue> {
        let settings = Settings::read(env).map_err(|e| JsValue::from_str(&e.to_string()))?;
        Ok(Self {
            cache: EdgeCache::of(&settings.cache_host),
            figures: Figures::default(),
            settings,
            peers: Peers::of(env),
        })
    }

    /// Answers one HTTP request, or gives the name of the object that will.
    pub async fn fetch(
        &self,
        method: String,
        path: String,
        query: String,
        headers: Array,
        body: JsValue,
    ) -> JsValue {
        let request = match crossing::request(&method, path, query, &headers, body) {
            Ok(request) => request,
            Err(error) => return crossing::refused(&error),
        };
        match handle_directory(self, request).await {
            Handled::Answer(response) => crossing::answer(response, None),
            Handled::Forward(object) => JsValue::from_str(&object.to_string()),
        }
    }

    /// What this isolate has counted of an object's reads since it last told, for its state.
    #[wasm_bindgen(js_name = takeFigures)]
    pub fn take_figures(&self, name: &str) -> Option<String> {
        let figures = self.figures.take(&Address::parse(name).ok()?)?;
        serde_json::to_string(&figures).ok()
    }

    /// The permanent address of an object, which is its Durable Object's name.
    #[wasm_bindgen(js_name = nameOf)]
    pub fn name_of(type_name: &str, id: &str) -> Result<String, JsValue> {
        let address = Address::object(type_name, id);
        address
            .map(|address| address.to_string())
            .map_err(|error| JsValue::from_str(&tidelog_api::problem(&error).to_string()))
    }
}

impl Host for Front {
    fn now(&self) -> i64 {
        js::now()
    }

    fn stopping(&self) -> bool {
        false
    }

    fn settings(&self) -> &ApiSettings {
        &self.settings.api
    }
}

impl WarmHost for Front {
    type Cache = EdgeCache;

    fn cache(&self) -> &EdgeCache {
        &self.cache
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    async fn newest(&self, type_name: &str) -> Result<Arc<TypeSchema>> {
        schemas::newest(&self.peers, type_name, self.settings.schema_millis).await
    }

    fn entropy(&self) -> [u8; 16] {
        js::random()
    }
}

impl Forward for Front {
    async fn forward(
        &self,
        object: &Address,
        mut request: Request<Bytes>,
    ) -> Result<http::Response<Bytes>> {
        let figures = self.take_figures(&object.to_string());
        if let Some(Ok(figures)) = figures.map(|text| HeaderValue::from_str(&text)) {
            request.headers.insert(FIGURES, figures);
        }
        self.peers.forward(object, request).await
    }
}

impl Directory for Front {
    async fn register_type(&self, spec: TypeSpec) -> Result<(TypeSchema, bool)> {
        let ask = RegistryAsk::Register { spec };
        let Registered { schema, new } = self.peers.registry(0, &ask).await?;
        schemas::remember(schema.clone());
        Ok((schema, new))
    }

    async fn type_schema(&self, name: &str, version: Option<u32>) -> Result<TypeSchema> {
        let name = name.to_owned();
        let ask = RegistryAsk::Type { name, version };
        self.peers.registry(0, &ask).await
    }

    async fn types(&self) -> Result<Vec<TypeSummary>> {
        let types: Vec<TypeSchema> = self.peers.registry(0, &RegistryAsk::Types).await?;
        Ok(types.iter().map(TypeSummary::of).collect())
    }

    async fn objects(&self, list: ObjectList) -> Result<ObjectPage> {
        let pages = (0..SHARDS).map(|shard| {
            let list = list.clone();
            async move {
                let ask = RegistryAsk::Objects { list };
                self.peers.registry::<Vec<ObjectEntry>>(shard, &ask).await
            }
        });
        let found = try_join_all(pages).await?.into_iter().flatten().collect();
        Ok(registry::merge(found, list.limit))
    }

    async fn tables(&self) -> Result<Vec<TableName>> {
        let tables: Vec<(String, String)> = self.peers.catalog(&CatalogAsk::Tables).await?;
        let names = tables.into_iter().map(|(namespace, name)| TableName {
            namespace,
            name: format!("{name}{CHANGES}"),
        });
        Ok(names.collect())
    }

    async fn table(&self, namespace: &str, name: &str) -> Result<LoadedTable> {
        let unknown = || {
            Error::not_found(
                "unknown_table",
                format!("no table {namespace}.{name} has a commit"),
            )
        };
        let collection = name.strip_suffix(CHANGES).ok_or_else(unknown)?;
        let table = Address::table(namespace, collection).map_err(|_| unknown())?;
        let found: Option<(String, String)> =
            self.peers.table(&table, &TableAsk::Metadata, None).await?;
        let (metadata_location, metadata_json) = found.ok_or_else(unknown)?;
        Ok(LoadedTable {
            metadata_location,
            metadata_json,
        })
    }

    fn s3_config(&self, _: Option<&str>) -> BTreeMap<String, String> {
        // Readers bring their own credentials: R2's S3 tokens.
        let Some(endpoint) = self.settings.s3_endpoint.clone() else {
            return BTreeMap::new();
        };
        let region = self.settings.s3_region.clone();
        BTreeMap::from([
            ("s3.endpoint".to_owned(), endpoint),
            ("s3.region".to_owned(), region),
        ])
    }

    async fn metrics(&self) -> Result<String> {
        let tables: Vec<(String, String)> = self.peers.catalog(&CatalogAsk::Tables).await?;
        let mut meters = self.object_meters().await?;
        let mut states = Vec::new();
        for (type_name, collection) in tables {
            let table = Address::table(&type_name, &collection)?;
            let state: TableState = self.peers.table(&table, &TableAsk::Status, None).await?;
            let key = MeterKey {
                type_name: type_name.clone(),
                actor: "table",
            };
            meters.entry(key).or_default().add_actor(&state.meter);
            states.push(TableGauges {
                type_name,
                collection,
                gauges: state.status.gauges(js::now()).to_vec(),
                failing: state.error.is_some(),
            });
        }
        let mut out = String::new();
        out.push_str(&meters_text(&meters));
        out.push_str(&figures_text(&self.figures.by_type()));
        metrics::tables(&mut out, &states);
        metrics::head(
            &mut out,
            "wasm_memory_bytes",
            "High-water mark of this isolate's memory.",
            "gauge",
        );
        let _ = writeln!(out, "tidelog_wasm_memory_bytes {}", js::memory_bytes());
        Ok(out)
    }

    async fn ready(&self) -> Result<()> {
        let _: Json = self.peers.registry(0, &RegistryAsk::Types).await?;
        Ok(())
    }
}

impl Front {
    /// The counts of all objects, by type.
    async fn object_meters(&self) -> Result<BTreeMap<MeterKey, Meter>> {
        let mut sums: BTreeMap<MeterKey, Meter> = BTreeMap::new();
        for shard in 0..SHARDS {
            let meters: BTreeMap<String, Meter> =
                self.peers.registry(shard, &RegistryAsk::Meters).await?;
            for (type_name, meter) in meters {
                let actor = "object";
                let key = MeterKey { type_name, actor };
                sums.entry(key).or_default().add_actor(&meter);
            }
        }
        Ok(sums)
    }
}
