//! One request in, one answer out.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tidelog_core::Address;
use tidelog_log::{Error, Result};

use crate::parameters::Parameters;
use crate::reply::{self, with_header};
use crate::route::{self, Found};
use crate::{
    Body, BodySource, Host, Operation, Request, Response, auth, changes, documents, error, iceberg,
    objects, openapi, schemas,
};

/// A request whose route is known.
#[derive(Debug)]
pub(crate) struct Routed<B> {
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: Parameters,
    values: Vec<String>,
    pub(crate) body: B,
}

impl<B> Routed<B> {
    /// The value of the path parameter at `index`, from 0.
    pub(crate) fn value(&self, index: usize) -> &str {
        self.values.get(index).map_or("", String::as_str)
    }

    /// The object named by the first two path parameters.
    ///
    /// # Errors
    /// `invalid_name` or `invalid_object_id`.
    pub(crate) fn object(&self) -> Result<Address> {
        Address::object(self.value(0), self.value(1))
    }
}

/// Answers one request. Every failure is an answer too.
pub async fn handle<H: Host, B: BodySource>(host: &H, request: Request<B>) -> Response<B> {
    let head = request.method == Method::HEAD;
    let iceberg = request.path.starts_with("/iceberg/");
    let mut response = match answer(host, request).await {
        Ok(response) => response,
        Err(error) if iceberg => iceberg::refuse(&error),
        Err(error) => error::refuse(&error),
    };
    if head {
        *response.body_mut() = Body::Bytes(Bytes::new());
    }
    with_header(response, "x-content-type-options", "nosniff")
}

async fn answer<H: Host, B: BodySource>(host: &H, request: Request<B>) -> Result<Response<B>> {
    if request.path != "/healthz" {
        auth::check(host.settings().token.as_deref(), &request.headers)?;
    }
    let Found { route, values } = route::find(&request.method, &request.path)?;
    // Both protocols let clients send parameters of newer versions.
    let open = route.is_iceberg() || route.path.ends_with("/changes");
    let taken = (!open).then_some(route.query);
    let routed = Routed {
        parameters: Parameters::parse(&request.query, taken)?,
        headers: request.headers,
        values,
        body: request.body,
    };
    dispatch(host, route.operation, routed).await
}

async fn dispatch<H: Host, B: BodySource>(
    host: &H,
    operation: Operation,
    request: Routed<B>,
) -> Result<Response<B>> {
    match operation {
        Operation::Index => Ok(reply::json(StatusCode::OK, &index())),
        Operation::Health => Ok(text("ok\n")),
        Operation::Ready => host.ready().await.map(|()| text("ready\n")),
        Operation::Metrics => Ok(text(host.metrics().await?)),
        Operation::OpenApi => Ok(reply::json(StatusCode::OK, &openapi())),
        Operation::ListTypes => schemas::list(host).await,
        Operation::GetType => schemas::get(host, &request).await,
        Operation::PutType => schemas::put(host, request).await,
        Operation::ListObjects => objects::list(host, &request).await,
        Operation::DeleteObject => objects::delete(host, &request).await,
        Operation::State => objects::state(host, &request).await,
        Operation::Sync => objects::sync(host, request).await,
        Operation::Batch => documents::batch(host, request).await,
        Operation::Changes => changes::read(host, &request).await,
        Operation::ChangesTail => changes::tail(host, &request).await,
        Operation::Write => documents::write(host, request).await,
        Operation::Query => documents::query(host, request).await,
        Operation::GetDocument => documents::get(host, &request).await,
        Operation::PutDocument => documents::put(host, request).await,
        Operation::PatchDocument => documents::patch(host, request).await,
        Operation::DeleteDocument => documents::delete(host, &request).await,
        Operation::IcebergConfig => Ok(iceberg::config()),
        Operation::IcebergNamespaces => iceberg::namespaces(host, &request).await,
        Operation::IcebergNamespace => iceberg::namespace(host, &request).await,
        Operation::IcebergHasNamespace => iceberg::has_namespace(host, &request).await,
        Operation::IcebergTables => iceberg::tables(host, &request).await,
        Operation::IcebergTable => iceberg::table(host, &request).await,
        Operation::IcebergHasTable => iceberg::has_table(host, &request).await,
    }
}

fn index() -> serde_json::Value {
    json!({
        "name": "tidelog",
        "version": env!("CARGO_PKG_VERSION"),
        "api": "/openapi.json",
        "types": "/v1/types",
        "objects": "/v1/objects",
        "iceberg": "/iceberg",
    })
}

fn text<B>(text: impl Into<Bytes>) -> Response<B> {
    reply::bytes(StatusCode::OK, "text/plain; charset=utf-8", text.into())
}

/// A state that the types allow and the code does not reach.
pub(crate) fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal(format!("JSON: {error}"))
}
