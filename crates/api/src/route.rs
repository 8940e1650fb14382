//! The table of routes: what the router matches, and what OpenAPI and the docs describe.

use http::Method;
use tidelog_log::{Error, Result};

use crate::RESERVED_COLLECTIONS;
use crate::parameters::percent_decoded;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the route's summary says it")]
pub enum Operation {
    Index,
    Health,
    Ready,
    Metrics,
    OpenApi,
    ListTypes,
    GetType,
    PutType,
    ListObjects,
    DeleteObject,
    State,
    Sync,
    CreateSnapshot,
    ListSnapshots,
    Audit,
    Fork,
    GetFork,
    CancelFork,
    GetRetention,
    SetRetention,
    GetSnapshot,
    KeepSnapshot,
    DeleteSnapshot,
    Restore,
    GetRestore,
    CancelRestore,
    Check,
    Heal,
    GetHeal,
    SnapshotFile,
    ImportSnapshot,
    PromoteSnapshot,
    RecallSnapshot,
    DiscoverSnapshots,
    GetDiscovery,
    GetImport,
    Batch,
    Message,
    Changes,
    ChangesTail,
    Write,
    Query,
    GetCacheEntry,
    PutCacheEntry,
    DeleteCacheEntry,
    GetDocument,
    PutDocument,
    PatchDocument,
    DeleteDocument,
    IcebergConfig,
    IcebergNamespaces,
    IcebergNamespace,
    IcebergHasNamespace,
    IcebergTables,
    IcebergTable,
    IcebergHasTable,
}

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; `{name}` matches one segment.
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
    /// One sentence.
    pub summary: &'static str,
    /// Query parameters.
    pub query: &'static [&'static str],
    /// Request headers with a meaning of their own.
    pub headers: &'static [&'static str],
    /// Media types of the body and the schema of each; empty: no body.
    pub body: &'static [(&'static str, &'static str)],
    /// Statuses of success, their media type (empty: no body) and schema.
    pub answers: &'static [(u16, &'static str, &'static str)],
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const ANY: &str = "*/*";
const FILE: &str = "application/vnd.tidelog.snapshot";
const NDJSON: &str = "application/x-ndjson";

const CALLER: &[&str] = &[
    "Idempotency-Key",
    "X-Source",
    "X-Correlation-Id",
    "traceparent",
];
const BOUND: &[&str] = &[
    "Idempotency-Key",
    "X-Source",
    "X-Correlation-Id",
    "traceparent",
    "If-Match",
    "If-None-Match",
];
const CACHED: &[&str] = &["If-None-Match"];
const ADMIN: &[&str] = &["Tidelog-Actor", "Tidelog-Reason", "X-Source"];
const RESTORE: &[&str] = &[
    "Tidelog-Actor",
    "Tidelog-Reason",
    "X-Source",
    "X-Correlation-Id",
    "traceparent",
];
const CHANGES: &[&str] = &[
    "offset",
    "live",
    "cursor",
    "collections",
    "operations",
    "images",
    "limit",
];

const fn route(
    method: &'static str,
    path: &'static str,
    operation: Operation,
    summary: &'static str,
) -> Route {
    Route {
        method,
        path,
        operation,
        summary,
        query: &[],
        headers: &[],
        body: &[],
        answers: &[],
    }
}

impl Route {
    const fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    const fn headers(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }

    const fn body(self, body: &'static [(&'static str, &'static str)]) -> Self {
        Self { body, ..self }
    }

    const fn answers(self, answers: &'static [(u16, &'static str, &'static str)]) -> Self {
        Self { answers, ..self }
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(parameter)
    }

    /// True for the routes of the Iceberg REST catalog, which have their own error document.
    pub fn is_iceberg(&self) -> bool {
        self.path.starts_with("/iceberg/")
    }

    /// The values of the path's parameters, when the path matches. A collection's name is never
    /// one of those that routes use.
    fn captures(&self, segments: &[String]) -> Option<Vec<String>> {
        let pattern = self.path.strip_prefix('/')?.split('/');
        if pattern.clone().count() != segments.len() {
            return None;
        }
        let mut captured = Vec::new();
        for (part, segment) in pattern.zip(segments) {
            match parameter(part) {
                None if part == segment => {}
                Some("collection") if RESERVED_COLLECTIONS.contains(&segment.as_str()) => {
                    return None;
                }
                Some(_) if !segment.is_empty() => captured.push(segment.clone()),
                _ => return None,
            }
        }
        Some(captured)
    }
}

fn parameter(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// Every route. Where two match, the first wins: those with fixed words stand first.
#[rustfmt::skip] // a table
pub const ROUTES: &[Route] = &[
    route("GET", "/", Operation::Index, "Says what this is and where to look")
        .answers(&[(200, JSON, "Index")]),
    route("GET", "/healthz", Operation::Health, "Answers while the process runs; needs no token")
        .answers(&[(200, TEXT, "Text")]),
    route("GET", "/readyz", Operation::Ready, "Answers 200 when requests can be served, else 503")
        .answers(&[(200, TEXT, "Text")]),
    route("GET", "/metrics", Operation::Metrics, "Metrics in Prometheus text form")
        .answers(&[(200, TEXT, "Text")]),
    route("GET", "/openapi.json", Operation::OpenApi, "This description")
        .answers(&[(200, JSON, "Any")]),
    route("GET", "/v1/types", Operation::ListTypes, "Lists the registered types")
        .answers(&[(200, JSON, "TypeList")]),
    route("GET", "/v1/types/{type}", Operation::GetType, "Reads a type, its newest version unless one is named")
        .query(&["version"]).headers(CACHED).answers(&[(200, JSON, "TypeSchema"), (304, "", "")]),
    route("PUT", "/v1/types/{type}", Operation::PutType, "Registers a type; an equal declaration changes nothing")
        .body(&[(JSON, "TypeSpec"), ("application/toml", "Text")])
        .answers(&[(200, JSON, "TypeSchema"), (201, JSON, "TypeSchema")]),
    route("GET", "/v1/objects", Operation::ListObjects, "Lists objects by type and id")
        .query(&["type", "prefix", "after", "limit"]).answers(&[(200, JSON, "ObjectPage")]),
    route("DELETE", "/v1/objects/{type}/{id}", Operation::DeleteObject, "Deletes an object: logs the deletes, then closes its stream")
        .query(&["source"]).headers(CALLER).answers(&[(200, JSON, "ObjectState")]),
    route("POST", "/v1/objects/{type}/{id}/batch", Operation::Batch, "Does several mutations over collections as one turn")
        .query(&["source"]).headers(CALLER).body(&[(JSON, "Batch")]).answers(&[(200, JSON, "TurnReply")]),
    route("POST", "/v1/objects/{type}/{id}/messages/{message}", Operation::Message, "Sends a message to the object's actor and answers its reply")
        .query(&["source"]).headers(CALLER).body(&[(JSON, "Message")]).answers(&[(200, JSON, "MessageReply")]),
    route("GET", "/v1/objects/{type}/{id}/changes", Operation::Changes, "Reads the change log (Durable Streams, JSON mode): catch-up, long-poll or server-sent events")
        .query(CHANGES).headers(CACHED)
        .answers(&[(200, JSON, "Changes"), (200, "text/event-stream", "Text"), (204, "", ""), (304, "", "")]),
    route("HEAD", "/v1/objects/{type}/{id}/changes", Operation::ChangesTail, "Answers the log's tail offset and whether it is closed, in headers")
        .answers(&[(200, "", "")]),
    route("GET", "/v1/objects/{type}/{id}/state", Operation::State, "Says where the object and its lake tables stand")
        .answers(&[(200, JSON, "ObjectState")]),
    route("POST", "/v1/objects/{type}/{id}/sync", Operation::Sync, "Answers once everything up to the present head is in a tier, or in all of them")
        .body(&[(JSON, "Sync")]).answers(&[(200, JSON, "ObjectState")]),
    route("POST", "/v1/objects/{type}/{id}/snapshots", Operation::CreateSnapshot, "Takes a snapshot: 201 when it is complete, 202 while it is being taken. Needs the admin token, as do the next ones")
        .query(&["source"]).headers(ADMIN).body(&[(JSON, "NewSnapshot")])
        .answers(&[(201, JSON, "Snapshot"), (202, JSON, "Snapshot")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots", Operation::ListSnapshots, "Lists the object's snapshots, newest first")
        .query(&["kind", "tier", "parent", "minBytes", "maxBytes", "fromSequence", "toSequence", "before", "limit"]).answers(&[(200, JSON, "SnapshotPage")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/audit", Operation::Audit, "Lists what administrators had the object do, newest first")
        .query(&["before", "limit"]).answers(&[(200, JSON, "AuditPage")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/retention", Operation::GetRetention, "Reads how long the object keeps its snapshots, and how far its schedule is")
        .answers(&[(200, JSON, "Retention")]),
    route("PUT", "/v1/objects/{type}/{id}/snapshots/retention", Operation::SetRetention, "Declares how long the object keeps its snapshots, where that is not as its type says")
        .query(&["source"]).headers(ADMIN).body(&[(JSON, "RetentionRules")]).answers(&[(200, JSON, "Retention")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/import", Operation::GetImport, "Reads how far the import of a file is")
        .answers(&[(200, JSON, "Import")]),
    route("POST", "/v1/objects/{type}/{id}/snapshots/import", Operation::ImportSnapshot, "Takes the file of a snapshot, of an object of the same type; with offset it goes on where it broke off")
        .query(&["offset", "partial", "source"]).headers(ADMIN).body(&[(FILE, "Bytes")])
        .answers(&[(201, JSON, "Import"), (202, JSON, "Import")]),
    route("POST", "/v1/objects/{type}/{id}/snapshots/discover", Operation::DiscoverSnapshots, "Looks for snapshots of the object in object storage and lists those it did not know; makes the object where its database was lost")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Discovery"), (202, JSON, "Discovery")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/discover", Operation::GetDiscovery, "Reads how far the search for snapshots in object storage is, or what the last one found")
        .answers(&[(200, JSON, "Discovery")]),
    route("POST", "/v1/objects/{type}/{id}/snapshots/{snapshot}/promote", Operation::PromoteSnapshot, "Brings a snapshot to object storage; then its copy in the object goes: 200 when it is there, 202 while that is under way")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Snapshot"), (202, JSON, "Snapshot")]),
    route("POST", "/v1/objects/{type}/{id}/snapshots/{snapshot}/recall", Operation::RecallSnapshot, "Brings a snapshot, and those it builds on, back from object storage; the copy there stays")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Snapshot"), (202, JSON, "Snapshot")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/{snapshot}/file", Operation::SnapshotFile, "Downloads a snapshot, with those it builds on, as one file; a Range goes on where it broke off")
        .headers(&["Range"]).answers(&[(200, FILE, "Bytes"), (206, FILE, "Bytes")]),
    route("GET", "/v1/objects/{type}/{id}/snapshots/{snapshot}", Operation::GetSnapshot, "Reads what is known of a snapshot")
        .answers(&[(200, JSON, "Snapshot")]),
    route("PATCH", "/v1/objects/{type}/{id}/snapshots/{snapshot}", Operation::KeepSnapshot, "Keeps a snapshot whatever its age and number, or no longer")
        .query(&["source"]).headers(ADMIN).body(&[(JSON, "KeepSnapshot")]).answers(&[(200, JSON, "Snapshot")]),
    route("DELETE", "/v1/objects/{type}/{id}/snapshots/{snapshot}", Operation::DeleteSnapshot, "Forgets a snapshot, or gives up taking it; 202 while what it has in object storage goes")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Snapshot"), (202, JSON, "Snapshot")]),
    route("POST", "/v1/objects/{type}/{id}/restore", Operation::Restore, "Brings back the state of a snapshot, a sequence or a time, as ordinary events: 200 when it is there, 202 while that is under way")
        .query(&["source"]).headers(RESTORE).body(&[(JSON, "NewRestore")])
        .answers(&[(200, JSON, "Restore"), (202, JSON, "Restore")]),
    route("GET", "/v1/objects/{type}/{id}/restore", Operation::GetRestore, "Reads how far the restore under way is, or what the last one did")
        .answers(&[(200, JSON, "Restore")]),
    route("DELETE", "/v1/objects/{type}/{id}/restore", Operation::CancelRestore, "Gives up the restore under way; nothing was changed")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Restore")]),
    route("POST", "/v1/objects/{type}/{id}/fork", Operation::Fork, "Makes another object of the type of this one: as it is, or as it was at a snapshot, a sequence or a time; 202, and it goes on by itself")
        .query(&["source"]).headers(ADMIN).body(&[(JSON, "NewFork")]).answers(&[(202, JSON, "Fork")]),
    route("GET", "/v1/objects/{type}/{id}/fork", Operation::GetFork, "Reads how far the fork under way is, or what became of the last one")
        .answers(&[(200, JSON, "Fork")]),
    route("DELETE", "/v1/objects/{type}/{id}/fork", Operation::CancelFork, "Gives up the fork under way")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Fork")]),
    route("GET", "/v1/objects/{type}/{id}/check", Operation::Check, "Looks for damage: a page of what every checksum says, from `after` on")
        .query(&["after"]).answers(&[(200, JSON, "Check")]),
    route("POST", "/v1/objects/{type}/{id}/heal", Operation::Heal, "Makes damaged blobs whole again and marks damaged snapshots: 200 when it is through, 202 while it is under way")
        .query(&["source"]).headers(ADMIN).answers(&[(200, JSON, "Heal"), (202, JSON, "Heal")]),
    route("GET", "/v1/objects/{type}/{id}/heal", Operation::GetHeal, "Reads the healing under way, or the last one")
        .answers(&[(200, JSON, "Heal")]),
    route("GET", "/v1/objects/{type}/{id}/cache/{entry}", Operation::GetCacheEntry, "Reads an entry of the cache beside an object")
        .answers(&[(200, ANY, "Bytes")]),
    route("PUT", "/v1/objects/{type}/{id}/cache/{entry}", Operation::PutCacheEntry, "Keeps any bytes in the cache beside an object, for a time")
        .query(&["ttl"]).body(&[(ANY, "Bytes")]).answers(&[(204, "", "")]),
    route("DELETE", "/v1/objects/{type}/{id}/cache/{entry}", Operation::DeleteCacheEntry, "Forgets an entry of the cache, or with prefix* all below a prefix")
        .answers(&[(204, "", "")]),
    route("POST", "/v1/objects/{type}/{id}/{collection}", Operation::Write, "Writes a document or an array of them as one turn, or NDJSON as a series of turns")
        .query(&["mode", "source", "firstLine"]).headers(CALLER)
        .body(&[(JSON, "Documents"), (NDJSON, "Text")])
        .answers(&[(200, JSON, "TurnReply"), (201, JSON, "TurnReply"), (200, NDJSON, "Text")]),
    route("POST", "/v1/objects/{type}/{id}/{collection}/query", Operation::Query, "Queries a collection")
        .body(&[(JSON, "Query")]).answers(&[(200, JSON, "QueryAnswer")]),
    route("GET", "/v1/objects/{type}/{id}/{collection}/{key}", Operation::GetDocument, "Reads a document; its version is the ETag")
        .query(&["consistency", "atLeast", "tier"]).headers(CACHED).answers(&[(200, JSON, "Document"), (304, "", "")]),
    route("PUT", "/v1/objects/{type}/{id}/{collection}/{key}", Operation::PutDocument, "Adds or replaces a document")
        .query(&["ifVersion", "source"]).headers(BOUND).body(&[(JSON, "Document")])
        .answers(&[(200, JSON, "TurnReply"), (201, JSON, "TurnReply")]),
    route("PATCH", "/v1/objects/{type}/{id}/{collection}/{key}", Operation::PatchDocument, "Changes members of a document (JSON merge patch, RFC 7396)")
        .query(&["ifVersion", "source"]).headers(BOUND)
        .body(&[("application/merge-patch+json", "Document"), (JSON, "Document")])
        .answers(&[(200, JSON, "TurnReply")]),
    route("DELETE", "/v1/objects/{type}/{id}/{collection}/{key}", Operation::DeleteDocument, "Removes a document")
        .query(&["ifVersion", "source"]).headers(BOUND).answers(&[(200, JSON, "TurnReply")]),
    route("GET", "/iceberg/v1/config", Operation::IcebergConfig, "Iceberg REST: what the catalog can do")
        .query(&["warehouse"]).answers(&[(200, JSON, "Any")]),
    route("GET", "/iceberg/v1/{prefix}/namespaces", Operation::IcebergNamespaces, "Iceberg REST: lists namespaces, one per type")
        .query(&["parent", "pageToken", "pageSize"]).answers(&[(200, JSON, "Any")]),
    route("GET", "/iceberg/v1/{prefix}/namespaces/{namespace}", Operation::IcebergNamespace, "Iceberg REST: reads a namespace")
        .answers(&[(200, JSON, "Any")]),
    route("HEAD", "/iceberg/v1/{prefix}/namespaces/{namespace}", Operation::IcebergHasNamespace, "Iceberg REST: says whether a namespace exists")
        .answers(&[(204, "", "")]),
    route("GET", "/iceberg/v1/{prefix}/namespaces/{namespace}/tables", Operation::IcebergTables, "Iceberg REST: lists the tables of a namespace")
        .query(&["pageToken", "pageSize"]).answers(&[(200, JSON, "Any")]),
    route("GET", "/iceberg/v1/{prefix}/namespaces/{namespace}/tables/{table}", Operation::IcebergTable, "Iceberg REST: loads a table, with the properties to read its files")
        .query(&["snapshots"]).headers(CACHED).answers(&[(200, JSON, "Any"), (304, "", "")]),
    route("HEAD", "/iceberg/v1/{prefix}/namespaces/{namespace}/tables/{table}", Operation::IcebergHasTable, "Iceberg REST: says whether a table exists")
        .answers(&[(204, "", "")]),
];

/// A request's route and the values of its path parameters, in order.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    pub(crate) values: Vec<String>,
}

/// Finds the route of a request. `HEAD` falls back to `GET`; the entry drops the body.
///
/// # Errors
/// `invalid_path`, `unknown_route`, or `method_not_allowed` with the methods allowed.
pub(crate) fn find(method: &Method, path: &str) -> Result<Found> {
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let segments = segments
        .map(percent_decoded)
        .collect::<Result<Vec<String>>>()?;
    let matching: Vec<_> = ROUTES
        .iter()
        .filter_map(|route| Some((route, route.captures(&segments)?)))
        .collect();
    let with = |name: &str| matching.iter().find(|(route, _)| route.method == name);
    let fallback = || (method == Method::HEAD).then(|| with("GET")).flatten();
    if let Some((route, values)) = with(method.as_str()).or_else(fallback) {
        let values = values.clone();
        return Ok(Found { route, values });
    }
    if matching.is_empty() {
        let message = "no route has this path; GET /openapi.json lists them";
        return Err(Error::not_found("unknown_route", message));
    }
    let mut allowed: Vec<&str> = matching.iter().map(|(route, _)| route.method).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.sort_unstable();
    allowed.dedup();
    let allow = allowed.join(", ");
    let shown: String = method.as_str().chars().take(20).collect();
    Err(Error::invalid(
        "method_not_allowed",
        format!("{shown} is not among {allow}"),
    )
    .with("allow", allow))
}
