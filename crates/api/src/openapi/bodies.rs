//! Schemas of bodies and descriptions of parameters.

use serde_json::{Value as Json, json};
use tidelog_log::limits::{CHANGES_EVENTS_DEFAULT, CHANGES_EVENTS_MAX, TURN_ROWS_MAX};

use super::{damage, keeping, snapshots};
use crate::limits::{OBJECTS_DEFAULT, OBJECTS_MAX};

/// What a path parameter is.
pub(super) fn path_parameter(name: &str) -> &'static str {
    match name {
        "type" => "A type's name",
        "id" => "An object's id, percent-encoded; it holds no /",
        "collection" => "A collection's name",
        "message" => "The name of a message that the type's actor takes",
        "key" => "A document's key, percent-encoded; / is %2F",
        "snapshot" => "A snapshot's id",
        "entry" => "A cache entry's key, percent-encoded; with DELETE also a prefix and *",
        "prefix" => "default",
        "namespace" => "An Iceberg namespace: a type's name",
        _ => "An Iceberg table's name",
    }
}

/// The schema of a query parameter and what it does.
pub(super) fn query_parameter(name: &str) -> (Json, &'static str) {
    let text = || json!({"type": "string"});
    let whole = |least: u64| json!({"type": "integer", "minimum": least});
    match name {
        "version" => (whole(1), "A version of the type; the newest when absent"),
        "type" => (text(), "Only objects of this type"),
        "prefix" => (text(), "Only ids that start with this"),
        "after" => (text(), "Continue after this cursor, the `next` of a page"),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "maximum": CHANGES_EVENTS_MAX}),
            LIMIT,
        ),
        "source" => (text(), "The calling system; X-Source wins"),
        "mode" => (
            json!({"type": "string", "enum": ["insert", "upsert"], "default": "insert"}),
            "Refuse or replace a document whose key is taken",
        ),
        "firstLine" => (
            whole(1),
            "NDJSON: the number of the body's first line, to resume",
        ),
        "ifVersion" => (
            whole(0),
            "Only this version of the document; 0: only if absent",
        ),
        "consistency" => (
            json!({"type": "string", "enum": ["strong", "warm"], "default": "strong"}),
            "The object's answer, or a kept one that is younger than the collection's TTL",
        ),
        "atLeast" => (text(), "An offset that the answer must have seen"),
        "tier" => (
            json!({"type": "string", "enum": ["hot", "cold"], "default": "hot"}),
            "The object, or the collection's table in the lake as of its newest snapshot; of snapshots: only those there",
        ),
        "ttl" => (
            text(),
            "How long to keep it: seconds, or text such as 5m, 2h, 7d",
        ),
        "offset" => (text(), "-1, now, or an offset of this stream"),
        "live" => (
            json!({"type": "string", "enum": ["long-poll", "sse"]}),
            "Wait for changes; needs offset",
        ),
        "cursor" => (text(), "The Stream-Cursor of the last live answer"),
        "collections" => (
            text(),
            "Only changes of these collections, with commas between",
        ),
        "operations" => (
            text(),
            "Only these of INSERT, UPDATE, DELETE, with commas between",
        ),
        "images" => (
            json!({"type": "string", "enum": ["changed", "full"], "default": "changed"}),
            "What `before` of an UPDATE holds: the changed fields or the whole document",
        ),
        "pageSize" => (whole(1), "Most entries of a page"),
        "pageToken" => (text(), "Empty for the first page, then the next-page-token"),
        "parent" => (
            text(),
            "Only snapshots that build on this one; of namespaces: those within, and there are none",
        ),
        "warehouse" => (text(), "Any: one catalog is served"),
        other => snapshots::query_parameter(other),
    }
}

const LIMIT: &str = "Most entries of a page: 1,000 events of 10,000 for changes, 100 objects of \
                     1,000 for the list of objects, when absent and at most";
const _: () = assert!(CHANGES_EVENTS_DEFAULT == 1_000 && CHANGES_EVENTS_MAX == 10_000);
const _: () = assert!(OBJECTS_DEFAULT == 100 && OBJECTS_MAX == 1_000);

/// What a request header does.
pub(super) fn header(name: &str) -> &'static str {
    match name {
        "Idempotency-Key" => "Makes the write safe to repeat for 24 h",
        "X-Source" => "The calling system, kept in the log",
        "X-Correlation-Id" => "Joins this turn to others, kept in the log",
        "traceparent" => "W3C trace context, kept in the log",
        "Tidelog-Actor" => "Who asks, for the audit log; X-Source when absent",
        "Tidelog-Reason" => "Why, for the audit log",
        "If-Match" => "Only the version with this ETag",
        _ => "With a read: 304 when this is the ETag. With PUT: * writes only if absent",
    }
}

/// The component schemas.
pub(super) fn schemas(codes: Vec<&str>) -> Json {
    let mut schemas = stored();
    for more in [
        metered(),
        written(),
        read(),
        snapshots::schemas(),
        snapshots::restores(),
        keeping::schemas(),
        damage::schemas(),
        shared(codes),
    ] {
        if let (Some(all), Json::Object(more)) = (schemas.as_object_mut(), more) {
            all.extend(more);
        }
    }
    schemas
}

pub(super) fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

pub(super) fn object(required: &[&str], properties: &Json) -> Json {
    json!({"type": "object", "required": required, "properties": properties})
}

pub(super) fn list(items: &Json) -> Json {
    json!({"type": "array", "items": items})
}

/// Types and objects.
fn stored() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let collections = json!({"type": "object", "additionalProperties": {"type": "object"}});
    let tier = json!({"type": "object"});
    json!({
        "TypeSpec": object(&["collections"], &json!({
            "type": text, "description": text, "collections": collections,
            "hot": tier, "warm": tier, "cold": tier, "sync": tier, "retention": tier,
            "snapshots": tier,
        })),
        "TypeSchema": object(&["type", "version", "collections"], &json!({
            "type": text, "version": whole, "description": text,
            "collections": list(&json!({"type": "object"})),
        })),
        "TypeList": object(&["types"], &json!({"types": list(&object(
            &["type", "version", "collections"],
            &json!({"type": text, "version": whole, "description": text,
                    "collections": list(&text)}),
        ))})),
        "ObjectPage": object(&["objects"], &json!({
            "objects": list(&object(&["type", "id", "status"],
                &json!({"type": text, "id": text, "status": text}))),
            "next": text,
        })),
        "ObjectState": object(
            &["type", "id", "status", "epoch", "head", "headOffset"],
            &merged([state_of_object(), state_of_tiers(), state_of_actor()]),
        ),
    })
}

fn merged(parts: [Json; 3]) -> Json {
    let members = parts.into_iter().filter_map(|part| match part {
        Json::Object(members) => Some(members),
        _ => None,
    });
    Json::Object(members.flatten().collect())
}

fn state_of_object() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let folded = [
        "collection",
        "documents",
        "blobs",
        "bytes",
        "rawBytes",
        "masked",
    ];
    json!({
        "type": text, "id": text,
        "status": {"type": "string", "enum": ["active", "deleting", "deleted"]},
        "scratch": {"type": "boolean"}, "expires": {"type": "string", "format": "date-time"},
        "epoch": whole, "head": whole, "headOffset": text, "headHash": text,
        "headTimestamp": {"type": "string", "format": "date-time"},
        "earliest": whole, "schemaVersion": whole,
        "documents": {"type": "object", "additionalProperties": whole},
        "folded": list(&object(&folded, &json!({
            "collection": text, "documents": whole, "blobs": whole, "bytes": whole,
            "rawBytes": whole, "masked": whole,
        }))),
        "blobs": object(&["count", "bytes"], &json!({"count": whole, "bytes": whole})),
        "log": object(
            &["records", "bytes", "segments", "segmentBytes"],
            &json!({"records": whole, "bytes": whole, "segments": whole, "segmentBytes": whole}),
        ),
        "database": object(&["bytes", "maxBytes"], &json!({"bytes": whole, "maxBytes": whole})),
        "warnings": list(&object(&["code", "message"], &json!({"code": text, "message": text}))),
        "wakes": list(&json!({"type": "object"})),
        "costs": reference("Costs"),
    })
}

/// How far the cache and the tables are.
fn state_of_tiers() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let maybe = json!({"type": ["integer", "null"]});
    let lag = json!({"type": ["object", "null"], "required": ["events", "millis"],
                     "properties": {"events": whole, "millis": whole}});
    json!({
        "cursors": list(&object(&["destination", "committed", "updated"], &json!({
            "destination": text, "committed": whole, "updated": whole,
        }))),
        "lake": list(&object(&["collection", "committed", "lagEvents"], &json!({
            "collection": text, "accepted": whole, "committed": whole,
            "lagEvents": whole, "lagMillis": whole, "error": text,
        }))),
        "lastHotSequence": whole, "lastWarmSequence": maybe, "lastColdSequence": maybe,
        "lag": object(&["warm", "cold"], &json!({"warm": lag, "cold": lag})),
        "warm": object(&["lagEvents", "hits", "misses", "stale"], &json!({
            "lagEvents": whole, "lagMillis": whole, "hits": whole, "misses": whole,
            "stale": whole, "ageMillisTotal": whole, "ageMillisMax": whole,
        })),
    })
}

/// Of an object with an actor.
fn state_of_actor() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let failed = ["number", "to", "message", "code", "detail", "at"];
    json!({
        "outbox": object(&["waiting"], &json!({"waiting": whole})),
        "followed": whole,
        "failedMessages": list(&object(&failed, &json!({
            "number": whole, "to": text, "message": text, "code": text, "detail": text,
            "at": {"type": "string", "format": "date-time"}, "body": {},
        }))),
    })
}

/// What an object has done, and what that costs.
fn metered() -> Json {
    let all = |names: &[&str], schema: Json| {
        let each = names
            .iter()
            .map(|name| ((*name).to_owned(), schema.clone()));
        object(names, &Json::Object(each.collect()))
    };
    let (count, dollars) = (json!({"type": "integer"}), json!({"type": "number"}));
    let billed = [
        "rowsRead",
        "rowsWritten",
        "requests",
        "r2ClassA",
        "r2ClassB",
    ];
    let counted = [
        &billed[..],
        &["alarms", "storedBytes", "lakeBytes", "events"],
    ]
    .concat();
    json!({
        "Costs": object(&["meter", "dollars", "monthlyDollarsStored", "pricesOf"], &json!({
            "meter": all(&counted, count),
            "dollars": all(&[&billed[..], &["total"]].concat(), dollars.clone()),
            "dollarsPerMillionEvents": {"type": ["number", "null"]},
            "monthlyDollarsStored": dollars,
            "pricesOf": {"type": "string", "format": "date"},
        })),
    })
}

/// What writes take and answer.
fn written() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let document = reference("Document");
    json!({
        "Document": {"type": "object"},
        "Documents": {"oneOf": [document, {
            "type": "array", "items": document, "minItems": 1, "maxItems": TURN_ROWS_MAX,
        }]},
        "Batch": object(&["mutations"], &json!({"mutations": {
            "type": "array", "minItems": 1, "maxItems": TURN_ROWS_MAX,
            "items": object(&["op", "collection"], &json!({
                "op": {"type": "string", "enum": ["insert", "upsert", "put", "update", "delete"]},
                "collection": text, "key": text, "document": document, "patch": document,
                "ifVersion": {"type": "integer", "minimum": 0},
            })),
        }})),
        "TurnReply": object(&["offset", "written", "replayed"], &json!({
            "offset": text,
            "replayed": {"type": "boolean"},
            "written": list(&object(&["key", "version", "operation"], &json!({
                "key": text, "version": whole,
                "operation": {"type": "string", "enum": ["INSERT", "UPDATE", "DELETE", "NONE"]},
            }))),
        })),
        "Message": {"description": "What the actor takes; no body is null"},
        "MessageReply": {"description": "What the actor answers"},
        "Sync": object(&[], &json!({"tier": {"type": "string", "enum": ["warm", "cold"]}})),
    })
}

/// What reads take and answer.
fn read() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let document = reference("Document");
    json!({
        "Query": object(&[], &json!({
            "where": {"type": "object"}, "select": list(&text), "limit": whole, "after": text,
            "consistency": {"type": "string", "enum": ["strong", "warm"]}, "atLeast": text,
        })),
        "QueryAnswer": object(&["rows", "offset"], &json!({
            "rows": list(&document), "offset": text, "next": text,
        })),
        "Changes": list(&reference("Event")),
        "Event": object(
            &["id", "operation", "collection", "documentId", "timestamp", "epoch", "sequence",
              "offset", "schemaVersion", "source", "turn"],
            &json!({
                "id": text,
                "operation": {"type": "string", "enum": ["INSERT", "UPDATE", "DELETE"]},
                "collection": text, "documentId": text,
                "timestamp": {"type": "string", "format": "date-time"},
                "epoch": whole, "sequence": whole, "offset": text, "schemaVersion": whole,
                "source": text, "correlationId": text, "traceParent": text,
                "turn": object(&["id", "index", "count"], &json!({
                    "id": whole, "index": whole, "count": whole, "cause": text,
                })),
                "before": document, "after": document, "changedFields": list(&text),
            }),
        ),
    })
}

/// Errors and what has no shape of its own.
fn shared(codes: Vec<&str>) -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    json!({
        "Problem": object(&["type", "title", "status", "code", "detail"], &json!({
            "type": text, "title": text, "status": whole, "detail": text, "field": text,
            "code": {"type": "string", "anyOf": [
                {"enum": codes},
                {"pattern": "^[a-z][a-z0-9_]*\\.", "description": "An actor's own: type.word"},
            ]},
        })),
        "IcebergError": object(&["error"], &json!({"error": object(
            &["message", "type", "code"],
            &json!({"message": text, "type": text, "code": whole}),
        )})),
        "Index": {"type": "object"},
        "Any": {"type": "object"},
        "Text": {"type": "string"},
        "Bytes": {"type": "string", "format": "binary"},
    })
}
