//! Between axum and the routes: requests in, answers out, streams driven as fast as they are read.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body as HttpBody, BodyDataStream};
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response as HttpResponse;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tidelog_api::{Body, BodySource, Request, handle};
use tidelog_log::{Error, Result};

use crate::host::Embedded;

/// Every route of the contract.
pub(crate) fn router(host: Arc<Embedded>) -> Router {
    Router::new().fallback(answer).with_state(host)
}

/// A request's body. The routes hold references to requests across awaits, so it has to be `Sync`;
/// the mutex is never locked, only seen through.
struct Incoming(Mutex<BodyDataStream>);

impl BodySource for Incoming {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let body = self
            .0
            .get_mut()
            .map_err(|_| Error::internal("a body was lost"))?;
        let chunk = body.next().await.transpose();
        chunk.map_err(|e| Error::invalid("body_interrupted", e.to_string()))
    }
}

async fn answer(State(host): State<Arc<Embedded>>, request: HttpRequest) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: Incoming(Mutex::new(body.into_data_stream())),
    };
    let response = handle(&*host, request).await;
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
