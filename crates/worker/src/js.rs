//! JavaScript as this crate sees it: `host.mjs` and the objects the platform hands over.

use js_sys::{Array, Promise, Uint8Array};
use tidelog_log::Error;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/host.mjs")]
extern "C" {
    /// Starts a statement.
    #[wasm_bindgen(catch)]
    pub(crate) fn open(sql: &JsValue, text: &JsValue, args: &Array) -> Result<Opened, JsValue>;

    /// The next rows, each an array: about a megabyte of them.
    #[wasm_bindgen(catch)]
    pub(crate) fn take(opened: &Opened, meter: &JsMeter) -> Result<Array, JsValue>;

    /// Runs a statement that returns no rows, its arguments packed.
    #[wasm_bindgen(catch, js_name = runPacked)]
    pub(crate) fn run_packed(
        sql: &JsValue,
        text: &JsValue,
        slots: &[f64],
        texts: &str,
        meter: &JsMeter,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn transact(
        storage: &JsValue,
        body: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = isTrap)]
    pub(crate) fn is_trap(error: &JsValue) -> bool;

    #[wasm_bindgen(catch)]
    pub(crate) fn ask(
        namespace: &JsValue,
        name: &str,
        message: &str,
        bytes: &JsValue,
    ) -> Result<Promise, JsValue>;

    /// Sends an object a request; `{status, headers, body}` with the whole body.
    #[wasm_bindgen(catch)]
    pub(crate) fn forward(
        namespace: &JsValue,
        name: &str,
        method: &str,
        target: &str,
        headers: &Array,
        body: &Uint8Array,
    ) -> Result<Promise, JsValue>;

    /// An entry of the edge cache, `[body, media type, note]`, or undefined. Never fails.
    #[wasm_bindgen(js_name = cacheGet)]
    pub(crate) fn cache_get(url: &str) -> Promise;

    #[wasm_bindgen(js_name = cachePut)]
    pub(crate) fn cache_put(
        url: &str,
        body: &Uint8Array,
        media: &str,
        note: &str,
        seconds: u32,
    ) -> Promise;

    #[wasm_bindgen(js_name = cacheDelete)]
    pub(crate) fn cache_delete(url: &str) -> Promise;

    #[wasm_bindgen(catch)]
    pub(crate) fn chunk(reader: &JsValue) -> Result<Promise, JsValue>;

    /// Sets the alarm, in the same write as the statements before it.
    #[wasm_bindgen(js_name = setAlarm)]
    pub(crate) fn set_alarm(storage: &JsValue, at: f64);

    #[wasm_bindgen(js_name = deleteAlarm)]
    pub(crate) fn delete_alarm(storage: &JsValue);

    #[wasm_bindgen(catch, js_name = getAlarm)]
    pub(crate) fn get_alarm(storage: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn sync(storage: &JsValue) -> Result<Promise, JsValue>;

    pub(crate) fn answer(status: u16, headers: &Array, body: &JsValue) -> JsValue;

    pub(crate) fn entropy() -> Uint8Array;

    /// A panic: where and what, and what alone.
    pub(crate) fn panicked(message: &str, text: &str);

    /// The call whose actor runs its own code from here on; 0: none.
    pub(crate) fn acting(call: u32);
}

#[wasm_bindgen]
extern "C" {
    /// What [`forward`] gives.
    #[wasm_bindgen(js_name = Object)]
    #[derive(Clone, Debug)]
    pub(crate) type Forwarded;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn status(this: &Forwarded) -> u16;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn headers(this: &Forwarded) -> Array;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn body(this: &Forwarded) -> Uint8Array;

    /// A statement that runs.
    #[wasm_bindgen(js_name = Object)]
    #[derive(Clone, Debug)]
    pub(crate) type Opened;

    /// True once its last row was taken.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn ended(this: &Opened) -> bool;

    /// What an actor's statements have cost since its counts were last stored.
    #[wasm_bindgen(js_name = Object)]
    #[derive(Clone, Debug)]
    pub(crate) type JsMeter;

    #[wasm_bindgen(method, getter, js_name = rowsRead)]
    pub(crate) fn rows_read(this: &JsMeter) -> f64;
    #[wasm_bindgen(method, setter, js_name = rowsRead)]
    pub(crate) fn set_rows_read(this: &JsMeter, n: f64);
    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    pub(crate) fn rows_written(this: &JsMeter) -> f64;
    #[wasm_bindgen(method, setter, js_name = rowsWritten)]
    pub(crate) fn set_rows_written(this: &JsMeter, n: f64);
}

/// Milliseconds since 1970. On Cloudflare it stands still between two inputs or outputs.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds are within 2^53"
)]
pub(crate) fn now() -> i64 {
    js_sys::Date::now() as i64
}

/// Random bytes for the ids of one turn.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    entropy().copy_to(&mut bytes);
    bytes
}

/// A count that JavaScript holds as a number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole, positive and within 2^53"
)]
pub(crate) fn count(n: f64) -> u64 {
    n as u64
}

/// The size of the WebAssembly memory, bytes. It never shrinks: this is its high-water mark.
pub(crate) fn memory_bytes() -> u64 {
    core::arch::wasm32::memory_size(0) as u64 * 65_536
}

/// What an exception says.
pub(crate) fn text_of(error: &JsValue) -> String {
    let message = error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()));
    message
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}

/// A failure of the platform or of another actor: the caller may retry.
pub(crate) fn unavailable(what: &str, error: &JsValue) -> Error {
    Error::unavailable("storage_failed", format!("{what}: {}", text_of(error)))
}
