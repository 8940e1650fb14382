//! Sockets that hibernate: a reader's place is in its attachment, so the object may sleep.

use serde_json::{Value as Json, json};
use tidelog_api::{Follower, problem};
use tidelog_log::{Error, Result};
use wasm_bindgen::prelude::*;

use crate::object::{Object, ObjectActor};

/// Most messages one call makes.
const MESSAGES_MAX: usize = 8;

#[wasm_bindgen]
impl ObjectActor {
    /// The attachment of a new reader; as `{error}` when its query is refused.
    pub fn follow(query: &str) -> String {
        answer(Follower::open(query).and_then(|reader| attachment(&reader)))
    }

    /// Takes what a reader said and what is new, and makes the messages that it may be sent now:
    /// `{attachment, messages, done}`, all of it durable, or `{error}`.
    #[wasm_bindgen(js_name = followOn)]
    pub async fn follow_on(&self, attachment: String, heard: Option<String>) -> String {
        let object = self.0.clone();
        answer(object.follow_on(&attachment, heard.as_deref()).await)
    }
}

impl Object {
    async fn follow_on(&self, kept: &str, heard: Option<&str>) -> Result<Json> {
        let odd = |e: serde_json::Error| Error::internal(format!("a socket's attachment: {e}"));
        let mut reader: Follower = serde_json::from_str(kept).map_err(odd)?;
        if let Some(heard) = heard {
            reader.heard(heard)?;
        }
        let mut messages = Vec::new();
        while messages.len() < MESSAGES_MAX
            && let Some(message) = reader.next(self, &self.address).await?
        {
            messages.push(message);
        }
        self.gate.pass().await?;
        let kept = serde_json::to_string(&reader).map_err(odd)?;
        Ok(json!({"attachment": kept, "messages": messages, "done": reader.is_done()}))
    }
}

fn attachment(reader: &Follower) -> Result<Json> {
    let text = serde_json::to_string(reader).map_err(|e| Error::internal(e.to_string()))?;
    Ok(json!({ "attachment": text }))
}

fn answer(answer: Result<Json>) -> String {
    answer
        .unwrap_or_else(|error| json!({ "error": problem(&error) }))
        .to_string()
}
