//! Requests and answers on their way across the boundary.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use js_sys::{Array, Uint8Array};
use tidelog_api::{Body, BodySource, Live, Request, Response, refusal};
use tidelog_log::{Error, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::js;
use crate::object::Object;

/// A request's body: whole, or a reader of its stream.
#[derive(Debug)]
pub(crate) enum JsBody {
    Whole(Bytes),
    Stream(JsValue),
}

impl BodySource for JsBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Whole(bytes) => Ok((!bytes.is_empty()).then(|| std::mem::take(bytes))),
            Self::Stream(reader) => {
                let cut = |e: JsValue| Error::invalid("body_interrupted", js::text_of(&e));
                let chunk = JsFuture::from(js::chunk(reader).map_err(cut)?).await;
                let chunk = chunk.map_err(cut)?;
                if chunk.is_undefined() {
                    return Ok(None);
                }
                Ok(Some(Bytes::from(Uint8Array::new(&chunk).to_vec())))
            }
        }
    }
}

/// Puts a request together: headers as names and values in turn; the body as bytes, as a
/// stream's reader, or undefined.
pub(crate) fn request(
    method: &str,
    path: String,
    query: String,
    headers: &Array,
    body: JsValue,
) -> Result<Request<JsBody>> {
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|e| Error::invalid("method_not_allowed", e.to_string()))?;
    let body = match body.dyn_into::<Uint8Array>() {
        Ok(bytes) => JsBody::Whole(Bytes::from(bytes.to_vec())),
        Err(body) if body.is_undefined() || body.is_null() => JsBody::Whole(Bytes::new()),
        Err(reader) => JsBody::Stream(reader),
    };
    Ok(Request {
        method,
        path,
        query,
        headers: header_map(headers),
        body,
    })
}

/// Headers from names and values in turn.
pub(crate) fn header_map(headers: &Array) -> HeaderMap {
    let text = |at| headers.get(at).as_string().unwrap_or_default();
    let mut map = HeaderMap::new();
    for at in (0..headers.length()).step_by(2) {
        // JavaScript gives a header's bytes as Latin-1 characters.
        let value: Vec<u8> = text(at + 1)
            .chars()
            .filter_map(|c| u8::try_from(c).ok())
            .collect();
        let name = HeaderName::from_bytes(text(at).as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            map.append(name, value);
        }
    }
    map
}

/// Headers as names and values in turn.
pub(crate) fn flat(map: &HeaderMap) -> Array {
    let headers = Array::new();
    for (name, value) in map {
        headers.push(&JsValue::from_str(name.as_str()));
        let value: String = value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        headers.push(&JsValue::from_str(&value));
    }
    headers
}

/// An answer for JavaScript: `{status, headers, body}`, the body bytes or a [`LiveBody`].
pub(crate) fn answer(response: Response<JsBody>, object: Option<&Rc<Object>>) -> JsValue {
    let (parts, body) = response.into_parts();
    let headers = flat(&parts.headers);
    let body = match (body, object) {
        (Body::Bytes(bytes), _) if bytes.is_empty() => JsValue::NULL,
        (Body::Bytes(bytes), _) => Uint8Array::from(&bytes[..]).into(),
        (Body::Stream(live), Some(object)) => LiveBody {
            live: Rc::new(RefCell::new(Some(live))),
            object: Rc::clone(object),
        }
        .into(),
        (Body::Stream(_), None) => JsValue::NULL,
    };
    js::answer(parts.status.as_u16(), &headers, &body)
}

/// An error, as an answer for JavaScript.
pub(crate) fn refused(error: &Error) -> JsValue {
    answer(refusal(error), None)
}

/// An answer that is made while the client reads it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct LiveBody {
    live: Rc<RefCell<Option<Live<JsBody>>>>,
    object: Rc<Object>,
}

#[wasm_bindgen]
impl LiveBody {
    /// The next bytes, `undefined` at the end. What they show is durable.
    pub async fn next(&self) -> Option<Uint8Array> {
        // Taken out while it waits: a second call meanwhile finds the end.
        let mut live = self.live.borrow_mut().take()?;
        let chunk = live.next(&*self.object).await?;
        self.object.gate.pass().await.ok()?;
        *self.live.borrow_mut() = Some(live);
        Some(Uint8Array::from(&chunk[..]))
    }
}
