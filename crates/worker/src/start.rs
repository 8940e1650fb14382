//! What happens once in every WebAssembly instance.

use serde_json::json;
use tidelog_api::read_problem;
use wasm_bindgen::prelude::*;

use crate::js;

/// An error of the JavaScript side as the document that HTTP shows.
#[wasm_bindgen]
pub fn problem(code: &str, message: &str) -> String {
    let error = read_problem(&json!({ "code": code, "detail": message }));
    tidelog_api::problem(&error).to_string()
}

/// Reports panics to `entry.mjs`, which then replaces this instance.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.to_string();
        worker::console_error!("tidelog: {message}");
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        js::panicked(&message, text.unwrap_or("no message"));
    }));
}
