//! Documents: writing them in turns, reading one, querying many.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};
use tidelog_core::{
    Address, Caller, Found, JsonObject, Mutation, NewDocument, Stamp, TurnReply, WrittenOperation,
};
use tidelog_log::limits::{LABEL_BYTES_MAX, TURN_ROWS_MAX};
use tidelog_log::{Error, Result, Sequence};

use crate::body::{self, Media, object};
use crate::caller::{caller, precondition};
use crate::handle::Routed;
use crate::limits::{
    BODY_BYTES_MAX, BODY_DEPTH_MAX, LINE_SUFFIX_BYTES_MAX, QUERY_DEPTH_MAX, SMALL_BODY_BYTES_MAX,
};
use crate::parameters::invalid;
use crate::reply::{self, has_already, version_tag, with_header};
use crate::warm::{self, Terms};
use crate::{Body, BodySource, Ingest, Live, ObjectHost, QueryAnswer, Response, json};

/// Whether a document whose key is taken is refused or replaces the one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteMode {
    Insert,
    Upsert,
}

impl WriteMode {
    fn of(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("insert") => Ok(Self::Insert),
            Some("upsert") => Ok(Self::Upsert),
            Some(_) => Err(invalid("mode", "mode is insert or upsert")),
        }
    }

    pub(crate) fn mutation(self, collection: &str, document: NewDocument) -> Mutation {
        let collection = collection.to_owned();
        match self {
            Self::Insert => Mutation::Insert {
                collection,
                document,
            },
            Self::Upsert => Mutation::Upsert {
                collection,
                document,
                if_version: None,
            },
        }
    }
}

pub(crate) async fn write<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let (object, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let mode = WriteMode::of(request.parameters.get("mode"))?;
    if body::media(&request.headers, &[Media::Json, Media::Ndjson])? == Media::Ndjson {
        return ingest(request, object, caller, mode);
    }
    if request.parameters.get("firstLine").is_some() {
        return Err(invalid("firstLine", "only an NDJSON body has lines"));
    }
    let bytes = body::read(&request.headers, &mut request.body, BODY_BYTES_MAX).await?;
    let mutations = mutations(mode, request.value(2), &bytes)?;
    let single = mutations.len() == 1;
    let reply = host.write(&object, caller, mutations).await?;
    written(&reply, single)
}

fn mutations(mode: WriteMode, collection: &str, body: &[u8]) -> Result<Vec<Mutation>> {
    if let Some(texts) = json::objects(body, BODY_DEPTH_MAX) {
        check_count(texts.len())?;
        let documents = texts.into_iter().map(|text| NewDocument::Text(text.into()));
        return Ok(documents.map(|d| mode.mutation(collection, d)).collect());
    }
    let documents = match json::parse(body, BODY_DEPTH_MAX)? {
        Json::Array(documents) => documents,
        one => vec![one],
    };
    check_count(documents.len())?;
    let mut mutations = Vec::with_capacity(documents.len());
    for (at, document) in documents.into_iter().enumerate() {
        let document = object(document, "a document").map_err(|e| e.at(format!("[{at}]")))?;
        mutations.push(mode.mutation(collection, document.into()));
    }
    Ok(mutations)
}

/// Refuses early what the turn would refuse, before any mutation is built.
fn check_count(count: usize) -> Result<()> {
    match count {
        0 => Err(Error::invalid(
            "empty_turn",
            "the body holds nothing to write",
        )),
        1..=TURN_ROWS_MAX => Ok(()),
        _ => Err(Error::too_large(
            "too_many_rows",
            format!("{count} rows; one turn takes {TURN_ROWS_MAX}, NDJSON any number"),
        )),
    }
}

fn ingest<B: BodySource>(
    request: Routed<B>,
    object: Address,
    caller: Caller,
    mode: WriteMode,
) -> Result<Response<B>> {
    let key_bytes_max = LABEL_BYTES_MAX - LINE_SUFFIX_BYTES_MAX;
    if caller.idempotency_key.len() > key_bytes_max {
        let message = format!("with NDJSON, an Idempotency-Key is at most {key_bytes_max} bytes");
        return Err(Error::too_large("label_too_long", message).at("Idempotency-Key"));
    }
    let first = request
        .parameters
        .number("firstLine", 1, 1 << 53)?
        .unwrap_or(1);
    let collection = request.value(2).to_owned();
    let ingest = Ingest::new(request.body, object, collection, caller, mode, first);
    let stream = Body::Stream(Live::Ingest(Box::new(ingest)));
    let response = with_header(
        Response::new(stream),
        "content-type",
        "application/x-ndjson",
    );
    Ok(with_header(response, "cache-control", "no-store"))
}

/// 201 when every document of the turn is new, and the version as ETag of a single one.
fn written<B>(reply: &TurnReply, single: bool) -> Result<Response<B>> {
    let inserted = |one: &tidelog_core::Written| one.operation == WrittenOperation::Insert;
    let all_new = reply.written.iter().all(inserted);
    let status = if all_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let response = reply::turn(status, reply)?;
    Ok(match reply.written.first() {
        Some(one) if single && one.operation != WrittenOperation::Delete => {
            with_header(response, "etag", &version_tag(one.version))
        }
        _ => response,
    })
}

pub(crate) async fn get<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let terms = Terms::of_parameters(&request.parameters)?;
    if terms.cold() {
        return get_cold(host, request, terms).await;
    }
    let (found, stamp) = find(host, request, terms).await?;
    let (body, tag) = rendered(found);
    let response = if has_already(&request.headers, &tag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes(StatusCode::OK, "application/json", body)
    };
    let response = with_header(response, "etag", &tag);
    let response = with_header(response, "cache-control", "private, no-cache");
    Ok(told(response, request, terms, &stamp))
}

/// Reads a document as the lake has it.
async fn get_cold<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    terms: Terms,
) -> Result<Response<B>> {
    let (object, at_least) = (request.object()?, terms.at_least);
    let found = host.get_cold(&object, request.value(2), request.value(3), at_least);
    let found = found.await?;
    let tag = version_tag(found.version);
    let response = match has_already(&request.headers, &tag) {
        true => reply::empty(StatusCode::NOT_MODIFIED),
        false => reply::bytes(StatusCode::OK, "application/json", found.document.into()),
    };
    let response = with_header(response, "etag", &tag);
    let response = with_header(response, "cache-control", "private, no-cache");
    let response = with_header(response, "age", &(found.age_millis / 1_000).to_string());
    Ok(with_header(
        response,
        "tidelog-offset",
        &found.offset.to_string(),
    ))
}

/// Reads a document where it is, and the state it is of.
pub(crate) async fn find<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    terms: Terms,
) -> Result<(Found, Stamp)> {
    let (object, at_least) = (request.object()?, terms.at_least);
    let found = host.get(&object, request.value(2), request.value(3), at_least);
    found.await
}

/// A document as the body of an answer, and its tag.
pub(crate) fn rendered(found: Found) -> (Bytes, String) {
    let body = Json::Object(found.document).to_string();
    (Bytes::from(body), version_tag(found.version))
}

/// Says of an answer what it has seen, to those who asked how new it is.
fn told<B, T>(
    response: Response<T>,
    request: &Routed<B>,
    terms: Terms,
    stamp: &Stamp,
) -> Response<T> {
    let mut response = response;
    if terms.warm() || terms.at_least.is_some() {
        response = with_header(response, "tidelog-offset", &stamp.offset.to_string());
    }
    if terms.warm() {
        response = with_header(response, "tidelog-cache", "bypass");
    }
    if request.headers.contains_key(warm::STAMP) {
        response = with_header(response, "tidelog-stamp", &warm::stamp_text(stamp));
    }
    response
}

pub(crate) async fn put<H: ObjectHost, B: BodySource>(
    host: &H,
    request: Routed<B>,
) -> Result<Response<B>> {
    change(host, request, |collection, key, document, if_version| {
        Mutation::Put {
            collection,
            key,
            document,
            if_version,
        }
    })
    .await
}

pub(crate) async fn patch<H: ObjectHost, B: BodySource>(
    host: &H,
    request: Routed<B>,
) -> Result<Response<B>> {
    change(host, request, |collection, key, patch, if_version| {
        Mutation::Update {
            collection,
            key,
            patch,
            if_version,
        }
    })
    .await
}

async fn change<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
    make: impl Fn(String, String, JsonObject, Option<Sequence>) -> Mutation,
) -> Result<Response<B>> {
    let (address, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let if_version = precondition(&request.headers, &request.parameters)?;
    let body = body::read_json(
        &request.headers,
        &mut request.body,
        BODY_BYTES_MAX,
        BODY_DEPTH_MAX,
    );
    let document = object(body.await?, "the body")?;
    let (collection, key) = (request.value(2).to_owned(), request.value(3).to_owned());
    let mutation = make(collection, key, document, if_version);
    let reply = host.write(&address, caller, vec![mutation]).await?;
    written(&reply, true)
}

pub(crate) async fn delete<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let (object, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let mutation = Mutation::Delete {
        collection: request.value(2).to_owned(),
        key: request.value(3).to_owned(),
        if_version: precondition(&request.headers, &request.parameters)?,
    };
    let reply = host.write(&object, caller, vec![mutation]).await?;
    written(&reply, true)
}

pub(crate) async fn query<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let query = read_query(&mut request).await?;
    answer_query(host, &request, query).await
}

pub(crate) async fn read_query<B: BodySource>(request: &mut Routed<B>) -> Result<Json> {
    let (headers, body) = (&request.headers, &mut request.body);
    body::read_json(headers, body, SMALL_BODY_BYTES_MAX, QUERY_DEPTH_MAX).await
}

/// Answers a query where the object is.
pub(crate) async fn answer_query<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    query: Json,
) -> Result<Response<B>> {
    let object = request.object()?;
    let terms = Terms::of_query(&query)?;
    let answer = host.query(&object, request.value(2), query).await?;
    let body = rendered_query(&answer);
    let response = reply::bytes(StatusCode::OK, "application/json", body);
    let response = with_header(response, "cache-control", "no-store");
    Ok(told(response, request, terms, &answer.stamp))
}

/// A query's answer as a body.
pub(crate) fn rendered_query(answer: &QueryAnswer) -> Bytes {
    let QueryAnswer { rows, next, stamp } = answer;
    let mut body = json!({ "rows": rows, "offset": stamp.offset.to_string() });
    if let Some(next) = next {
        body["next"] = Json::from(next.as_str());
    }
    Bytes::from(body.to_string())
}

pub(crate) async fn batch<H: ObjectHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let (address, caller) = (
        request.object()?,
        caller(&request.headers, &request.parameters)?,
    );
    let body = body::read_json(
        &request.headers,
        &mut request.body,
        BODY_BYTES_MAX,
        BODY_DEPTH_MAX,
    );
    let mut body = object(body.await?, "the body")?;
    let wanted = || Error::invalid("invalid_body", "the body is {\"mutations\": […]}");
    let Some(Json::Array(listed)) = body.remove("mutations") else {
        return Err(wanted().at("mutations"));
    };
    if let Some(name) = body.keys().next() {
        return Err(wanted().at(name.as_str()));
    }
    check_count(listed.len())?;
    let mut mutations = Vec::with_capacity(listed.len());
    for (at, one) in listed.into_iter().enumerate() {
        mutations.push(mutation(one).map_err(|e| e.within(format!("mutations[{at}]")))?);
    }
    let reply = host.write(&address, caller, mutations).await?;
    reply::turn(StatusCode::OK, &reply)
}

/// `{op, collection, key?, document | patch?, ifVersion?}`, and nothing else.
fn mutation(one: Json) -> Result<Mutation> {
    let mut members = object(one, "a mutation")?;
    let op = text(&mut members, "op")?;
    let collection = text(&mut members, "collection")?;
    let mutation = match op.as_str() {
        "insert" => Mutation::Insert {
            document: document(&mut members, "document")?.into(),
            collection,
        },
        "upsert" => Mutation::Upsert {
            document: document(&mut members, "document")?.into(),
            if_version: version(&mut members)?,
            collection,
        },
        "put" => Mutation::Put {
            key: text(&mut members, "key")?,
            document: document(&mut members, "document")?,
            if_version: version(&mut members)?,
            collection,
        },
        "update" => Mutation::Update {
            key: text(&mut members, "key")?,
            patch: document(&mut members, "patch")?,
            if_version: version(&mut members)?,
            collection,
        },
        "delete" => Mutation::Delete {
            key: text(&mut members, "key")?,
            if_version: version(&mut members)?,
            collection,
        },
        _ => {
            let message = "op is insert, upsert, put, update or delete";
            return Err(Error::invalid("unknown_operation", message).at("op"));
        }
    };
    match members.keys().next() {
        None => Ok(mutation),
        Some(name) => Err(shape(name, &format!("{op} takes no such member"))),
    }
}

fn shape(member: &str, message: &str) -> Error {
    Error::invalid("invalid_body", message).at(member)
}

fn text(members: &mut JsonObject, name: &str) -> Result<String> {
    match members.remove(name) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(shape(name, &format!("{name} is a string and required"))),
    }
}

fn document(members: &mut JsonObject, name: &str) -> Result<JsonObject> {
    match members.remove(name) {
        Some(Json::Object(document)) => Ok(document),
        _ => Err(shape(name, &format!("{name} is an object and required"))),
    }
}

fn version(members: &mut JsonObject) -> Result<Option<Sequence>> {
    match members.remove("ifVersion") {
        None => Ok(None),
        Some(json) => match json.as_u64() {
            Some(version) => Ok(Some(Sequence(version))),
            None => Err(shape(
                "ifVersion",
                "ifVersion is a version, a whole number from 0",
            )),
        },
    }
}
