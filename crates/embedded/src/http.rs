//! Between axum and the routes: requests in, answers out, streams driven as fast as they are read.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, BodyDataStream};
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response as HttpResponse;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tidelog_api::{Body, BodySource, Request, handle};
use tidelog_log::{Error, Result};
use tokio::sync::Mutex;

use crate::host::Embedded;

/// Every route of the contract.
pub(crate) fn router(host: Arc<Embedded>) -> Router {
    Router::new().fallback(answer).with_state(host)
}

/// Bytes of a refused body that are read and dropped, so that the client gets to read why.
const DRAIN_BYTES_MAX: usize = 64_000_000;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// A request's body, shared so that what the routes leave unread can be drained.
struct Incoming(Arc<Mutex<BodyDataStream>>);

impl BodySource for Incoming {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.0.lock().await.next().await.transpose();
        chunk.map_err(|e| Error::invalid("body_interrupted", e.to_string()))
    }
}

async fn drain(body: &Mutex<BodyDataStream>) {
    let mut body = body.lock().await;
    let mut left = DRAIN_BYTES_MAX;
    while let Some(Ok(chunk)) = body.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

async fn answer(State(host): State<Arc<Embedded>>, request: HttpRequest) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let incoming = Arc::new(Mutex::new(body.into_data_stream()));
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: Incoming(Arc::clone(&incoming)),
    };
    let response = handle(&*host, request).await;
    if !response.status().is_success() {
        drop(tokio::time::timeout(DRAIN_TIME_MAX, drain(&incoming)).await);
    }
    let class = usize::from(response.status().as_u16() / 100);
    if let Some(counter) = host.shared.metrics.requests.get(class) {
        counter.add(1);
    }
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Bytes(bytes) => HttpBody::from(bytes),
        Body::Stream(live) => {
            let stream =
                futures_util::stream::unfold((host, live), |(host, mut live)| async move {
                    let chunk = live.next(&*host).await?;
                    Some((Ok::<_, std::convert::Infallible>(chunk), (host, live)))
                });
            HttpBody::from_stream(stream)
        }
    };
    HttpResponse::from_parts(parts, body)
}
