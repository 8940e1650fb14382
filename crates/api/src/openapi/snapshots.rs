//! Schemas of snapshots, restores and the audit log.

use serde_json::{Value as Json, json};

use super::bodies::{list, object, reference};

/// The schema of a query parameter of theirs and what it does.
pub(super) fn query_parameter(name: &str) -> (Json, &'static str) {
    let whole = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    match name {
        "kind" => (
            json!({"type": "string", "enum": ["full", "incremental"]}),
            "Only snapshots of this kind",
        ),
        "minBytes" => (whole, "Only snapshots of at least so many bytes"),
        "maxBytes" => (whole, "Only snapshots of at most so many bytes"),
        "fromSequence" => (whole, "Only states after this event or a later one"),
        "toSequence" => (whole, "Only states after this event or an earlier one"),
        "before" => (text, "Only those before this one, the `next` of a page"),
        _ => (text, "Ignored"),
    }
}

/// What their routes take and answer.
pub(super) fn schemas() -> Json {
    let (text, whole, flag) = (
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "boolean"}),
    );
    let time = json!({"type": "string", "format": "date-time"});
    let kind = json!({"type": "string", "enum": ["full", "incremental"], "default": "full"});
    json!({
        "NewSnapshot": object(&[], &json!({
            "kind": kind, "parent": text, "note": {"type": "string", "maxLength": 256},
        })),
        "Snapshot": object(
            &["id", "kind", "status", "epoch", "sequence", "from", "hash", "timestamp",
              "schemaVersion", "created", "documents", "bytes", "ownBytes", "tier"],
            &json!({
                "id": text, "kind": kind, "parent": text, "note": text, "imported": flag, "keep": flag,
                "status": {"type": "string", "enum": ["running", "importing", "complete", "failed", "deleting"]},
                "epoch": whole, "sequence": whole, "from": whole, "hash": text, "timestamp": time,
                "schemaVersion": whole, "created": time, "bytes": whole, "ownBytes": whole,
                "failure": reference("Failure"),
                "tier": {"type": "string", "enum": ["hot", "cold"]},
                "cold": object(&["parts", "bytes"], &json!({"parts": whole, "bytes": whole})),
                "moving": {"type": "string", "enum": ["promoting", "recalling"]},
                "documents": {"type": "object", "additionalProperties": whole},
            }),
        ),
        "Discovery": object(
            &["id", "status", "created", "found", "added", "skipped"],
            &json!({
                "id": text, "created": time, "found": whole, "added": list(&text), "skipped": whole,
                "status": {"type": "string", "enum": ["running", "complete", "failed"]},
                "failure": reference("Failure"),
            }),
        ),
        "Failure": object(&["code", "message"], &json!({"code": text, "message": text})),
        "SnapshotPage": object(&["snapshots"], &json!({
            "snapshots": list(&reference("Snapshot")), "next": text,
        })),
    })
}

/// What routes of restores and of files take and answer.
pub(super) fn restores() -> Json {
    let (text, whole, flag) = (
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "boolean"}),
    );
    let time = json!({"type": "string", "format": "date-time"});
    json!({
        "NewRestore": object(&[], &json!({
            "snapshot": text, "sequence": whole, "dryRun": flag,
            "time": {"description": "RFC 3339, or milliseconds since 1970",
                     "type": ["string", "integer"]},
            "collections": {"type": "array", "items": text, "minItems": 1},
        })),
        "RestoreTarget": object(&[], &json!({
            "snapshot": text, "sequence": whole, "time": time,
        })),
        "Restore": object(
            &["id", "status", "target", "sequence", "dryRun", "created", "differences"],
            &json!({
                "id": text, "target": reference("RestoreTarget"), "sequence": whole,
                "status": {"type": "string", "enum": ["running", "complete", "cancelled", "failed"]},
                "collections": list(&text), "dryRun": flag, "created": time,
                "differences": {"type": "object", "additionalProperties": object(
                    &["added", "changed", "removed"],
                    &json!({"added": whole, "changed": whole, "removed": whole}),
                )},
                "undo": text, "offset": text, "failure": reference("Failure"),
                "lake": object(&["collections", "after", "to", "ready"], &json!({
                    "collections": list(&text), "after": whole, "to": whole, "ready": flag,
                })),
            }),
        ),
        "Import": object(&["source", "frames", "offset"], &json!({
            "source": text, "frames": whole, "offset": whole, "snapshot": text,
        })),
        "AuditPage": object(&["entries"], &json!({"next": whole, "entries": list(&object(
            &["number", "time", "action", "id", "details"],
            &json!({"number": whole, "time": time, "actor": text, "reason": text, "action": text,
                    "id": text, "details": {"type": "object"}}),
        ))})),
    })
}
