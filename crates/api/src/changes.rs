//! Reading the change log over HTTP: Durable Streams, JSON mode, read side.
//!
//! The protocol is `PROTOCOL.md` of github.com/durable-streams/durable-streams, sections 5.5 to
//! 5.8, 8, 9.1 and 10.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value as Json;
use tidelog_core::{Address, ChangesPage, ChangesRequest, Images, check_name};
use tidelog_log::limits::{CHANGES_EVENTS_DEFAULT, CHANGES_EVENTS_MAX};
use tidelog_log::{EventFilter, Operation, Result, StartAt};

use crate::handle::Routed;
use crate::limits::{CURSOR_EPOCH_MILLIS, CURSOR_INTERVAL_MILLIS};
use crate::parameters::{Parameters, invalid};
use crate::reply::{self, has_already, with_header};
use crate::{Body, EventStream, Live, ObjectHost, Response};

/// How a reader waits.
enum Mode {
    CatchUp,
    LongPoll,
    Events,
}

pub(crate) async fn read<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let object = request.object()?;
    let parameters = &request.parameters;
    let wanted = wanted(parameters)?;
    let cursor = cursor(parameters)?;
    match mode(parameters)? {
        Mode::CatchUp => catch_up(host, request, &object, wanted).await,
        Mode::LongPoll => long_poll(host, &object, wanted, cursor).await,
        Mode::Events => events(host, object, wanted, cursor).await,
    }
}

/// HEAD: where the log ends.
pub(crate) async fn tail<H: ObjectHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let wanted = ChangesRequest {
        start: StartAt::Now,
        filter: EventFilter::default(),
        images: Images::Changed,
        limit: 1,
    };
    let page = host.changes(&request.object()?, wanted).await?;
    let response = stream_headers(reply::json(StatusCode::OK, &Json::Null), &page);
    Ok(with_header(response, "cache-control", "no-store"))
}

async fn catch_up<H: ObjectHost, B>(
    host: &H,
    request: &Routed<B>,
    object: &Address,
    wanted: ChangesRequest,
) -> Result<Response<B>> {
    let now = wanted.start == StartAt::Now;
    let start = request.parameters.get("offset").unwrap_or("-1").to_owned();
    let stream = stream_id(object, &wanted);
    let mut page = host.changes(object, wanted).await?;
    // At the tail the same request answers more later, so caches ask again; before it, the
    // answer never changes.
    let caching = match (now, page.up_to_date) {
        (true, _) => "no-store",
        (false, true) => "private, no-cache",
        (false, false) => "private, max-age=60, stale-while-revalidate=300",
    };
    let closed = if page.closed { ":c" } else { "" };
    let tag = format!("\"{stream:016x}:{start}:{}{closed}\"", page.next);
    let response = if !now && has_already(&request.headers, &tag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::json(
            StatusCode::OK,
            &Json::Array(std::mem::take(&mut page.events)),
        )
    };
    let response = with_header(stream_headers(response, &page), "cache-control", caching);
    Ok(if now {
        response
    } else {
        with_header(response, "etag", &tag)
    })
}

async fn long_poll<H: ObjectHost, B>(
    host: &H,
    object: &Address,
    mut wanted: ChangesRequest,
    cursor: Option<u64>,
) -> Result<Response<B>> {
    let wait = i64::try_from(host.settings().long_poll_millis).unwrap_or(i64::MAX);
    let ends = host.now().saturating_add(wait);
    let mut page = loop {
        let page = host.changes(object, wanted.clone()).await?;
        let left = u64::try_from(ends.saturating_sub(host.now())).unwrap_or(0);
        if !page.events.is_empty() || page.closed || left == 0 || host.stopping() {
            break page;
        }
        // What a filter leaves out is read past, so that the client need not.
        wanted.start = StartAt::After(page.next);
        if page.up_to_date {
            host.changed(object, page.next.sequence, left).await?;
        }
    };
    let nothing = page.events.is_empty() && page.up_to_date;
    let (response, caching) = if nothing {
        (reply::empty(StatusCode::NO_CONTENT), "no-store")
    } else {
        let events = reply::json(
            StatusCode::OK,
            &Json::Array(std::mem::take(&mut page.events)),
        );
        (events, "private, max-age=60, stale-while-revalidate=300")
    };
    let mut response = with_header(stream_headers(response, &page), "cache-control", caching);
    if !page.closed {
        let cursor = cursor_after(cursor, host.now()).to_string();
        response = with_header(response, "stream-cursor", &cursor);
    }
    Ok(response)
}

async fn events<H: ObjectHost, B>(
    host: &H,
    object: Address,
    wanted: ChangesRequest,
    cursor: Option<u64>,
) -> Result<Response<B>> {
    let first = host.changes(&object, wanted.clone()).await?;
    let events = EventStream::new(host, object, wanted, cursor, first);
    let response = Response::new(Body::Stream(Live::Events(Box::new(events))));
    let response = with_header(response, "content-type", "text/event-stream");
    let response = with_header(response, "cache-control", "no-cache");
    Ok(with_header(
        response,
        "cross-origin-resource-policy",
        "cross-origin",
    ))
}

fn stream_headers<B>(response: Response<B>, page: &ChangesPage) -> Response<B> {
    let next = page.next.to_string();
    let mut response = with_header(response, "stream-next-offset", &next);
    response = with_header(response, "cross-origin-resource-policy", "cross-origin");
    if page.up_to_date {
        response = with_header(response, "stream-up-to-date", "true");
    }
    if page.closed {
        response = with_header(response, "stream-closed", "true");
    }
    response
}

pub(crate) fn wanted(parameters: &Parameters) -> Result<ChangesRequest> {
    let start = parameters.get("offset").unwrap_or("-1").parse()?;
    let mut filter = EventFilter::default();
    for name in parameters.list("collections")? {
        check_name("collection", name).map_err(|e| e.at("collections"))?;
        filter.collections.insert(name.to_owned());
    }
    let operations = parameters.list("operations")?.into_iter();
    filter.operations = operations
        .map(|name| name.parse::<Operation>().map_err(|e| e.at("operations")))
        .collect::<Result<BTreeSet<_>>>()?;
    let images = match parameters.get("images") {
        None | Some("changed") => Images::Changed,
        Some("full") => Images::Full,
        Some(_) => return Err(invalid("images", "images is full or changed")),
    };
    Ok(ChangesRequest {
        start,
        filter,
        images,
        limit: parameters.limit(CHANGES_EVENTS_DEFAULT, CHANGES_EVENTS_MAX)?,
    })
}

fn mode(parameters: &Parameters) -> Result<Mode> {
    let mode = match parameters.get("live") {
        None => return Ok(Mode::CatchUp),
        Some("long-poll") => Mode::LongPoll,
        Some("sse") => Mode::Events,
        Some(_) => return Err(invalid("live", "live is long-poll or sse")),
    };
    match parameters.get("offset") {
        Some(_) => Ok(mode),
        None => Err(invalid(
            "offset",
            "a live read says where it starts: offset=",
        )),
    }
}

/// The cursor a client gives back; one it did not get from here is as good as none.
fn cursor(parameters: &Parameters) -> Result<Option<u64>> {
    Ok(parameters.get("cursor").and_then(|text| text.parse().ok()))
}

/// The next cursor: the number of the present interval, or past the client's own, so that no
/// shared cache answers the same empty page for ever.
pub(crate) fn cursor_after(client: Option<u64>, now: i64) -> u64 {
    let interval = now.saturating_sub(CURSOR_EPOCH_MILLIS) / CURSOR_INTERVAL_MILLIS;
    let interval = u64::try_from(interval).unwrap_or(0);
    match client {
        // The protocol asks for 1 to 3600 s of jitter; the clock's milliseconds are it.
        Some(client) if client >= interval => {
            let jitter = u64::try_from(now.rem_euclid(180)).unwrap_or(0);
            client.saturating_add(1 + jitter)
        }
        _ => interval,
    }
}

/// A number for the stream that a filter makes of a log (FNV-1a of its definition): each filter
/// has its own entity tags.
fn stream_id(object: &Address, wanted: &ChangesRequest) -> u64 {
    let text = format!(
        "{object} {:?} {:?} {}",
        wanted.filter, wanted.images, wanted.limit
    );
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
