//! A request and an answer, between a host's HTTP library and the routes.

use bytes::Bytes;
use http::{HeaderMap, Method};
use tidelog_log::Result;

use crate::live::Live;

/// The chunks of a request's body, in order.
#[expect(
    async_fn_in_trait,
    reason = "hosts choose whether their futures are Send"
)]
pub trait BodySource {
    /// The next chunk; `None` only after the last one of a complete body.
    ///
    /// # Errors
    /// A body cut short is an error (`body_interrupted`), never an early end.
    async fn chunk(&mut self) -> Result<Option<Bytes>>;
}

/// A body that is already in memory.
impl BodySource for Bytes {
    async fn chunk(&mut self) -> Result<Option<Self>> {
        let all = std::mem::take(self);
        Ok((!all.is_empty()).then_some(all))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request<B> {
    /// The method.
    pub method: Method,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// What follows `?`, still percent-encoded; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: B,
}

/// An answer's body.
#[derive(Debug)]
pub enum Body<B> {
    /// All of it.
    Bytes(Bytes),
    /// A stream: the host calls [`Live::next`] until `None`, no faster than the client reads.
    Stream(Live<B>),
}

/// An answer.
pub type Response<B> = http::Response<Body<B>>;
