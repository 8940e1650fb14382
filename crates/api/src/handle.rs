//! One request in, one answer out.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tidelog_core::Address;
use tidelog_log::{Error, Result};

use crate::parameters::Parameters;
use crate::reply::{self, with_header};
use crate::route::{self, Found};
use crate::warm::{self, Forward, Fronted, WarmHost};
use crate::{
    Body, BodySource, Directory, Host, ObjectHost, Operation, Request, Response, actors, auth,
    changes, documents, error, iceberg, objects, openapi, schemas, snapshots,
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
pub async fn handle<H: ObjectHost + Directory + WarmHost, B: BodySource>(
    host: &H,
    request: Request<B>,
) -> Response<B> {
    let asked = Asked::of(&request);
    let answer = async {
        let (operation, routed) = routed(host, request)?;
        match is_objects(operation) {
            true => warm::of_object(host, operation, routed).await,
            false => of_directory(host, operation, routed).await,
        }
    };
    asked.finish(answer.await)
}

/// Answers a request for an object, where the object is.
pub async fn handle_object<H: ObjectHost, B: BodySource>(
    host: &H,
    request: Request<B>,
) -> Response<B> {
    let asked = Asked::of(&request);
    let answer = async {
        let (operation, routed) = routed(host, request)?;
        of_object(host, operation, routed).await
    };
    asked.finish(answer.await)
}

/// What became of a request at a host whose objects are elsewhere.
#[derive(Debug)]
pub enum Handled<B> {
    /// It is answered.
    Answer(Response<B>),
    /// It is this object's, for [`handle_object`]; its token and its address are checked.
    Forward(Address),
}

/// Answers a request that is no object's or that the cache in front may answer, and says whose it is
/// otherwise.
pub async fn handle_directory<H: Directory + WarmHost + Forward, B: BodySource>(
    host: &H,
    request: Request<B>,
) -> Handled<B> {
    let asked = Asked::of(&request);
    match object_of(host, &request) {
        Ok(Some((object, operation))) => {
            return match warm::of_front(host, &object, operation, request).await {
                Fronted::Answered(answer) => Handled::Answer(asked.finish(answer)),
                Fronted::Objects => Handled::Forward(object),
            };
        }
        Err(error) => return Handled::Answer(asked.finish(Err(error))),
        Ok(None) => {}
    }
    let answer = async {
        let (operation, routed) = routed(host, request)?;
        of_directory(host, operation, routed).await
    };
    Handled::Answer(asked.finish(answer.await))
}

/// The object a request is for; `None` when it is for none.
fn object_of<H: Host, B>(host: &H, request: &Request<B>) -> Result<Option<(Address, Operation)>> {
    let Found { route, values } = allowed(host, request)?;
    let [type_name, id, ..] = values.as_slice() else {
        return Ok(None);
    };
    if !is_objects(route.operation) {
        return Ok(None);
    }
    Ok(Some((Address::object(type_name, id)?, route.operation)))
}

/// What the form of an answer depends on, kept while the request is consumed.
struct Asked {
    head: bool,
    iceberg: bool,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            head: request.method == Method::HEAD,
            iceberg: request.path.starts_with("/iceberg/"),
        }
    }

    fn finish<B>(&self, answer: Result<Response<B>>) -> Response<B> {
        let mut response = match answer {
            Ok(response) => response,
            Err(error) if self.iceberg => iceberg::refuse(&error),
            Err(error) => error::refuse(&error),
        };
        if self.head {
            *response.body_mut() = Body::Bytes(Bytes::new());
        }
        with_header(response, "x-content-type-options", "nosniff")
    }
}

fn authorize<H: Host>(host: &H, path: &str, headers: &HeaderMap) -> Result<()> {
    match path {
        "/healthz" => Ok(()),
        _ => auth::check(host.settings(), headers),
    }
}

/// The route of a request whose caller may take it.
fn allowed<H: Host, B>(host: &H, request: &Request<B>) -> Result<Found> {
    authorize(host, &request.path, &request.headers)?;
    let found = route::find(&request.method, &request.path)?;
    if is_admins(found.route.operation) {
        auth::check_admin(host.settings(), &request.headers)?;
    }
    Ok(found)
}

pub(crate) fn routed<H: Host, B>(host: &H, request: Request<B>) -> Result<(Operation, Routed<B>)> {
    let Found { route, values } = allowed(host, &request)?;
    // Both protocols let clients send parameters of newer versions.
    let open = route.is_iceberg() || route.path.ends_with("/changes");
    let taken = (!open).then_some(route.query);
    let routed = Routed {
        parameters: Parameters::parse(&request.query, taken)?,
        headers: request.headers,
        values,
        body: request.body,
    };
    Ok((route.operation, routed))
}

/// True for what only an administrator may ask.
pub(crate) fn is_admins(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateSnapshot
            | Operation::ListSnapshots
            | Operation::Audit
            | Operation::Fork
            | Operation::GetFork
            | Operation::CancelFork
            | Operation::GetRetention
            | Operation::SetRetention
            | Operation::GetSnapshot
            | Operation::KeepSnapshot
            | Operation::DeleteSnapshot
            | Operation::Restore
            | Operation::GetRestore
            | Operation::CancelRestore
            | Operation::Check
            | Operation::Heal
            | Operation::GetHeal
            | Operation::SnapshotFile
            | Operation::ImportSnapshot
            | Operation::GetImport
            | Operation::PromoteSnapshot
            | Operation::RecallSnapshot
            | Operation::DiscoverSnapshots
            | Operation::GetDiscovery
    )
}

/// True for the routes below one object.
fn is_objects(operation: Operation) -> bool {
    is_admins(operation)
        || matches!(
            operation,
            Operation::DeleteObject
                | Operation::State
                | Operation::Sync
                | Operation::Batch
                | Operation::Message
                | Operation::Changes
                | Operation::ChangesTail
                | Operation::Write
                | Operation::Query
                | Operation::GetCacheEntry
                | Operation::PutCacheEntry
                | Operation::DeleteCacheEntry
                | Operation::GetDocument
                | Operation::PutDocument
                | Operation::PatchDocument
                | Operation::DeleteDocument
        )
}

pub(crate) async fn of_object<H: ObjectHost, B: BodySource>(
    host: &H,
    operation: Operation,
    request: Routed<B>,
) -> Result<Response<B>> {
    match operation {
        Operation::DeleteObject => objects::delete(host, &request).await,
        Operation::State => objects::state(host, &request).await,
        Operation::Sync => objects::sync(host, request).await,
        Operation::Batch => documents::batch(host, request).await,
        Operation::Message => actors::message(host, request).await,
        Operation::Changes => changes::read(host, &request).await,
        Operation::ChangesTail => changes::tail(host, &request).await,
        Operation::Write => documents::write(host, request).await,
        Operation::Query => documents::query(host, request).await,
        Operation::GetDocument => documents::get(host, &request).await,
        Operation::PutDocument => documents::put(host, request).await,
        Operation::PatchDocument => documents::patch(host, request).await,
        Operation::DeleteDocument => documents::delete(host, &request).await,
        Operation::CreateSnapshot => snapshots::create(host, request).await,
        Operation::ListSnapshots => snapshots::list(host, &request).await,
        Operation::Audit => snapshots::audit(host, &request).await,
        Operation::Fork => snapshots::fork(host, request).await,
        Operation::GetFork => snapshots::last_fork(host, &request).await,
        Operation::CancelFork => snapshots::cancel_fork(host, &request).await,
        Operation::GetRetention => snapshots::retention(host, &request).await,
        Operation::SetRetention => snapshots::set_retention(host, request).await,
        Operation::GetSnapshot => snapshots::get(host, &request).await,
        Operation::KeepSnapshot => snapshots::keep(host, request).await,
        Operation::DeleteSnapshot => snapshots::delete(host, &request).await,
        Operation::Restore => snapshots::restore(host, request).await,
        Operation::GetRestore => snapshots::last_restore(host, &request).await,
        Operation::CancelRestore => snapshots::cancel(host, &request).await,
        Operation::Check => snapshots::check(host, &request).await,
        Operation::Heal => snapshots::heal(host, &request).await,
        Operation::GetHeal => snapshots::last_heal(host, &request).await,
        Operation::SnapshotFile => snapshots::download(host, &request).await,
        Operation::ImportSnapshot => snapshots::upload(host, request).await,
        Operation::GetImport => snapshots::import_under_way(host, &request).await,
        Operation::PromoteSnapshot => snapshots::promote(host, &request).await,
        Operation::RecallSnapshot => snapshots::recall(host, &request).await,
        Operation::DiscoverSnapshots => snapshots::discover(host, &request).await,
        Operation::GetDiscovery => snapshots::discovery(host, &request).await,
        other => Err(Error::internal(format!("{other:?} is for no object"))),
    }
}

async fn of_directory<H: Directory, B: BodySource>(
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
        Operation::IcebergConfig => Ok(iceberg::config()),
        Operation::IcebergNamespaces => iceberg::namespaces(host, &request).await,
        Operation::IcebergNamespace => iceberg::namespace(host, &request).await,
        Operation::IcebergHasNamespace => iceberg::has_namespace(host, &request).await,
        Operation::IcebergTables => iceberg::tables(host, &request).await,
        Operation::IcebergTable => iceberg::table(host, &request).await,
        Operation::IcebergHasTable => iceberg::has_table(host, &request).await,
        other => Err(Error::internal(format!("{other:?} is an object's"))),
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
