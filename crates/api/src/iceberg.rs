//! The read side of the Iceberg REST catalog: Tidelog's namespace is the prefix, a type is an
//! Iceberg namespace.

use std::collections::BTreeSet;

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tidelog_core::NAMESPACE;
use tidelog_log::{Error, Kind, Result};

use crate::error::{status_of, with_error_headers};
use crate::handle::{Routed, unreadable};
use crate::limits::ICEBERG_PAGE_MAX;
use crate::parameters::{Parameters, invalid};
use crate::reply::{self, has_already, with_header};
use crate::{Directory, LoadedTable, ROUTES, Response};

/// What the catalog can do, all of it listed: clients assume writes when nothing is.
pub(crate) fn config<B>() -> Response<B> {
    let routes = ROUTES.iter().filter(|route| route.is_iceberg());
    let endpoints: Vec<String> = routes
        .filter(|route| route.path.contains("{prefix}"))
        .map(|route| format!("{} {}", route.method, route.path.replace("/iceberg", "")))
        .collect();
    let config = json!({
        "defaults": {},
        "overrides": {"prefix": NAMESPACE},
        "endpoints": endpoints,
    });
    reply::json(StatusCode::OK, &config)
}

pub(crate) async fn namespaces<H: Directory, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    check_prefix(request)?;
    let mut names = all_namespaces(host).await?;
    if let Some(parent) = request
        .parameters
        .get("parent")
        .filter(|parent| !parent.is_empty())
    {
        if !names.contains(parent) {
            return Err(no_namespace(parent));
        }
        names.clear();
    }
    let (names, next) = page(&request.parameters, names.into_iter().collect())?;
    let names: Vec<[String; 1]> = names.into_iter().map(|name| [name]).collect();
    let body = json!({"namespaces": names, "next-page-token": next});
    Ok(reply::json(StatusCode::OK, &body))
}

pub(crate) async fn namespace<H: Directory, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    let name = existing_namespace(host, request).await?;
    let body = json!({"namespace": [name], "properties": {}});
    Ok(reply::json(StatusCode::OK, &body))
}

pub(crate) async fn has_namespace<H: Directory, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    existing_namespace(host, request).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn tables<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let namespace = existing_namespace(host, request).await?;
    let tables = host.tables().await?.into_iter();
    let names: BTreeSet<String> = tables
        .filter(|table| table.namespace == namespace)
        .map(|table| table.name)
        .collect();
    let (names, next) = page(&request.parameters, names.into_iter().collect())?;
    let identifier = |name: &String| json!({"namespace": [namespace], "name": name});
    let identifiers: Vec<Json> = names.iter().map(identifier).collect();
    let body = json!({"identifiers": identifiers, "next-page-token": next});
    Ok(reply::json(StatusCode::OK, &body))
}

pub(crate) async fn table<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let table = loaded(host, request).await?;
    let tag = format!("\"{}\"", table.metadata_location);
    if has_already(&request.headers, &tag) {
        return Ok(with_header(
            reply::empty(StatusCode::NOT_MODIFIED),
            "etag",
            &tag,
        ));
    }
    let config = host.s3_config(host_header(&request.headers));
    // The metadata is passed on as it was written: numbers wider than a double stay whole.
    let metadata: &RawValue =
        serde_json::from_str(&table.metadata_json).map_err(|e| unreadable(&e))?;
    let config = json!(config);
    let credentials = json!([{"prefix": "s3://", "config": config}]);
    let location = Json::from(table.metadata_location.as_str());
    let body = format!(
        "{{\"metadata-location\":{location},\"metadata\":{},\"config\":{config},\
         \"storage-credentials\":{credentials}}}",
        metadata.get()
    );
    let response = reply::bytes(StatusCode::OK, "application/json", body.into());
    let response = with_header(response, "cache-control", "private, no-cache");
    Ok(with_header(response, "etag", &tag))
}

pub(crate) async fn has_table<H: Directory, B>(
    host: &H,
    request: &Routed<B>,
) -> Result<Response<B>> {
    loaded(host, request).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// An error in the form of the Iceberg specification.
pub(crate) fn refuse<B>(error: &Error) -> Response<B> {
    let named = error.details().get("iceberg").and_then(Json::as_str);
    let kind = match (error.kind(), error.code()) {
        (_, "method_not_allowed") => "UnsupportedOperationException",
        (_, "unknown_table") => named.unwrap_or("NoSuchTableException"),
        (Kind::NotFound, _) => named.unwrap_or("NotFoundException"),
        (Kind::Unauthorized, _) => "NotAuthorizedException",
        (Kind::Invalid | Kind::TooLarge, _) => "BadRequestException",
        (Kind::Conflict | Kind::Fenced | Kind::Gone, _) => "CommitFailedException",
        (Kind::Unsupported, _) => "UnsupportedOperationException",
        (Kind::Unavailable, _) => "ServiceUnavailableException",
        (Kind::Corrupt | Kind::Internal, _) => "InternalServerError",
    };
    let status = status_of(error);
    let body = json!({"error": {
        "message": error.message(), "type": kind, "code": status.as_u16(),
    }});
    with_error_headers(reply::json(status, &body), error)
}

async fn all_namespaces<H: Directory>(host: &H) -> Result<BTreeSet<String>> {
    let types = host.types().await?.into_iter().map(|one| one.name);
    Ok(types.collect())
}

async fn existing_namespace<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<String> {
    check_prefix(request)?;
    let name = request.value(1);
    let known = all_namespaces(host).await?.contains(name);
    known
        .then(|| name.to_owned())
        .ok_or_else(|| no_namespace(name))
}

async fn loaded<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<LoadedTable> {
    check_prefix(request)?;
    host.table(request.value(1), request.value(2)).await
}

fn check_prefix<B>(request: &Routed<B>) -> Result<()> {
    if request.value(0) == NAMESPACE {
        return Ok(());
    }
    let message = format!("the prefix is {NAMESPACE}, as /iceberg/v1/config says");
    Err(Error::not_found("unknown_table", message).with("iceberg", "NotFoundException"))
}

fn no_namespace(name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::not_found("unknown_table", format!("there is no namespace {shown:?}"))
        .with("iceberg", "NoSuchNamespaceException")
}

/// Cuts a sorted list to the page asked for; the token is the last name of the page before. A
/// client that names neither token nor size gets everything, as the specification asks.
fn page(parameters: &Parameters, mut names: Vec<String>) -> Result<(Vec<String>, Option<String>)> {
    let size = parameters
        .get("pageSize")
        .map(|text| match text.parse::<usize>() {
            Ok(size) if size > 0 => Ok(size.min(ICEBERG_PAGE_MAX)),
            _ => Err(invalid("pageSize", "pageSize is a whole number from 1")),
        });
    let size = size.transpose()?;
    let token = parameters.get("pageToken");
    if let Some(token) = token {
        names.retain(|name| name.as_str() > token);
    }
    let size = match (size, token) {
        (None, None) => return Ok((names, None)),
        (size, _) => size.unwrap_or(ICEBERG_PAGE_MAX),
    };
    let more = names.len() > size;
    names.truncate(size);
    let next = more.then(|| names.last().cloned()).flatten();
    Ok((names, next))
}

fn host_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::HOST)?.to_str().ok()
}
