//! What the operator sets in `wrangler.toml` under `[vars]`, and as secrets.

use tidelog_api::ApiSettings;
use tidelog_core::LogPolicy;
use tidelog_lake::TableSettings;
use tidelog_log::{Error, Result};
use wasm_bindgen::JsValue;

/// Every setting with its default, which is for production.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Token, waits and lives of the HTTP contract.
    pub(crate) api: ApiSettings,
    /// How long logs keep what is committed.
    pub(crate) log: LogPolicy,
    /// Milliseconds between two pushes of an object's new events to its tables.
    pub(crate) push_millis: i64,
    /// When tables flush, and where to.
    pub(crate) table: TableSettings,
    /// How long an isolate trusts the newest version of a type, milliseconds.
    pub(crate) schema_millis: i64,
    /// The host name of the cache's keys.
    pub(crate) cache_host: String,
    /// Told to Iceberg readers: `s3.endpoint`.
    pub(crate) s3_endpoint: Option<String>,
    /// Told to Iceberg readers: `s3.region`.
    pub(crate) s3_region: String,
}

/// Inbox bytes at which a table flushes, and most that one flush takes: bounded by the memory of
/// an isolate, 128 MB, which several actors share.
const FLUSH_BYTES: u64 = 4_000_000;

impl Settings {
    /// Reads the variables of an environment.
    ///
    /// # Errors
    /// `invalid_settings` names a variable that is no number.
    pub(crate) fn read(env: &JsValue) -> Result<Self> {
        let vars = Vars(env);
        let default = ApiSettings::default();
        let flush_bytes = vars.number("TIDELOG_FLUSH_BYTES", FLUSH_BYTES)?;
        Ok(Self {
            api: ApiSettings {
                token: vars.text("TIDELOG_TOKEN"),
                admin_token: vars.text("TIDELOG_ADMIN_TOKEN"),
                long_poll_millis: vars
                    .number("TIDELOG_LONG_POLL_MILLIS", default.long_poll_millis)?,
                sse_millis: vars.number("TIDELOG_SSE_MILLIS", default.sse_millis)?,
                keep_alive_millis: vars
                    .number("TIDELOG_KEEP_ALIVE_MILLIS", default.keep_alive_millis)?,
            },
            log: LogPolicy {
                keep_millis: vars.millis("TIDELOG_LOG_KEEP_MILLIS", 7 * 24 * 60 * 60 * 1_000)?,
                ..LogPolicy::default()
            },
            push_millis: vars.millis("TIDELOG_PUSH_MILLIS", 1_000)?,
            table: TableSettings {
                warehouse: vars
                    .text("TIDELOG_WAREHOUSE")
                    .unwrap_or_else(|| "tidelog".to_owned()),
                prefix: vars.text("TIDELOG_LAKE_PREFIX").unwrap_or_default(),
                flush_bytes,
                flush_events: vars.number("TIDELOG_FLUSH_EVENTS", 50_000)?,
                flush_millis: vars.millis("TIDELOG_FLUSH_MILLIS", 60_000)?,
                target_file_bytes: 32_000_000,
                flush_bytes_max: flush_bytes.max(FLUSH_BYTES),
            },
            schema_millis: vars.millis("TIDELOG_SCHEMA_MILLIS", 5_000)?,
            cache_host: vars
                .text("TIDELOG_CACHE_HOST")
                .unwrap_or_else(|| "tidelog.invalid".to_owned()),
            s3_endpoint: vars.text("TIDELOG_S3_ENDPOINT"),
            s3_region: vars
                .text("TIDELOG_S3_REGION")
                .unwrap_or_else(|| "auto".to_owned()),
        })
    }
}

struct Vars<'a>(&'a JsValue);

impl Vars<'_> {
    /// A variable that is set and not empty.
    fn text(&self, name: &str) -> Option<String> {
        let value = js_sys::Reflect::get(self.0, &JsValue::from_str(name)).ok()?;
        value.as_string().filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str, default: u64) -> Result<u64> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        text.parse().map_err(|_| {
            let message = format!("{name} is a whole number, not {text:?}");
            Error::invalid("invalid_settings", message).at(name)
        })
    }

    fn millis(&self, name: &str, default: i64) -> Result<i64> {
        let millis = self.number(name, default.unsigned_abs())?;
        Ok(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
