//! Types: registering, reading, listing.

use http::StatusCode;
use serde_json::{Value as Json, json};
use tidelog_core::{TypeSchema, TypeSpec, check_name};
use tidelog_log::{Error, Result};

use crate::body::{self, Media};
use crate::handle::{Routed, unreadable};
use crate::limits::{BODY_DEPTH_MAX, SMALL_BODY_BYTES_MAX};
use crate::reply::{self, has_already, with_header};
use crate::{BodySource, Directory, Response, json};

/// Names that routes use, now or later, where a collection's name stands.
pub const RESERVED_COLLECTIONS: &[&str] = &[
    "batch",
    "cache",
    "changes",
    "check",
    "fork",
    "heal",
    "messages",
    "restore",
    "snapshots",
    "state",
    "sync",
];

/// Refuses a declaration with a collection that no route could reach. Hosts that take
/// declarations by other ways than HTTP call it too.
///
/// # Errors
/// `reserved_name`.
pub fn check_reserved(spec: &TypeSpec) -> Result<()> {
    let mut names = spec.collections.keys();
    match names.find(|name| RESERVED_COLLECTIONS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(
            "reserved_name",
            format!(
                "no collection may be called {}",
                RESERVED_COLLECTIONS.join(", ")
            ),
        )
        .at(format!("collections.{name}"))),
    }
}

pub(crate) async fn list<H: Directory, B>(host: &H) -> Result<Response<B>> {
    let types = host.types().await?;
    Ok(reply::json(StatusCode::OK, &json!({ "types": types })))
}

pub(crate) async fn get<H: Directory, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let name = request.value(0);
    check_name("type", name)?;
    let version = request
        .parameters
        .number("version", 1, u64::from(u32::MAX))?;
    let version = version.and_then(|n| u32::try_from(n).ok());
    let schema = host.type_schema(name, version).await?;
    let tag = tag(&schema);
    if has_already(&request.headers, &tag) {
        return Ok(with_header(
            reply::empty(StatusCode::NOT_MODIFIED),
            "etag",
            &tag,
        ));
    }
    answer(StatusCode::OK, &schema)
}

pub(crate) async fn put<H: Directory, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let media = body::media(&request.headers, &[Media::Json, Media::Toml])?;
    let bytes = body::read(&request.headers, &mut request.body, SMALL_BODY_BYTES_MAX).await?;
    let name = request.value(0);
    check_name("type", name)?;
    let spec = match media {
        Media::Toml => TypeSpec::from_toml(
            std::str::from_utf8(&bytes)
                .map_err(|_| Error::invalid("invalid_schema", "the TOML is not UTF-8"))?,
        )?,
        _ => spec_from_json(name, &bytes)?,
    };
    if spec.name != name {
        let message = format!("the body declares {:?}, the path names {name:?}", spec.name);
        return Err(Error::invalid("type_name_mismatch", message).at("type"));
    }
    check_reserved(&spec)?;
    let (schema, new) = host.register_type(spec).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(status, &schema)
}

/// The path may stand for the member `type`.
fn spec_from_json(name: &str, bytes: &[u8]) -> Result<TypeSpec> {
    match json::parse(bytes, BODY_DEPTH_MAX)? {
        Json::Object(mut members) if !members.contains_key("type") => {
            members.insert("type".to_owned(), name.into());
            TypeSpec::from_json(Json::Object(members).to_string().as_bytes())
        }
        _ => TypeSpec::from_json(bytes),
    }
}

fn answer<B>(status: StatusCode, schema: &TypeSchema) -> Result<Response<B>> {
    let body = serde_json::to_value(schema).map_err(|e| unreadable(&e))?;
    Ok(with_header(
        reply::json(status, &body),
        "etag",
        &tag(schema),
    ))
}

fn tag(schema: &TypeSchema) -> String {
    format!("\"{}\"", schema.version)
}
